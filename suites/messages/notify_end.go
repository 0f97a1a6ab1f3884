package messages

import (
	"slices"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// deletedSubscriptionIsSilent is 1.53. That the Subscription worked is seen first: an Agent that never notifies would pass otherwise.
func deletedSubscriptionIsSilent(c *harness.Case) {
	object, name := usp.SplitName(c.Element(dut.RoleChanging))
	value := fresh(c, c.Restore(object, name))
	watched := watch(c, object+name)

	c.Step(1, "add a ValueChange Subscription with NotifRetry to %s%s", object, name)
	path, id := c.Subscribe(usp.Params{"ReferenceList": object + name, "NotifRetry": "true"})
	c.SettleSubscription()
	c.Step(3, "set %s%s to %q", object, name, value)
	mark := c.Journal.Mark()
	assign(c, object, name, value)
	_, err := c.AwaitNotify("ValueChange Notify of "+id, c.NotifyWait(), mark, valueChange(id, object+name, value))
	c.DeviceMust(err)

	c.Step(6, "delete %s", path)
	deleted := c.Agent.Delete(c, false, path)
	if !c.Metric(1, func(m *harness.Metric) {
		affected, err := expect.Deleted(deleted, path)
		m.Must(err, deleted.Evidence())
		m.Must(expect.SameSet("oper_success.affected_paths", []string{path}, affected))
	}) {
		return
	}
	c.SettleSubscription()
	c.Step(8, "set %s%s to %q", object, name, value+"-2")
	mark = c.Journal.Mark()
	assign(c, object, name, value+"-2")
	c.Metric(2, func(m *harness.Metric) { watched.mustBeQuiet(m, 20*time.Second, mark) })
}

// watched is a parameter of which the Agent must not notify any more once the case's own Subscription has ended. It may go on to do so for
// other Subscriptions of the harness's Controller, and notify other Controllers.
type watched struct {
	c      *harness.Case
	param  string
	others []string // the IDs of the other Subscriptions
}

// watch takes the Subscriptions that are there already for the others.
func watch(c *harness.Case, param string) watched {
	w := watched{c: c, param: param}
	table := rows(c)
	for _, row := range table.Rows() {
		if id, ok := table[row+"ID"]; ok {
			w.others = append(w.others, id)
		}
	}
	return w
}

// mustBeQuiet wants no Notify of the parameter for a while. One whose ID is that of no Subscription counts too: it can only be meant for
// the one that has ended.
func (w watched) mustBeQuiet(m *harness.Metric, window time.Duration, mark journal.Mark) {
	w.c.MustBeQuiet(m, "Notifies of "+w.param, window, mark, w.c.Agent.NotifyEvent(func(n *usppb.Notify) error {
		if n.GetValueChange().GetParamPath() != w.param || slices.Contains(w.others, n.GetSubscriptionId()) {
			return journal.ErrSkip
		}
		return nil
	}))
}

// subscriptionExpires is 1.55. The plan's life of 20 s could end before an Agent that looks for changes every 15 s has seen one.
func subscriptionExpires(c *harness.Case) {
	const life, grace, silence = 40 * time.Second, 15 * time.Second, 10 * time.Second
	object, name := usp.SplitName(c.Element(dut.RoleChanging))
	value := fresh(c, c.Restore(object, name))
	watched := watch(c, object+name)
	seconds := strconv.Itoa(int(life.Seconds()))

	c.Step(1, "add a ValueChange Subscription with TimeToLive %s to %s%s", seconds, object, name)
	began := time.Now()
	path, id := c.Subscribe(usp.Params{"ReferenceList": object + name, "NotifRetry": "true", "TimeToLive": seconds})
	c.SettleSubscription()
	c.Step(3, "set %s%s to %q", object, name, value)
	mark := c.Journal.Mark()
	assign(c, object, name, value)
	if !c.Metric(1, func(m *harness.Metric) {
		notify, err := c.AwaitNotify("ValueChange Notify of "+id, c.NotifyWait(), mark, valueChange(id, object+name, value))
		m.Must(err, mark)
		m.Saw(notify.Seq)
	}) {
		return
	}
	c.Step(6, "wait until the Subscription's life is over")
	c.Pause(time.Until(began.Add(c.Scaled(life))))
	c.Step(7, "get the instances of %s", subscriptions)
	if !c.Metric(2, func(m *harness.Metric) {
		m.Must(c.Eventually(grace, func() error {
			if slices.Contains(instancesBelow(c, subscriptions), path) {
				return expect.Nothing("instances after the TimeToLive", path)
			}
			return nil
		}))
		m.Saw(c.Journal.Mark())
	}) {
		return
	}
	c.Step(9, "set %s%s to %q", object, name, value+"-2")
	mark = c.Journal.Mark()
	assign(c, object, name, value+"-2")
	c.Metric(3, func(m *harness.Metric) { watched.mustBeQuiet(m, silence, mark) })
}

// notifyRetryExpires is 1.56: a Notify that nobody answers is retried until NotifExpiration has passed, and then no more.
func notifyRetryExpires(c *harness.Case) {
	c.Uses(plan.NeedTiming)
	const expiration, silence = 20 * time.Second, 40 * time.Second
	object, name := usp.SplitName(c.Element(dut.RoleChanging))
	value := fresh(c, c.Restore(object, name))
	watched := watch(c, object+name)
	normalRetries(c)

	c.Step(1, "add a ValueChange Subscription with NotifRetry and NotifExpiration 20 to %s%s", object, name)
	_, id := c.Subscribe(usp.Params{"ReferenceList": object + name, "NotifRetry": "true", "NotifExpiration": "20"})
	c.SettleSubscription()
	c.Agent.Withhold(id)
	defer c.Agent.Acknowledge(id)
	c.Step(3, "set %s%s to %q and do not answer the Notify", object, name, value)
	mark := c.Journal.Mark()
	assign(c, object, name, value)
	match := valueChange(id, object+name, value)
	first, err := c.AwaitNotify("ValueChange Notify of "+id, c.NotifyWait(), mark, match)
	c.DeviceMust(err)
	end := first.At.Add(c.Scaled(expiration) + c.Waits().Tolerance + c.Lag())
	if !c.Metric(1, func(m *harness.Metric) {
		retry, err := c.AwaitNotify("retry of the Notify of "+id, harness.Wait{D: time.Until(end)}, first.Seq, match)
		m.Must(err, first.Seq)
		m.Saw(retry.Seq)
	}) {
		return
	}
	c.Step(8, "wait until the retries have expired")
	c.Pause(time.Until(end))
	mark = c.Journal.Mark()
	c.Step(10, "watch for a further retry")
	c.Metric(2, func(m *harness.Metric) { watched.mustBeQuiet(m, silence, mark) })
}

// notifyObjectDeletion is 1.58.
func notifyObjectDeletion(c *harness.Case) {
	doomed, _ := c.Subscribe(nil)
	id := c.Fresh("notify")
	add := func(reference string) error {
		added := c.Agent.Add(c, false, usp.Create(subscriptions, usp.Params{"ReferenceList": reference},
			usp.Params{"Enable": "true", "ID": id, "NotifType": "ObjectDeletion", "NotifRetry": "true"}))
		c.Owns(added)
		_, err := expect.OneCreated(added)
		return err
	}

	c.Step(1, "add an ObjectDeletion Subscription to %s", subscriptions)
	if !c.Metric(1, func(m *harness.Metric) {
		err := add(subscriptions)
		if err != nil && !c.Strict("deletion-of-a-table") {
			m.Note("the reference to the table was refused (%v), so one to all its rows was tried", err)
			err = add(subscriptions + "*.")
		}
		m.Must(err, c.Journal.Mark())
	}) {
		return
	}
	c.SettleSubscription()
	c.Step(3, "delete %s", doomed)
	mark := c.Journal.Mark()
	_, err := expect.Deleted(c.Agent.Delete(c, false, doomed), doomed)
	c.DeviceMust(err)
	c.Metric(2, func(m *harness.Metric) {
		notify, err := c.AwaitNotify("ObjectDeletion Notify of "+id, c.NotifyWait(), mark, func(n *usppb.Notify) error {
			if err := ofSubscription(n, id, "ObjectDeletion"); err != nil {
				return err
			}
			return expect.Equal("obj_deletion.obj_path", doomed, n.GetObjDeletion().GetObjPath())
		})
		m.Must(err, mark)
		m.Saw(notify.Seq)
	})
}

// notifySearchPath is 1.84: a wildcard in the ReferenceList means every row, by whatever number. The one that changes is not the first.
func notifySearchPath(c *harness.Case) {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	table := nested(c)
	addNested(c, table, row, true)
	changed := addNested(c, table, row, true)
	id := c.Fresh("notify")

	target := row + table.name + "*.Enable"
	c.Step(1, "add a ValueChange Subscription to %s", target)
	added := c.Agent.Add(c, false, usp.Create(subscriptions, usp.Params{"ReferenceList": target},
		usp.Params{"Enable": "true", "ID": id, "NotifType": "ValueChange"}))
	c.Owns(added)
	if _, ok := c.Created(1, added); !ok {
		return
	}
	c.SettleSubscription()
	c.Step(3, "set %sEnable to false", changed)
	mark := c.Journal.Mark()
	assign(c, changed, "Enable", "false")
	c.Metric(2, func(m *harness.Metric) {
		notify, err := c.AwaitNotify("ValueChange Notify of "+id, c.NotifyWait(), mark, func(n *usppb.Notify) error {
			if err := ofSubscription(n, id, "ValueChange"); err != nil {
				return err
			}
			if err := expect.Equal("value_change.param_path", changed+"Enable", n.GetValueChange().GetParamPath()); err != nil {
				return err
			}
			return expect.Value("value_change.param_value", usp.TypeBoolean, "false", n.GetValueChange().GetParamValue())
		})
		m.Must(err, mark)
		m.Saw(notify.Seq)
	})
}
