package controller

import (
	"context"
	"testing"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// mute is a link that swallows what is sent and never says anything by itself.
type mute struct {
	link.Link
	say func(link.Inbound)
}

func (m *mute) OnRecord(f func(link.Inbound)) { m.say = f }

func (m *mute) Send(context.Context, []byte) (journal.Mark, error) { return 0, nil }

// A malformed Record may be answered with one Error of any msg_id, and with nothing else.
func TestStrayErrors(t *testing.T) {
	const agent, own = "proto::agent", "self::controller"
	stray := usp.NewError("nobody's", usp.CodeRecordNotParsed, "")
	for name, test := range map[string]struct {
		malformed int
		answers   []*usppb.Msg
		want      int
	}{
		"nothing sent":       {0, []*usppb.Msg{stray}, 1},
		"one Error for one":  {1, []*usppb.Msg{stray}, 0},
		"two Errors for one": {1, []*usppb.Msg{stray, stray}, 1},
		"two Errors for two": {2, []*usppb.Msg{stray, stray}, 0},
		"a response instead": {1, []*usppb.Msg{usp.NewMsg("nobody's", &usppb.GetResp{})}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			j, l := journal.New(), &mute{}
			c := New(t.Context(), j, l, Options{ID: own, AgentID: agent, Version: usp.Version})
			for range test.malformed {
				if _, err := c.SendRaw(t.Context(), []byte("?")); err != nil {
					t.Fatal(err)
				}
			}
			for _, m := range test.answers {
				record, err := usp.WrapMessage(own, agent, usp.Version, m)
				if err != nil {
					t.Fatal(err)
				}
				raw, err := usp.Marshal(record)
				if err != nil {
					t.Fatal(err)
				}
				l.say(link.Inbound{Raw: raw})
			}
			if got := c.Violations(0); len(got) != test.want {
				t.Errorf("got %v, want %d violations", got, test.want)
			}
		})
	}
}

// What answers a Message in a Record that was sent as it is, such as one with a wrong signature, is judged by who sent that Record.
func TestAnswersToOddRecords(t *testing.T) {
	const agent, own = "proto::agent", "self::controller"
	for name, test := range map[string]struct {
		sent, answered string
		want           int
	}{
		"its own msg_id": {"odd", "odd", 0},
		"another msg_id": {"odd", "other", 1},
		"none":           {"", "", 2},
		"none, of one":   {"odd", "", 2},
		"one, of none":   {"", "odd", 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := &mute{}
			c := New(t.Context(), journal.New(), l, Options{ID: own, AgentID: agent, Version: usp.Version})
			wrapped := func(to, from usp.EndpointID, m *usppb.Msg) *usppb.Record {
				record, err := usp.WrapMessage(to, from, usp.Version, m)
				if err != nil {
					t.Fatal(err)
				}
				return record
			}
			if _, err := c.SendRecord(t.Context(), wrapped(agent, own, usp.NewGet(test.sent, "Device."))); err != nil {
				t.Fatal(err)
			}
			raw, err := usp.Marshal(wrapped(own, agent, usp.NewMsg(test.answered, &usppb.GetResp{})))
			if err != nil {
				t.Fatal(err)
			}
			l.say(link.Inbound{Raw: raw})
			if got := c.Violations(0); len(got) != test.want {
				t.Errorf("got %v, want %d violations", got, test.want)
			}
		})
	}
}
