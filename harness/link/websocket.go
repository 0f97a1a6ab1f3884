package link

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/journal"
)

const (
	// redialFirst and redialMost are the first and the longest pause between attempts to dial an Agent.
	redialFirst = 50 * time.Millisecond
	redialMost  = time.Second
)

// WebSocketOptions describe a link over WebSocket. The Agent dials the link; if Dial is given, the link also dials the Agent, and
// again whenever that connection ends.
type WebSocketOptions struct {
	Name string // the link's name in results
	// KeepAwake sends a PING when an answer is late, since some Agents leave it in a queue until something else happens on the
	// connection. SetKeepAwake switches it at run time.
	KeepAwake bool
	Broker    websocket.Options
	Dial      *websocket.DialOptions
}

// WebSocket is a link through a server of its own. When several connections are open, Records go to the newest one that the link
// has dialled or that the Agent opened with the server's very path; those below that path belong to further Controllers.
type WebSocket struct {
	journal *journal.Journal
	o       WebSocketOptions
	receive func(Inbound)
	broker  *websocket.Server // set by Start
	waker   *waker
	stop    context.CancelFunc // of the dialling; set by Start
	dialler sync.WaitGroup

	mu      sync.Mutex
	failure error // of the last attempt to dial
}

// NewWebSocket makes a link that listens, and dials, once it is started. Options.Broker.OnMessage is the link's own.
func NewWebSocket(j *journal.Journal, o WebSocketOptions) *WebSocket {
	l := &WebSocket{journal: j, o: o, receive: func(Inbound) {}}
	l.waker = &waker{on: o.KeepAwake, ping: l.wake}
	return l
}

// Name implements Link.
func (l *WebSocket) Name() string { return l.o.Name }

// Broker returns the server, to be scripted, once the link is started. A connection that the link has dialled is among its own.
func (l *WebSocket) Broker() *websocket.Server { return l.broker }

// OnRecord implements Link.
func (l *WebSocket) OnRecord(f func(Inbound)) { l.receive = f }

// SetKeepAwake switches the PINGs that wake a slow Agent; a case that counts PINGs and PONGs wants none.
func (l *WebSocket) SetKeepAwake(on bool) { l.waker.set(on) }

// SetAgentTopic implements Link: a WebSocket has no topics.
func (l *WebSocket) SetAgentTopic(string) {}

// Start implements Link.
func (l *WebSocket) Start(ctx context.Context) error {
	o := l.o.Broker
	o.OnMessage = l.arrived
	broker, err := websocket.Start(ctx, l.journal, o)
	if err != nil {
		return fmt.Errorf("link %s: %w", l.o.Name, err)
	}
	l.broker = broker
	if l.o.Dial != nil {
		ctx, l.stop = context.WithCancel(ctx)
		l.dialler.Go(func() { l.dial(ctx) })
	}
	return nil
}

// Close implements Link.
func (l *WebSocket) Close() error {
	l.waker.set(false)
	if l.stop != nil {
		l.stop()
		l.dialler.Wait()
	}
	if l.broker == nil {
		return nil
	}
	return l.broker.Close()
}

// dial keeps one connection to the Agent open until ctx ends.
func (l *WebSocket) dial(ctx context.Context) {
	for pause := redialFirst; ; {
		c, err := l.broker.Dial(ctx, *l.o.Dial)
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
		l.fail(err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, redialMost)
		case <-ctx.Done():
			return
		}
	}
}

// fail keeps why there is no connection that the link has dialled.
func (l *WebSocket) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = err
}

func (l *WebSocket) arrived(conn, seq uint64, payload []byte) {
	l.waker.arrived()
	l.receive(Inbound{Raw: payload, Seq: seq, Conn: conn})
}

// Conn returns the Agent's connection, to send single frames on. The error wraps ErrUnreachable.
func (l *WebSocket) Conn() (*websocket.Conn, error) { return l.conn("") }

// conn returns the newest connection that was opened with that path, "" meaning the Agent's for this link.
func (l *WebSocket) conn(path string) (*websocket.Conn, error) {
	own := path == ""
	if own {
		path = l.o.Broker.Path
	}
	for _, c := range slices.Backward(l.broker.Conns()) {
		if path == "" || c.Handshake().Path == path && !c.Dialled() || own && c.Dialled() {
			return c, nil
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return nil, fmt.Errorf("link %s: %w: the link could not dial it: %w", l.o.Name, ErrUnreachable, l.failure)
	}
	return nil, fmt.Errorf("link %s: %w: it has not opened a WebSocket at %q", l.o.Name, ErrUnreachable, path)
}

// Connected implements Link.
func (l *WebSocket) Connected(ctx context.Context) error {
	for {
		changed := l.broker.Changed()
		_, err := l.conn("")
		if err == nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// Send implements Link.
func (l *WebSocket) Send(ctx context.Context, record []byte) (uint64, error) {
	c, err := l.conn("")
	if err != nil {
		return 0, err
	}
	return l.send(ctx, c, record)
}

// SendFrom implements Link. replyTo is the path by which the Agent dials that Controller; while it has not done so, the first
// Controller's connection serves.
func (l *WebSocket) SendFrom(ctx context.Context, replyTo string, record []byte) (uint64, error) {
	c, err := l.conn(replyTo)
	if err != nil {
		c, err = l.conn("")
	}
	if err != nil {
		return 0, err
	}
	return l.send(ctx, c, record)
}

func (l *WebSocket) send(ctx context.Context, c *websocket.Conn, record []byte) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	l.waker.sent()
	seq, err := c.Send(record)
	if err != nil {
		return seq, fmt.Errorf("link %s: %w: %w", l.o.Name, ErrUnreachable, err)
	}
	return seq, nil
}

// wake is the waker's PING.
func (l *WebSocket) wake() {
	if c, err := l.Conn(); err == nil {
		c.Ping([]byte("awake")) // an error ends the connection, which says so itself
	}
}
