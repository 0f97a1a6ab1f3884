package stomp

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

const (
	version = "1.2"
	// maxSubscriptions bounds what one connection may subscribe to. A USP Agent needs one.
	maxSubscriptions = 64
	// minBeat keeps a device that asks for a heart-beat every millisecond from flooding the journal.
	minBeat = 5 * time.Millisecond
)

// session is one connection. Its reader runs in serve; every other field is guarded as noted.
type session struct {
	server  *Server
	conn    *gate.Conn
	greeted bool          // the reader has seen CONNECT or STOMP; the reader's own
	done    chan struct{} // closed when the connection has ended

	writing sync.Mutex // held over a journal entry and its write, so that both are in one order

	// guarded by server.mu
	subscriptions []Subscription
	held          *Frame // the STOMP or CONNECT frame that Hold has left unanswered
	left          bool   // the script has ended the connection; what its device still sends has no effect
}

// write records a frame and sends it. The number is that of its event, also when sending fails.
func (s *session) write(f *Frame) (seq journal.Mark, err error) {
	raw, body := encode(f)
	keeps := gate.Kept(raw)
	s.writing.Lock()
	defer s.writing.Unlock()
	seq = s.conn.Log(journal.Event{Layer: journal.LayerSTOMP, Dir: journal.Out, Type: f.Command, Text: f.summary(),
		Raw: keeps, Body: f.forJournal(keeps, body), Weight: f.weight(body)}).Seq
	_, err = s.conn.Write(raw)
	return seq, err
}

// beat records a burst of line ends from the device.
func (s *session) beat(t token) {
	text := ""
	if t.beats > 1 {
		text = fmt.Sprintf("%d line ends at once", t.beats)
	}
	s.conn.Log(journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Type: HeartBeatEvent, Text: text, Raw: t.raw})
}

// take records a frame of the device and acts on it. It returns false when the connection is over.
func (s *session) take(t token, f *Frame) bool {
	if passcode, ok := f.Header(frame.Passcode); ok {
		s.server.j.Secret(passcode)
		hidePasscode(t.raw[:t.body])
	}
	raw := gate.Kept(t.raw)
	seq := s.conn.Log(journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Type: f.Command, Text: f.summary(),
		Raw: raw, Body: f.forJournal(raw, t.body), Weight: f.weight(t.body)}).Seq
	if name := f.notUTF8(); name != "" {
		s.conn.Note("header %q of the %s is not valid UTF-8", name, f.Command)
	}
	if s.server.countDown() {
		s.conn.Abort("DropAfter")
		return false
	}
	if !s.act(f) {
		return false
	}
	if s.server.opts.OnFrame != nil {
		s.server.opts.OnFrame(s.conn.ID, seq, f)
	}
	if f.Command == frame.DISCONNECT {
		s.conn.Farewell("the device sent DISCONNECT")
		return false
	}
	return true
}

func (s *session) act(f *Frame) bool {
	connects := f.Command == frame.CONNECT || f.Command == frame.STOMP
	switch {
	case connects && s.greeted:
		return s.refuse("the connection has been opened already")
	case !connects && !s.greeted:
		return s.refuse("the first frame must be STOMP or CONNECT")
	case connects:
		s.greeted = true
		return s.connect(f)
	}
	switch f.Command {
	case frame.SUBSCRIBE:
		if problem := s.subscribe(f); problem != "" {
			return s.refuse(problem)
		}
	case frame.UNSUBSCRIBE:
		if !s.unsubscribe(f.header(frame.Id)) {
			s.conn.Note("UNSUBSCRIBE names %q, which is no subscription", f.header(frame.Id))
		}
	case frame.SEND:
		if _, ok := f.Header(frame.Destination); !ok {
			return s.refuse("SEND without a destination")
		}
	case frame.ACK, frame.NACK, frame.BEGIN, frame.COMMIT, frame.ABORT:
		// recorded, and of no effect: there is nothing to acknowledge and no transaction
	case frame.DISCONNECT: // take ends the connection
	default:
		return s.refuse(f.Command + " is not for a client to send")
	}
	if receipt, ok := f.Header(frame.Receipt); ok {
		s.write(&Frame{Command: frame.RECEIPT, Headers: []Pair{{frame.ReceiptId, receipt}}})
	}
	return true
}

