package mqtt

import (
	"fmt"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
)

const (
	deviceInfo = "Device.DeviceInfo."
	endpointID = harness.EndpointID
)

// replyTopic is 11.14: the answer goes to the topic that the request asks for, which is not the one
// that the Agent is configured with, and says where the Agent is.
func replyTopic(c *harness.Case) {
	w := over(c, usualTopic(c))
	w.replyTo = c.ControllerAddress + "/11-14/reply"
	c.Step(1, "get %s and ask for the answer at %q", deviceInfo, w.replyTo)
	got := w.get(deviceInfo)
	metric, other := 1, 2
	if !isMQTT5(c) {
		metric, other = 2, 1
	}
	c.NotApplicable(other, "this link does not use that version of MQTT")
	c.Metric(metric, func(m *harness.Metric) {
		m.Must(answeredElsewhere(c, got))
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		p := packet(c.Journal.At(got.Packet), mqtt.Publish)
		if p == nil {
			m.Must(fmt.Errorf("want a PUBLISH packet that carries the GetResp, got none"), got.Packet)
		}
		m.Saw(got.Packet)
		if isMQTT5(c) {
			m.Must(expect.Equal("PUBLISH: topic", w.replyTo, p.Topic))
			m.Must(reachableAt(c, "PUBLISH: Response Topic", p.ResponseTopic))
			return
		}
		to, _ := link.SplitReplyTo(p.Topic)
		m.Must(expect.Equal("PUBLISH: topic before /reply-to=", w.replyTo, to))
		m.Must(escapedReplyTo(c, p.Topic))
	})
}

// answeredElsewhere says where a reply was published that did not come to the Controller, if it was
// anywhere.
func answeredElsewhere(c *harness.Case, got *controller.Reply) error {
	if got.Message != nil {
		return nil
	}
	id := got.Request.GetHeader().GetMsgId()
	for _, e := range c.Emitted(got.Sent, c.Journal.Mark()) {
		if e.Answers() && e.MsgID() == id {
			return &usp.Mismatch{Where: "PUBLISH that carries the answer: topic", Want: "the one that the request asks for", Got: usp.Quote(e.To)}
		}
	}
	return nil
}

// reachableAt wants a topic to be one that the Agent is subscribed to.
func reachableAt(c *harness.Case, where, topic string) error {
	if topic == "" {
		return &usp.Mismatch{Where: where, Want: "a topic that the Agent is subscribed to", Got: "none"}
	}
	if _, subscribed := c.MQTT().Subscriber(topic); !subscribed {
		return &usp.Mismatch{Where: where, Want: "a topic that the Agent is subscribed to", Got: usp.Quote(topic)}
	}
	return nil
}

// contentTypes is 11.15: a Record is one by either name.
func contentTypes(c *harness.Case) {
	w := over(c, usualTopic(c))
	var replies []*controller.Reply
	for i, contentType := range []string{"usp.msg", "application/vnd.bbf.usp.msg"} {
		c.Step(3*i+1, "let the Controller publish with the content type %s", contentType)
		w.contentType = contentType
		c.Step(3*i+2, "get %s", deviceInfo)
		replies = append(replies, w.get(deviceInfo))
	}
	c.Metric(1, func(m *harness.Metric) {
		for _, got := range replies {
			m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		}
	})
}
