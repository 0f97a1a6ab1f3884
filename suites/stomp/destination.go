package stomp

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// assignedDestination is 6.5: the destination in CONNECTED goes before the configured one
// (R-STOMP.14).
func assignedDestination(c *harness.Case) {
	assigned := c.AgentAddress + "/6-5-assigned"
	c.Cleanup("connect without an assigned destination", c.ConnectAnew)
	c.Step(1, "let CONNECTED carry the subscribe-dest %s", assigned)
	c.STOMP().SubscribeDest(assigned)
	c.Step(2, "reboot the device")
	mark, isNew := reboot(c)
	c.Step(3, "wait until it connects")
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := c.Await("SUBSCRIBE to "+assigned, c.ReconnectWait(), mark, isNew.subscribes(assigned))
		m.Must(err)
		for _, earlier := range c.Journal.Since(mark) {
			if isNew.subscribes(c.AgentAddress)(earlier) == nil {
				m.Must(expect.Nothing("SUBSCRIBE to the configured destination", c.AgentAddress), earlier.Seq)
			}
		}
		m.Saw(e.Seq)
	}) {
		return
	}
	c.BackAfter(mark)
	c.Step(4, "get Device.LocalAgent.")
	got := c.Agent.Get(c, harness.LocalAgent)
	if c.Metric(2, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		send, err := carrier(c, got)
		m.Must(err, got.Packet)
		m.Must(header(send, "reply-to-dest", assigned))
	}) && !shows(got, ".STOMP.DestinationFromServer", assigned) {
		c.Note("no Device.LocalAgent.MTP.{i}.STOMP.DestinationFromServer tells the assigned destination")
	}
}

// mtpRow is the enabled row of the Agent's MTP table that refers to its connection with the broker, such as
// "Device.LocalAgent.MTP.2.".
func mtpRow(c *harness.Case) string {
	const table = "Device.LocalAgent.MTP."
	connection := c.BrokerRow()
	values, err := c.ReadAll(table)
	c.DeviceMust(err)
	row := mtpRowOf(values, connection, c.AgentAddress)
	if row == "" {
		c.DeviceMust(fmt.Errorf("%s: want an enabled row whose STOMP.Reference is %s, got none", table, connection))
	}
	return row
}

// mtpRowOf is the enabled row of a connection or, of several, each of which has a destination of its own, the one of this destination; ""
// where there is none.
func mtpRowOf(values usp.Params, connection, destination string) (first string) {
	for _, row := range expect.Snapshot(values).Rows() {
		on, err := usp.ParseBool(values[row+"Enable"])
		if err != nil || !on || values[row+"Protocol"] != "STOMP" ||
			expect.WithoutDot(values[row+"STOMP.Reference"]) != expect.WithoutDot(connection) {
			continue
		}
		if values[row+"STOMP.Destination"] == destination || values[row+"STOMP.DestinationFromServer"] == destination {
			return row
		}
		first = cmp.Or(first, row)
	}
	return first
}

// setDestination gives the Agent another destination, which is put back at the end. No profile lets
// it be set: a device that refuses is not judged.
func setDestination(c *harness.Case, destination string) {
	c.Uses(plan.NeedReconfiguration)
	object := mtpRow(c) + "STOMP."
	c.Restore(object, "Destination")
	set := c.Agent.Set(c, false, usp.Update(object, usp.Params{"Destination": destination}, nil))
	if e := set.Body().GetError(); e != nil {
		c.Unsupported(fmt.Sprintf("the device does not let %sDestination be set to %q, which no profile asks for: %s",
			object, destination, usp.ErrCode(e.GetErrCode())))
	}
	c.DeviceMust(expect.Type(set, usp.SetResp))
}

