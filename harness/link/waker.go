package link

import (
	"sync"
	"time"
)

const (
	// wakeAfter is how long an answer may take before the first PING; the pause doubles with each.
	wakeAfter = 50 * time.Millisecond
	// maxWakes ends the PINGs for a Record that needs no answer, after some fifty seconds.
	maxWakes = 10
)

// waker pings while answers are outstanding. It cannot know which Record answers which: it counts them.
type waker struct {
	ping func()

	mu          sync.Mutex
	on          bool
	outstanding int
	pings       int // since the last Record in either direction
	timer       *time.Timer
}

// sent notes that a Record goes out. It must come before the sending, or the answer may overtake it.
func (w *waker) sent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.on {
		return
	}
	w.outstanding++
	w.pings = 0
	w.arm(wakeAfter)
}

// arrived notes that a Record has come.
func (w *waker) arrived() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outstanding = max(w.outstanding-1, 0)
	w.pings = 0
	if w.outstanding > 0 {
		w.arm(wakeAfter)
	} else if w.timer != nil {
		w.timer.Stop()
	}
}

// set switches the waker on, or off with nothing outstanding.
func (w *waker) set(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on, w.outstanding = on, 0
	if w.timer != nil {
		w.timer.Stop()
	}
}

// arm sets the time of the next PING. The caller holds mu.
func (w *waker) arm(after time.Duration) {
	if w.timer == nil {
		w.timer = time.AfterFunc(after, w.fire)
	} else {
		w.timer.Reset(after)
	}
}

func (w *waker) fire() {
	w.mu.Lock()
	due := w.outstanding > 0
	if due {
		if w.pings++; w.pings < maxWakes {
			w.arm(wakeAfter << w.pings)
		} else {
			w.outstanding = 0
		}
	}
	w.mu.Unlock()
	if due {
		w.ping()
	}
}
