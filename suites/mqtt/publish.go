package mqtt

import (
	"fmt"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
)

// publishPacket is 11.12: what the PUBLISH that carries a GetResp says beside the Record.
func publishPacket(c *harness.Case) {
	information := topic(c, "information")
	if isMQTT5(c) {
		connectsAnewInTheEnd(c)
		askForResponseInformation(c)
		c.MQTT().ResponseInfo(information)
	}
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait until it connects")
	session, err := awaitConnect(c, mark)
	c.DeviceMust(err)
	connect := packet(session, mqtt.Connect)
	c.BackAfter(mark)
	c.Step(5, "get Device.DeviceInfo.")
	got := c.Agent.Get(c, "Device.DeviceInfo.")
	var publish *mqtt.Packet
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		publish = packet(c.Journal.At(got.Packet), mqtt.Publish)
		if publish == nil {
			m.Must(fmt.Errorf("want a PUBLISH packet that carries the GetResp, got none"), got.Packet)
		}
		m.Saw(got.Packet)
	}) {
		return
	}
	if publish.Version != mqtt.V5 {
		c.NotApplicable(2, "MQTT 3.1.1 has no Response Topic")
		c.Metric(3, func(m *harness.Metric) { m.Must(escapedReplyTo(c, publish.Topic), got.Packet) })
		c.NotApplicable(4, "MQTT 3.1.1 has no Content Type")
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		want := information
		if !connect.RequestResponseInfo && !c.Strict("response-topic-without-request") {
			want = c.AgentAddress
			m.Note("the Agent did not ask for Response Information, so its configured topic counts")
		}
		m.Must(expect.Equal("PUBLISH: Response Topic", want, publish.ResponseTopic), got.Packet)
	})
	c.NotApplicable(3, "MQTT 5.0 has a Response Topic")
	c.Metric(4, func(m *harness.Metric) {
		m.Must(expect.Equal("PUBLISH: Content Type", "usp.msg", publish.ContentType), got.Packet)
	})
}

// escapedReplyTo wants a topic to end in /reply-to= and a topic that the Agent is subscribed to, each slash of it as %2F (R-MQTT.24,
// R-MQTT.25).
func escapedReplyTo(c *harness.Case, published string) error {
	to, topic := link.SplitReplyTo(published)
	if topic == "" || link.JoinReplyTo(to, topic) != published { // a slash that is not escaped
		return &usp.Mismatch{Where: "PUBLISH: topic", Want: "…" + link.JoinReplyTo("", c.AgentAddress), Got: usp.Quote(published)}
	}
	if _, subscribed := c.MQTT().Subscriber(publishedAt(c, topic)); !subscribed {
		return &usp.Mismatch{Where: "PUBLISH: reply-to topic", Want: "one that the Agent is subscribed to", Got: usp.Quote(topic)}
	}
	return nil
}
