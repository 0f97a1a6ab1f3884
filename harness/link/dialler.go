package link

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// redialFirst and redialMost are the first and the longest pause between attempts to dial an Agent.
const (
	redialFirst = 50 * time.Millisecond
	redialMost  = time.Second
)

// dialled is a connection that a dialler keeps open.
type dialled interface {
	Done() <-chan struct{}
	Abort(reason string)
}

// dialler keeps one connection to an Agent that listens open, and knows why there is none.
type dialler struct {
	stop context.CancelFunc // nil when the Agent dials
	runs sync.WaitGroup

	mu      sync.Mutex
	failure error // of the last attempt
}

// start begins to dial, again whenever the connection ends, until close or the end of ctx.
func (d *dialler) start(ctx context.Context, dial func(context.Context) (dialled, error)) {
	ctx, d.stop = context.WithCancel(ctx)
	d.runs.Go(func() {
		for pause := redialFirst; ; {
			c, err := dial(ctx)
			if err == nil {
				pause = redialFirst
				select {
				case <-c.Done():
					err = errors.New("the connection has ended")
				case <-ctx.Done():
					c.Abort("the link closed")
					return
				}
			}
			d.mu.Lock()
			d.failure = err
			d.mu.Unlock()
			select {
			case <-time.After(pause):
				pause = min(2*pause, redialMost)
			case <-ctx.Done():
				return
			}
		}
	})
}

// close ends the dialling and the connection that came of it.
func (d *dialler) close() {
	if d.stop != nil {
		d.stop()
		d.runs.Wait()
	}
}

// failed returns why the last attempt has no connection; nil before it.
func (d *dialler) failed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failure
}

// awaitConnection waits until look finds a connection. changed tells when to look again.
func awaitConnection(ctx context.Context, changed func() <-chan struct{}, look func() error) error {
	for {
		next := changed()
		if look() == nil {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", cmp.Or(look(), ErrUnreachable), ctx.Err()) // an attempt to dial that fails changes nothing
		}
	}
}
