package mqtt

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/usptest/usptest/harness/journal"
)

// Forever, as the count of RefuseNext, lasts until Reset.
const Forever = -1

// rules are what the script says at one moment. The zero value lets everything take its course.
type rules struct {
	assignedClientID string
	subscribeTopics  []string
	responseInfo     string
	serverKeepAlive  uint16
	keepAliveGiven   bool

	refusals    int // left, or Forever
	refusalCode byte

	rejection       byte // 0: none
	rejectedFilters []string

	dropType string
	dropLeft int

	held, swallowed []string // packet types
}

// script holds the rules of a server.
type script struct {
	mu      sync.Mutex
	initial rules
	now     rules
}

func (s *script) set(change func(*rules)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.now)
}

func (s *script) get() rules {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// refuse reports whether the CONNECT at hand is to be refused, and with which code.
func (s *script) refuse() (code byte, yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.refusals == 0 {
		return 0, false
	}
	if s.now.refusals > 0 {
		s.now.refusals--
	}
	return s.now.refusalCode, true
}

// reject returns the code with which a subscription to filter is refused, or 0.
func (s *script) reject(filter string) byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.now.rejectedFilters) > 0 && !slices.Contains(s.now.rejectedFilters, filter) {
		return 0
	}
	return s.now.rejection
}

// dropNow counts a packet from the device and says whether the connection is to be dropped at it.
func (s *script) dropNow(packetType string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.dropLeft == 0 || s.now.dropType != packetType {
		return false
	}
	s.now.dropLeft--
	return s.now.dropLeft == 0
}

// fate is what becomes of a packet to the device.
type fate int

const (
	send fate = iota
	hold
	swallow
)

func (s *script) outgoing(packetType string) fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case slices.Contains(s.now.swallowed, packetType):
		return swallow
	case slices.Contains(s.now.held, packetType):
		return hold
	}
	return send
}

// did records a verb of the script.
func (s *Server) did(verb, format string, args ...any) {
	s.j.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: verb, Text: "MQTT: " + fmt.Sprintf(format, args...)})
}

// AssignClientID makes the broker answer every MQTT 5.0 CONNECT that has an empty client id with this Assigned Client Identifier.
// Otherwise it makes up another one each time.
func (s *Server) AssignClientID(id string) {
	s.did("AssignClientID", "an empty client id is answered with %q", id)
	s.script.set(func(r *rules) { r.assignedClientID = id })
}

// SubscribeTopics puts a User Property subscribe-topic for each topic into every CONNACK of MQTT 5.0, instead of those of Options.
func (s *Server) SubscribeTopics(topics ...string) {
	s.did("SubscribeTopics", "CONNACK carries subscribe-topic %q", topics)
	s.script.set(func(r *rules) { r.subscribeTopics = slices.Clone(topics) })
}

// NoSubscribeTopics is SubscribeTopics without any.
func (s *Server) NoSubscribeTopics() { s.SubscribeTopics() }

// ResponseInfo puts Response Information into every CONNACK to a device that asked for it (MQTT 5.0 forbids it to others),
// instead of that of Options; "" for none.
func (s *Server) ResponseInfo(topic string) {
	s.did("ResponseInfo", "CONNACK carries Response Information %q where it was asked for", topic)
	s.script.set(func(r *rules) { r.responseInfo = topic })
}

// ServerKeepAlive puts Server Keep Alive into every CONNACK of MQTT 5.0 and holds the device to it; 0 switches the
// keep-alive off.
func (s *Server) ServerKeepAlive(seconds uint16) {
	s.did("ServerKeepAlive", "CONNACK carries Server Keep Alive %d s", seconds)
	s.script.set(func(r *rules) { r.serverKeepAlive, r.keepAliveGiven = seconds, true })
}

// RefuseNext refuses the next n CONNECTs, or all until Reset when n is Forever, with a reason code of MQTT 5.0, for which
// MQTT 3.1.1 gets the nearest return code. Code 0 closes the connection without a CONNACK.
func (s *Server) RefuseNext(n int, code byte) {
	count := fmt.Sprintf("the next %d", n)
	if n < 0 {
		count = "every"
	}
	how := "with " + (&Packet{Type: Connack, Version: V5}).reasonName(code)
	if code == 0 {
		how = "by closing the connection"
	}
	s.did("RefuseNext", "%s CONNECT is refused %s", count, how)
	s.script.set(func(r *rules) { r.refusals, r.refusalCode = n, code })
}

