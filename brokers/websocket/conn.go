package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

// ErrClosed is in the chain of what Send and the other writers return once CLOSE has gone out or the connection has ended.
var ErrClosed = errors.New("the WebSocket connection is closed")

// limits are what a device is allowed.
type limits struct {
	maxMessage int
	patience   time.Duration
}

// Conn is one open WebSocket connection with a device, on either side of it. All methods are safe for concurrent use.
type Conn struct {
	conn       *gate.Conn
	r          *bufio.Reader
	client     bool        // the harness dialled
	dialled    DialOptions // how, when it did
	handshake  *Handshake
	controller string // Endpoint ID
	script     *script
	limits     limits
	message    func(conn uint64, seq journal.Mark, payload []byte) // takes the device's messages; may be nil
	ended      func()                                              // may be nil
	done       chan struct{}

	sending sync.Mutex // held over all fragments of a message
	writing sync.Mutex // held over a journal entry and its write, so that both are in one order

	mu      sync.Mutex // never held over a read or a write: the reader must go on while a writer waits for the device to read
	closing bool       // CLOSE has gone out
	parting bool       // the device's CLOSE has come, or nothing can be written any more

	fragments []byte // of a message that is not complete; the reader's own
	within    bool   // a message is not complete; the reader's own
}

// ID is the connection's number in the journal.
func (c *Conn) ID() uint64 { return c.conn.ID }

// Dialled reports whether the harness opened the connection.
func (c *Conn) Dialled() bool { return c.client }

// DialOptions say how the harness opened the connection; they are zero for one that the device opened.
func (c *Conn) DialOptions() DialOptions { return c.dialled }

// RemoteAddr is the device's end of the TCP connection.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Controller is the Endpoint ID of the Controller whose connection it is: the one that the path stands for, or that dialled.
func (c *Conn) Controller() string { return c.controller }

// Handshake returns the request that opened the connection, whichever side sent it.
func (c *Conn) Handshake() *Handshake { return c.handshake }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Send sends a binary message, in fragments if the script says so. seq is the journal number of its first frame.
func (c *Conn) Send(payload []byte) (seq journal.Mark, err error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	for f := range fragments(payload, c.script.fragmentSize()) {
		sent, err := c.write(f)
		if seq == 0 {
			seq = sent
		}
		if err != nil {
			return seq, err
		}
	}
	return seq, nil
}

// WriteFrame sends one frame, valid or not; Masked and Size are filled in. A message in progress from Send is not waited for,
// so that a control frame can come between its fragments.
func (c *Conn) WriteFrame(f Frame) (seq journal.Mark, err error) { return c.write(f) }

// Ping sends a PING.
func (c *Conn) Ping(payload []byte) (seq journal.Mark, err error) {
	return c.write(Frame{Opcode: OpPing, Fin: true, Payload: payload})
}

// Pong sends a PONG, asked for or not.
func (c *Conn) Pong(payload []byte) (seq journal.Mark, err error) {
	return c.write(Frame{Opcode: OpPong, Fin: true, Payload: payload})
}

// Close begins the closing handshake. The harness closes TCP when the device has answered, or has let the Patience of the Options
// pass. CloseNoStatus sends a CLOSE without a code.
func (c *Conn) Close(code int, text string) (seq journal.Mark, err error) {
	return c.write(Frame{Opcode: OpClose, Fin: true, Payload: closePayload(code, text)})
}

// Open reports whether a message that is sent now may still arrive: neither side has sent CLOSE, and no write has failed.
func (c *Conn) Open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closing && !c.parting
}

// part notes that messages do not arrive any more.
func (c *Conn) part() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parting = true
}

// Abort resets the TCP connection without a CLOSE.
func (c *Conn) Abort(reason string) { c.conn.Abort(reason) }

// Inject sends bytes as they are.
func (c *Conn) Inject(raw []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.conn.Log(journal.Event{Layer: journal.LayerWebSocket, Dir: journal.Out, Type: "raw bytes",
		Text: fmt.Sprintf("%d bytes as they are", len(raw)), Raw: gate.Kept(raw)})
	_, err := c.conn.Write(raw)
	return closedError(err)
}

// write records a frame and sends it. seq is the number of its event, also when sending fails.
func (c *Conn) write(f Frame) (seq journal.Mark, err error) {
	f.Masked, f.Size = c.client, len(f.Payload)
	raw := encode(&f)
	c.writing.Lock()
	defer c.writing.Unlock()
	if !c.mayWrite(f.Opcode) {
		return 0, ErrClosed
	}
	seq = c.log(journal.Out, &f, raw)
	if _, err = c.conn.Write(raw); err != nil {
		c.part()
	}
	return seq, closedError(err)
}

// mayWrite is false once CLOSE has gone out, and for messages once the device's own has come. When opcode is that CLOSE, the device's time
// for its own begins.
func (c *Conn) mayWrite(opcode Opcode) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.parting && opcode < OpClose {
		return false
	}
	if opcode == OpClose {
		c.closing = true
		c.conn.SetReadDeadline(time.Now().Add(c.limits.patience))
	}
	return true
}

func closedError(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return nil
}

