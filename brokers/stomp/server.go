// Package stomp is a STOMP 1.2 server for one device under test. It accepts any login, delivers to subscriptions, records
// every frame and heart-beat, and acts on a script.
package stomp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

// ErrNoSubscriber is in the chain of what Send returns when no device is subscribed to the destination.
var ErrNoSubscriber = errors.New("nobody is subscribed")

const (
	defaultMaxBody  = 16 << 20
	defaultPatience = time.Minute
)

// Options of a Server. The zero value listens on loopback without TLS.
type Options struct {
	Addr    string      // gate.DefaultAddr when empty
	TLS     *tls.Config // nil: plain TCP
	MaxBody int         // the most bytes of a frame's body; 16 MiB when 0
	// Patience is how long a connection may take for its first frame, and for the rest of a frame once it has begun; one
	// minute when 0.
	Patience time.Duration
	// TimeScale divides the interval at which the server sends the heart-beats it promised, for an agent whose time is
	// scaled; 1 when 0.
	TimeScale float64

	// SubscribeDest is the subscribe-dest header of every CONNECTED (R-STOMP.6) unless the script says otherwise; "" leaves it out.
	SubscribeDest string

	// OnFrame is called for every frame of a device that the server has taken, in the order of each connection, from its
	// reader: it must not wait for a later frame. seq is the frame's number in the journal.
	OnFrame func(conn uint64, seq journal.Mark, f *Frame)
}

// Subscription is one that a device holds now.
type Subscription struct {
	Conn                 uint64
	ID, Destination, Ack string
}

// Server is a running STOMP server. All methods are safe for concurrent use; the verbs of its script are in script.go.
type Server struct {
	j    *journal.Journal
	opts Options
	gate *gate.Gate

	mu       sync.Mutex
	sessions []*session // in the order of their connections
	script   script
	messages uint64        // the last message-id
	changed  chan struct{} // closed and replaced when Subscriptions has another answer
}

// Start listens. The server closes when ctx ends.
func Start(ctx context.Context, j *journal.Journal, opts Options) (*Server, error) {
	opts.MaxBody = cmp.Or(opts.MaxBody, defaultMaxBody)
	opts.Patience = cmp.Or(opts.Patience, defaultPatience)
	opts.TimeScale = cmp.Or(opts.TimeScale, 1)
	s := &Server{j: j, opts: opts, changed: make(chan struct{}), script: script{subscribeDest: opts.SubscribeDest}}
	front, err := gate.Open(ctx, j, gate.Options{Addr: opts.Addr, TLS: opts.TLS}, s.serve)
	if err != nil {
		return nil, fmt.Errorf("stomp: %w", err)
	}
	s.gate = front
	return s, nil
}

// Addr returns host:port as bound.
func (s *Server) Addr() string { return s.gate.Addr() }

// Close ends every connection and stops listening. It must not be called from a callback.
func (s *Server) Close() error { return s.gate.Close() }

// Send delivers a MESSAGE to every subscription of the destination. headers come after those that STOMP demands and before
// content-length, which is added unless it is among them. seq is the journal number of the first MESSAGE. Without a
// subscription the error wraps ErrNoSubscriber.
func (s *Server) Send(destination string, headers []Pair, body []byte) (seq journal.Mark, err error) {
	type target struct {
		session *session
		id      string
		message uint64
	}
	var targets []target
	s.mu.Lock()
	for _, to := range s.sessions {
		for _, sub := range to.subscriptions {
			if sub.Destination == destination {
				s.messages++
				targets = append(targets, target{to, sub.ID, s.messages})
			}
		}
	}
	s.mu.Unlock()
	if len(targets) == 0 {
		return 0, fmt.Errorf("stomp: %w to %q", ErrNoSubscriber, destination)
	}
	for _, t := range targets {
		f := &Frame{Command: frame.MESSAGE, Body: body, Size: len(body)}
		f.Headers = append([]Pair{{frame.Subscription, t.id}, {frame.MessageId, fmt.Sprint(t.message)},
			{frame.Destination, destination}}, headers...)
		if _, ok := f.Header(frame.ContentLength); !ok {
			f.Headers = append(f.Headers, Pair{frame.ContentLength, fmt.Sprint(len(body))})
		}
		sent, failure := t.session.write(f)
		if seq == 0 {
			seq = sent
		}
		if failure != nil {
			s.withdraw(t.session) // nothing reaches it any more
			err = fmt.Errorf("stomp: MESSAGE to %q: %w", destination, failure)
		}
	}
	return seq, err
}

// Subscriptions returns what the devices are subscribed to now, oldest connection first.
func (s *Server) Subscriptions() []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	var subs []Subscription
	for _, from := range s.sessions {
		subs = append(subs, from.subscriptions...)
	}
	return subs
}

// Changed returns a channel that is closed when Subscriptions has another answer: take it before looking.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// wake tells whoever holds Changed. The caller holds mu.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Conns returns the journal numbers of the open connections, oldest first.
func (s *Server) Conns() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	conns := make([]uint64, len(s.sessions))
	for i, open := range s.sessions {
		conns[i] = open.conn.ID
	}
	return conns
}

// serve is the life of one connection, on its own goroutine.
func (s *Server) serve(conn *gate.Conn) {
	open := &session{server: s, conn: conn, done: make(chan struct{})}
	s.mu.Lock()
	s.sessions = append(s.sessions, open)
	s.mu.Unlock()
	defer s.forget(open)

	conn.SetReadDeadline(time.Now().Add(s.opts.Patience))
	scanner := newScanner(conn, s.opts.MaxBody, func() { conn.SetReadDeadline(time.Now().Add(s.opts.Patience)) }, conn.Hold)
	for {
		t, err := scanner.next()
		if err != nil {
			open.failed(t, err)
			return
		}
		if t.beats > 0 {
			open.beat(t)
			continue
		}
		f, err := decode(t.raw, t.body)
		if err != nil {
			open.failed(t, badFrame{err.Error()})
			return
		}
		if !open.take(t, f) {
			return
		}
		if open.greeted {
			conn.SetReadDeadline(time.Time{})
		}
	}
}

func (s *Server) forget(gone *session) {
	close(gone.done)
	s.withdraw(gone)
}

// withdraw takes a session, and its subscriptions with it, off the list.
func (s *Server) withdraw(gone *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, open := range s.sessions {
		if open == gone {
			s.sessions = append(s.sessions[:i:i], s.sessions[i+1:]...)
			s.wake()
			return
		}
	}
}
