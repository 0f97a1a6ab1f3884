// Package mqtt is a broker for MQTT 5.0 and 3.1.1 that records every packet and behaves as a script tells it. The protocol's
// rules are the work of the mochi library; the wire, the script and delivery are this package's. It knows nothing of USP.
//
// It differs from a broker for production in that it takes any credentials, never publishes a will, retains nothing, and sends
// a message to those who are connected, not to those who come back later.
package mqtt

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

// DefaultMaxPacket is the size of the largest PUBLISH that a broker takes unless told otherwise, in bytes.
const DefaultMaxPacket = 16 << 20

// Options say where a broker listens and what it does before any script. The zero value listens on a free port of loopback.
type Options struct {
	Addr      string      // host:port; gate.DefaultAddr when empty
	TLS       *tls.Config // nil: plain TCP
	MaxPacket int         // bytes; DefaultMaxPacket when 0

	// OnPublish is called for every PUBLISH that the broker accepts, in the order of arrival on one connection, by that
	// connection's reader: it may call Publish, but must not wait for another packet.
	OnPublish func(Publication)

	SubscribeTopics []string // subscribe-topic properties of every CONNACK
	ResponseInfo    string   // Response Information of every CONNACK to a device that asks for it
}

// Server is a running broker. All methods are safe for concurrent use.
type Server struct {
	j         *journal.Journal
	gate      *gate.Gate
	mochi     *mochi.Server
	script    script
	maxPacket int
	patience  time.Duration // with a device that begins something and does not finish it
	onPublish func(Publication)

	closing sync.Once

	mu      sync.Mutex
	conns   map[uint64]*conn
	changed chan struct{}
}

// Start listens. The broker stops when ctx ends or Close is called.
func Start(ctx context.Context, j *journal.Journal, o Options) (*Server, error) {
	if o.MaxPacket == 0 {
		o.MaxPacket = DefaultMaxPacket
	}
	s := &Server{j: j, maxPacket: o.MaxPacket, patience: defaultPatience, onPublish: o.OnPublish,
		conns: map[uint64]*conn{}, changed: make(chan struct{})}
	s.script.initial = rules{subscribeTopics: slices.Clone(o.SubscribeTopics), responseInfo: o.ResponseInfo}
	s.script.now = s.script.initial

	capabilities := mochi.NewDefaultServerCapabilities()
	capabilities.MaximumClientWritesPending = 16 // a queue per connection that nothing here uses
	capabilities.TopicAliasMaximum = 0
	capabilities.Compatibilities.NoInheritedPropertiesOnAck = true // acknowledgements without the device's own User Properties
	s.mochi = mochi.New(&mochi.Options{
		Capabilities:           capabilities,
		Logger:                 slog.New(slog.DiscardHandler),
		SysTopicResendInterval: math.MaxInt32, // seconds: never
	})
	if err := s.mochi.AddHook(&hook{s: s}, nil); err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	if err := s.mochi.Serve(); err != nil { // its housekeeping; connections come through the gate
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	for topic := range s.mochi.Topics.Retained.GetAll() { // the library's statistics about itself
		s.mochi.Topics.Retained.Delete(topic)
	}
	var err error
	if s.gate, err = gate.Open(ctx, j, gate.Options{Addr: o.Addr, TLS: o.TLS}, s.serve); err != nil {
		s.mochi.Close()
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	context.AfterFunc(ctx, func() { s.Close() })
	return s, nil
}

// Addr returns host:port.
func (s *Server) Addr() string { return s.gate.Addr() }

// Close ends every connection and stops listening.
func (s *Server) Close() error {
	err := s.gate.Close()
	s.closing.Do(func() { s.mochi.Close() })
	return err
}

// serve runs one connection from its first packet to its end.
func (s *Server) serve(g *gate.Conn) {
	c := newConn(s, g)
	s.mu.Lock()
	s.conns[c.ID] = c
	s.mu.Unlock()
	defer s.forget(c)
	defer func() {
		if c.calling {
			return // a fault of the harness must not be hidden
		}
		if fault := recover(); fault != nil { // a device must not bring the harness down through a fault in the broker
			c.Note("the broker failed on this connection: %v\n%s", fault, debug.Stack())
		}
	}()
	s.mochi.EstablishConnection("gate", c) // its error has been recorded, by next or by OnDisconnect
	c.Farewell("the broker is done with it")
}

// forget takes a connection out that has ended or is about to: no message goes there any more, although its reader may live
// for a moment.
func (s *Server) forget(gone ...*conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range gone {
		delete(s.conns, c.ID)
	}
	s.wake()
}

// connections returns the open connections, oldest first.
func (s *Server) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Sorted(maps.Keys(s.conns))
	all := make([]*conn, len(ids))
	for i, id := range ids {
		all[i] = s.conns[id]
	}
	return all
}
