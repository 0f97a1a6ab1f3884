package requirements

import (
	"fmt"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// The waits before the first two retries of a Notify, with the defaults of the retry algorithm (R-NOT.1).
const (
	firstRetryLeast = 5 * time.Second
	firstRetryMost  = 10 * time.Second
	secondRetryMost = 20 * time.Second
)

// promptly is how long a device should take at most from a change to its notification (R-NOT.0a).
const promptly = 10 * time.Second

// untilFirstRetry is how long the device is watched for a first retry that must not come.
const untilFirstRetry = firstRetryMost + 2*time.Second

// notifications is R-NOT.3 and what else TR-369 says of when a Notify is sent, and of what ends its retries. At most one Notify waits for
// its answer at any time: a device may send them one after another.
func notifications(c *harness.Case) {
	object, name := usp.SplitName(c.Element(dut.RoleChanging))
	now := c.Restore(object, name)
	c.Step(1, "add a ValueChange Subscription with NotifRetry to %s%s", object, name)
	normalRetries(c)
	w := changes{c: c, object: object, name: name}
	_, id := c.Subscribe(usp.Params{"ReferenceList": object + name, "NotifRetry": "true"})
	c.Agent.Withhold(id)
	defer c.Agent.Acknowledge(id)
	c.SettleSubscription()

	c.Step(2, "set %s%s", object, name)
	set := w.set(other(now, "1"))
	first, err := w.await(c.NotifyWait(), set.Sent, id)
	c.DeviceMust(err)
	c.Metric(1, func(m *harness.Metric) { m.Must(prompt(c, set, first), set.Evidence(), first.Seq) })

	c.Step(3, "answer the Notify with another subscription_id, and watch for its retry")
	c.Agent.Acknowledge(id) // a retry is answered, so that it holds no later Notify up
	mark, err := c.Agent.Send(c, usp.NewNotifyResp(first.GetHeader().GetMsgId(), c.Fresh("nobody")))
	c.LabMust(err)
	late := time.Since(first.At)
	again, err := c.Quiet("Notify to "+id+" after its NotifyResp", untilFirstRetry, mark, c.Agent.NotifyEvent(w.match(id)))
	c.Agent.Withhold(id)
	c.Metric(2, func(m *harness.Metric) {
		if again != nil {
			if late+c.Stall() > c.Scaled(firstRetryLeast) {
				m.Note("the answer was sent so late that a retry (event %d) may have been under way", again.Seq)
				return
			}
			m.Must(err, mark, again.Seq)
		}
		m.Must(err, mark)
	})

	c.Step(4, "set %s%s again, and answer neither the Notify nor its first retry", object, name)
	set = w.set(other(now, "2"))
	lost, err := w.await(c.NotifyWait(), set.Sent, id)
	c.DeviceMust(err)
	second, err := w.await(within(c, firstRetryMost), lost.Seq, id)
	c.DeviceMust(err)
	third, err := w.await(within(c, secondRetryMost), second.Seq, id)
	c.DeviceMust(err)

	c.Step(5, "answer the second retry, set %s%s again, and do not answer the Notify", object, name)
	c.LabMust(c.Agent.AnswerNotify(c, third))
	set = w.set(other(now, "3"))
	next, err := w.await(c.NotifyWait(), set.Sent, id)
	c.DeviceMust(err)
	c.Metric(3, func(m *harness.Metric) { w.mustRetryAsFirst(m, next, id) })
}

// retriesAfterReboot is R-NOT.4: a Notify is lost, and its first retry; after a reboot, the retries of another one begin with the shortest
// wait.
func retriesAfterReboot(c *harness.Case) {
	object, name := usp.SplitName(c.Element(dut.RoleChanging))
	now := c.Restore(object, name)
	c.Step(1, "add a persistent ValueChange Subscription with NotifRetry to %s%s", object, name)
	normalRetries(c)
	w := changes{c: c, object: object, name: name}
	_, id := c.Subscribe(usp.Params{"ReferenceList": object + name, "NotifRetry": "true", "Persistent": "true"})
	c.Agent.Withhold(id)
	defer c.Agent.Acknowledge(id)
	c.SettleSubscription()

	c.Step(2, "set %s%s, and answer neither the Notify nor its first retry", object, name)
	set := w.set(other(now, "1"))
	first, err := w.await(c.NotifyWait(), set.Sent, id)
	c.DeviceMust(err)
	_, err = w.await(within(c, firstRetryMost), first.Seq, id)
	c.DeviceMust(err)

	c.Step(3, "reboot the device")
	c.BackAfter(c.Reboot())
	c.SettleSubscription()
	c.Step(4, "set %s%s again, and do not answer the Notify", object, name)
	set = w.set(other(now, "2"))
	next, err := w.await(c.NotifyWait(), set.Sent, id)
	c.DeviceMust(err)
	c.Metric(1, func(m *harness.Metric) { w.mustRetryAsFirst(m, next, id) })
}

// changes are those of one parameter, and the Notifies about them.
type changes struct {
	c            *harness.Case
	object, name string
	value        string
}

// set changes the parameter.
func (w *changes) set(value string) *controller.Reply {
	w.value = value
	set := w.c.Agent.Set(w.c, false, usp.Update(w.object, usp.Params{w.name: value}, nil))
	w.c.DeviceMust(expect.Type(set, usp.SetResp))
	return set
}

// within is the patience for what comes after an interval of the protocol at the latest.
func within(c *harness.Case, longest time.Duration) harness.Wait {
	c.Uses(plan.NeedTiming)
	return harness.Wait{D: c.Scaled(longest) + c.Waits().Tolerance + c.Lag()}
}

// normalRetries gives the retries of Notify requests the default intervals, and puts them back at the end.
func normalRetries(c *harness.Case) {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	normal := usp.Params{"USPNotifRetryMinimumWaitInterval": "5", "USPNotifRetryIntervalMultiplier": "2000"}
	for _, param := range normal.Names() {
		if c.Restore(row, param) != normal[param] {
			c.Set(row, usp.Params{param: normal[param]})
		}
	}
}

// await waits for the Notify of the last change to a Subscription, after mark.
func (w *changes) await(wait harness.Wait, mark journal.Mark, id string) (*controller.Message, error) {
	return w.c.AwaitNotify("ValueChange Notify of "+id, wait, mark, w.match(id))
}

// measurements is how often a wait is measured that seems too short on a simulated device: a Notify that the machine has delayed, beside a
// retry that it has not, makes the wait between them look shorter.
const measurements = 3

// mustRetryAsFirst wants a Notify that is not answered to come again after the wait of a first retry.
func (w *changes) mustRetryAsFirst(m *harness.Metric, notify *controller.Message, id string) {
	for n := 1; ; n++ {
		retried, err := w.await(within(w.c, firstRetryMost), notify.Seq, id)
		if err != nil {
			err = fmt.Errorf("the first retry after 5 to 10 s: %w", err)
		}
		m.Must(err, notify.Seq)
		waited := retried.At.Sub(notify.At)
		if waited >= w.c.Scaled(firstRetryLeast-time.Second)-w.c.Stall() { // devices count seconds
			m.Must(nil, notify.Seq, retried.Seq)
			return
		}
		if w.c.Lag() == 0 || n == measurements {
			m.Must(&usp.Mismatch{Where: "wait before the first retry", Want: "at least " + w.c.Scaled(firstRetryLeast).String(),
				Got: waited.Round(time.Millisecond).String()}, notify.Seq, retried.Seq)
		}
		m.Note("the first retry came after %s, and the wait is measured again", waited.Round(time.Millisecond))
		m.Must(w.c.Agent.AnswerNotify(w.c, retried))
		w.value = other(w.value, strconv.Itoa(n))
		set := w.c.Agent.Set(w.c, false, usp.Update(w.object, usp.Params{w.name: w.value}, nil))
		m.Must(expect.Type(set, usp.SetResp), set.Evidence())
		notify, err = w.await(w.c.NotifyWait(), set.Sent, id)
		m.Must(err, set.Evidence())
	}
}

func (w *changes) match(id string) func(*usppb.Notify) error {
	return func(n *usppb.Notify) error {
		change := n.GetValueChange()
		if n.GetSubscriptionId() != id || change == nil {
			return journal.ErrSkip
		}
		if err := expect.Equal("value_change.param_path", w.object+w.name, change.GetParamPath()); err != nil {
			return err
		}
		return expect.Equal("value_change.param_value", w.value, change.GetParamValue())
	}
}

// prompt wants a Notify within ten seconds of the answer to the Set that it is about.
func prompt(c *harness.Case, set *controller.Reply, notify *controller.Message) error {
	took := notify.At.Sub(set.At)
	if took <= c.Scaled(promptly)+c.Waits().Tolerance+c.Lag() {
		return nil
	}
	return &usp.Mismatch{Where: "time from the SetResp to the Notify", Want: "at most " + c.Scaled(promptly).String(),
		Got: took.Round(time.Millisecond).String()}
}

// other is a value that a text parameter does not have now, and another one for each word.
func other(now, word string) string {
	value := "Requirement" + word
	if now == value {
		return value + "b"
	}
	return value
}
