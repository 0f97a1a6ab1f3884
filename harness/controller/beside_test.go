package controller

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// besideLink is a further link of the same Agent.
type besideLink struct{ fakeLink }

func (*besideLink) Name() string { return "beside" }

// startWithBoth makes a Controller that the Agent may reach over two links.
func startWithBoth(t *testing.T) (*Controller, *fakeLink, *besideLink, *journal.Journal) {
	j, l, beside := journal.New(), &fakeLink{}, &besideLink{}
	return New(t.Context(), j, l, Options{ID: ownID, AgentID: agentID, Version: usp.Version, Timeout: timeout, Beside: []link.Link{beside}}), l, beside, j
}

// TestANotifyMayComeOverAnotherLink: it is awaited and acknowledged as any other, and its response goes where it came from.
func TestANotifyMayComeOverAnotherLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, beside, j := startWithBoth(t)
		beside.tell(t, ownID, notify("1", "boot", true))
		synctest.Wait()
		m, err := c.AwaitNotify(t.Context(), 0, func(*usppb.Notify) error { return nil })
		if err != nil || j.At(m.Seq).Link != "beside" {
			t.Errorf("want the Notify with its link, got %+v, %v", m, err)
		}
		if got := beside.acknowledged(t); !slices.Equal(got, []string{"1 boot"}) || len(l.messages(t)) > 0 {
			t.Errorf("want the response over the same link, got %q there and %d Messages here", got, len(l.messages(t)))
		}
		wantNone(t, c)
	})
}

// TestANotifyOverAllLinksAtOnceIsOne: TR-369 leaves that to the Agent. One that is not acknowledged may come again over any link.
func TestANotifyOverAllLinksAtOnceIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, beside, j := startWithBoth(t)
		count := func() (n int) {
			for _, e := range j.Since(0) {
				if e.Layer == journal.LayerMessage && e.Dir == journal.In {
					n++
				}
			}
			return n
		}
		l.tell(t, ownID, notify("1", "boot", true))
		beside.tell(t, ownID, notify("1", "boot", true))
		synctest.Wait()
		if n := count(); n != 1 {
			t.Errorf("want one Notify, got %d", n)
		}
		if here, there := l.acknowledged(t), beside.acknowledged(t); len(here) != 1 || len(there) != 1 {
			t.Errorf("want each of them acknowledged where it came, got %q and %q", here, there)
		}
		c.Withhold("held")
		l.tell(t, ownID, notify("2", "held", true))
		beside.tell(t, ownID, notify("2", "held", true))
		if n := count(); n != 3 {
			t.Errorf("want the retry too, got %d Notifies", n)
		}
		wantNone(t, c)
	})
}

// TestAReplyOverAnotherLinkBreaksARule: responses go over the MTP of their request.
func TestAReplyOverAnotherLinkBreaksARule(t *testing.T) {
	c, l, beside, _ := startWithBoth(t)
	l.answer = func(_ *usppb.Record, m *usppb.Msg) { beside.tell(t, ownID, getResp(m.GetHeader().GetMsgId())) }
	if reply := c.Get(t.Context(), "Device.X.A"); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	broken := c.Violations(0)
	if len(broken) != 1 || broken[0].Rule != replyAddress || !strings.Contains(broken[0].Err.Error(), `want "memory", got "beside"`) {
		t.Errorf("got %v", broken)
	}
}
