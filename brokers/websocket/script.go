package websocket

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/usptest/usptest/harness/journal"
)

// script is what the harness's end does otherwise than by default.
type script struct {
	mu       sync.Mutex
	protocol string // of the answer to an opening request; "" leaves it out
	plain    bool   // no extension in answers and requests
	refuse   int    // how many requests are still refused; negative: all
	status   int
	fragment int // bytes of a fragment; 0: whole messages
	mute     bool
	drop     int // how many frames are still taken; 0: no end to them
}

// reset returns to the default.
func (s *script) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.protocol, s.plain, s.refuse, s.status, s.fragment, s.mute, s.drop = Subprotocol, false, 0, 0, 0, false, 0
}

// refusal reports whether the next opening request is refused, and how.
func (s *script) refusal() (status int, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse == 0 {
		return 0, ""
	}
	if s.refuse > 0 {
		s.refuse--
	}
	return s.status, "refused by the script"
}

// answer tells what an accepted opening request is answered with.
func (s *script) answer() (protocol string, extend bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.protocol, !s.plain
}

func (s *script) fragmentSize() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fragment
}

func (s *script) pongWithheld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mute
}

// countDown reports whether DropAfter's last frame has come.
func (s *script) countDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drop == 0 {
		return false
	}
	s.drop--
	return s.drop == 0
}

// did records a verb of the script.
func (s *Server) did(verb, format string, args ...any) {
	s.j.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: verb, Text: "WebSocket: " + fmt.Sprintf(format, args...)})
}

// change carries out a verb that alters the script.
func (s *Server) change(alter func(*script), verb, format string, args ...any) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	alter(&s.script)
	s.did(verb, format, args...)
}

// Reset returns to the default behaviour.
func (s *Server) Reset() {
	s.script.reset()
	s.did("Reset", "default behaviour")
}

// RefuseNext answers the next n opening requests with an HTTP status, or with a closed connection alone when it is 0. A negative
// n refuses until Reset or another RefuseNext.
func (s *Server) RefuseNext(n, status int) {
	how := "by closing the connection"
	if status != 0 {
		how = fmt.Sprintf("with %d %s", status, http.StatusText(status))
	}
	count := fmt.Sprint("the next ", n)
	if n < 0 {
		count = "all"
	}
	s.change(func(now *script) { now.refuse, now.status = n, status }, "RefuseNext", "refuses %s opening requests %s", count, how)
}

// NoExtension leaves the extension bbf-usp-protocol out of the answers to opening requests, also where the device offers it, and out of the
// requests with which a device is dialled.
func (s *Server) NoExtension() {
	s.change(func(now *script) { now.plain = true }, "NoExtension", "answers and requests without %s", Extension)
}

// Subprotocol sets the Sec-WebSocket-Protocol of the answers to opening requests; "" leaves the header out.
func (s *Server) Subprotocol(name string) {
	s.change(func(now *script) { now.protocol = name }, "Subprotocol", "answers with subprotocol %q", name)
}

// Fragment sends messages in fragments of that many bytes, with an empty one and a PING behind the first; 0 sends each in one frame
// again.
func (s *Server) Fragment(size int) {
	text := "messages are sent whole"
	if size > 0 {
		text = fmt.Sprintf("messages are sent in fragments of %d bytes, an empty one and a PING among them", size)
	}
	s.change(func(now *script) { now.fragment = max(size, 0) }, "Fragment", "%s", text)
}

// SuppressPong leaves PING frames unanswered, or answers them again.
func (s *Server) SuppressPong(on bool) {
	text := "PING is answered"
	if on {
		text = "PING is not answered"
	}
	s.change(func(now *script) { now.mute = on }, "SuppressPong", "%s", text)
}

// DropAfter resets the connection that sends the n-th frame from now on, control frames included, without acting on that
// frame. 0 takes the order back.
func (s *Server) DropAfter(n int) {
	s.change(func(now *script) { now.drop = max(n, 0) }, "DropAfter", "cuts the connection after %d more frames", n)
}

// Down cuts every connection and stops listening, until Up.
func (s *Server) Down() {
	s.did("Down", "%s stops listening", s.Addr())
	s.leave("the broker went down")
	s.gate.Down()
}

// Up listens again on the same port.
func (s *Server) Up() error {
	s.did("Up", "%s listens again", s.Addr())
	return s.gate.Up()
}

// DropAll resets every connection and keeps listening.
func (s *Server) DropAll() {
	s.did("DropAll", "every connection is cut")
	s.leave("DropAll")
}

// CloseAll begins the closing handshake on every connection.
func (s *Server) CloseAll(code int, text string) {
	s.did("CloseAll", "CLOSE %s on every connection", closeText(code))
	for _, c := range s.Conns() {
		c.Close(code, text) // an error means that it is closed already
	}
}

// leave resets every connection and takes it off the list at once, although its reader may live for a moment.
func (s *Server) leave(reason string) {
	for _, c := range s.conns.Clear() {
		c.Abort(reason)
	}
	s.gate.Drop(reason) // those whose opening request is on its way
}
