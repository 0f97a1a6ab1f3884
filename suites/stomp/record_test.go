package stomp

import (
	"testing"

	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/harness/journal"
)

func TestGoesOn(t *testing.T) {
	const conn = 3
	sent := func(conn uint64, command string) *journal.Event {
		return &journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Conn: conn, Type: command, Body: &stomp.Frame{Command: command}}
	}
	closed := func(conn uint64) *journal.Event {
		return &journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Conn: conn, Type: "close", Text: "closed by the device"}
	}
	for name, test := range map[string]struct {
		event *journal.Event
		want  string
	}{
		"a frame that ends the subscription": {sent(conn, "UNSUBSCRIBE"), `frame other than SEND: want none, got UNSUBSCRIBE`},
		"the end of the session":             {sent(conn, "DISCONNECT"), `frame other than SEND: want none, got DISCONNECT`},
		"the end of the connection":          {closed(conn), "connection: want open, got closed by the device"},
		"a SEND without a Record":            {sent(conn, "SEND"), `SEND: want a header content-type, got none`},
		"another connection's session":       {sent(4, "STOMP"), ""},
		"another connection's end":           {closed(4), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := goesOn(conn, test.event); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("want %q, got %q", test.want, got)
			}
		})
	}
}
