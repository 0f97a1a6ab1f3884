package collector

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/usptest/usptest/harness/journal"
)

// rules are what the script says at one moment. The zero value answers every POST and PUT with 200 and the rest with 405.
type rules struct {
	codes  []int // for the next requests, one each
	always int   // for those after them, when not 0
	delay  time.Duration
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

// next returns how to answer the request at hand.
func (s *script) next(method string) (code int, delay time.Duration) {
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
	return code, s.now.delay
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

// Delay holds every answer back for so long.
func (s *Server) Delay(d time.Duration) {
	s.did("Delay", "answers come %s late", d)
	s.script.set(func(r *rules) { r.delay = d })
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
	s.script.set(func(r *rules) { *r = rules{} })
}
