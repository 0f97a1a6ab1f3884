package access

import (
	"math"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// watched is a parameter of the device that the cases about notifications set.
type watched struct {
	object, name string
	next         func(now string) string // a lawful value other than now
}

func (w watched) path() string { return w.object + w.name }

// watchedParameter is PeriodicNotifInterval of the harness's own Controller or, on a device
// without or where it can only be read, as in the profile Controllers:1, the element that a
// ValueChange is seen with elsewhere. It is put back at the end.
func watchedParameter(c *harness.Case) watched {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	w := watched{row, "PeriodicNotifInterval", another}
	if _, err := c.Read(w.path()); err != nil || isReadOnly(c, controllers+"{i}.", w.name) {
		w.object, w.name = usp.SplitName(c.Element(dut.RoleChanging))
		w.next = anotherText
		c.Note("the device has no PeriodicNotifInterval that can be written; %s takes its place", w.path())
	}
	c.Restore(w.object, w.name)
	return w
}

// another is the number after one, or before it where there is none after it.
func another(number string) string {
	n, err := strconv.ParseUint(number, 10, 32)
	switch {
	case err != nil:
		return "3600"
	case n == math.MaxUint32:
		return strconv.FormatUint(n-1, 10)
	}
	return strconv.FormatUint(n+1, 10)
}

// anotherText is one of two texts that a string parameter of any length takes, other than now.
func anotherText(now string) string {
	const one, other = "usptest-1", "usptest-2"
	if now == one {
		return other
	}
	return one
}

// change sets the parameter to another value and returns that with the reply.
func (w watched) change(c *harness.Case) (value string, set *controller.Reply) {
	now, err := c.Read(w.path())
	c.DeviceMust(err)
	value = w.next(now)
	return value, c.Agent.Set(c, false, usp.Update(w.object, usp.Params{w.name: value}, nil))
}

// notified matches the ValueChange of a Subscription about the parameter.
func (w watched) notified(id, value string) func(*usppb.Notify) error {
	return func(n *usppb.Notify) error {
		if n.GetSubscriptionId() != id {
			return journal.ErrSkip
		}
		if n.GetValueChange() == nil {
			return expect.Equal("notification", "ValueChange", controller.NotifyKind(n))
		}
		if err := expect.Equal("value_change.param_path", w.path(), n.GetValueChange().GetParamPath()); err != nil {
			return err
		}
		return expect.Equal("value_change.param_value", value, n.GetValueChange().GetParamValue())
	}
}

// valueChangeAllowed is 2.19. A Permission of lower Order first takes away what the one under test
// grants.
func valueChangeAllowed(c *harness.Case) {
	own, w := ownRoles(c), watchedParameter(c)
	if !own.withhold(w.path(), usp.Params{"Param": "rw--"}) {
		c.Note("the right to the ValueChange could not be taken away before, so metric 4 does not depend on the Permission under test")
	}

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that lets it hear of changes of %s", w.path())
	if _, ok := c.Created(1, own.grant(w.path(), usp.Params{"Param": "rw-n"})); !ok {
		return
	}
	id, value, mark, ok := w.changeSubscribed(c)
	if !ok {
		return
	}
	c.Step(4, "wait for the Notify")
	c.Metric(4, func(m *harness.Metric) {
		notify, err := c.AwaitNotify("ValueChange Notify of "+id, c.NotifyWait(), mark, w.notified(id, value))
		m.Must(err)
		m.Saw(notify.Seq)
	})
}

// changeSubscribed is what 2.19 and 2.20 have in common: steps 2 and 3 with their metrics.
func (w watched) changeSubscribed(c *harness.Case) (id, value string, mark journal.Mark, passed bool) {
	id = c.Fresh("notify")
	c.Step(2, "add a ValueChange Subscription to %s", w.path())
	added := c.Agent.Add(c, false, usp.Create(subscriptions, nil, usp.Params{
		"Enable": "true", "ID": id, "NotifType": "ValueChange", "ReferenceList": w.path(),
	}))
	c.Owns(added)
	if _, ok := c.Created(2, added); !ok {
		return "", "", 0, false
	}
	c.SettleSubscription()
	c.Step(3, "set %s to another value", w.path())
	mark = c.Journal.Mark()
	value, set := w.change(c)
	passed = c.Metric(3, func(m *harness.Metric) {
		o, err := expect.UpdatedObject(set, w.object, 1)
		m.Must(err, set.Evidence())
		m.Must(expect.Updated(o, []string{w.object}, w.name, value))
	})
	return id, value, mark, passed
}

// valueChangeNotAllowed is 2.20. That the device reports the change otherwise is tried first: one
// that never does would pass.
func valueChangeNotAllowed(c *harness.Case) {
	own, w := ownRoles(c), watchedParameter(c)
	w.mustBeHeard(c)

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that does not let it hear of changes of %s", w.path())
	denial := usp.Params{"Param": "rw--"}
	if _, ok := c.Created(1, own.grant(w.path(), denial)); !ok {
		return
	}
	own.withholdElsewhere(permission{w.path(), denial})
	id, _, mark, ok := w.changeSubscribed(c)
	if !ok {
		return
	}
	const window = 30 * time.Second
	c.Step(4, "wait %s", c.Scaled(window))
	c.Metric(4, func(m *harness.Metric) {
		notify, err := c.Quiet("ValueChange Notify of "+id, window, mark, c.Agent.NotifyEvent(func(n *usppb.Notify) error {
			if n.GetSubscriptionId() != id || n.GetValueChange().GetParamPath() != w.path() {
				return journal.ErrSkip
			}
			return nil
		}))
		if notify != nil {
			m.Must(own.decides(err), notify.Seq)
		}
		m.Must(err, mark)
		alive := c.Agent.Get(c, w.path())
		m.Must(expect.Type(alive, usp.GetResp), alive.Evidence())
	})
}

// mustBeHeard wants a change of the parameter to be reported while no Permission is in the way. Its
// Subscription is deleted before the procedure begins.
func (w watched) mustBeHeard(c *harness.Case) {
	path, id := c.Subscribe(usp.Params{"ReferenceList": w.path()})
	c.SettleSubscription()
	mark := c.Journal.Mark()
	value, set := w.change(c)
	c.DeviceMust(expect.Type(set, usp.SetResp))
	_, err := c.AwaitNotify("ValueChange Notify of "+id, c.NotifyWait(), mark, w.notified(id, value))
	c.DeviceMust(err)
	c.DeviceMust(expect.Type(c.Agent.Delete(c, false, path), usp.DeleteResp))
}