// RejectSubscribe refuses, from now on, the given filters, or every filter when none is given, with a SUBACK code of 0x80 or
// more, which for MQTT 3.1.1 is always 0x80. Code 0 accepts again.
func (s *Server) RejectSubscribe(code byte, filters ...string) {
	which := "every filter"
	if len(filters) > 0 {
		which = fmt.Sprintf("%q", filters)
	}
	if code == 0 {
		s.did("RejectSubscribe", "SUBACK accepts again")
	} else {
		code = max(code, packets.ErrUnspecifiedError.Code)
		s.did("RejectSubscribe", "SUBACK refuses %s with %s", which, (&Packet{Type: Suback}).reasonName(code))
	}
	s.script.set(func(r *rules) { r.rejection, r.rejectedFilters = code, slices.Clone(filters) })
}

// DropAfter closes the TCP connection on the n-th packet of that type that a device sends from now on, without answering it.
// 0 takes the order back.
func (s *Server) DropAfter(n int, packetType string) {
	s.did("DropAfter", "the connection is closed at %s number %d from now", packetType, n)
	s.script.set(func(r *rules) { r.dropType, r.dropLeft = packetType, n })
}

// Hold keeps the next packet of one of these types back on each connection, and everything that would follow it there, until
// Release. The broker goes on reading.
func (s *Server) Hold(packetTypes ...string) {
	s.did("Hold", "%s is held back", strings.Join(packetTypes, ", "))
	s.script.set(func(r *rules) { r.held = slices.Clone(packetTypes) })
}

// HoldConnack is Hold(Connack).
func (s *Server) HoldConnack() { s.Hold(Connack) }

// Release sends what was held back, and holds nothing more.
func (s *Server) Release() {
	s.did("Release", "what was held back is sent")
	s.release()
}

func (s *Server) release() {
	s.script.set(func(r *rules) { r.held = nil })
	for _, c := range s.connections() {
		c.release()
	}
}

// Swallow drops every packet of these types instead of sending it, from now on.
func (s *Server) Swallow(packetTypes ...string) {
	s.did("Swallow", "%s is not sent", strings.Join(packetTypes, ", "))
	s.script.set(func(r *rules) { r.swallowed = slices.Clone(packetTypes) })
}

// DisconnectAll ends every connection in order: a device of MQTT 5.0 gets a DISCONNECT with that reason code first; MQTT 3.1.1
// has none from the server, and TCP is closed alone.
func (s *Server) DisconnectAll(code byte) {
	s.did("DisconnectAll", "DISCONNECT with %s on every connection", (&Packet{Type: Disconnect}).reasonName(code))
	open := s.connections()
	s.forget(open...)
	for _, c := range open {
		c.bye(code)
		c.Leave("the script disconnects everybody")
	}
}

// DropAll cuts every connection without a word and keeps listening.
func (s *Server) DropAll() {
	s.did("DropAll", "every connection is cut")
	s.forget(s.connections()...)
	s.gate.Drop("the script cuts every connection")
}

// Inject writes raw bytes to a connection, whatever they are; id 0 means the newest connection.
func (s *Server) Inject(id uint64, raw []byte) error {
	open := s.connections()
	at := slices.IndexFunc(open, func(c *conn) bool { return c.ID == id })
	if id == 0 {
		at = len(open) - 1
	}
	if at < 0 {
		return fmt.Errorf("mqtt: no open connection %d", id)
	}
	c := open[at]
	s.did("Inject", "%d bytes on connection %d", len(raw), c.ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.put(slices.Clone(raw))
	return err
}

// Down cuts every connection and stops listening, until Up. Sessions survive it.
func (s *Server) Down() {
	s.did("Down", "%s stops listening", s.Addr())
	s.forget(s.connections()...)
	s.gate.Down()
}

// Up listens again on the same port.
func (s *Server) Up() error {
	s.did("Up", "%s listens again", s.Addr())
	return s.gate.Up()
}

// Reset returns to the behaviour of Options: nothing is refused, held or swallowed. Connections stay, and so does Down.
func (s *Server) Reset() {
	s.did("Reset", "default behaviour")
	s.script.set(func(r *rules) { *r = s.script.initial })
	s.release()
}
