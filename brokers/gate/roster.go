package gate

import (
	"slices"
	"sync"
)

// Roster has the open connections of a server, oldest first. The zero value is empty.
type Roster[C comparable] struct {
	mu      sync.Mutex
	open    []C           // replaced, never changed: readers hold it
	changed chan struct{} // closed by the next change; nil when nobody waits for one
}

// All returns the open connections. The caller must not change them.
func (r *Roster[C]) All() []C {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

// Add puts a connection on the roster.
func (r *Roster[C]) Add(c C) {
	r.alter(func(open []C) []C { return append(slices.Clone(open), c) })
}

// Remove takes a connection off the roster.
func (r *Roster[C]) Remove(c C) {
	r.alter(func(open []C) []C {
		return slices.DeleteFunc(slices.Clone(open), func(other C) bool { return other == c })
	})
}

// Clear takes all connections off the roster and returns them.
func (r *Roster[C]) Clear() (open []C) {
	r.alter(func(now []C) []C {
		open = now
		return nil
	})
	return open
}

// Touch wakes whoever waits for a change: something else is known of a connection.
func (r *Roster[C]) Touch() { r.alter(func(open []C) []C { return open }) }

// Changed returns a channel that the next change closes: take it before looking.
func (r *Roster[C]) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}

func (r *Roster[C]) alter(change func([]C) []C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = change(r.open)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}
