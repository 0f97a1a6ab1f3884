package stomp

import (
	"net"
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"

	"github.com/usptest/usptest/harness/journal"
)

func TestSubscribeDest(t *testing.T) {
	s, j := start(t, Options{})
	s.SubscribeDest("usptest/new:1") // the colon must not be escaped in CONNECTED
	d := dial(t, s, nil)
	d.write(frame.STOMP, "accept-version", "1.2", "host", "/")
	d.expect(frame.CONNECTED)
	if e := await(t, j, journal.Out, frame.CONNECTED, "subscribe-dest"); !strings.Contains(string(e.Raw), "\nsubscribe-dest:usptest/new:1\n") {
		t.Errorf("raw %q", e.Raw)
	}
	await(t, j, journal.Own, "SubscribeDest", `"usptest/new:1"`)
	s.Reset()
	_, greeting := connected(t, s)
	if got, ok := greeting.Header.Contains("subscribe-dest"); ok {
		t.Errorf("after Reset: %q", got)
	}
}

func TestHeartBeatsAreAgreedOn(t *testing.T) {
	tests := []struct {
		name, asked, answer string
		script              func(*Server)
		note                string
	}{
		{name: "mirrored", asked: "15000,10000", answer: "10000,15000"},
		{name: "not asked for", answer: "0,0"},
		{name: "with a blank", asked: "15000, 10000", answer: "10000,15000", note: "nothing else"},
		{name: "no numbers", asked: "often", answer: "0,0", note: "a comma between"},
		{name: "negative", asked: "-1,5", answer: "0,0", note: "numbers of milliseconds"},
		{name: "by script", asked: "15000,10000", answer: "0,30000", script: func(s *Server) { s.HeartBeat(0, 30000) }},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, j := start(t, Options{})
			if tc.script != nil {
				tc.script(s)
			}
			var ask []string
			if tc.asked != "" {
				ask = []string{"heart-beat", tc.asked}
			}
			_, greeting := connected(t, s, ask...)
			if got := greeting.Header.Get("heart-beat"); got != tc.answer {
				t.Errorf("want %q, got %q", tc.answer, got)
			}
			if tc.note != "" {
				await(t, j, journal.Own, "note", tc.note)
			}
		})
	}
}

func TestHeartBeatsGoBothWays(t *testing.T) {
	s, j := start(t, Options{TimeScale: 100})
	d, greeting := connected(t, s, "heart-beat", "1000,1000")
	if got := greeting.Header.Get("heart-beat"); got != "1000,1000" {
		t.Errorf("the header is not scaled, got %q", got)
	}
	for range 3 {
		if f, err := d.r.Read(); f != nil || err != nil {
			t.Fatalf("want a heart-beat, got %v, %v", f, err)
		}
	}
	await(t, j, journal.Out, HeartBeatEvent, "")
	mark := j.Mark()
	d.bytes("\n")
	if e := awaitAfter(t, j, mark, journal.In, HeartBeatEvent, ""); string(e.Raw) != "\n" {
		t.Errorf("raw %q", e.Raw)
	}
	mark = j.Mark()
	d.bytes("\r\n")
	awaitAfter(t, j, mark, journal.In, HeartBeatEvent, "")

	// line ends that come along with a frame belong to it
	mark = j.Mark()
	d.bytes("SUBSCRIBE\nid:0\ndestination:a\n\n\x00\n\nSUBSCRIBE\nid:1\ndestination:b\n\n\x00\n")
	awaitAfter(t, j, mark, journal.In, frame.SUBSCRIBE, `id "1"`)
	for _, e := range j.Since(mark) {
		if e.Dir == journal.In && e.Type == HeartBeatEvent {
			t.Errorf("event %d is no heart-beat of its own: %q", e.Seq, e.Raw)
		}
	}

	s.SendHeartBeats(false)
	mark = await(t, j, journal.Own, "SendHeartBeats", "no heart-beats").Seq
	d.bytes("\n")
	awaitAfter(t, j, mark, journal.In, HeartBeatEvent, "")
	s.SendHeartBeats(true)
	awaitAfter(t, j, mark, journal.Own, "SendHeartBeats", "as agreed")
	awaitAfter(t, j, j.Mark(), journal.Out, HeartBeatEvent, "")
}

