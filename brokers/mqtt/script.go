package mqtt

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/usptest/usptest/brokers/gate"
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

// refuse says whether the CONNECT at hand is to be refused, and with which code.
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

// dropNow counts a packet from the device and ends the connection when it is the one to drop at.
func (s *script) dropNow(c *gate.Conn, packetType string) bool {
	s.mu.Lock()
	due := false
	if s.now.dropLeft > 0 && s.now.dropType == packetType {
		s.now.dropLeft--
		due = s.now.dropLeft == 0
	}
	s.mu.Unlock()
	if due {
		c.End("the script drops the connection at this " + packetType)
	}
	return due
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

// verb records that the harness has told the broker what to do.
func (s *Server) verb(name, format string, args ...any) {
	s.j.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: name, Text: fmt.Sprintf(format, args...)})
}

// AssignClientID makes the broker answer every MQTT 5.0 CONNECT that has an empty client id with this Assigned Client Identifier.
// Otherwise it makes up another one each time.
func (s *Server) AssignClientID(id string) {
	s.verb("AssignClientID", "%q", id)
	s.script.set(func(r *rules) { r.assignedClientID = id })
}

// SubscribeTopics puts a User Property subscribe-topic for each topic into every CONNACK of MQTT 5.0, instead of those of Options.
func (s *Server) SubscribeTopics(topics ...string) {
	s.verb("SubscribeTopics", "%q", topics)
	s.script.set(func(r *rules) { r.subscribeTopics = slices.Clone(topics) })
}

// NoSubscribeTopics is SubscribeTopics without any.
func (s *Server) NoSubscribeTopics() { s.SubscribeTopics() }

// ResponseInfo puts Response Information into every CONNACK to a device that asked for it (MQTT 5.0 forbids it to others),
// instead of that of Options; "" for none.
func (s *Server) ResponseInfo(topic string) {
	s.verb("ResponseInfo", "%q", topic)
	s.script.set(func(r *rules) { r.responseInfo = topic })
}

// ServerKeepAlive puts Server Keep Alive into every CONNACK of MQTT 5.0 and holds the device to it; 0 switches the
// keep-alive off.
func (s *Server) ServerKeepAlive(seconds uint16) {
	s.verb("ServerKeepAlive", "%d s", seconds)
	s.script.set(func(r *rules) { r.serverKeepAlive, r.keepAliveGiven = seconds, true })
}

// RefuseNext refuses the next n CONNECTs, or all until Reset when n is Forever, with a reason code of MQTT 5.0, for which
// MQTT 3.1.1 gets the nearest return code. Code 0 closes the connection without a CONNACK.
func (s *Server) RefuseNext(n int, code byte) {
	s.verb("RefuseNext", "%s with %s", times(n), (&Packet{Type: Connack, Version: V5}).reasonName(code))
	s.script.set(func(r *rules) { r.refusals, r.refusalCode = n, code })
}

func times(n int) string {
	if n < 0 {
		return "every CONNECT"
	}
	return fmt.Sprintf("%d CONNECT", n)
}

// RejectSubscribe refuses, from now on, the given filters, or every filter when none is given, with a SUBACK code of 0x80 or
// more, which for MQTT 3.1.1 is always 0x80. Code 0 accepts again.
func (s *Server) RejectSubscribe(code byte, filters ...string) {
	s.verb("RejectSubscribe", "0x%02X %q", code, filters)
	if code != 0 {
		code = max(code, packets.ErrUnspecifiedError.Code)
	}
	s.script.set(func(r *rules) { r.rejection, r.rejectedFilters = code, slices.Clone(filters) })
}

// DropAfter closes the TCP connection on the n-th packet of that type that a device sends from now on, without answering it.
func (s *Server) DropAfter(n int, packetType string) {
	s.verb("DropAfter", "%d %s", n, packetType)
	s.script.set(func(r *rules) { r.dropType, r.dropLeft = packetType, n })
}

// Hold keeps the next packet of one of these types back on each connection, and everything that would follow it there, until
// Release. The broker goes on reading.
func (s *Server) Hold(packetTypes ...string) {
	s.verb("Hold", "%s", strings.Join(packetTypes, ", "))
	s.script.set(func(r *rules) { r.held = slices.Clone(packetTypes) })
}

// HoldConnack is Hold(Connack).
func (s *Server) HoldConnack() { s.Hold(Connack) }

// Release sends what was held back, and holds nothing more.
func (s *Server) Release() {
	s.verb("Release", "")
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
	s.verb("Swallow", "%s", strings.Join(packetTypes, ", "))
	s.script.set(func(r *rules) { r.swallowed = slices.Clone(packetTypes) })
}

// DisconnectAll ends every connection: with a DISCONNECT of that reason code where the device speaks MQTT 5.0, and by closing
// TCP alone where it does not or where the code is 0.
func (s *Server) DisconnectAll(code byte) {
	s.verb("DisconnectAll", "%s", (&Packet{Type: Disconnect}).reasonName(code))
	for _, c := range s.connections() {
		if code != 0 {
			c.bye(code)
		}
		c.End("the script disconnects everybody")
	}
}

// Inject writes raw bytes to a connection, whatever they are.
func (s *Server) Inject(id uint64, raw []byte) error {
	s.verb("Inject", "%d bytes into connection %d", len(raw), id)
	for _, c := range s.connections() {
		if c.ID == id {
			c.mu.Lock()
			defer c.mu.Unlock()
			_, err := c.put(slices.Clone(raw))
			return err
		}
	}
	return fmt.Errorf("mqtt: no connection %d is open", id)
}

// Down stops listening and cuts every connection. Sessions survive it.
func (s *Server) Down() {
	s.verb("Down", "")
	s.gate.Down()
}

// Up listens again on the same port.
func (s *Server) Up() error {
	s.verb("Up", "")
	return s.gate.Up()
}

// Reset returns to the behaviour of Options: nothing is refused, held or swallowed, and the broker is up. Connections stay.
func (s *Server) Reset() error {
	s.verb("Reset", "")
	s.script.set(func(r *rules) { *r = s.script.initial })
	s.release()
	return s.gate.Up()
}