func (c *Conn) log(dir journal.Dir, f *Frame, raw []byte) journal.Mark {
	body := f.forJournal()
	return c.conn.Log(journal.Event{Layer: journal.LayerWebSocket, Dir: dir, Type: f.Opcode.String(), Text: f.summary(),
		Raw: gate.Kept(raw), Body: body, Weight: len(body.Payload)}).Seq
}

// serve reads until the connection ends.
func (c *Conn) serve() {
	defer func() {
		c.conn.End("the broker is done with it")
		if c.ended != nil {
			c.ended()
		}
		close(c.done)
	}()
	for {
		c.allow(0)
		_ = c.hold(0) // the frame before is done with
		f, raw, err := readFrame(c.r, !c.client, c.limits.maxMessage, func() { c.allow(c.limits.patience) }, c.hold)
		if err != nil {
			c.failed(raw, err)
			return
		}
		if f.Opcode == OpClose {
			c.part() // before anybody reads of it
		}
		seq := c.log(journal.In, f, raw)
		if c.script.countDown() {
			c.conn.Abort("DropAfter")
			return
		}
		if !c.take(f, seq) {
			return
		}
	}
}

// hold asks for room for a frame beside the fragments that are there.
func (c *Conn) hold(bytes int) error { return c.conn.Hold(len(c.fragments) + bytes) }

// allow gives the device so long for what is to come, 0 meaning for ever. Once CLOSE has gone out it changes nothing.
func (c *Conn) allow(patience time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing:
	case patience == 0:
		c.conn.SetReadDeadline(time.Time{})
	default:
		c.conn.SetReadDeadline(time.Now().Add(patience))
	}
}

// take acts on a frame of the device. It returns false when the connection is over.
func (c *Conn) take(f *Frame, seq journal.Mark) bool {
	switch f.Opcode {
	case OpPing:
		if !c.script.pongWithheld() {
			c.Pong(f.Payload)
		}
		return true
	case OpPong:
		return true
	case OpClose:
		c.closed(f)
		return false
	}
	switch {
	case f.Opcode == OpContinuation && !c.within:
		return c.refuse(CloseProtocolError, "a CONTINUATION frame where no message has begun")
	case f.Opcode != OpContinuation && c.within:
		return c.refuse(CloseProtocolError, fmt.Sprintf("a %s frame within a fragmented message", f.Opcode))
	case f.Opcode == OpText:
		return c.refuse(CloseUnsupported, "a TEXT message; Records are binary (R-WS.14)")
	case len(c.fragments)+f.Size > c.limits.maxMessage:
		return c.refuse(CloseTooBig, fmt.Sprintf("a message of more than the %d bytes that this end takes", c.limits.maxMessage))
	}
	message := f.Payload
	if c.within || !f.Fin {
		c.fragments = append(c.fragments, f.Payload...)
		message = c.fragments
	}
	c.within = !f.Fin
	if c.within {
		return true
	}
	c.fragments = nil
	if c.message != nil {
		c.message(c.conn.ID, seq, message)
	}
	return true
}

// closed answers a CLOSE, unless it is the answer to one, and ends the connection.
func (c *Conn) closed(f *Frame) {
	code, _ := f.CloseCode()
	if problem := f.CloseProblem(); problem != "" {
		c.conn.Note("%s", problem)
		code = CloseProtocolError
	}
	if _, err := c.Close(code, ""); errors.Is(err, ErrClosed) {
		c.conn.Farewell("the closing handshake is complete")
		return
	}
	c.conn.Farewell("the device sent CLOSE")
}

// refuse notes what is wrong, says so in a CLOSE and ends the connection. It returns false, what its callers return.
func (c *Conn) refuse(code int, problem string) bool {
	c.conn.Note("%s", problem)
	c.leave(code, problem)
	return false
}

// leave ends the connection with a CLOSE.
func (c *Conn) leave(code int, problem string) {
	c.Close(code, problem) // no error matters any more
	c.conn.Farewell(problem)
}

// failed ends the connection after an error of readFrame; raw is what had come of a frame.
func (c *Conn) failed(raw []byte, err error) {
	var bad badFrame
	if errors.As(err, &bad) {
		c.remain(raw, bad.reason)
		c.leave(bad.code, bad.reason)
		return
	}
	late := errors.Is(err, os.ErrDeadlineExceeded)
	within := len(raw) > 0 && !c.conn.Ours() // the harness may end a connection in the middle of a frame
	switch {
	case late && within:
		reason := fmt.Sprintf("a frame did not end within %s of its first byte", c.limits.patience)
		c.remain(raw, reason)
		c.leave(CloseProtocolError, reason)
	case late:
		c.conn.End(fmt.Sprintf("it did not answer CLOSE within %s", c.limits.patience))
	case within:
		c.remain(raw, "the connection ended within a frame")
	}
}

// remain records the bytes of a frame that never became one.
func (c *Conn) remain(raw []byte, reason string) {
	c.conn.Log(journal.Event{Layer: journal.LayerNote, Dir: journal.In, Type: "bad frame", Raw: gate.Kept(raw),
		Text: fmt.Sprintf("%s, %d bytes were read", reason, len(raw))})
}