// connect answers CONNECT or STOMP as the script says.
func (s *session) connect(f *Frame) bool {
	if !acceptsVersion(f.header(frame.AcceptVersion)) {
		s.write(&Frame{Command: frame.ERROR, Headers: []Pair{{frame.Version, version}, {frame.ContentType, "text/plain"},
			{frame.Message, "this server speaks STOMP " + version}}})
		s.conn.Farewell("the device does not offer STOMP " + version)
		return false
	}
	if sends, wants, err := f.HeartBeat(); err != nil {
		s.conn.Note("%v", err)
	} else if _, ok := f.Header(frame.HeartBeat); ok && f.header(frame.HeartBeat) != heartBeat(sends, wants) {
		s.conn.Note("heart-beat: want two numbers with a comma between and nothing else, got %q", f.header(frame.HeartBeat))
	}
	answer, refusal := s.server.answer(s, f)
	if refusal != nil {
		if *refusal != "" {
			return s.refuse(*refusal)
		}
		s.conn.End("RefuseNext")
		return false
	}
	if answer != nil {
		s.greet(f, answer)
	}
	return true
}

// greet sends CONNECTED and starts the heart-beats that the two sides have agreed on.
func (s *session) greet(f, answer *Frame) {
	if _, err := s.write(answer); err != nil {
		return
	}
	_, wanted, _ := f.HeartBeat()
	sends, _, _ := answer.HeartBeat()
	if sends > 0 && wanted > 0 {
		go s.sendBeats(time.Duration(float64(max(sends, wanted)) / max(1, s.server.opts.TimeScale)))
	}
}

// sendBeats sends a heart-beat a little more often than was promised, so that it is never late by the harness's doing.
func (s *session) sendBeats(period time.Duration) {
	ticker := time.NewTicker(max(period*4/5, minBeat))
	defer ticker.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-ticker.C:
		}
		if s.server.beatsWithheld() {
			continue
		}
		s.writing.Lock()
		s.conn.Log(journal.Event{Layer: journal.LayerSTOMP, Dir: journal.Out, Type: HeartBeatEvent, Raw: []byte("\n")})
		_, err := s.conn.Write([]byte("\n"))
		s.writing.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *session) subscribe(f *Frame) (problem string) {
	id, hasID := f.Header(frame.Id)
	destination, hasDestination := f.Header(frame.Destination)
	if !hasID || !hasDestination {
		return "SUBSCRIBE needs an id and a destination"
	}
	if s.unsubscribe(id) {
		s.conn.Note("SUBSCRIBE uses the id %q of a subscription that was not ended; it takes its place", id)
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.left {
		return ""
	}
	if len(s.subscriptions) >= maxSubscriptions {
		return fmt.Sprintf("%d subscriptions are enough", maxSubscriptions)
	}
	s.server.wake()
	s.subscriptions = append(s.subscriptions, Subscription{Conn: s.conn.ID, ID: id, Destination: destination, Ack: f.header(frame.Ack)})
	return ""
}

func (s *session) unsubscribe(id string) bool {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	for i, sub := range s.subscriptions {
		if sub.ID == id {
			s.subscriptions = append(s.subscriptions[:i:i], s.subscriptions[i+1:]...)
			s.server.wake()
			return true
		}
	}
	return false
}

// refuse sends ERROR and ends the connection. It returns false, what its callers return.
func (s *session) refuse(problem string) bool {
	s.write(errorFrame(problem))
	s.conn.Farewell(problem)
	return false
}

// failed ends the connection after an error of the scanner; t holds what had come of a frame.
func (s *session) failed(t token, err error) {
	hidePasscode(t.raw[:t.body])
	var bad badFrame
	within := len(t.raw) > 0 && !s.conn.Ours() // the harness may end a connection in the middle of a frame
	switch {
	case errors.As(err, &bad):
		s.remain(t, bad.reason)
		s.refuse(bad.reason)
	case errors.Is(err, os.ErrDeadlineExceeded) && within:
		reason := fmt.Sprintf("a frame did not end within %s of its first byte", s.server.opts.Patience)
		s.remain(t, reason)
		s.refuse(reason)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.conn.End(fmt.Sprintf("it sent no frame within %s", s.server.opts.Patience))
	case within:
		s.remain(t, "the connection ended within a frame")
	}
}

// remain records the bytes of a frame that never became one.
func (s *session) remain(t token, reason string) {
	s.conn.Log(journal.Event{Layer: journal.LayerNote, Dir: journal.In, Type: BadFrame, Raw: gate.Kept(t.raw),
		Text: fmt.Sprintf("%s, %d bytes were read", reason, len(t.raw))})
}

func errorFrame(message string) *Frame {
	return &Frame{Command: frame.ERROR, Headers: []Pair{{frame.Message, message}, {frame.ContentType, "text/plain"},
		{frame.ContentLength, strconv.Itoa(len(message))}}, Body: []byte(message), Size: len(message)}
}
