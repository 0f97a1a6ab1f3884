package stomp

import (
	"testing"
	"time"

	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/harness/journal"
)

func TestWatch(t *testing.T) {
	const conn = 3
	began := time.Now()
	at := func(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }
	event := func(seconds int, e journal.Event) journal.Event {
		e.At = at(seconds)
		if e.Conn == 0 {
			e.Conn = conn
		}
		return e
	}
	var (
		ask       = journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Type: "STOMP"}
		connected = journal.Event{Layer: journal.LayerSTOMP, Dir: journal.Out, Type: "CONNECTED"}
		beat      = journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Type: stomp.HeartBeatEvent}
		send      = journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Type: "SEND"}
		record    = journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Type: "NoSessionContext"}
		ours      = journal.Event{Layer: journal.LayerSTOMP, Dir: journal.Out, Type: stomp.HeartBeatEvent}
		other     = journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Type: stomp.HeartBeatEvent, Conn: 2}
		closed    = journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "close"}
	)
	tests := []struct {
		name    string
		events  []journal.Event // from the first event on numbered 1, 2, 3 …
		heard   int
		silence int // seconds
		before  journal.Mark
		ended   bool
	}{
		{"on time", []journal.Event{event(0, ask), event(1, connected), event(15, beat), event(30, beat), event(45, beat)}, 3, 15, 3, false},
		{"early", []journal.Event{event(1, connected), event(2, beat), event(20, beat), event(40, beat), event(55, beat)}, 4, 20, 3, false},
		{"any frame counts", []journal.Event{event(1, connected), event(15, send), event(30, beat), event(45, send)}, 3, 15, 2, false},
		{"none at all", []journal.Event{event(1, connected)}, 0, 59, 1, false},
		{"none after a while", []journal.Event{event(1, connected), event(15, beat)}, 1, 45, 2, false},
		{"only other things", []journal.Event{event(1, connected), event(20, ours), event(30, other), event(40, record)}, 0, 59, 1, false},
		{"before CONNECTED", []journal.Event{event(0, ask), event(30, beat), event(50, connected)}, 0, 10, 3, false},
		{"after the end", []journal.Event{event(30, connected), event(61, beat), event(62, closed)}, 0, 30, 1, false},
		{"connection lost", []journal.Event{event(1, connected), event(15, beat), event(16, closed)}, 1, 45, 2, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := journal.New()
			for _, e := range test.events {
				j.Append(e)
			}
			w := watch(j.Since(0), conn, at(60))
			if w.heard != test.heard || w.silence != time.Duration(test.silence)*time.Second || w.before != test.before || (w.ended != nil) != test.ended {
				t.Errorf("got %+v", w)
			}
		})
	}
}

func TestOffers(t *testing.T) {
	tests := []struct {
		header []stomp.Pair
		blank  bool   // must be there
		finds  string // "" when nothing is wrong
	}{
		{[]stomp.Pair{{Name: "heart-beat", Value: "15000,10000"}}, false, ""},
		{[]stomp.Pair{{Name: "heart-beat", Value: "15000, 10000"}}, false, ""},
		{[]stomp.Pair{{Name: "heart-beat", Value: "15000, 10000"}}, true, ""},
		{[]stomp.Pair{{Name: "heart-beat", Value: "15000,10000"}}, true, `STOMP: header heart-beat: want "15000, 10000", got "15000,10000"`},
		{[]stomp.Pair{{Name: "heart-beat", Value: "15000,10000"}, {Name: "heart-beat", Value: "0,0"}}, false, ""},
		{[]stomp.Pair{{Name: "heart-beat", Value: "10000,15000"}}, false, `STOMP: header heart-beat: want "15000,10000", got "10000,15000"`},
		{[]stomp.Pair{{Name: "heart-beat", Value: "15,10"}}, false, `STOMP: header heart-beat: want "15000,10000", got "15,10"`},
		{[]stomp.Pair{{Name: "heart-beat", Value: "15000"}}, false, `STOMP: header heart-beat: want "15000,10000", got "15000"`},
		{nil, false, "STOMP: want a header heart-beat, got none"},
	}
	for _, test := range tests {
		e := &journal.Event{Dir: journal.In, Type: "STOMP", Body: &stomp.Frame{Command: "STOMP", Headers: test.header}}
		got := ""
		if err := offers(e, 15*time.Second, 10*time.Second, test.blank); err != nil {
			got = err.Error()
		}
		if got != test.finds {
			t.Errorf("%v: want %q, got %q", test.header, test.finds, got)
		}
	}
}
