package requirements

import (
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// foreignAnswers is R-MSG.9: a NotifyResp, or an Error, with a msg_id that is not that of the Notify does not end its retries. And a
// Subscription may name its parameter by a reference that is followed.
func foreignAnswers(c *harness.Case) {
	if ignoresChanges(c, roles+"{i}.", "Enable") {
		c.Unsupported("the device ignores changes of " + roles + "{i}.Enable, as its supported data model says")
	}
	c.Step(1, "add a Role, a Controller that is not enabled and refers to it, and ValueChange Subscriptions to Enable of the Role")
	name := c.Fresh("role")
	role := role(c, name) + "."
	referring := c.Add(controllers, usp.Params{"EndpointID": "proto::" + c.Fresh("controller"), "Enable": "false",
		"AssignedRole": expect.WithoutDot(role)}, nil).Path
	normalRetries(c)
	_, direct := c.Subscribe(usp.Params{"ReferenceList": role + "Enable", "NotifRetry": "true"})
	followed := c.Fresh("followed")
	added := c.Agent.Add(c, false, usp.Create(subscriptions, usp.Params{"ID": followed, "Enable": "true", "NotifType": "ValueChange",
		"ReferenceList": referring + "AssignedRole+.Enable"}, nil))
	c.Owns(added)
	c.Agent.Withhold(direct)
	defer c.Agent.Acknowledge(direct)
	c.SettleSubscription()

	c.Step(2, "set Enable of the Role, and answer the Notify with a NotifyResp and an Error that have other msg_ids")
	mark := c.Journal.Mark()
	c.Set(role, usp.Params{"Enable": "false"})
	changed := func(id string) func(*usppb.Notify) error {
		return func(n *usppb.Notify) error {
			if n.GetSubscriptionId() != id || n.GetValueChange() == nil {
				return journal.ErrSkip
			}
			return expect.Equal("value_change.param_path", role+"Enable", n.GetValueChange().GetParamPath())
		}
	}
	first, err := c.AwaitNotify("ValueChange Notify of "+direct, c.NotifyWait(), mark, changed(direct))
	c.DeviceMust(err)
	for _, answer := range []*usppb.Msg{
		usp.NewNotifyResp(c.Agent.NewMsgID(), direct),
		usp.NewMsg(c.Agent.NewMsgID(), &usppb.Error{ErrCode: uint32(usp.CodeInternalError), ErrMsg: "refused"}),
	} {
		_, err := c.Agent.Send(c, answer)
		c.DeviceMust(err)
	}
	var again *controller.Message
	c.Metric(1, func(m *harness.Metric) {
		again, err = c.AwaitNotify("retry of the ValueChange Notify of "+direct, within(c, firstRetryMost), first.Seq, changed(direct))
		m.Must(err, first.Seq)
	})
	if again != nil {
		c.LabMust(c.Agent.AnswerNotify(c, again))
	}

	c.Step(3, "look for the Notify of the Subscription to %sAssignedRole+.Enable", referring)
	c.Metric(2, func(m *harness.Metric) {
		if _, err := expect.OneCreated(added); err != nil {
			m.Must(fmt.Errorf("the Subscription: %w", err), added.Evidence())
		}
		_, err := c.AwaitNotify("ValueChange Notify of "+followed, c.NotifyWait(), mark, changed(followed))
		m.Must(err, mark)
	})
}

// ignoresChanges reports whether the supported data model says that ValueChange Subscriptions to a parameter are ignored.
func ignoresChanges(c *harness.Case, object, param string) bool {
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{object}, FirstLevelOnly: true, ReturnParams: true})
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			for _, p := range o.GetSupportedParams() {
				if o.GetSupportedObjPath() == object && p.GetParamName() == param {
					return p.GetValueChange() == usppb.GetSupportedDMResp_VALUE_CHANGE_WILL_IGNORE
				}
			}
		}
	}
	return false
}