// configuredDestination is 6.6: without a destination from the server the one of the data model
// counts (R-STOMP.15). The Agent may follow the change at once (R-STOMP.29); what counts comes
// after the reboot.
func configuredDestination(c *harness.Case) {
	configured := c.AgentAddress + "/6-6-configured"
	c.Step(1, "set the Agent's destination to %s", configured)
	setDestination(c, configured)
	c.Pause(c.Scaled(c.Waits().Settle) + c.Lag())
	c.Step(2, "reboot the device")
	mark, isNew := reboot(c)
	c.Step(3, "wait until it connects; CONNECTED has no subscribe-dest")
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := c.Await("SUBSCRIBE to "+configured, c.ReconnectWait(), mark, isNew.subscribes(configured))
		m.Must(err)
		for _, earlier := range c.Journal.Since(mark) {
			if isNew.subscribes(c.AgentAddress)(earlier) == nil {
				m.Must(expect.Nothing("SUBSCRIBE to the destination that was configured before", c.AgentAddress), earlier.Seq)
			}
		}
		m.Saw(e.Seq)
	}) {
		return
	}
	c.BackAfter(mark)
	c.Step(5, "get Device.DeviceInfo.")
	got := c.Agent.Get(c, "Device.DeviceInfo.")
	c.Metric(2, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		send, err := carrier(c, got)
		m.Must(err, got.Packet)
		m.Must(header(send, "reply-to-dest", configured))
	})
}

// changedDestination is 6.10: the Agent moves to the new destination over the connection that it
// has (R-STOMP.29).
func changedDestination(c *harness.Case) {
	now := subscribed(c)
	changed := c.AgentAddress + "/6-10-changed"
	mark := c.Journal.Mark()
	c.Step(1, "set the Agent's destination to %s", changed)
	setDestination(c, changed)
	var left *journal.Event
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := c.Await("UNSUBSCRIBE", c.ResponseWait(), mark, func(e *journal.Event) error {
			if ends(now.Conn, journal.In)(e) == nil {
				return &usp.Mismatch{Where: "connection", Want: "open", Got: "closed by the device"}
			}
			f := frame(e)
			if f == nil || f.Command != "UNSUBSCRIBE" || e.Conn != now.Conn {
				return journal.ErrSkip
			}
			return header(f, "id", now.ID)
		})
		m.Must(err)
		left = e
		m.Saw(e.Seq)
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		e, err := c.Await("SUBSCRIBE to "+changed, c.ResponseWait(), left.Seq, func(e *journal.Event) error {
			f := frame(e)
			if f == nil || f.Command != "SUBSCRIBE" || e.Conn != now.Conn {
				return journal.ErrSkip
			}
			return header(f, "destination", changed)
		})
		m.Must(err)
		m.Saw(e.Seq)
		got := c.Agent.Get(c, harness.EndpointID)
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
	})
}

// subscribed is the subscription over which the Agent is reached. An Agent that moves has none for a moment; one with several STOMP MTPs
// may have others on the same connection.
func subscribed(c *harness.Case) stomp.Subscription {
	got := c.Agent.Get(c, harness.EndpointID)
	c.DeviceMust(expect.Type(got, usp.GetResp))
	ctx, cancel := context.WithTimeout(c, c.ResponseWait().D)
	defer cancel()
	for {
		changed := c.STOMP().Changed()
		var found []stomp.Subscription
		for _, s := range c.STOMP().Subscriptions() {
			if s.Conn == got.Conn && (len(found) == 0 || s.Destination == c.AgentAddress) {
				found = []stomp.Subscription{s}
			}
		}
		if len(found) > 0 {
			return found[0]
		}
		select {
		case <-changed:
		case <-ctx.Done():
			c.LabMust(fmt.Errorf("the Agent has no subscription on connection %d, over which it answered", got.Conn))
		}
	}
}

// shows reports whether a GetResp has a parameter, by the end of its path, of that value.
func shows(got *controller.Reply, suffix, want string) bool {
	for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
		for path, value := range expect.Resolved(q) {
			if strings.HasSuffix(path, suffix) && value == want {
				return true
			}
		}
	}
	return false
}
