package harness

import (
	"context"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// Add adds a row as a part of the procedure that is no metric: a device that refuses it blocks the procedure. It is deleted in the end.
func (c *Case) Add(table string, required, optional usp.Params) usp.Created {
	added := c.Agent.Add(c, false, usp.Create(table, required, optional))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	c.DeviceMust(err)
	return created
}

// Set sets parameters as a part of the procedure that is no metric: a device that refuses it blocks the procedure. object ends in a dot.
func (c *Case) Set(object string, params usp.Params) {
	c.DeviceMust(expect.Type(c.Agent.Set(c, false, usp.Update(object, params, nil)), usp.SetResp))
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
	c.ResetBrokers()
	c.drop()
	return c.Reachable(ctx)
}
