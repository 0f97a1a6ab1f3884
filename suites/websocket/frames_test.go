package websocket

import (
	"errors"
	"slices"
	"testing"

	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/journal"
)

// seen is one frame on connection 3, as the journal shows it.
func seen(dir journal.Dir, f websocket.Frame) journal.Event {
	return journal.Event{Layer: journal.LayerWebSocket, Dir: dir, Type: f.Opcode.String(), Conn: 3, Body: &f}
}

func TestFragments(t *testing.T) {
	var (
		first = seen(journal.Out, websocket.Frame{Opcode: websocket.OpBinary})
		more  = seen(journal.Out, websocket.Frame{Opcode: websocket.OpContinuation})
		last  = seen(journal.Out, websocket.Frame{Opcode: websocket.OpContinuation, Fin: true})
		whole = seen(journal.Out, websocket.Frame{Opcode: websocket.OpBinary, Fin: true})
		ping  = seen(journal.Out, websocket.Frame{Opcode: websocket.OpPing, Fin: true})
		reply = seen(journal.In, websocket.Frame{Opcode: websocket.OpBinary, Fin: true})
	)
	tests := []struct {
		name   string
		events []journal.Event
		want   []journal.Mark
	}{
		{"several", []journal.Event{first, more, ping, more, last, reply}, []journal.Mark{1, 2, 4, 5}},
		{"one", []journal.Event{whole, reply, first, last}, []journal.Mark{1}},
		{"none", []journal.Event{ping, reply}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := journal.New()
			for _, e := range test.events {
				j.Append(e)
			}
			if got := fragments(j.Since(0)); !slices.Equal(got, test.want) {
				t.Errorf("want %v, got %v", test.want, got)
			}
		})
	}
}

func TestPong(t *testing.T) {
	answer := func(conn uint64, dir journal.Dir, op websocket.Opcode, payload string) *journal.Event {
		e := seen(dir, websocket.Frame{Opcode: op, Fin: true, Payload: []byte(payload)})
		e.Conn = conn
		return &e
	}
	match := pong(3, "p")
	if err := match(answer(3, journal.In, websocket.OpPong, "p")); err != nil {
		t.Error(err)
	}
	if err := match(answer(3, journal.In, websocket.OpPong, "")); err == nil || errors.Is(err, journal.ErrSkip) {
		t.Errorf("want a near miss, got %v", err)
	}
	for _, other := range []*journal.Event{
		answer(2, journal.In, websocket.OpPong, "p"), answer(3, journal.Out, websocket.OpPong, "p"), answer(3, journal.In, websocket.OpPing, "p"), {Conn: 3, Dir: journal.In},
	} {
		if err := match(other); !errors.Is(err, journal.ErrSkip) {
			t.Errorf("%+v: got %v", other, err)
		}
	}
}

func TestEstablished(t *testing.T) {
	for status, want := range map[int]string{0: journal.ErrSkip.Error(), 101: "", 404: `status of the answer to the opening request: want 101, got 404`} {
		got := ""
		if err := established(&journal.Event{Body: &websocket.Handshake{Status: status}}); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%d: want %q, got %q", status, want, got)
		}
	}
}
