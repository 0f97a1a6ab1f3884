package messages

import (
	"fmt"
	"strings"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// notifyValueChange is 1.52.
func notifyValueChange(c *harness.Case) {
	object, name := usp.SplitName(c.Element(dut.RoleChanging))
	value := fresh(c, c.Restore(object, name))

	c.Step(1, "add a ValueChange Subscription to %s%s", object, name)
	id := c.Fresh("notify")
	added := c.Agent.Add(c, false, usp.Create(subscriptions, usp.Params{"ReferenceList": object + name},
		usp.Params{"Enable": "true", "ID": id, "NotifType": "ValueChange", "NotifRetry": "true"}))
	c.Owns(added)
	if _, ok := c.Created(1, added); !ok {
		return
	}
	c.SettleSubscription()
	c.Step(3, "set %s%s to %q", object, name, value)
	mark := c.Journal.Mark()
	assign(c, object, name, value)
	c.Metric(2, func(m *harness.Metric) {
		notify, err := c.AwaitNotify("ValueChange Notify of "+id, c.NotifyWait(), mark, valueChange(id, object+name, value))
		m.Must(err)
		m.Saw(notify.Seq)
	})
}

// notifyRetry is 1.54: a Notify that is not answered comes again, first after 5 to 10 s, then after 10 to 20 s (R-NOT.2).
func notifyRetry(c *harness.Case) {
	object, name := usp.SplitName(c.Element(dut.RoleChanging))
	value := fresh(c, c.Restore(object, name))
	normalRetries(c)

	c.Step(1, "add a ValueChange Subscription with NotifRetry to %s%s", object, name)
	_, id := c.Subscribe(usp.Params{"ReferenceList": object + name, "NotifRetry": "true"})
	c.SettleSubscription()
	c.Agent.Withhold(id)
	defer c.Agent.Acknowledge(id)
	c.Step(3, "set %s%s to %q and do not answer the Notify", object, name, value)
	mark := c.Journal.Mark()
	assign(c, object, name, value)
	tolerance := c.Waits().Tolerance
	var sent []*controller.Message
	await := func(what string, longest time.Duration) error {
		notify, err := c.AwaitNotify(what, harness.Wait{D: longest}, mark, valueChange(id, object+name, value))
		if err != nil {
			return err
		}
		mark, sent = notify.Seq, append(sent, notify)
		return nil
	}
	first := await("ValueChange Notify of "+id, c.NotifyWait().D)
	c.DeviceMust(first)
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(await("first retry of the Notify of "+id, c.Scaled(10*time.Second)+tolerance+c.Lag()), sent[0].Seq)
		m.Must(await("second retry of the Notify of "+id, c.Scaled(20*time.Second)+tolerance+c.Lag()), sent[1].Seq)
	}) {
		return
	}
	c.Step(9, "answer the second retry")
	c.LabMust(c.Agent.AnswerNotify(c, sent[2]))
	c.Metric(2, func(m *harness.Metric) {
		m.Must(gap(c, "time to the first retry", sent[0].At, sent[1].At, c.Scaled(5*time.Second), c.Scaled(10*time.Second), tolerance), sent[0].Seq, sent[1].Seq)
		m.Must(gap(c, "time from the first retry to the second", sent[1].At, sent[2].At, c.Scaled(10*time.Second), c.Scaled(20*time.Second), tolerance), sent[2].Seq)
	})
}

// normalRetries gives the Controller's row the defaults of the retry algorithm, 5 s and a factor of 2.
func normalRetries(c *harness.Case) {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	normal := usp.Params{"USPNotifRetryMinimumWaitInterval": "5", "USPNotifRetryIntervalMultiplier": "2000"}
	for _, param := range normal.Names() {
		if c.Restore(row, param) != normal[param] {
			assign(c, row, param, normal[param])
		}
	}
}

// assign sets one parameter as a part of the procedure that is no metric: a device that refuses it blocks the procedure.
func assign(c *harness.Case, object, param, value string) {
	c.Set(object, usp.Params{param: value})
}

// gap wants the time between two events to lie in a range, give or take a tolerance. A simulated device may be late for want of a
// processor, too.
func gap(c *harness.Case, where string, a, b time.Time, least, most, tolerance time.Duration) error {
	got := b.Sub(a)
	if got >= least-tolerance-c.Stall() && got <= most+tolerance+c.Lag() {
		return nil
	}
	want := least.String()
	if most != least {
		want += " to " + most.String()
	}
	return &usp.Mismatch{Where: where, Want: fmt.Sprintf("%s (give or take %s)", want, tolerance), Got: got.Round(time.Millisecond).String()}
}

