package requirements

import (
	"fmt"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// mqttLeaves is R-MQTT.35 and R-MQTT.34: how an MQTT client leaves a topic and a connection.
func mqttLeaves(c *harness.Case) {
	c.Uses(plan.NeedReconfiguration)
	client := c.BrokerRow()
	filter := func(word string) string { // which no filter of the device covers; a reply-to follows it in MQTT 3.1.1
		if c.MTP.Version == "5.0" {
			return c.Fresh(word)
		}
		return c.Fresh(word) + "/#"
	}
	before, after := filter("topic"), filter("other")
	c.Step(1, "add a Subscription to %q", before)
	mark := c.Journal.Mark()
	row := c.Add(client+"Subscription.", usp.Params{"Enable": "true", "Topic": before}, nil).Path
	_, err := c.Await("SUBSCRIBE packet for "+before, c.ReconnectWait(), mark, expect.HasFilter(mqtt.Subscribe, before))
	c.DeviceMust(err)

	conn := mqttConn(c)
	c.Step(2, "set Topic of %s to %q", row, after)
	mark = c.Journal.Mark()
	last := before
	set := c.Agent.Set(c, false, usp.Update(row, usp.Params{"Topic": after}, nil))
	if expect.Type(set, usp.SetResp) != nil {
		c.NotApplicable(1, "the device does not let Topic of a Subscription be changed")
	} else {
		judgeLeft(c, 1, conn, before, mark)
		_, err := c.Await("SUBSCRIBE packet for "+after, c.ResponseWait(), mark, expect.HasFilter(mqtt.Subscribe, after))
		c.DeviceMust(err)
		last = after
	}
	conn = mqttConn(c)
	c.Step(3, "delete %s", row)
	mark = c.Journal.Mark()
	c.DeviceMust(expect.Type(c.Agent.Delete(c, false, row), usp.DeleteResp))
	judgeLeft(c, 2, conn, last, mark)

	command := client + "ForceReconnect()"
	c.Step(4, "operate %s", command)
	conn = mqttConn(c)
	mark = c.Journal.Mark()
	operated := c.Agent.Operate(c, command, c.Fresh("key"), nil)
	if operated.Message != nil && expect.Type(operated, usp.OperateResp) != nil {
		c.NotApplicable(3, "the device has no "+command)
		return
	}
	end, err := c.Await("end of the connection", c.ReconnectWait(), mark, func(e *journal.Event) error {
		if c.Ends(conn, e) {
			return nil
		}
		return journal.ErrSkip
	})
	if err != nil {
		c.NotApplicable(3, fmt.Sprintf("the device does not end its connection at %s: %v", command, err))
		return
	}
	c.Metric(3, func(m *harness.Metric) {
		m.Must(expect.Equal("how the connection ends", mqtt.Disconnect, end.Type), end.Seq)
	})
	c.BackAfter(mark)
}

// mqttConn is the connection over which the Agent answers. A device may open another one for what changes in its Subscriptions.
func mqttConn(c *harness.Case) uint64 {
	c.SettleConnection()
	got := c.Agent.Get(c, endpointID)
	c.DeviceMust(expect.Type(got, usp.GetResp))
	return got.Conn
}

// judgeLeft judges in a metric that a topic filter is unsubscribed. Where the device ends its connection instead, there is nothing left to
// unsubscribe from.
func judgeLeft(c *harness.Case, metric int, conn uint64, filter string, mark journal.Mark) {
	e, err := c.Await("UNSUBSCRIBE packet for "+filter, c.ResponseWait(), mark, func(e *journal.Event) error {
		if c.Ends(conn, e) {
			return nil
		}
		return expect.HasFilter(mqtt.Unsubscribe, filter)(e)
	})
	if err == nil && c.Ends(conn, e) {
		c.NotApplicable(metric, "the device ends its connection, and its subscriptions with it")
		c.BackAfter(mark)
		return
	}
	c.Metric(metric, func(m *harness.Metric) {
		m.Must(err, mark)
		m.Saw(e.Seq)
	})
}
