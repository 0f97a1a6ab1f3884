package requirements

import (
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/retry"
	"github.com/usptest/usptest/harness/usp"
)

// The retries of a Notify that are awaited: those whose waits grow, and some of those after them, until a wait that goes on growing would be
// twice as long as it may be.
const (
	growingRetries = 10
	furtherRetries = 4
)

// manyRetries is R-NOT.2, and R-NOT.1 with intervals that a Controller has set: so short, and growing so slowly, that fourteen retries take
// two minutes.
func manyRetries(c *harness.Case) {
	policy := retry.Policy{Initial: time.Second, Multiplier: 1300}
	object, name := usp.SplitName(c.Element(dut.RoleChanging))
	now := c.Restore(object, name)
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	short := usp.Params{"USPNotifRetryMinimumWaitInterval": "1", "USPNotifRetryIntervalMultiplier": strconv.FormatUint(policy.Multiplier, 10)}
	c.Step(1, "set the intervals of retries to 1 s and a multiplier of %d", policy.Multiplier)
	for _, param := range short.Names() {
		c.Restore(row, param)
	}
	if err := expect.Type(c.Agent.Set(c, false, usp.Update(row, short, nil)), usp.SetResp); err != nil {
		c.Unsupported("the device keeps its own intervals of retries, with which the tenth comes after hours: " + err.Error())
	}
	c.Step(2, "add a ValueChange Subscription with NotifRetry to %s%s", object, name)
	w := changes{c: c, object: object, name: name}
	_, id := c.Subscribe(usp.Params{"ReferenceList": object + name, "NotifRetry": "true"})
	c.Agent.Withhold(id)
	defer c.Agent.Acknowledge(id)
	c.SettleSubscription()

	c.Step(3, "set %s%s, and answer neither the Notify nor its retries", object, name)
	c.Extend(policy.Longest(growingRetries + furtherRetries))
	set := w.set(other(now, "1"))
	last, err := w.await(c.NotifyWait(), set.Sent, id)
	c.DeviceMust(err)
	series := retry.Series{Policy: policy.Scaled(c.Scale), Second: c.Scaled(time.Second)}
	next := func(m *harness.Metric) {
		late, sent := c.Waits().Tolerance+c.Lag(), retry.Moment{At: last.At, Seq: last.Seq}
		again, err := w.await(harness.Wait{D: series.Next().Most + late, From: last.At}, last.Seq, id)
		series.Grant = retry.Grant{Early: series.Second + c.Stall(), Late: late}
		if again == nil {
			if c.Err() == nil {
				err = series.Late(sent)
			}
			m.Must(err, last.Seq)
		}
		err = series.Add(sent, retry.Moment{At: again.At, Seq: again.Seq})
		c.NoteRetry(series.Retries[len(series.Retries)-1])
		m.Must(err, last.Seq, again.Seq)
		last = again
	}
	if !c.Metric(1, func(m *harness.Metric) {
		for range growingRetries {
			next(m)
		}
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		for range furtherRetries {
			next(m)
		}
	})
	c.LabMust(c.Agent.AnswerNotify(c, last))
}
