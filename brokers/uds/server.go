// Package uds is the Unix domain socket end of one device under test (TR-369, UNIX Domain Socket Binding): a server to which the device
// connects, or a client that connects to the device. It exchanges Handshakes as a Controller does and hands on the Records that come.
package uds

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

const (
	defaultMaxFrame = 16 << 20
	defaultPatience = time.Minute
	readBuffer      = 16 << 10
	// answerWithin is how long a client waits for the Handshake of the server, in seconds of the device (R-UDS.18).
	answerWithin = 30 * time.Second
)

// Options of a Server.
type Options struct {
	// Path is the socket on which it listens; "" for a device that listens itself, to which Dial connects.
	Path string
	// EndpointID is that of the Controller to which the device connects.
	EndpointID string
	MaxFrame   int // the most bytes of a frame behind its header; 16 MiB when 0
	// Patience is how long a device may take for the rest of a frame once it has begun; one minute when 0.
	Patience time.Duration
	// TimeScale divides the intervals of the protocol; 1 when 0.
	TimeScale float64

	// OnRecord is called for every Record of a device behind the handshake, in the order of each connection, from its reader: it must not
	// wait for a later one. seq is the journal number of its frame.
	OnRecord func(conn uint64, seq journal.Mark, record []byte)
}

// Server has the connections with a device. All methods are safe for concurrent use.
type Server struct {
	j    *journal.Journal
	opts Options
	gate *gate.Gate // nil when it does not listen

	conns gate.Roster[*Conn]

	mu     sync.Mutex
	refuse int  // how many connections are still refused; negative: all
	hand   bool // see ByHand
}

// Start listens, where the Options name a path. The server closes when ctx ends.
func Start(ctx context.Context, j *journal.Journal, opts Options) (*Server, error) {
	opts.MaxFrame = cmp.Or(opts.MaxFrame, defaultMaxFrame)
	opts.Patience = cmp.Or(opts.Patience, defaultPatience)
	opts.TimeScale = cmp.Or(opts.TimeScale, 1)
	s := &Server{j: j, opts: opts}
	if opts.Path == "" {
		return s, nil
	}
	front, err := gate.Open(ctx, j, gate.Options{Addr: opts.Path, Unix: true}, s.accept)
	if err != nil {
		return nil, fmt.Errorf("uds: %w", err)
	}
	s.gate = front
	return s, nil
}

// Addr is the path on which the server listens; "" when it does not.
func (s *Server) Addr() string { return s.opts.Path }

// Close ends every connection and stops listening. It must not be called from a callback.
func (s *Server) Close() (err error) {
	if s.gate != nil {
		err = s.gate.Close()
	}
	for _, c := range s.Conns() { // those that are left were dialled
		c.Abort("the server closed")
		<-c.Done()
	}
	return err
}

// Conns returns the open connections, oldest first.
func (s *Server) Conns() []*Conn { return s.conns.All() }

// Conn returns the open connection of that journal number.
func (s *Server) Conn(id uint64) (*Conn, error) {
	for _, c := range s.Conns() {
		if c.ID() == id {
			return c, nil
		}
	}
	return nil, fmt.Errorf("uds: no open connection %d", id)
}

// Changed returns a channel that is closed when Conns has another answer, or one of them has become Open: take it before looking.
func (s *Server) Changed() <-chan struct{} { return s.conns.Changed() }

// Dial connects to a device that listens at path and greets it as the Controller with that Endpoint ID. The connection is among Conns. ctx
// bounds the opening alone.
func (s *Server) Dial(ctx context.Context, path, controller string) (*Conn, error) {
	conn, err := gate.DialUnix(ctx, s.j, path)
	if err != nil {
		return nil, fmt.Errorf("uds: %w", err)
	}
	c := s.adopt(conn, controller, true)
	go c.serve()
	if !s.byHand() {
		if _, err := c.Greet(); err != nil {
			c.Abort("the handshake failed")
			return nil, fmt.Errorf("uds: %w", err)
		}
	}
	return c, nil
}

// accept is the life of one connection that the device has opened, on its own goroutine.
func (s *Server) accept(conn *gate.Conn) {
	if s.refused() {
		conn.End("refused by the script")
		return
	}
	s.adopt(conn, s.opts.EndpointID, false).serve()
}

// adopt makes a connection one of the server's.
func (s *Server) adopt(conn *gate.Conn, controller string, client bool) *Conn {
	c := &Conn{server: s, conn: conn, r: bufio.NewReaderSize(conn, readBuffer), client: client, controller: controller,
		done: make(chan struct{})}
	s.conns.Add(c)
	return c
}

// scaled is how long an interval of the protocol lasts.
func (s *Server) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.opts.TimeScale)
}
