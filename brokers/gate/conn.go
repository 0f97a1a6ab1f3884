package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/usptest/usptest/harness/journal"
)

const (
	// writeTimeout ends a connection whose peer has stopped reading, so that no sender waits for ever.
	writeTimeout = 30 * time.Second
	// farewell bounds how long a connection is kept for the device to read the last word, farewellBytes what is read meanwhile.
	farewell      = time.Second
	farewellBytes = 1 << 20
)

// Conn is one connection with a device. What Read and Write carry is the plain text inside TLS. Its end is recorded once,
// with who ended it and why.
type Conn struct {
	ID uint64 // its number in the journal

	j             *journal.Journal
	gate          *Gate // nil: the harness dialled
	socket        net.Conn
	inner         net.Conn      // the socket, or TLS on top of it
	layer         journal.Layer // of its opening and its end
	local, remote string

	end     sync.Once
	ours    atomic.Bool // the harness ended it
	mu      sync.Mutex
	leaving bool

	atHand int // bytes of what has come and is not done with; guarded by the gate
}

// newConn numbers a connection. secure, when not nil, puts TLS on top of it; the handshake is still to be done.
func newConn(j *journal.Journal, g *Gate, socket net.Conn, secure func(net.Conn) *tls.Conn) *Conn {
	c := &Conn{ID: j.NextConn(), j: j, gate: g, socket: socket, inner: socket, layer: journal.LayerTCP,
		local: socket.LocalAddr().String(), remote: socket.RemoteAddr().String()}
	if _, unix := socket.(*net.UnixConn); unix {
		c.layer = journal.LayerUDS
		unnamed(&c.local)
		unnamed(&c.remote)
	}
	if secure != nil {
		c.inner = secure(socket)
	}
	return c
}

// Dial connects to a device that listens. A nil config means plain TCP; otherwise the TLS handshake is done on return.
func Dial(ctx context.Context, j *journal.Journal, addr string, config *tls.Config) (*Conn, error) {
	socket, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		j.Append(journal.Event{Layer: journal.LayerTCP, Dir: journal.Out, Type: "open", Remote: addr, Text: "could not connect: " + err.Error()})
		return nil, err
	}
	var secure func(net.Conn) *tls.Conn
	if config != nil {
		if config.ServerName == "" {
			config = config.Clone()
			config.ServerName, _, _ = net.SplitHostPort(addr)
		}
		secure = func(socket net.Conn) *tls.Conn { return tls.Client(socket, config) }
	}
	c := newConn(j, nil, socket, secure)
	c.opened(journal.Out)
	if err := c.handshake(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Hold says how many bytes of packets the connection has at hand from now on, before memory for them is taken. The error says that there is
// no room for this many beside those of other connections; then nothing changes. One that the harness dialled has all the room.
func (c *Conn) Hold(bytes int) error {
	if c.gate == nil {
		return nil
	}
	return c.gate.hold(c, bytes)
}

// Log appends e with the connection's number and addresses.
func (c *Conn) Log(e journal.Event) *journal.Event {
	e.Conn, e.Local, e.Remote = c.ID, c.local, c.remote
	return c.j.Append(e)
}

// Note appends a remark about the connection: something cut, ignored or out of order.
func (c *Conn) Note(format string, args ...any) {
	c.Log(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "note", Text: fmt.Sprintf(format, args...)})
}

// Read implements net.Conn. An end or an alert that it meets is recorded.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.inner.Read(p)
	if err != nil {
		c.failed(err)
	}
	return n, err
}

// Write implements net.Conn, with a time limit against a peer that does not read.
func (c *Conn) Write(p []byte) (int, error) {
	c.inner.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := c.inner.Write(p)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.Abort(fmt.Sprintf("it read nothing for %s", writeTimeout))
	case err != nil && c.layer == journal.LayerTCP: // of a Unix domain socket, what came before its end can still be read
		c.failed(err)
	}
	return n, err
}

// Close implements net.Conn; a broker that knows why uses End.
func (c *Conn) Close() error {
	c.End("the broker is done with it")
	return nil
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.socket.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.socket.RemoteAddr() }

// SetDeadline implements net.Conn for reading; every Write has its own limit.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn and does nothing: every Write has its own limit.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline bounds the Reads to come; the zero time lifts the bound. What an expired one means is for the broker to
// say, with End. After Leave it has no effect.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving {
		return nil
	}
	return c.inner.SetReadDeadline(t)
}

// End closes the connection in order, TLS with its close-notify. The reason is the first one given by anybody.
func (c *Conn) End(reason string) {
	c.ended(journal.Out, "closed by the harness: "+reason)
	c.inner.Close()
}

// Leave ends a connection on which a last word was just written. Closing while input is unread would reset the connection and
// destroy that word on its way, so it closes the writing side only and gives the device a moment to close its own; whoever
// reads gets what still comes, then an error, and ends the connection.
func (c *Conn) Leave(reason string) {
	c.ended(journal.Out, "closed by the harness: "+reason)
	c.mu.Lock()
	defer c.mu.Unlock()
	if half, ok := c.inner.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	c.inner.SetReadDeadline(time.Now().Add(farewell))
	c.leaving = true
}

// Farewell is Leave for the reader itself, when what still comes is of no interest. It returns when the connection is closed.
func (c *Conn) Farewell(reason string) {
	c.Leave(reason)
	io.CopyN(io.Discard, c.inner, farewellBytes)
	c.inner.Close()
}

// Abort resets the TCP connection, without close-notify and without waiting for anything. A Unix domain socket is closed.
func (c *Conn) Abort(reason string) {
	tcp, ok := c.socket.(*net.TCPConn)
	if !ok {
		c.End(reason)
		return
	}
	c.ended(journal.Out, "reset by the harness: "+reason)
	tcp.SetLinger(0)
	tcp.Close()
}

// failed records why a Read or Write could not go on.
func (c *Conn) failed(err error) {
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
		// the harness's own doing, which says itself why
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		c.ended(journal.In, "closed by the device")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		c.ended(journal.In, "reset by the device")
	default:
		alert := remoteAlert(err)
		if alert == "" {
			c.ended(journal.In, "failed: "+err.Error())
			return
		}
		c.end.Do(func() {
			c.Log(journal.Event{Layer: journal.LayerTLS, Dir: journal.In, Type: "alert", Text: alert})
			c.Log(journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "close", Text: "ended by the device's TLS alert"})
		})
	}
}

// Ours reports whether the harness has ended the connection, or began to, before the device did.
func (c *Conn) Ours() bool { return c.ours.Load() }

// opened records that the connection is there; dir says who opened it.
func (c *Conn) opened(dir journal.Dir) {
	text := "connected to " + c.remote
	switch {
	case dir == journal.Out:
	case c.layer == journal.LayerUDS:
		text = "connection at " + c.local
	default:
		text = "connection from " + c.remote
	}
	c.Log(journal.Event{Layer: c.layer, Dir: dir, Type: "open", Text: text})
}

func (c *Conn) ended(dir journal.Dir, text string) {
	c.end.Do(func() {
		c.ours.Store(dir == journal.Out)
		c.Log(journal.Event{Layer: c.layer, Dir: dir, Type: "close", Text: text})
	})
}
