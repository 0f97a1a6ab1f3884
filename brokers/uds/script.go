package uds

import (
	"fmt"

	"github.com/usptest/usptest/harness/journal"
)

// did records a verb of the script.
func (s *Server) did(verb, format string, args ...any) {
	s.j.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: verb, Text: "UDS: " + fmt.Sprintf(format, args...)})
}

// Reset returns to the default behaviour. A connection whose handshake is not complete is ended, so that another one is opened.
func (s *Server) Reset() {
	s.mu.Lock()
	by := s.hand
	s.refuse, s.hand = 0, false
	s.mu.Unlock()
	s.did("Reset", "default behaviour")
	if !by {
		return
	}
	for _, c := range s.Conns() {
		if !c.Open() {
			c.Abort("its handshake is not complete")
		}
	}
}

// RefuseNext ends the next n connections of the device as soon as they are open. A negative n refuses until Reset or another RefuseNext.
func (s *Server) RefuseNext(n int) {
	count := fmt.Sprint("the next ", n)
	if n < 0 {
		count = "all"
	}
	s.mu.Lock()
	s.refuse = n
	s.mu.Unlock()
	s.did("RefuseNext", "ends %s connections at once", count)
}

// ByHand leaves what the harness does by itself to who holds a Conn: its Handshake, which Greet sends, and the end of a connection over
// which the device has sent an Error.
func (s *Server) ByHand() {
	s.mu.Lock()
	s.hand = true
	s.mu.Unlock()
	s.did("ByHand", "sends no Handshake, and ends no connection at an Error, by itself")
}

// DropAll ends every connection.
func (s *Server) DropAll() {
	s.did("DropAll", "every connection is cut")
	for _, c := range s.Conns() {
		c.Abort("DropAll")
	}
}

// refused reports whether the connection that was opened is refused.
func (s *Server) refused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse > 0 {
		s.refuse--
		return true
	}
	return s.refuse < 0
}

// byHand reports whether that is so.
func (s *Server) byHand() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hand
}