func TestRefuseNext(t *testing.T) {
	s, j := start(t, Options{})
	refused := func() *device {
		d := dial(t, s, nil)
		d.write(frame.STOMP, "accept-version", "1.2", "host", "/")
		return d
	}
	s.RefuseNext(2, "come back later")
	for range 2 {
		d := refused()
		if e := d.expect(frame.ERROR); e.Header.Get("message") != "come back later" || string(e.Body) != "come back later" {
			t.Errorf("got %v", e)
		}
		d.ended()
	}
	connected(t, s)
	s.RefuseNext(-1, "")
	refused().ended()
	refused().ended()
	s.Reset()
	connected(t, s)
	if e := await(t, j, journal.Out, "close", "RefuseNext"); e.Conn == 0 {
		t.Errorf("got %+v", e)
	}
}

func TestHoldAndRelease(t *testing.T) {
	s, j := start(t, Options{})
	s.Hold()
	d := dial(t, s, nil)
	d.write(frame.STOMP, "accept-version", "1.2", "host", "/", "heart-beat", "0,10")
	await(t, j, journal.In, frame.STOMP, "")
	s.Release()
	d.expect(frame.CONNECTED)
	if f, err := d.r.Read(); f != nil || err != nil { // heart-beats begin with CONNECTED
		t.Fatalf("want a heart-beat, got %v, %v", f, err)
	}
	if out, freed := await(t, j, journal.Out, frame.CONNECTED, ""), await(t, j, journal.Own, "Release", ""); out.Seq < freed.Seq {
		t.Errorf("CONNECTED is event %d, before Release, %d", out.Seq, freed.Seq)
	}
}

func TestDropAfter(t *testing.T) {
	s, j := start(t, Options{})
	s.DropAfter(2)
	d, _ := connected(t, s)
	d.write(frame.SUBSCRIBE, "id", "0", "destination", "a", "receipt", "r")
	d.ended()
	await(t, j, journal.In, frame.SUBSCRIBE, "")
	await(t, j, journal.Out, "close", "DropAfter")
	d, _ = connected(t, s)
	d.write(frame.SUBSCRIBE, "id", "0", "destination", "a", "receipt", "r")
	d.expect(frame.RECEIPT)
}

func TestEveryWayToEndEveryConnection(t *testing.T) {
	tests := []struct {
		name  string
		verb  func(*Server)
		first string // a frame that the device still gets
	}{
		{"DropAll", (*Server).DropAll, ""},
		{"Down", (*Server).Down, ""},
		{"Error", func(s *Server) { s.Error("no more") }, frame.ERROR},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, j := start(t, Options{})
			d, _ := connected(t, s)
			d.write(frame.SUBSCRIBE, "id", "0", "destination", "a", "receipt", "r")
			d.expect(frame.RECEIPT)
			tc.verb(s)
			if got := s.Subscriptions(); len(got) != 0 {
				t.Errorf("subscribed at once after: %v", got)
			}
			if tc.first != "" {
				d.expect(tc.first)
			}
			d.ended()
			await(t, j, journal.Own, tc.name, "")
			if tc.name == "Down" {
				if c, err := net.Dial("tcp", s.Addr()); err == nil {
					c.Close()
					t.Error("connected while down")
				}
				if err := s.Up(); err != nil {
					t.Fatal(err)
				}
			}
			connected(t, s)
		})
	}
}

func TestInject(t *testing.T) {
	s, j := start(t, Options{})
	if err := s.Inject(0, []byte("x")); err == nil {
		t.Error("injected into nothing")
	}
	d, _ := connected(t, s)
	connected(t, s) // a newer one
	if err := s.Inject(s.Conns()[0], []byte("RECEIPT\nreceipt-id:forged\n\n\x00")); err != nil {
		t.Fatal(err)
	}
	if r := d.expect(frame.RECEIPT); r.Header.Get("receipt-id") != "forged" {
		t.Errorf("got %v", r)
	}
	if e := await(t, j, journal.Out, "raw bytes", "28 bytes"); len(e.Raw) != 28 {
		t.Errorf("raw %q", e.Raw)
	}
}
