package messages

import (
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// triggerConfig is 1.93: the Subscription changes the configuration and does not notify. What it changes is its own Enable.
func triggerConfig(c *harness.Case) {
	t, ok := addTrigger(c, "Config")
	if !ok {
		return
	}
	mark := t.fire()
	t.judgeConfigured(2)
	ofTrigger := c.Agent.NotifyEvent(func(n *usppb.Notify) error { return ofSubscription(n, t.id, "ValueChange") })
	for _, e := range c.Journal.Since(mark) {
		if ofTrigger(e) == nil {
			c.Note("the Subscription notified too (event %d), although its TriggerAction is Config", e.Seq)
		}
	}
}

// triggerNotifyAndConfig is 1.94: the Subscription notifies and changes the configuration, in whatever order.
func triggerNotifyAndConfig(c *harness.Case) {
	t, ok := addTrigger(c, "NotifyAndConfig")
	if !ok {
		return
	}
	mark := t.fire()
	c.Step(5, "wait for the Notify")
	c.Metric(2, func(m *harness.Metric) {
		notify, err := c.AwaitNotify("ValueChange Notify of "+t.id, c.NotifyWait(), mark, valueChange(t.id, t.object+t.name, t.value))
		m.Must(err, mark)
		m.Saw(notify.Seq)
	})
	t.judgeConfigured(3)
}

// trigger is a ValueChange Subscription that, when the parameter changes, disables itself.
type trigger struct {
	c            *harness.Case
	path, id     string
	object, name string // the parameter, and
	value        string // what it will change to
}

// addTrigger adds the Subscription with a TriggerAction, which metric 1 judges, and gives it its TriggerConfigSettings.
func addTrigger(c *harness.Case, action string) (t trigger, ok bool) {
	t = trigger{c: c, id: c.Fresh("notify")}
	t.object, t.name = usp.SplitName(c.Element(dut.RoleChanging))
	t.value = fresh(c, c.Restore(t.object, t.name))
	c.Step(1, "add a ValueChange Subscription with TriggerAction %s to %s%s", action, t.object, t.name)
	added := c.Agent.Add(c, false, usp.Create(subscriptions, usp.Params{"ReferenceList": t.object + t.name},
		usp.Params{"Enable": "true", "ID": t.id, "NotifType": "ValueChange", "NotifRetry": "true", "TriggerAction": action}))
	c.Owns(added)
	created, ok := c.Created(1, added)
	t.path = created.Path
	if ok {
		c.Step(3, "set its TriggerConfigSettings")
		assign(c, t.path, "TriggerConfigSettings", t.path+"Enable=false")
		c.SettleSubscription()
	}
	return t, ok
}

// fire changes the parameter and returns the mark before it.
func (t trigger) fire() (mark journal.Mark) {
	t.c.Step(4, "set %s%s to %q", t.object, t.name, t.value)
	mark = t.c.Journal.Mark()
	assign(t.c, t.object, t.name, t.value)
	return mark
}

// judgeConfigured judges in metric n that the Subscription has disabled itself. It may take as long as a Notify.
func (t trigger) judgeConfigured(n int) {
	t.c.Step(n+3, "get %sEnable", t.path)
	t.c.Metric(n, func(m *harness.Metric) {
		m.Must(t.c.Eventually(30*time.Second, func() error {
			value, err := t.c.Read(t.path + "Enable")
			if err != nil {
				return err
			}
			return expect.Value(t.path+"Enable", usp.TypeBoolean, "false", value)
		}))
		m.Saw(t.c.Journal.Mark())
	})
}
