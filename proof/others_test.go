package proof

import (
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/suites"
)

// TestOthersMaySubscribeToo carries out the cases about notifications on a device that has further Subscriptions to the same things, of the
// harness's Controller and of a second one: they change no verdict.
func TestOthersMaySubscribeToo(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range program.Sample(*full, 8, []struct {
		id     string
		metric int
		defect string // with which the metric fails all the same
	}{
		{id: "1.52"}, {id: "1.53"}, {id: "1.54"}, {id: "1.55"}, {id: "1.56"}, {id: "1.57"}, {id: "1.58"}, {id: "1.59"}, {id: "1.60"}, {id: "1.64"}, {id: "1.65"},
		{id: "1.79"}, {id: "1.84"}, {id: "1.93"}, {id: "1.94"}, {id: "1.100"}, {id: "1.101"}, {id: "1.102"}, {id: "1.103"}, {id: "9.11"},
		{"1.53", 2, "deleted-subscription-still-notifies"},
		{"1.53", 2, "deleted-subscription-notifies-without-id"},
		{"1.55", 3, "expired-subscription-still-notifies"},
		{"1.56", 2, "notify-retried-after-expiration"},
		{"1.100", 2, "missing-argument-completes"},
		{"1.103", 2, "onboard-restarted-without-restart-time"},
	}) {
		t.Run(strings.TrimSpace(test.id+" "+test.defect), func(t *testing.T) {
			t.Parallel()
			c, _ := p.Case(test.id)
			c.Needs = append(slices.Clone(c.Needs), "second-controller")
			body := func(c *harness.Case) {
				second, _ := c.SecondController()
				subscribeToAll(c, c.Agent)
				subscribeToAll(c, second)
				c.SettleSubscription()
				suites.Bodies()[test.id](c)
			}
			if test.defect != "" {
				if err := exactly(caughtWith(t, c, body, "mqtt5", test.defect), test.metric); err != nil {
					t.Error(err)
				}
				return
			}
			if r, _ := runWith(t, c, body, "mqtt5"); r.Verdict != result.Pass {
				t.Errorf("%s %s", r.Verdict, r.Reason)
			}
		})
	}
}

// subscribeToAll gives a Controller Subscriptions to whatever the cases subscribe to.
func subscribeToAll(c *harness.Case, to *controller.Controller) {
	for _, s := range []struct{ kind, reference string }{
		{"ValueChange", c.Element(dut.RoleChanging)},
		{"ValueChange", "Device.LocalAgent.Controller.*.BootParameter.*.Enable"},
		{"ObjectCreation", "Device.LocalAgent.Subscription."},
		{"ObjectDeletion", "Device.LocalAgent.Subscription."},
		{"Event", "Device.LocalAgent.Periodic!"},
		{"OperationComplete", c.Element(dut.RoleAsyncCommand)},
		{"OperationComplete", c.Element(dut.RoleTimer)},
	} {
		added := to.Add(c, false, usp.Create("Device.LocalAgent.Subscription.",
			usp.Params{"Enable": "true", "ID": c.Fresh("other"), "NotifType": s.kind, "ReferenceList": s.reference, "NotifRetry": "true"}, nil))
		c.Owns(added)
		_, err := expect.OneCreated(added)
		c.LabMust(err)
	}
}
