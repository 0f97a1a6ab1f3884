package stomp

import (
	"fmt"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

// HeartBeatEvent is the Type of the journal's events for heart-beats, in both directions.
const HeartBeatEvent = "HEART-BEAT"

// BadFrame is the Type of the journal's notes about bytes of a device that are no frame. They have no Body.
const BadFrame = "bad frame"

// script is what the server does otherwise than by default. Its zero value is the default, but for what Options say.
type script struct {
	subscribeDest string
	heartBeat     string // for CONNECTED; "" answers what the device asked for
	withholdBeats bool
	refuse        int // how many connections are still refused; negative: all
	refusal       string
	dropAfter     int // how many frames are still taken; 0: no end to them
	hold          bool
}

// did records a verb of the script.
func (s *Server) did(verb, format string, args ...any) {
	s.j.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: verb, Text: "STOMP: " + fmt.Sprintf(format, args...)})
}

// change carries out a verb that alters the script.
func (s *Server) change(alter func(*script), verb, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alter(&s.script)
	s.did(verb, format, args...)
}

// Reset returns to the default behaviour and answers whoever Hold kept waiting.
func (s *Server) Reset() {
	s.change(func(now *script) { *now = script{subscribeDest: s.opts.SubscribeDest} }, "Reset", "default behaviour")
	s.answerHeld()
}

// SubscribeDest puts a subscribe-dest header into every CONNECTED from now on (R-STOMP.6); "" leaves it out again.
func (s *Server) SubscribeDest(destination string) {
	s.change(func(now *script) { now.subscribeDest = destination }, "SubscribeDest", "CONNECTED carries subscribe-dest %q", destination)
}

// HeartBeat sets the heart-beat header of every CONNECTED from now on: every how many milliseconds the server sends and wants
// a heart-beat; 0 means never. By default the server agrees to what the device asks for.
func (s *Server) HeartBeat(sends, wants int) {
	value := fmt.Sprintf("%d,%d", sends, wants)
	s.change(func(now *script) { now.heartBeat = value }, "HeartBeat", "CONNECTED carries heart-beat %s", value)
}

// SendHeartBeats switches the server's heart-beats off, also those it has promised, and on again.
func (s *Server) SendHeartBeats(on bool) {
	text := "heart-beats are sent as agreed"
	if !on {
		text = "no heart-beats are sent"
	}
	s.change(func(now *script) { now.withholdBeats = !on }, "SendHeartBeats", "%s", text)
}

// RefuseNext answers the next n STOMP or CONNECT frames with ERROR and that message, or with a closed connection alone when
// the message is "". A negative n refuses until Reset or another RefuseNext.
func (s *Server) RefuseNext(n int, message string) {
	how := fmt.Sprintf("with ERROR %q", message)
	if message == "" {
		how = "by closing the connection"
	}
	count := fmt.Sprint("the next ", n)
	if n < 0 {
		count = "all"
	}
	s.change(func(now *script) { now.refuse, now.refusal = n, message }, "RefuseNext", "refuses %s attempts to connect %s", count, how)
}

// DropAfter resets the connection that sends the n-th frame from now on, without an answer to that frame. Heart-beats do not
// count. 0 takes the order back.
func (s *Server) DropAfter(n int) {
	s.change(func(now *script) { now.dropAfter = n }, "DropAfter", "cuts the connection after %d more frames", n)
}

// Hold leaves STOMP and CONNECT frames unanswered until Release.
func (s *Server) Hold() {
	s.change(func(now *script) { now.hold = true }, "Hold", "CONNECTED is held back")
}

// Release ends Hold and answers whoever waits.
func (s *Server) Release() {
	s.change(func(now *script) { now.hold = false }, "Release", "CONNECTED is sent again")
	s.answerHeld()
}

// Down cuts every connection and stops listening, until Up.
func (s *Server) Down() {
	s.did("Down", "%s stops listening", s.Addr())
	s.leave()
	s.gate.Down()
}

// Up listens again on the same port.
func (s *Server) Up() error {
	s.did("Up", "%s listens again", s.Addr())
	return s.gate.Up()
}

