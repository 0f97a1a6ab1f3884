package stomp

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

func TestARecordGoesBothWays(t *testing.T) {
	type arrival struct {
		conn  uint64
		seq   journal.Mark
		frame *Frame
	}
	arrivals := make(chan arrival, 10)
	s, j := start(t, Options{OnFrame: func(conn uint64, seq journal.Mark, f *Frame) { arrivals <- arrival{conn, seq, f} }})
	d, greeting := connected(t, s, "endpoint-id", "os::012345-A1", "login", "agent", "passcode", "sesame1")
	if v := greeting.Header.Get("version"); v != "1.2" {
		t.Errorf("CONNECTED version %q", v)
	}
	d.write(frame.SUBSCRIBE, "id", "0", "destination", "usptest/1/agent", "ack", "auto")
	await(t, j, journal.In, frame.SUBSCRIBE, `destination "usptest/1/agent", id "0"`)
	<-arrivals // STOMP
	<-arrivals // SUBSCRIBE

	body := []byte("\x0a\x00binary\x00record\n")
	seq, err := s.Send("usptest/1/agent", []Pair{{"content-type", "application/vnd.bbf.usp.msg"}, {"reply-to-dest", "usptest/1/controller"}}, body)
	if err != nil {
		t.Fatal(err)
	}
	m := d.expect(frame.MESSAGE)
	for name, want := range map[string]string{"subscription": "0", "destination": "usptest/1/agent", "content-length": fmt.Sprint(len(body)),
		"content-type": "application/vnd.bbf.usp.msg", "reply-to-dest": "usptest/1/controller", "message-id": "1"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("MESSAGE %s: want %q, got %q", name, want, got)
		}
	}
	if string(m.Body) != string(body) {
		t.Errorf("MESSAGE body %q", m.Body)
	}
	if e := await(t, j, journal.Out, frame.MESSAGE, ""); e.Seq != seq || !strings.Contains(string(e.Raw), string(body)) {
		t.Errorf("MESSAGE is event %d, Send said %d; raw %q", e.Seq, seq, e.Raw)
	}

	// a repeated header, an odd order and escapes: all of it must be there for the checks
	d.bytes("SEND\nreply-to-dest:a\\cb\\\\c\ndestination:usptest/1/controller\nx:1\nx:2\ncontent-length:3\n\n\x00\x01\n\x00")
	got := <-arrivals
	want := []Pair{{"reply-to-dest", `a:b\c`}, {"destination", "usptest/1/controller"}, {"x", "1"}, {"x", "2"}, {"content-length", "3"}}
	if !reflect.DeepEqual(got.frame.Headers, want) || string(got.frame.Body) != "\x00\x01\n" {
		t.Errorf("got %q with body %q", got.frame.Headers, got.frame.Body)
	}
	if first, ok := got.frame.Header("x"); !ok || first != "1" {
		t.Errorf("the first of a repeated header counts, got %q", first)
	}
	e := await(t, j, journal.In, frame.SEND, `reply-to-dest "a:b\\c"`)
	if e.Seq != got.seq || e.Conn != got.conn || !reflect.DeepEqual(e.Body, got.frame) || !strings.HasPrefix(string(e.Raw), "SEND\nreply-to-dest:a\\cb") {
		t.Errorf("event %+v does not fit arrival %+v", e, got)
	}
	if e := await(t, j, journal.In, frame.STOMP, ""); !strings.Contains(e.Text, `endpoint-id "os::012345-A1"`) {
		t.Errorf("text %q", e.Text)
	}
}

