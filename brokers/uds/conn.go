package uds

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

// ErrClosed is in the chain of what Send and Inject return once the connection is ending.
var ErrClosed = errors.New("the connection over the Unix domain socket is closed")

// Conn is one connection with a device, on either side of it. All methods are safe for concurrent use.
type Conn struct {
	server     *Server
	conn       *gate.Conn
	r          *bufio.Reader
	client     bool   // the harness dialled
	controller string // Endpoint ID
	done       chan struct{}

	writing sync.Mutex // held over a journal entry and its write, so that both are in one order

	mu       sync.Mutex
	greeted  bool // the harness's Handshake has gone out
	answered bool // the device's has come
	closed   bool // nothing can be written any more
	waiting  *time.Timer
}

// ID is the connection's number in the journal.
func (c *Conn) ID() uint64 { return c.conn.ID }

// Dialled reports whether the harness opened the connection.
func (c *Conn) Dialled() bool { return c.client }

// Ended reports whether the connection has ended, or is ending by the harness's doing.
func (c *Conn) Ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Controller is the Endpoint ID of the Controller whose connection it is.
func (c *Conn) Controller() string { return c.controller }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Abort ends the connection.
func (c *Conn) Abort(reason string) {
	c.shut()
	c.conn.Abort(reason)
}

// Open reports whether Records may be sent: both Handshakes are there, and the connection has not ended.
func (c *Conn) Open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.greeted && c.answered && !c.closed
}

// shut notes that nothing can be written any more.
func (c *Conn) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.waiting != nil {
		c.waiting.Stop()
	}
}

// Again opens another connection to where this one leads, which the server has dialled, for the same Controller.
func (c *Conn) Again(ctx context.Context) (*Conn, error) {
	return c.server.Dial(ctx, c.conn.RemoteAddr().String(), c.controller)
}

// Greet sends the Handshake with the Endpoint ID of the Controller (R-UDS.16, R-UDS.17).
func (c *Conn) Greet() (seq journal.Mark, err error) {
	fields := []TLV{{Handshake, []byte(c.controller)}}
	f := newFrame(fields)
	seq, err = c.write(Encode(fields...), func(raw []byte) journal.Mark {
		c.mu.Lock()
		c.greeted = true // before the device can answer; no other frame is written before this one
		c.mu.Unlock()
		return c.log(journal.Out, f, raw)
	})
	if err != nil {
		return seq, err
	}
	c.mu.Lock()
	if c.client && !c.answered && !c.closed { // R-UDS.18
		c.waiting = time.AfterFunc(c.server.scaled(answerWithin), func() {
			c.shut()
			c.conn.End(fmt.Sprintf("the device did not answer the handshake within %s", answerWithin))
		})
	}
	c.mu.Unlock()
	c.server.conns.Touch()
	return seq, nil
}

// Send sends a frame with these fields, valid or not. seq is the number of its event, also when sending fails.
func (c *Conn) Send(fields ...TLV) (seq journal.Mark, err error) {
	f := newFrame(fields)
	return c.write(Encode(fields...), func(raw []byte) journal.Mark { return c.log(journal.Out, f, raw) })
}

// Inject sends bytes as they are.
func (c *Conn) Inject(raw []byte) (seq journal.Mark, err error) {
	return c.write(raw, func(raw []byte) journal.Mark {
		return c.conn.Log(journal.Event{Layer: journal.LayerUDS, Dir: journal.Out, Type: "raw bytes",
			Text: fmt.Sprintf("%d bytes as they are", len(raw)), Raw: gate.Kept(raw)}).Seq
	})
}

func (c *Conn) write(raw []byte, log func(raw []byte) journal.Mark) (seq journal.Mark, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return 0, ErrClosed
	}
	seq = log(raw)
	if _, err := c.conn.Write(raw); err != nil {
		c.shut()
		return seq, fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return seq, nil
}

func (c *Conn) log(dir journal.Dir, f *Frame, raw []byte) journal.Mark {
	body, weight := f.forJournal()
	return c.conn.Log(journal.Event{Layer: journal.LayerUDS, Dir: dir, Type: f.name(), Text: f.summary(), Raw: gate.Kept(raw), Body: body,
		Weight: weight}).Seq
}

// serve reads until the connection ends.
func (c *Conn) serve() {
	defer func() {
		c.shut()
		c.conn.End("the server is done with it")
		c.server.conns.Remove(c)
		close(c.done)
	}()
	for {
		c.conn.SetReadDeadline(time.Time{})
		_ = c.conn.Hold(0) // the frame before is done with
		started := func() { c.conn.SetReadDeadline(time.Now().Add(c.server.opts.Patience)) }
		f, raw, err := readFrame(c.r, c.server.opts.MaxFrame, started, c.conn.Hold)
		if err != nil {
			c.failed(raw, err)
			return
		}
		seq := c.log(journal.In, f, raw)
		for _, field := range f.Fields {
			if !c.take(field, seq) {
				return
			}
		}
	}
}

// take acts on a field of the device's. It returns false when the connection is over.
func (c *Conn) take(field TLV, seq journal.Mark) bool {
	switch field.Type {
	case Handshake:
		return c.meet(field.Value)
	case Error:
		if c.server.byHand() {
			return true
		}
		c.shut()
		c.conn.Farewell("the device sent an Error (R-UDS.25)")
		return false
	case Record:
		switch {
		case !c.Open():
			c.conn.Note("a Record before the handshake was complete is ignored (R-UDS.20)")
		case c.server.opts.OnRecord != nil:
			c.server.opts.OnRecord(c.conn.ID, seq, field.Value)
		}
	}
	return true
}

// meet takes the device's Handshake, and answers it where the device has opened the connection.
func (c *Conn) meet(id []byte) bool {
	if len(id) == 0 || !utf8.Valid(id) {
		c.leave("the Handshake has no Endpoint ID (R-UDS.21)")
		return false
	}
	c.mu.Lock()
	again := c.answered
	c.answered = true
	if c.waiting != nil {
		c.waiting.Stop()
	}
	c.mu.Unlock()
	switch {
	case again:
		c.conn.Note("a further Handshake is ignored (R-UDS.19)")
	case c.client || c.server.byHand():
		c.server.conns.Touch()
	default:
		_, _ = c.Greet() // an error ends the connection, which says so itself
	}
	return true
}

// leave ends the connection with an Error.
func (c *Conn) leave(problem string) {
	c.conn.Note("%s", problem)
	_, _ = c.Send(TLV{Error, []byte(problem)}) // no error matters any more
	c.shut()
	c.conn.Farewell(problem)
}

// failed ends the connection after an error of readFrame; raw is what had come of a frame.
func (c *Conn) failed(raw []byte, err error) {
	reason := "the connection ended within a frame"
	var bad badFrame
	switch {
	case errors.As(err, &bad):
		reason = bad.reason
	case len(raw) == 0 || c.conn.Ours(): // the harness may end a connection in the middle of a frame
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason = fmt.Sprintf("a frame did not end within %s of its first byte", c.server.opts.Patience)
	}
	c.conn.Log(journal.Event{Layer: journal.LayerNote, Dir: journal.In, Type: "bad frame", Raw: gate.Kept(raw),
		Text: fmt.Sprintf("%s, %d bytes were read", reason, len(raw))})
	c.leave(reason)
}
