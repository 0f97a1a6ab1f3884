package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// acknowledged are msg_id and Subscription of every NotifyResp sent so far.
func (l *fakeLink) acknowledged(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, m := range l.messages(t) {
		if r := m.GetBody().GetResponse().GetNotifyResp(); r != nil {
			out = append(out, m.GetHeader().GetMsgId()+" "+r.GetSubscriptionId())
		}
	}
	return out
}

func TestNotifiesAreAcknowledgedByPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, _ := start(t)
		want := func(acks ...string) {
			t.Helper()
			synctest.Wait()
			if got := l.acknowledged(t); !slices.Equal(got, acks) {
				t.Fatalf("acknowledged: want %q, got %q", acks, got)
			}
		}
		l.tell(t, ownID, notify("1", "boot", true))
		want("1 boot")
		l.tell(t, ownID, notify("2", "boot", false)) // wants no answer
		want("1 boot")
		c.Withhold("held")
		l.tell(t, ownID, notify("3", "held", true))
		l.tell(t, ownID, notify("4", "boot", true))
		want("1 boot", "4 boot")
		held, err := c.AwaitNotify(t.Context(), 0, func(n *usppb.Notify) error {
			if n.GetSubscriptionId() != "held" {
				return journal.ErrSkip
			}
			return nil
		})
		if err != nil || held.GetHeader().GetMsgId() != "3" {
			t.Fatalf("got %v, %v", held, err)
		}
		if err := c.AnswerNotify(t.Context(), held); err != nil {
			t.Fatal(err)
		}
		want("1 boot", "4 boot", "3 held")
		l.tell(t, ownID, notify("5", "held", true))
		c.Acknowledge("held") // what was withheld stays so
		l.tell(t, ownID, notify("6", "held", true))
		want("1 boot", "4 boot", "3 held", "6 held")
		c.FallSilent()
		l.tell(t, ownID, notify("7", "boot", true))
		want("1 boot", "4 boot", "3 held", "6 held")
		wantNone(t, c)
	})
}

func TestABurstOfNotifiesIsAcknowledgedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, _ := start(t)
		const burst = 1_000
		var want []string
		for i := range burst {
			l.tell(t, ownID, notify(fmt.Sprint(i), "s", true))
			want = append(want, fmt.Sprint(i, " s"))
		}
		synctest.Wait()
		if got := l.acknowledged(t); !slices.Equal(got, want) {
			t.Errorf("want %d acknowledgements in order, got %d", burst, len(got))
		}
		wantNone(t, c)
	})
}

func TestAFloodBeyondTheQueueIsNotedAndHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, j := start(t)
		l.held = make(chan struct{})
		l.tell(t, ownID, notify("1", "s", true))
		synctest.Wait() // it is being sent
		for range maxAcks + 2 {
			c.queueAck(&Message{Msg: &usppb.Msg{}, To: ownID})
		}
		unsent := 0
		for _, e := range j.Since(0) {
			if e.Type == "unsent NotifyResp" {
				unsent++
			}
		}
		if unsent != 2 {
			t.Errorf("want 2 unsent, got %d", unsent)
		}
		close(l.held)
	})
}

func TestAnAcknowledgementThatCannotBeSentIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l, j := start(t)
		l.away = errors.New("gone")
		l.tell(t, ownID, notify("1", "s", true))
		synctest.Wait()
		last := j.At(j.Mark())
		if last.Type != "unsent NotifyResp" || !strings.Contains(last.Text, "gone") || last.Dir != journal.Own {
			t.Errorf("got %+v", last)
		}
	})
}

func TestAwaitNotifyNamesTheNearestMiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, j := start(t)
		l.tell(t, ownID, notify("before the mark", "s", false))
		mark := j.Mark()
		l.tell(t, ownID, getResp("x"))
		l.tell(t, ownID, notify("1", "other", false))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m, err := c.AwaitNotify(ctx, mark, func(n *usppb.Notify) error {
			return fmt.Errorf("subscription_id: want %q, got %q", "s", n.GetSubscriptionId())
		})
		var missed *journal.TimeoutError
		if m != nil || !errors.As(err, &missed) || missed.Nearest.Type != "Notify" || !strings.Contains(err.Error(), `got "other"`) {
			t.Errorf("got %v, %v", m, err)
		}
	})
}

func TestANotifyOfOursIsNone(t *testing.T) {
	c, _, _ := start(t)
	if _, err := c.Send(t.Context(), notify("1", "s", false)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := c.AwaitNotify(ctx, 0, func(*usppb.Notify) error { return nil }); err == nil {
		t.Errorf("event %d is taken for a Notify of the Agent", m.Seq)
	}
}

func TestEachControllerAwaitsItsOwnNotifies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, _ := start(t)
		l.join = func(string) link.Joined { return fakeEnd{l} }
		further, _ := c.Join(otherID)
		l.tell(t, otherID, notify("1", "same", false))
		l.tell(t, ownID, notify("2", "same", false))
		for of, want := range map[*Controller]string{c: "2", further: "1"} {
			m, err := of.AwaitNotify(t.Context(), 0, func(*usppb.Notify) error { return nil })
			if err != nil || m.GetHeader().GetMsgId() != want {
				t.Errorf("%s: want Notify %s, got %v, %v", of.ID(), want, m, err)
			}
		}
	})
}

func TestAMessageShowsItself(t *testing.T) {
	if !strings.Contains((&Message{Msg: usp.NewGet("1", "Device.")}).Describe(), "Device.") {
		t.Error("a Message shows itself")
	}
}