func TestThePasscodeIsNowhereToBeRead(t *testing.T) {
	for _, secret := range []string{"ab", "correct horse"} { // shorter than what the journal masks by itself, and longer
		s, j := start(t, Options{})
		d, _ := connected(t, s, "login", "agent", "passcode", secret)
		d.write(frame.SUBSCRIBE, "id", "0", "destination", "d")
		e := await(t, j, journal.In, frame.STOMP, "")
		if text := e.Text + e.Body.(*Frame).Describe() + string(e.Raw); strings.Contains(text, "passcode:"+secret) || strings.Contains(text, `"`+secret) {
			t.Errorf("%q is in %q", secret, text)
		}
		if got, _ := e.Body.(*Frame).Header("passcode"); got != secret {
			t.Errorf("a check cannot compare the passcode: %q", got)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	s, j := start(t, Options{})
	d, _ := connected(t, s)
	if _, err := s.Send("b", nil, nil); !errors.Is(err, ErrNoSubscriber) {
		t.Errorf("want ErrNoSubscriber, got %v", err)
	}
	d.write(frame.SUBSCRIBE, "id", "0", "destination", "a", "ack", "auto")
	d.write(frame.SUBSCRIBE, "id", "1", "destination", "b", "receipt", "r1")
	d.expect(frame.RECEIPT)
	conn := s.Conns()[0]
	if got, want := s.Subscriptions(), []Subscription{{conn, "0", "a", "auto"}, {conn, "1", "b", ""}}; !reflect.DeepEqual(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	changed := s.Changed()
	d.write(frame.UNSUBSCRIBE, "id", "0", "receipt", "r2")
	<-changed
	if r := d.expect(frame.RECEIPT); r.Header.Get("receipt-id") != "r2" {
		t.Errorf("receipt %v", r)
	}
	if got := s.Subscriptions(); len(got) != 1 || got[0].ID != "1" {
		t.Errorf("after UNSUBSCRIBE: %v", got)
	}
	d.write(frame.UNSUBSCRIBE, "id", "7")
	await(t, j, journal.Own, "note", `"7"`)
	d.write(frame.SUBSCRIBE, "id", "1", "destination", "c", "receipt", "r3")
	d.expect(frame.RECEIPT)
	await(t, j, journal.Own, "note", `"1" of a subscription that was not ended`)
	if got := s.Subscriptions(); len(got) != 1 || got[0].Destination != "c" {
		t.Errorf("after the id was used again: %v", got)
	}
}

func TestDisconnectIsAnsweredAndEndsTheSession(t *testing.T) {
	s, j := start(t, Options{})
	d, _ := connected(t, s)
	d.write(frame.SUBSCRIBE, "id", "0", "destination", "a")
	d.write(frame.DISCONNECT, "receipt", "bye")
	if r := d.expect(frame.RECEIPT); r.Header.Get("receipt-id") != "bye" {
		t.Errorf("receipt %v", r)
	}
	d.ended()
	d.Close()
	for changed := s.Changed(); len(s.Conns()) > 0; changed = s.Changed() {
		<-changed
	}
	await(t, j, journal.Out, "close", "the device sent DISCONNECT")
	if got := s.Subscriptions(); len(got) != 0 {
		t.Errorf("still subscribed: %v", got)
	}
}

func TestVersionMustBeOffered(t *testing.T) {
	s, _ := start(t, Options{})
	for _, offered := range []string{"1.0,1.1", "", "1.22"} {
		d := dial(t, s, nil)
		d.write(frame.STOMP, "accept-version", offered, "host", "/")
		if e := d.expect(frame.ERROR); e.Header.Get("version") != "1.2" {
			t.Errorf("offered %q: %v", offered, e)
		}
		d.ended()
	}
	d := dial(t, s, nil)
	d.write(frame.CONNECT, "accept-version", "1.0,1.1,1.2", "host", "/")
	d.expect(frame.CONNECTED)
}

func TestTLS(t *testing.T) {
	secure, trusting := events.TLS(t)
	s, j := start(t, Options{TLS: secure})
	d := dial(t, s, trusting)
	d.connect()
	hands := await(t, j, journal.In, "handshake", "TLS 1.3")
	opened := await(t, j, journal.In, frame.STOMP, "")
	if opened.Conn != hands.Conn || !strings.HasPrefix(string(opened.Raw), "STOMP\n") {
		t.Errorf("STOMP %+v after handshake %+v", opened, hands)
	}
}

func TestAPortInUseIsAnError(t *testing.T) {
	s, j := start(t, Options{})
	if _, err := Start(t.Context(), j, Options{Addr: s.Addr()}); err == nil || !strings.Contains(err.Error(), "stomp: ") {
		t.Errorf("got %v", err)
	}
}
