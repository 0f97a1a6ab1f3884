package mqtt

import (
	"context"
	"fmt"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
)

// way is one way to the Agent: the topic to which the Controller publishes, and what its PUBLISH
// says beside it. It is a link.End.
type way struct {
	c           *harness.Case
	topic       string // of the Agent, without a reply-to
	replyTo     string // of the Controller
	qos         byte
	contentType string // with MQTT 5.0
}

// over returns the Controller as it sends to one topic of the Agent, with all else as usual.
func over(c *harness.Case, topic string) way {
	return way{c: c, topic: topic, replyTo: c.ControllerAddress, contentType: "usp.msg"}
}

// get sends a Get this way.
func (w way) get(path string) *controller.Reply { return w.c.Agent.Via(w).Get(w.c, path) }

// address is the topic of the PUBLISH, which has the reply-to with MQTT 3.1.1 (R-MQTT.24).
func (w way) address() string {
	if isMQTT5(w.c) {
		return w.topic
	}
	return link.JoinReplyTo(w.topic, w.replyTo)
}

// ReplyTo implements link.End.
func (w way) ReplyTo() string { return w.replyTo }

// Connected implements link.End: it waits until the Agent has subscribed to the topic.
func (w way) Connected(ctx context.Context) error {
	for {
		changed := w.c.MQTT().Changed()
		if _, ok := w.c.MQTT().Subscriber(w.address()); ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: nobody has subscribed to %q", link.ErrUnreachable, w.address())
		}
	}
}

// Send implements link.End.
func (w way) Send(ctx context.Context, record []byte) (journal.Mark, error) {
	if err := w.Connected(ctx); err != nil {
		return 0, err
	}
	o := mqtt.PublishOpts{QoS: w.qos}
	if isMQTT5(w.c) {
		o.ResponseTopic, o.ContentType = w.replyTo, w.contentType
	}
	return w.c.MQTT().Publish(w.address(), record, o)
}

// usualTopic is the topic that the Agent gives as its own, in the PUBLISH with which it answers.
func usualTopic(c *harness.Case) string {
	got := c.Agent.Get(c, endpointID)
	c.DeviceMust(expect.Type(got, usp.GetResp))
	p := packet(c.Journal.At(got.Packet), mqtt.Publish)
	if p == nil {
		return c.AgentAddress
	}
	told := p.ResponseTopic
	if p.Version < mqtt.V5 {
		_, told = link.SplitReplyTo(p.Topic)
	}
	if told == "" {
		return c.AgentAddress
	}
	return told
}

// awaitFilter returns the SUBSCRIBE of the device after mark that has a filter, and the filter as
// it is there.
func awaitFilter(c *harness.Case, topic string, mark journal.Mark) (*journal.Event, mqtt.Filter, error) {
	var found mqtt.Filter
	e, err := c.Await("SUBSCRIBE packet for "+topic, c.ResponseWait(), mark, func(e *journal.Event) error {
		p := packet(e, mqtt.Subscribe)
		if p == nil {
			return journal.ErrSkip
		}
		for _, found = range p.Filters {
			if found.Topic == topic {
				return nil
			}
		}
		return &usp.Mismatch{Where: "SUBSCRIBE: filters", Want: topic + " among them", Got: fmt.Sprintf("%.200q", filters(e))}
	})
	return e, found, err
}

// newTopic makes a topic that nobody else uses and that no filter of the device covers, and the
// filter to subscribe to it with: with MQTT 3.1.1 the reply-to of whoever publishes follows the
// topic.
func newTopic(c *harness.Case, word string) (topic, filter string) {
	topic = c.Fresh(word)
	if isMQTT5(c) {
		return topic, topic
	}
	return topic, topic + "/#"
}
