// Package gate is the front door that every broker shares: a listener of TCP, plain or TLS, or of a Unix domain socket, that can be shut
// and opened again at its address, and connections whose opening, handshake, alerts and end are in the journal whatever protocol runs
// inside.
package gate

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/usptest/usptest/harness/journal"
)

const (
	// DefaultAddr is loopback with a port that the system chooses.
	DefaultAddr = "127.0.0.1:0"
	// MaxRaw is the most that one event keeps of a packet's bytes; its Text tells the true length.
	MaxRaw = 1 << 20
	// MaxConns is how many connections a gate serves at once. A device needs two or three.
	MaxConns = 64
	// MaxAtHand is how many bytes of packets all connections of a gate may have at hand together: those that are still coming and those
	// that are worked on. It is more than the largest packet takes, and a device needs it for one or two.
	MaxAtHand = 24 << 20
	// small is what a connection may have at hand without asking.
	small = 64 << 10

	handshakeTimeout = 30 * time.Second      // for a TLS handshake, so that a silent peer does not keep its place for ever
	acceptPause      = 50 * time.Millisecond // an accept that fails for want of descriptors fails again at once
)

// Kept is what an event keeps of a packet's bytes.
func Kept(raw []byte) []byte {
	if len(raw) <= MaxRaw {
		return raw
	}
	return bytes.Clone(raw[:MaxRaw])
}

// Options say where and how a Gate listens.
type Options struct {
	Addr string      // DefaultAddr when empty
	TLS  *tls.Config // nil: plain TCP
	// Unix says that Addr is the path of a Unix domain socket. A socket that is there but has no listener any more is replaced.
	Unix bool
}

// Gate accepts connections and hands each to the broker on a goroutine of its own. All methods are safe for concurrent use.
type Gate struct {
	j      *journal.Journal
	unix   bool
	secure func(net.Conn) *tls.Conn // nil: plain
	serve  func(*Conn)
	stop   func() bool // takes the gate off its context

	serving sync.WaitGroup // accept loops and connections
	done    chan struct{}  // closed by Close

	mu       sync.Mutex
	addr     string       // as bound first; Up binds it again
	listener net.Listener // nil while down
	free     func()       // gives up the port that is kept while down; nil while up
	conns    map[*Conn]struct{}
	closed   bool
	atHand   int // bytes, of all connections
}

// Open listens and calls serve for every connection whose TLS handshake, if any, succeeded. The connection ends when serve
// returns. When ctx ends the gate closes.
func Open(ctx context.Context, j *journal.Journal, opts Options, serve func(*Conn)) (*Gate, error) {
	if opts.Addr == "" {
		opts.Addr = DefaultAddr
	}
	g := &Gate{j: j, unix: opts.Unix, serve: serve, addr: opts.Addr, done: make(chan struct{}), conns: map[*Conn]struct{}{}}
	if opts.TLS != nil {
		config := recordHello(opts.TLS)
		g.secure = func(socket net.Conn) *tls.Conn { return tls.Server(socket, config) }
	}
	if err := g.Up(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.stop = context.AfterFunc(ctx, func() { g.Close() })
	g.mu.Unlock()
	return g, nil
}

// Addr returns host:port as bound, or the path of a Unix domain socket. It stays the same over Down and Up.
func (g *Gate) Addr() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.addr
}

// Up listens, on the port of before after a Down. It does nothing while the gate is up.
func (g *Gate) Up() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errors.New("gate: closed")
	}
	if g.listener != nil {
		return nil
	}
	if g.free != nil {
		g.free()
		g.free = nil
	}
	listener, err := listen(g.addr, g.unix)
	if err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	g.listener, g.addr = listener, listener.Addr().String()
	g.serving.Go(func() { g.accept(listener) })
	return nil
}

// Try reports whether a Gate could listen there now.
func Try(opts Options) error {
	listener, err := listen(opts.Addr, opts.Unix)
	if err != nil {
		return err
	}
	return listener.Close()
}

func listen(addr string, unix bool) (net.Listener, error) {
	if unix {
		return listenUnix(addr)
	}
	return net.Listen("tcp", addr)
}

// Down stops listening and cuts every connection, so that a device's attempts are refused until Up. The port stays the Gate's.
func (g *Gate) Down() {
	g.mu.Lock()
	if g.listener != nil {
		g.listener.Close()
		g.listener = nil
		if !g.unix {
			g.free = reserve(g.addr)
		}
	}
	g.mu.Unlock()
	g.Drop("the broker went down")
}

// Drop cuts every connection without a word of the protocol inside, and keeps listening.
func (g *Gate) Drop(reason string) {
	for _, c := range g.Conns() {
		c.Abort(reason)
	}
}

// Conns returns the connections that are open now, in no order.
func (g *Gate) Conns() []*Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	conns := make([]*Conn, 0, len(g.conns))
	for c := range g.conns {
		conns = append(conns, c)
	}
	return conns
}

// Close ends everything and returns when every serve has returned. It must not be called from serve.
func (g *Gate) Close() error {
	g.mu.Lock()
	if !g.closed {
		close(g.done)
	}
	g.closed = true
	listener, free, stop := g.listener, g.free, g.stop
	g.listener, g.free = nil, nil
	g.mu.Unlock()
	if free != nil {
		free()
	}
	if stop != nil {
		stop()
	}
	var err error
	if listener != nil {
		err = listener.Close()
	}
	for _, c := range g.Conns() {
		c.End("the broker closed")
	}
	g.serving.Wait()
	return err
}

func (g *Gate) accept(listener net.Listener) {
	for {
		socket, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or the peer gave up: neither ends the broker
			g.j.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "accept", Text: "accept failed: " + err.Error()})
			select {
			case <-time.After(acceptPause):
				continue
			case <-g.done:
				return
			}
		}
		g.admit(newConn(g.j, g, socket, g.secure))
	}
}

func (g *Gate) admit(c *Conn) {
	c.opened(journal.In)
	g.mu.Lock()
	refusal := ""
	switch {
	case g.closed || g.listener == nil:
		refusal = "the broker went down"
	case len(g.conns) >= MaxConns:
		refusal = fmt.Sprintf("%d connections are open already", len(g.conns))
	default:
		g.conns[c] = struct{}{}
		g.serving.Add(1)
	}
	g.mu.Unlock()
	if refusal != "" {
		c.Abort(refusal)
		return
	}
	go func() {
		defer g.serving.Done()
		defer g.forget(c)
		defer c.End("the broker is done with it")
		if c.handshake(context.Background()) == nil {
			g.serve(c)
		}
	}()
}

func (g *Gate) forget(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
	g.atHand -= c.atHand
	c.atHand = 0
}

// Stages are the sizes of memory to take, and to Hold, for a packet that says it has this many bytes: each when the one before is full, so
// that nothing is taken for a mere claim. The last is size.
func Stages(size int) []int {
	var stages []int
	for _, stage := range [...]int{small, 1 << 20} {
		if stage < size {
			stages = append(stages, stage)
		}
	}
	return append(stages, size)
}

// hold changes what a connection has at hand.
func (g *Gate) hold(c *Conn, bytes int) error {
	if bytes <= small {
		bytes = 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if bytes > c.atHand && g.atHand-c.atHand+bytes > MaxAtHand {
		return fmt.Errorf("%d bytes at once, while other connections have sent %d of the %d that this broker takes at a time",
			bytes, g.atHand-c.atHand, MaxAtHand)
	}
	g.atHand += bytes - c.atHand
	c.atHand = bytes
	return nil
}
