package mqtt

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/usptest/usptest/harness/journal"
)

// ErrNoSubscriber is what Publish returns when no open connection has subscribed to the topic.
var ErrNoSubscriber = errors.New("mqtt: no connected client has subscribed to the topic")

// ErrEnding is in the chain of what Publish returns when every connection that has subscribed ends before the packet is written.
var ErrEnding = errors.New("the connection is ending")

// PublishOpts are what a PUBLISH carries besides topic and payload. All but QoS exist in MQTT 5.0 alone and are left out for
// other subscribers.
type PublishOpts struct {
	QoS             byte // 0 or 1; a subscriber gets no more than it was granted
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	UserProps       []Pair
}

// Publication is a PUBLISH that a device sent and the broker accepted.
type Publication struct {
	*Packet              // whole, unlike in the journal
	Conn    uint64       // its connection
	Seq     journal.Mark // its number in the journal
}

// Subscriber is an open connection that has subscribed to a topic.
type Subscriber struct {
	Conn    uint64
	Version byte
	// ClientID is the client identifier of its CONNECT.
	ClientID string
	Filter   Filter // the first, by text, of those that match
}

// Publish sends a message to every open connection that has subscribed to its topic. It returns when the packet is written, with
// its journal number: the last one if there are several, 0 while the script keeps it back. It fails when no connection could be
// written to. A device that is away gets nothing later.
func (s *Server) Publish(topic string, payload []byte, o PublishOpts) (seq journal.Mark, err error) {
	if o.QoS > 1 {
		return 0, fmt.Errorf("mqtt: QoS %d, want 0 or 1", o.QoS)
	}
	if topic == "" || len(topic) > math.MaxUint16 {
		return 0, fmt.Errorf("mqtt: a topic of %d bytes", len(topic))
	}
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: o.QoS}, TopicName: topic, Payload: payload,
		Properties: packets.Properties{ContentType: o.ContentType, ResponseTopic: o.ResponseTopic, CorrelationData: o.CorrelationData}}
	for _, u := range o.UserProps {
		pk.Properties.User = append(pk.Properties.User, packets.UserProperty{Key: u.Name, Val: u.Value})
	}
	return s.deliver(pk, nil)
}

// published hands on the PUBLISH that c is working on: to the harness, then to whoever subscribed.
func (s *Server) published(c *conn) {
	p := c.current
	if s.onPublish != nil {
		c.calling = true
		s.onPublish(Publication{Packet: p, Conn: c.ID, Seq: c.seq})
		c.calling = false
	}
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: min(p.QoS, 1)}, TopicName: p.Topic, Payload: p.Payload,
		Properties: packets.Properties{ContentType: p.ContentType, ResponseTopic: p.ResponseTopic, CorrelationData: p.CorrelationData}}
	for _, u := range p.UserProps {
		pk.Properties.User = append(pk.Properties.User, packets.UserProperty{Key: u.Name, Val: u.Value})
	}
	if _, err := s.deliver(pk, c); err != nil && !errors.Is(err, ErrNoSubscriber) {
		c.Note("not passed on to those who subscribed: %v", err)
	}
}

// deliver writes a PUBLISH to each subscriber; from is the connection it came by, nil for the harness.
func (s *Server) deliver(pk packets.Packet, from *conn) (seq journal.Mark, err error) {
	targets := s.match(pk.TopicName)
	if from != nil {
		targets = slices.DeleteFunc(targets, func(t target) bool { return t.conn == from && t.noLocal })
	}
	if len(targets) == 0 {
		return 0, fmt.Errorf("%w %q", ErrNoSubscriber, pk.TopicName)
	}
	var failures []error
	for _, t := range targets {
		n, err := t.conn.publish(pk, t)
		if err != nil {
			failures = append(failures, fmt.Errorf("mqtt: connection %d: %w", t.conn.ID, err))
			continue
		}
		seq = max(seq, n)
	}
	if len(failures) < len(targets) { // a device that reconnects may leave a dying connection behind
		return seq, nil
	}
	return 0, errors.Join(failures...)
}

