package harness

import (
	"cmp"
	"context"
	"fmt"
	"maps"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Add adds a row as a part of the procedure that is no metric: a device that refuses it blocks the procedure. That there is room for it is
// a matter of the lab. It is deleted at the end.
func (c *Case) Add(table string, required, optional usp.Params) usp.Created {
	added := c.Agent.Add(c, false, usp.Create(table, required, optional))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	if expect.IsFull(added) {
		c.LabMust(fmt.Errorf("%w; make room for a row of %s in the configuration of the device", err, table))
	}
	c.mayChange(added, table)
	c.DeviceMust(err)
	return created
}

// mayChange ends the body when the device refuses a part of the procedure because the Controller has no right to it: that is a matter of
// how the device is set up.
func (c *Case) mayChange(reply *controller.Reply, object string) {
	if expect.IsForbidden(reply) {
		c.LabMust(fmt.Errorf("the device does not let the Controller %q change %s (7006): give that Controller a Role with full access", c.Agent.ID(), object))
	}
}

// AddBesides adds a row that makes a procedure sharper, but that the plan does not ask for, and tells in a note when it is refused; path is
// empty then. It is deleted at the end.
func (c *Case) AddBesides(table string, required, optional usp.Params) (path string) {
	added := c.Agent.Add(c, false, usp.Create(table, required, optional))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	if err != nil {
		c.Note("no further row of %s, to tell apart: %v", table, err)
		return ""
	}
	return created.Path
}

// Set sets parameters as a part of the procedure that is no metric: a device that refuses it blocks the procedure. object ends in a dot.
func (c *Case) Set(object string, params usp.Params) {
	c.set = true
	reply := c.Agent.Set(c, false, usp.Update(object, params, nil))
	c.mayChange(reply, object)
	c.DeviceMust(expect.Type(reply, usp.SetResp))
}

// Subscribe adds a Subscription as a fixture, with an ID of its own. params outrank what it has by default: it is enabled, and to the
// ValueChange of a parameter that every device has. path is its row. What it is to report holds from SettleSubscription on.
func (c *Case) Subscribe(params usp.Params) (path, id string) {
	all := usp.Params{"Enable": "true", "ID": c.Fresh("fixture"), "NotifType": "ValueChange", "ReferenceList": c.Element(dut.RoleReadable)}
	maps.Copy(all, params)
	return c.Add(Subscriptions, all, nil).Path, all["ID"]
}

// SubscribeToCompletion adds a Subscription to the OperationComplete of a command as a fixture, waits until it must hold, and returns its
// ID.
func (c *Case) SubscribeToCompletion(command string) (id string) {
	_, id = c.Subscribe(usp.Params{"NotifType": "OperationComplete", "ReferenceList": command})
	c.SettleSubscription()
	return id
}

// OperateSilently runs a command without asking for a response, with which the device need not answer. It returns the mark before it and
// the msg_id of the request.
func (c *Case) OperateSilently(command, key string, args usp.Params) (mark journal.Mark, msgID string) {
	mark, msgID = c.Journal.Mark(), c.Agent.NewMsgID()
	_, err := c.Agent.Send(c, usp.NewOperate(msgID, command, key, false, args))
	c.LabMust(err)
	return mark, msgID
}

// AwaitCompletion is AwaitNotify for the OperationComplete, to the Subscription with this ID, of one run of a command: the one that was
// given this command_key.
func (c *Case) AwaitCompletion(wait Wait, mark journal.Mark, id, command, key string) (*controller.Message, error) {
	object, name := usp.SplitName(command)
	return c.AwaitNotify("OperationComplete Notify of "+id, wait, mark, func(n *usppb.Notify) error {
		if n.GetSubscriptionId() != id {
			return journal.ErrSkip
		}
		done := n.GetOperComplete()
		return cmp.Or(
			expect.Equal("notification", "OperationComplete", controller.NotifyKind(n)),
			expect.Equal("oper_complete.obj_path", object, done.GetObjPath()),
			expect.Equal("oper_complete.command_name", name, done.GetCommandName()),
			expect.Equal("oper_complete.command_key", key, done.GetCommandKey()),
		)
	})
}

// Answered judges in metric n that the answer to a request is of the wanted type.
func (c *Case) Answered(n int, reply *controller.Reply, want usp.MsgType) (passed bool) {
	return c.Metric(n, func(m *Metric) { m.Must(expect.Type(reply, want), reply.Evidence()) })
}

// Created judges in metric n that an Add created its one row.
func (c *Case) Created(n int, added *controller.Reply) (created usp.Created, passed bool) {
	passed = c.Metric(n, func(m *Metric) {
		var err error
		created, err = expect.OneCreated(added)
		m.Must(err, added.Evidence())
	})
	return created, passed
}

// Reachable waits until the device can be reached, for waits.reconnect at the most. It is for clean-up, which has a context of its own.
func (c *Case) Reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.ReconnectWait().D)
	defer cancel()
	return c.Device.WaitFor(ctx, c.Agent.Connected)
}

// ConnectAnew ends the brokers' scripts and the device's session, and waits for the next one: what was agreed on when a session began holds
// as long as it lasts. It is for clean-up.
func (c *Case) ConnectAnew(ctx context.Context) error {
	c.bench.ResetBrokers()
	c.bench.Link.Drop()
	return c.Reachable(ctx)
}
