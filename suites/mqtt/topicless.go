package mqtt

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// noTopic is 11.10: an Agent that neither its data model nor the broker names a topic leaves with a
// DISCONNECT (R-MQTT.16). It counts its MTP as disabled then, so that only a restart brings it back
// for certain: with a topic from the broker, to put the others back.
func noTopic(c *harness.Case) {
	const watched = 30 * time.Second
	connectsAnewInTheEnd(c)
	takeTopics(c)
	c.Cleanup("bring the device back with a topic of the broker's", func(ctx context.Context) error { return rescue(ctx, c) })
	c.MQTT().NoSubscribeTopics()
	c.MQTT().ResponseInfo("")
	c.Step(1, "reboot the device")
	mark := restart(c)
	c.Step(2, "wait until it connects; CONNACK names no topic")
	connect, err := awaitConnect(c, mark)
	c.DeviceMust(err)
	c.Metric(1, func(m *harness.Metric) {
		wait := harness.Wait{D: c.Scaled(watched) + c.Waits().Tolerance + c.Lag(), From: connect.At}
		end, err := c.Await("DISCONNECT packet", wait, connect.Seq, func(e *journal.Event) error {
			if e.Conn == connect.Conn && (packet(e, mqtt.Disconnect) != nil || e.Layer == journal.LayerTCP && e.Type == "close") {
				return nil
			}
			return journal.ErrSkip
		})
		m.Must(err, connect.Seq)
		if packet(end, mqtt.Disconnect) == nil {
			m.Must(&usp.Mismatch{Where: "end of the connection", Want: "a DISCONNECT packet before it", Got: "none: " + end.Text},
				connect.Seq, end.Seq)
		}
		m.Saw(connect.Seq, end.Seq)
	})
}

// takeTopics deletes the Subscriptions of the MQTT client, then the response topic of each MTP that
// uses it, and puts all of them back at the end. The Agent may be out of reach after the last.
func takeTopics(c *harness.Case) {
	c.Uses(plan.NeedReconfiguration)
	const table = "Device.LocalAgent.MTP."
	row := c.BrokerRow()
	mtps, err := c.ReadAll(table)
	c.DeviceMust(err)
	before, err := c.ReadAll(row + "Subscription.")
	c.DeviceMust(err)
	subscriptions := expect.Snapshot(before).Rows()
	for _, subscription := range subscriptions {
		settings := usp.Params{}
		for _, name := range []string{"Alias", "Enable", "Topic", "QoS"} {
			if value, ok := before[subscription+name]; ok {
				settings[name] = value
			}
		}
		c.Cleanup("add "+subscription+" again", func(ctx context.Context) error {
			_, err := expect.OneCreated(c.Agent.Add(ctx, false, usp.Create(row+"Subscription.", nil, maps.Clone(settings))))
			return err
		})
	}
	if len(subscriptions) > 0 { // all at once: without the first the Agent may not be reached for the next
		c.DeviceMust(expect.Type(c.Agent.Delete(c, false, subscriptions...), usp.DeleteResp))
	}
	if c.Strict("response-topic-is-a-topic") {
		return
	}
	for _, mtp := range expect.Snapshot(mtps).Rows() {
		const name = "MQTT.ResponseTopicConfigured"
		if expect.WithoutDot(mtps[mtp+"MQTT.Reference"])+"." != row || mtps[mtp+name] == "" {
			continue
		}
		c.Restore(mtp+"MQTT.", strings.TrimPrefix(name, "MQTT."))
		reply := c.Agent.Set(c, false, usp.Update(mtp+"MQTT.", usp.Params{strings.TrimPrefix(name, "MQTT."): ""}, nil))
		if reply.Message != nil { // it may have left the topic at which it was asked
			c.DeviceMust(expect.Type(reply, usp.SetResp))
		}
	}
}

// restart makes the device connect again: by a reboot where it can still be reached, or where the
// lab can restart it; else its connection is cut, which leads to another CONNECT as well.
func restart(c *harness.Case) (mark journal.Mark) {
	c.Pause(c.Scaled(c.Waits().Settle) + c.Lag()) // a session that a change of the topics brings is not the one to judge
	_, reachable := c.MQTT().Subscriber(c.AgentAddress)
	switch {
	case reachable || c.DUT.Lab.Reboot.By != dut.ByUSP:
		return c.Reboot()
	case canPowerCycle(c):
		c.Note("the device could not be reached any more, so that it was switched off and on")
		c.ExpectRestart()
		mark = c.Journal.Mark()
		c.LabMust(c.Device.PowerCycle(c))
		return mark
	}
	c.Note("the device could not be reached any more, so that its connection was cut")
	mark = c.Journal.Mark()
	c.MQTT().DropAll()
	return mark
}

// canPowerCycle reports whether the lab switches the device off and on by itself.
func canPowerCycle(c *harness.Case) bool {
	return c.DUT.Lab.Power.By == dut.ByLaunch || c.DUT.Lab.Power.By == dut.ByExec
}

// rescue lets the broker name the usual topic, and restarts a device that does not come back for
// it.
func rescue(ctx context.Context, c *harness.Case) error {
	c.MQTT().SubscribeTopics(c.AgentAddress)
	if canPowerCycle(c) {
		if err := c.Device.PowerCycle(ctx); err != nil {
			return err
		}
	}
	return c.Reachable(ctx)
}
