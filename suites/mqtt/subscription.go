package mqtt

import (
	"fmt"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// newSubscription is 11.9: a row of Subscription is subscribed to and used while the session lasts,
// and ends when it is disabled.
func newSubscription(c *harness.Case) {
	c.Uses(plan.NeedReconfiguration)
	topic, filter := newTopic(c, "topic")
	mark := c.Journal.Mark()
	c.Step(1, "add a Subscription to %q", filter)
	row := c.Add(c.BrokerRow()+"Subscription.", usp.Params{"Enable": "true", "Topic": filter}, nil).Path
	c.Step(2, "wait until the Agent subscribes")
	if !c.Metric(1, func(m *harness.Metric) {
		e, _, err := awaitFilter(c, filter, mark)
		m.Must(err)
		m.Saw(e.Seq)
	}) {
		return
	}
	c.Step(4, "get %s with a PUBLISH to %q", row, topic)
	got := over(c, topic).get(row)
	if !c.Metric(2, func(m *harness.Metric) {
		_, err := expect.OneResult(got, row)
		m.Must(err, got.Evidence())
	}) {
		return
	}
	c.Step(5, "disable the Subscription")
	mark = c.Journal.Mark()
	c.Set(row, usp.Params{"Enable": "false"})
	c.Metric(3, func(m *harness.Metric) {
		e, err := c.Await("UNSUBSCRIBE packet for "+filter, c.ResponseWait(), mark, expect.HasFilter(mqtt.Unsubscribe, filter))
		m.Must(err)
		m.Saw(e.Seq)
		for _, f := range packet(e, mqtt.Unsubscribe).Filters {
			if f.Topic != filter {
				m.Must(expect.Nothing("filter in the UNSUBSCRIBE packet beside that of the Subscription", usp.Quote(f.Topic)))
			}
		}
		alive := c.Agent.Get(c, endpointID) // over the topic that it still has
		m.Must(expect.Type(alive, usp.GetResp), alive.Evidence())
	})
}

// qualityOfService is 11.13: the Agent subscribes with the QoS that is configured, and takes what
// comes with it. Where QoS cannot be written, which MQTTClientSubscribe:1 allows, a Subscription
// has the QoS that the Agent chose.
func qualityOfService(c *harness.Case) {
	c.Uses(plan.NeedReconfiguration)
	table := c.BrokerRow() + "Subscription."
	c.Step(1, "add a Subscription with QoS 0")
	first := subscribeWith(c, table, 0)
	c.Step(4, "add a Subscription with QoS 1")
	second := subscribeWith(c, table, 1)
	c.Step(6, "get %s with a PUBLISH of QoS 0 to %q", first.row, first.topic)
	c.Metric(1, func(m *harness.Metric) { first.judge(m, c) })
	if !second.chosen && second.err == nil && second.asked.QoS == 0 {
		c.NotApplicable(2, "QoS of a Subscription cannot be written, and the Agent subscribes with 0")
		return
	}
	c.Step(7, "get %s with a PUBLISH of QoS 1 to %q", second.row, second.topic)
	c.Metric(2, func(m *harness.Metric) { second.judge(m, c) })
}

// qosSubscription is one Subscription of 11.13.
type qosSubscription struct {
	row, topic string
	qos        byte
	chosen     bool           // qos was written; else the Agent did not take it
	subscribe  *journal.Event // the SUBSCRIBE
	asked      mqtt.Filter    // of it
	err        error          // there was none
}

// subscribeWith adds a Subscription and waits until the Agent has subscribed.
func subscribeWith(c *harness.Case, table string, qos byte) qosSubscription {
	topic, filter := newTopic(c, fmt.Sprintf("qos%d", qos))
	s := qosSubscription{topic: topic, qos: qos}
	mark := c.Journal.Mark()
	settings := usp.Params{"Enable": "true", "Topic": filter, "QoS": fmt.Sprint(qos)}
	added := c.Agent.Add(c, false, usp.Create(table, settings, nil))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	if s.row, s.chosen = created.Path, err == nil; !s.chosen {
		c.Note("a Subscription with QoS %d is refused: %v; it is added without", qos, err)
		delete(settings, "QoS")
		s.row = c.Add(table, settings, nil).Path
	}
	s.subscribe, s.asked, s.err = awaitFilter(c, filter, mark)
	return s
}

// judge sends a Get to the topic and wants it answered, and acknowledged when it has a QoS of 1.
func (s qosSubscription) judge(m *harness.Metric, c *harness.Case) {
	m.Must(s.err)
	m.Saw(s.subscribe.Seq)
	if s.chosen {
		m.Must(expect.Equal("SUBSCRIBE: QoS of the filter", fmt.Sprint(s.qos), fmt.Sprint(s.asked.QoS)))
	}
	w := over(c, s.topic)
	w.qos = s.qos
	got := w.get(s.row)
	_, err := expect.OneResult(got, s.row)
	m.Must(err, got.Evidence())
	if s.qos == 0 {
		return
	}
	sent := sentTo(c, w.address(), got.Sent)
	if sent == nil {
		c.LabMust(fmt.Errorf("no PUBLISH to %s in the journal", w.address()))
	}
	acknowledged, err := c.Await("PUBACK of the PUBLISH of QoS 1", c.ResponseWait(), sent.Seq, func(e *journal.Event) error {
		if p := packet(e, mqtt.Puback); p == nil || e.Conn != sent.Conn || p.PacketID != sent.Body.(*mqtt.Packet).PacketID {
			return journal.ErrSkip
		}
		return nil
	})
	m.Must(err, sent.Seq)
	m.Saw(acknowledged.Seq)
}

// sentTo returns the first PUBLISH to a topic that the broker sent to the device after mark, or
// nil.
func sentTo(c *harness.Case, topic string, mark journal.Mark) *journal.Event {
	for _, e := range c.Journal.Since(mark) {
		if p, ok := e.Body.(*mqtt.Packet); ok && e.Dir == journal.Out && p.Type == mqtt.Publish && p.Topic == topic {
			return e
		}
	}
	return nil
}
