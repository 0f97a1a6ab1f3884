package bulkdata

import (
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const push = "Push!"

// pushed carries reports in the Push! events of a profile.
type pushed struct {
	profile, subscription string // the row, and the ID of the Subscription to its events
}

func (*pushed) settings() usp.Params { return usp.Params{"Protocol": "USPEventNotif"} }
func (*pushed) what() string         { return push + " events" }
func (*pushed) where(n int) string   { return fmt.Sprintf("Data of %s %d", push, n) }

func (t *pushed) carries(e *journal.Event) bool {
	m, ok := e.Body.(*controller.Message)
	if !ok || e.Dir != journal.In || m.GetBody().GetRequest().GetNotify().GetSubscriptionId() != t.subscription {
		return false
	}
	event := pushOf(e)
	return event.GetObjPath() == t.profile && event.GetEventName() == push
}

func (*pushed) content(e *journal.Event) ([]byte, error) {
	params := usp.Params(pushOf(e).GetParams())
	return []byte(params["Data"]), expect.Contains("params of the event", []string{"Data"}, params.Names())
}

// judge has nothing to add: TR-369 leaves the event without a word on encoding and layout.
func (*pushed) judge(*harness.Case, *profile, int, *journal.Event) {}

// pushOf returns the event that a Notify brings, or nil when it brings something else.
func pushOf(e *journal.Event) *usppb.Notify_Event {
	return e.Body.(*controller.Message).GetBody().GetRequest().GetNotify().GetEvent()
}

// subscribe is step 5: it adds the Subscription to the events of a profile.
func (t *pushed) subscribe(c *harness.Case) {
	c.Uses(plan.NeedNotify)
	c.Step(5, "add an Event Subscription to %s%s", t.profile, push)
	_, t.subscription = c.Subscribe(usp.Params{"NotifType": "Event", "ReferenceList": t.profile + push})
	c.SettleSubscription()
}

// pushes are 10.10 to 10.12: reports come as Push! events of the profile.
func pushes(collect func(*harness.Case) *collection) harness.Body {
	return func(c *harness.Case) {
		what := collect(c)
		by := &pushed{}
		p := addProfile(c, interval(c), encodingType(c), by, nil)
		by.profile = p.path
		what.add(p)
		var beside *neighbour
		switch {
		case what.name == upTime:
			beside = addNeighbour(p, what)
		case what.wildcards:
			beside = addNeighbour(p, what.besides(c, "BootParameter"))
		}
		by.subscribe(c)
		p.enable(6)
		beside.run()
		if p.twoReports(1, 7) && p.wellFormed(2) && what.judge(p, 3) {
			what.finePrint(p)
			beside.judge()
		}
	}
}