// DropAll cuts every connection without a word and keeps listening.
func (s *Server) DropAll() {
	s.did("DropAll", "every connection is cut")
	s.leave()
	s.gate.Drop("DropAll")
}

// Error sends ERROR with a message on every connection and ends it, as STOMP demands.
func (s *Server) Error(message string) {
	s.did("Error", "ERROR %q on every connection", message)
	for _, open := range s.leave() {
		open.write(errorFrame(message))
		open.conn.Leave("ERROR was sent")
	}
}

// Inject sends bytes as they are; conn 0 means the newest connection.
func (s *Server) Inject(conn uint64, raw []byte) error {
	open, err := s.session(conn)
	if err != nil {
		return err
	}
	s.did("Inject", "%d bytes on connection %d", len(raw), open.conn.ID)
	open.writing.Lock()
	defer open.writing.Unlock()
	open.conn.Log(journal.Event{Layer: journal.LayerSTOMP, Dir: journal.Out, Type: "raw bytes",
		Text: fmt.Sprintf("%d bytes as they are", len(raw)), Raw: gate.Kept(raw)})
	_, err = open.conn.Write(raw)
	return err
}

// session finds a connection by its number, 0 being the newest.
func (s *Server) session(conn uint64) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.sessions) - 1; i >= 0; i-- {
		if conn == 0 || s.sessions[i].conn.ID == conn {
			return s.sessions[i], nil
		}
	}
	return nil, fmt.Errorf("stomp: no open connection %d", conn)
}

// leave takes leave of every connection, which is about to end, and returns them: nothing is sent to their subscriptions any
// more, although their readers may live for a moment.
func (s *Server) leave() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, open := range s.sessions {
		open.subscriptions, open.held, open.left = nil, nil, true
	}
	s.wake()
	return append([]*session(nil), s.sessions...)
}

// countDown reports whether DropAfter's last frame has come.
func (s *Server) countDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.script.dropAfter == 0 {
		return false
	}
	s.script.dropAfter--
	return s.script.dropAfter == 0
}

func (s *Server) beatsWithheld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.script.withholdBeats
}

// answer decides on a STOMP or CONNECT frame: CONNECTED, or a refusal, or neither while Hold is in force.
func (s *Server) answer(to *session, f *Frame) (connected *Frame, refusal *string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.script.refuse != 0 {
		if s.script.refuse > 0 {
			s.script.refuse--
		}
		message := s.script.refusal
		return nil, &message
	}
	if s.script.hold {
		to.held = f
		return nil, nil
	}
	return s.connected(to, f), nil
}

// connected makes the CONNECTED frame that answers f. The caller holds mu.
func (s *Server) connected(to *session, f *Frame) *Frame {
	beat := s.script.heartBeat
	if beat == "" {
		sends, wants, _ := f.HeartBeat()
		beat = heartBeat(wants, sends)
	}
	answer := &Frame{Command: frame.CONNECTED, Headers: []Pair{{frame.Version, version}, {frame.HeartBeat, beat},
		{frame.Session, fmt.Sprint(to.conn.ID)}, {frame.Server, "usptest"}}}
	if s.script.subscribeDest != "" {
		answer.Headers = append(answer.Headers, Pair{"subscribe-dest", s.script.subscribeDest})
	}
	return answer
}

// answerHeld sends CONNECTED to whoever waits for it.
func (s *Server) answerHeld() {
	type waiting struct {
		session    *session
		ask, reply *Frame
	}
	var all []waiting
	s.mu.Lock()
	for _, open := range s.sessions {
		if open.held != nil {
			all = append(all, waiting{open, open.held, s.connected(open, open.held)})
			open.held = nil
		}
	}
	s.mu.Unlock()
	for _, w := range all {
		w.session.greet(w.ask, w.reply)
	}
}

// heartBeat is the value of the header for two periods.
func heartBeat(sends, wants time.Duration) string {
	return fmt.Sprintf("%d,%d", sends.Milliseconds(), wants.Milliseconds())
}
