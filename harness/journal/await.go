package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// ErrSkip is what a match returns for an event that has nothing to do with what is awaited: it is not even a near miss.
var ErrSkip = errors.New("not this event")

// TimeoutError says what was seen while an awaited event did not come.
type TimeoutError struct {
	Mark    Mark           // the event after which it was awaited
	Seen    map[string]int // what came from the device since, by "mqtt CONNECT" and the like
	Broken  string         // what was wrong with the first packet that could not be read, or Record not be taken; empty: all could
	Nearest *Event         // the last event that nearly matched, or nil
	Miss    error          // why it did not match
	Cause   error          // the context's error
}

// Error tells what came from the device instead, and the nearest miss.
func (e *TimeoutError) Error() string {
	if e.Nearest == nil {
		return e.Meanwhile()
	}
	return fmt.Sprintf("%s; nearest: event %d, %s: %v", e.Meanwhile(), e.Nearest.Seq, e.Nearest.Type, e.Miss)
}

// Meanwhile tells what came from the device instead, most frequent first. That it ended the connection explains most.
func (e *TimeoutError) Meanwhile() string {
	text := "from the device meanwhile: " + seenText(e.Seen)
	if e.Broken != "" {
		text += " (" + shortened(e.Broken, bareText) + ")"
	}
	if slices.ContainsFunc(ends, func(kind string) bool { return e.Seen[kind] > 0 }) {
		return "the device ended its connection meanwhile; " + text
	}
	return text
}

// Unwrap gives the context's error, so that errors.Is finds DeadlineExceeded and Canceled.
func (e *TimeoutError) Unwrap() error { return e.Cause }

// broken are the types of events about what could not be read or taken.
var broken = []string{"malformed", "bad frame", "Record not taken"}

// ends are the kinds of event with which a device ends its connection.
var ends = []string{"tcp close", "uds close", "uds ERROR", "mqtt DISCONNECT", "stomp DISCONNECT", "websocket CLOSE"}

func seenText(seen map[string]int) string {
	if len(seen) == 0 {
		return "nothing"
	}
	kinds := make([]string, 0, len(seen))
	for k := range seen {
		kinds = append(kinds, k)
	}
	sort.Slice(kinds, func(a, b int) bool {
		if seen[kinds[a]] != seen[kinds[b]] {
			return seen[kinds[a]] > seen[kinds[b]]
		}
		return kinds[a] < kinds[b]
	})
	const most = 6
	rest := len(kinds) - most
	if rest > 0 {
		kinds = kinds[:most]
	}
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", seen[k], k)
	}
	if rest > 0 {
		kinds = append(kinds, "and more")
	}
	return strings.Join(kinds, ", ")
}

// Await returns the first event after mark for which match returns nil, waiting until ctx ends if need be. match returns ErrSkip
// for events of no interest and any other error for a near miss. On time-out the error is a *TimeoutError.
func (j *Journal) Await(ctx context.Context, mark Mark, match func(*Event) error) (*Event, error) {
	return j.await(ctx, anyLayer, mark, match)
}

// AwaitOn is Await for the events of one layer: match sees no others, and no others wake whoever waits.
func (j *Journal) AwaitOn(ctx context.Context, layer Layer, mark Mark, match func(*Event) error) (*Event, error) {
	return j.await(ctx, layer, mark, match)
}

func (j *Journal) await(ctx context.Context, layer Layer, mark Mark, match func(*Event) error) (*Event, error) {
	timeout := &TimeoutError{Mark: mark, Seen: map[string]int{}}
	for {
		events, wake := j.since(mark, layer)
		for _, e := range events {
			mark = e.Seq
			err := ErrSkip
			if layer == anyLayer || e.Layer == layer {
				err = match(e)
			}
			if err == nil {
				return e, nil
			}
			if e.Dir == In {
				timeout.Seen[string(e.Layer)+" "+e.Type]++
			}
			if e.Dir != Out && slices.Contains(broken, e.Type) && timeout.Broken == "" {
				timeout.Broken = e.Text
			}
			if !errors.Is(err, ErrSkip) {
				timeout.Nearest, timeout.Miss = e, err
			}
		}
		if timeout.Cause != nil {
			return nil, timeout
		}
		select {
		case <-wake:
		case <-ctx.Done(): // what came meanwhile, other layers' events among it, is still looked at
			timeout.Cause = ctx.Err()
		}
	}
}
