package harness

import (
	"context"
	"sync/atomic"
	"time"
)

// Pulse measures how late this process is given a processor. A simulated device runs on the same machine, and its intervals are so short
// that a stall of the machine would otherwise decide a verdict about time. In real time, the report of a case that failed names a long one.
type Pulse struct {
	worst atomic.Int64 // nanoseconds, since the last Reset
}

// beat is how often the pulse is felt.
const beat = 20 * time.Millisecond

// StartPulse measures until ctx ends.
func StartPulse(ctx context.Context) *Pulse {
	p := &Pulse{}
	go func() {
		ticker := time.NewTimer(beat)
		defer ticker.Stop()
		for {
			asleep := time.Now()
			ticker.Reset(beat)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if late := time.Since(asleep) - beat; late > time.Duration(p.worst.Load()) {
				p.worst.Store(int64(late))
			}
		}
	}()
	return p
}

// Reset begins again.
func (p *Pulse) Reset() { p.worst.Store(0) }

// Worst is the longest delay since the last Reset.
func (p *Pulse) Worst() time.Duration { return time.Duration(p.worst.Load()) }