// notifyObjectCreation is 1.57.
func notifyObjectCreation(c *harness.Case) {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	c.Step(1, "add an ObjectCreation Subscription to %s", subscriptions)
	id := c.Fresh("notify")
	added := c.Agent.Add(c, false, usp.Create(subscriptions, usp.Params{"ReferenceList": subscriptions},
		usp.Params{"Enable": "true", "ID": id, "NotifType": "ObjectCreation", "NotifRetry": "true"}))
	c.Owns(added)
	if _, ok := c.Created(1, added); !ok {
		return
	}
	c.SettleSubscription()
	c.Step(3, "add a second Subscription")
	mark := c.Journal.Mark()
	second, secondID := c.Subscribe(usp.Params{"NotifRetry": "true"})
	c.Metric(2, func(m *harness.Metric) {
		notify, err := c.AwaitNotify("ObjectCreation Notify of "+id, c.NotifyWait(), mark, func(n *usppb.Notify) error {
			if err := ofSubscription(n, id, "ObjectCreation"); err != nil {
				return err
			}
			return expect.Equal("obj_creation.obj_path", second, n.GetObjCreation().GetObjPath())
		})
		m.Must(err, mark)
		keys := notify.GetBody().GetRequest().GetNotify().GetObjCreation().GetUniqueKeys()
		m.Must(uniqueKeys(c, "obj_creation.unique_keys", second, keys, "Recipient", "ID"), notify.Seq)
		m.Must(expect.Equal("obj_creation.unique_keys: ID", secondID, keys["ID"]))
		if c.Strict("recipient-with-a-dot") {
			m.Must(expect.Equal("obj_creation.unique_keys: Recipient", row, keys["Recipient"]))
		}
		m.Must(expect.SamePath("obj_creation.unique_keys: Recipient", row, keys["Recipient"]))
	})
}

// notifyPeriodic is 1.59: two Periodic! events 60 s apart, give or take 4 s.
func notifyPeriodic(c *harness.Case) {
	const interval, tolerance = 60 * time.Second, 4 * time.Second
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	params := usp.Params{"PeriodicNotifInterval": "60", "PeriodicNotifTime": "2019-01-01T00:00:00Z"}
	for _, name := range params.Names() {
		c.Restore(row, name)
	}
	c.Step(1, "set the period to 60 s")
	set := c.Agent.Set(c, false, usp.Update(row, nil, params))
	if !c.Metric(1, func(m *harness.Metric) {
		object, err := expect.UpdatedObject(set, row, 1)
		m.Must(err, set.Evidence())
		if object.GetOperStatus().GetOperSuccess() == nil || !c.Strict("periodic-settings-not-required") {
			_, err = expect.UpdateSuccess(object, params.Names()...)
			m.Must(err)
		}
	}) {
		return
	}
	c.Step(2, "add an Event Subscription to Device.LocalAgent.Periodic!")
	id := c.Fresh("periodic")
	mark := c.Journal.Mark()
	added := c.Agent.Add(c, false, usp.Create(subscriptions, nil,
		usp.Params{"Enable": "true", "ID": id, "NotifType": "Event", "ReferenceList": localAgent + "Periodic!"}))
	c.Owns(added)
	if _, ok := c.Created(2, added); !ok {
		return
	}
	periodic := func(n *usppb.Notify) error {
		switch e := n.GetEvent(); {
		case n.GetSubscriptionId() != id:
			return journal.ErrSkip
		case e == nil:
			return expect.Equal("notification", "Event", controller.NotifyKind(n))
		case e.GetEventName() != "Periodic!":
			return expect.Equal("event.event_name", "Periodic!", e.GetEventName())
		default:
			return expect.Equal("event.obj_path", localAgent, e.GetObjPath())
		}
	}
	within := func(d time.Duration) harness.Wait { return harness.Wait{D: c.Scaled(d) + c.NotifyWait().D} }
	var first *controller.Message
	c.Step(3, "wait for the first Periodic!")
	if !c.Metric(3, func(m *harness.Metric) {
		first, err = c.AwaitNotify("Periodic! event", within(2*interval), mark, periodic)
		m.Must(err)
		m.Saw(first.Seq)
	}) {
		return
	}
	c.Step(4, "wait for the second Periodic!")
	c.Metric(4, func(m *harness.Metric) {
		second, err := c.AwaitNotify("second Periodic! event", within(interval+tolerance), first.Seq, periodic)
		m.Must(err, first.Seq)
		m.Must(gap(c, "time between the events", first.At, second.At, c.Scaled(interval), c.Scaled(interval), c.ScaledTolerance(tolerance)), second.Seq)
	})
}

// valueChange matches a ValueChange Notify of one Subscription.
func valueChange(id, param, value string) func(*usppb.Notify) error {
	return func(n *usppb.Notify) error {
		v := n.GetValueChange()
		switch {
		case n.GetSubscriptionId() != id:
			return fmt.Errorf("subscription_id: want %q, got %.200q", id, n.GetSubscriptionId())
		case v == nil:
			return expect.Equal("notification", "ValueChange", controller.NotifyKind(n))
		case v.GetParamPath() != param:
			return expect.Equal("value_change.param_path", param, v.GetParamPath())
		}
		return expect.Equal("value_change.param_value", value, v.GetParamValue())
	}
}

// ofSubscription wants a Notify of one Subscription to be of a kind; Notifies of others are of no interest.
func ofSubscription(n *usppb.Notify, id, kind string) error {
	if n.GetSubscriptionId() != id {
		return journal.ErrSkip
	}
	return expect.Equal("notification", kind, controller.NotifyKind(n))
}

// fresh returns a value that a text parameter does not have now.
func fresh(c *harness.Case, now string) string {
	value := "TestValue" + strings.ReplaceAll(c.Plan.ID, ".", "")
	if now == value {
		return value + "b"
	}
	return value
}
