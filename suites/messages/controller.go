package messages

import (
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// deleteControllerOfSubscription is 1.78. A Subscription of the harness's own Controller must be listed after it as before, so that no
// table that was emptied, and none that is hidden, passes.
func deleteControllerOfSubscription(c *harness.Case) {
	second, controller := c.SecondController()
	id := c.Fresh("second")
	added := second.Add(c, false, usp.Create(subscriptions, usp.Params{
		"Enable": "true", "ID": id, "NotifType": "ValueChange", "ReferenceList": c.Element(dut.RoleReadable),
	}, nil))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	if err != nil {
		err = fmt.Errorf("%s, the second Controller, cannot subscribe: %w; let the Roles of the harness's Controller add Subscriptions", controller, err)
	}
	c.LabMust(err)
	own, _ := c.Subscribe(nil)

	c.Step(1, "delete %s, whose Controller has added %s", controller, created.Path)
	deleted := c.Agent.Delete(c, false, controller)
	c.Step(3, "get %s", subscriptions)
	got := c.Agent.Get(c, subscriptions)
	c.Metric(1, func(m *harness.Metric) {
		q, err := expect.OneResult(got, subscriptions)
		m.Must(err, deleted.Evidence(), got.Evidence())
		after := expect.Resolved(q)
		rows := expect.Snapshot(after).Rows()
		for _, row := range rows {
			left := row == created.Path || after[row+"ID"] == id || // it may have been given to another Controller, or to another row
				expect.WithoutDot(after[row+"Recipient"]) == expect.WithoutDot(controller)
			if left {
				m.Must(expect.Nothing("Subscription of the deleted Controller", fmt.Sprintf("%s (ID %s, Recipient %s)",
					row, usp.Quote(after[row+"ID"]), usp.Quote(after[row+"Recipient"]))))
			}
		}
		m.Must(expect.Contains("Subscriptions of the harness's own Controller", []string{own}, rows))
	})
}