// target is a connection with what its subscriptions to one topic say together.
type target struct {
	conn    *conn
	first   Filter
	qos     byte
	noLocal bool
	ids     []int // Subscription Identifiers
}

// match finds the connections that have subscribed to topic, oldest first.
func (s *Server) match(topic string) []target {
	s.mu.Lock()
	defer s.mu.Unlock()
	var targets []target
	for _, c := range s.conns {
		t := target{conn: c}
		for name, filter := range c.subscriptions {
			if !Covers(name, topic) {
				continue
			}
			if t.first.Topic == "" || name < t.first.Topic {
				t.first = filter
			}
			t.qos, t.noLocal = max(t.qos, filter.QoS), t.noLocal || filter.NoLocal
			if filter.id > 0 {
				t.ids = append(t.ids, filter.id)
			}
		}
		if t.first.Topic != "" {
			slices.Sort(t.ids)
			targets = append(targets, t)
		}
	}
	slices.SortFunc(targets, func(a, b target) int { return int(a.conn.ID) - int(b.conn.ID) })
	return targets
}

// Subscriber returns an open connection that has subscribed to topic, the newest if there are several.
func (s *Server) Subscriber(topic string) (Subscriber, bool) {
	targets := s.match(topic)
	if len(targets) == 0 {
		return Subscriber{}, false
	}
	t := targets[len(targets)-1]
	t.conn.mu.Lock()
	defer t.conn.mu.Unlock()
	return Subscriber{Conn: t.conn.ID, Version: t.conn.version, ClientID: t.conn.clientID, Filter: t.first}, true
}

// Changed returns a channel that is closed at the next subscription, its end, or the end of a connection. Take it before asking
// Subscriber or Open, so that nothing slips between.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Open reports whether a connection is still open.
func (s *Server) Open(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, open := s.conns[id]
	return open
}

func (s *Server) subscribed(c *conn, filters []Filter) {
	if len(filters) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range filters {
		c.subscriptions[f.Topic] = f
	}
	s.wake()
}

func (s *Server) unsubscribed(c *conn, filters packets.Subscriptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range filters {
		delete(c.subscriptions, f.Filter)
	}
	s.wake()
}

// wake tells whoever waits on Changed. The caller holds mu.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// publish sends one message to this device as its subscription and its CONNECT allow.
func (c *conn) publish(pk packets.Packet, t target) (seq journal.Mark, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pk.ProtocolVersion = c.version
	pk.Mods.AllowResponseInfo = true
	pk.FixedHeader.Qos = min(pk.FixedHeader.Qos, t.qos)
	pk.Properties.SubscriptionIdentifier = t.ids
	if pk.FixedHeader.Qos > 0 {
		if pk.PacketID, err = c.packetID(); err != nil {
			return 0, err
		}
	}
	var buffer bytes.Buffer
	buffer.Grow(len(pk.Payload) + smallHeader)
	if err := pk.PublishEncode(&buffer); err != nil {
		return 0, err
	}
	if size := buffer.Len(); c.maxPacket > 0 && size > c.maxPacket {
		return 0, fmt.Errorf("the device takes packets of at most %d bytes, this one has %d", c.maxPacket, size)
	}
	if pk.PacketID != 0 {
		c.unacked[pk.PacketID] = struct{}{}
	}
	return c.send(buffer.Bytes())
}

// smallHeader is a guess at what a PUBLISH needs beyond its payload.
const smallHeader = 512

// packetID finds a free Packet Identifier. The caller holds mu.
func (c *conn) packetID() (uint16, error) {
	limit := maxUnacked
	if c.receiveMaximum > 0 {
		limit = min(limit, c.receiveMaximum)
	}
	if len(c.unacked) >= limit {
		return 0, fmt.Errorf("the device has left %d messages of QoS 1 unacknowledged", len(c.unacked))
	}
	for {
		c.lastID++
		if _, taken := c.unacked[c.lastID]; !taken && c.lastID != 0 {
			return c.lastID, nil
		}
	}
}
