package collector

import (
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/usptest/usptest/harness/journal"
)

// rules are what the script says at one moment. The zero value answers every POST and PUT with 200 and the rest with 405.
type rules struct {
	codes  []int         // for the next requests, one each
	always int           // for those after them, when not 0
	held   chan struct{} // not nil: answers wait until it is closed
}

// release lets the answers go that are held back.
func (r *rules) release() {
	if r.held != nil {
		close(r.held)
		r.held = nil
	}
}

type script struct {
	mu  sync.Mutex
	now rules
}

func (s *script) set(change func(*rules)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.now)
}

// next returns how to answer the request at hand, and what to wait for before; nil is nothing.
func (s *script) next(method string) (code int, held <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.now.codes) > 0:
		code, s.now.codes = s.now.codes[0], s.now.codes[1:]
	case s.now.always != 0:
		code = s.now.always
	case method == http.MethodPost || method == http.MethodPut:
		code = http.StatusOK
	default:
		code = http.StatusMethodNotAllowed
	}
	return code, s.now.held
}

// did records a verb of the script.
func (s *Server) did(verb, format string, args ...any) {
	s.j.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: verb, Text: "HTTP: " + fmt.Sprintf(format, args...)})
}

// Status answers the next requests with these codes, from 200 to 599, one each. Code 0 closes the connection instead, 401 asks for basic
// authentication, and 307 and 308 lead to Elsewhere.
func (s *Server) Status(codes ...int) {
	s.did("Status", "the next answers are %d", codes)
	s.script.set(func(r *rules) { r.codes = slices.Clone(codes) })
}

// StatusAlways answers every request with that code, from 200 to 599, until Reset. Codes set with Status come first.
func (s *Server) StatusAlways(code int) {
	s.did("StatusAlways", "every answer is %d", code)
	s.script.set(func(r *rules) { r.always = code })
}

// Hold holds every answer back until Release.
func (s *Server) Hold() {
	s.did("Hold", "answers are held back")
	s.script.set(func(r *rules) {
		if r.held == nil {
			r.held = make(chan struct{})
		}
	})
}

// Release sends the answers that Hold kept, and those of later requests at once.
func (s *Server) Release() {
	s.did("Release", "answers are sent")
	s.script.set((*rules).release)
}

// Down cuts every connection and stops listening, until Up.
func (s *Server) Down() {
	s.did("Down", "%s stops listening", s.Addr())
	s.http.Down()
}

// Up listens again on the same port.
func (s *Server) Up() error {
	s.did("Up", "%s listens again", s.Addr())
	return s.http.Up()
}

// Reset returns to the default behaviour. Connections stay, and so does Down.
func (s *Server) Reset() {
	s.did("Reset", "default behaviour")
	s.script.set(func(r *rules) {
		r.release()
		*r = rules{}
	})
}
