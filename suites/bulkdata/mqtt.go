package bulkdata

import (
	"fmt"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// published carries reports in PUBLISH packets to a topic.
type published struct{ client, topic string }

func (t published) settings() usp.Params {
	return usp.Params{"Protocol": "MQTT", "MQTT.Reference": expect.WithoutDot(t.client), "MQTT.PublishTopic": t.topic}
}
func (t published) what() string     { return "PUBLISH packets to " + t.topic }
func (published) where(n int) string { return fmt.Sprintf("payload of PUBLISH %d", n) }

func (t published) carries(e *journal.Event) bool {
	return t.brings(e) && !e.Body.(*mqtt.Packet).Dup
}

// brings is carries, but takes a report that its client sends again, too.
func (t published) brings(e *journal.Event) bool {
	p, ok := e.Body.(*mqtt.Packet)
	return ok && e.Dir == journal.In && p.Type == mqtt.Publish && p.Topic == t.topic
}

func (published) content(e *journal.Event) ([]byte, error) {
	p := e.Body.(*mqtt.Packet)
	if p.PayloadSize > len(p.Payload) {
		return nil, fmt.Errorf("%w: %d bytes", errTooMuch, p.PayloadSize)
	}
	return p.Payload, nil
}

// judge holds a PUBLISH to what the profile is set to, and to what TR-369 says of its properties.
func (published) judge(c *harness.Case, p *profile, n int, e *journal.Event) {
	packet, where := e.Body.(*mqtt.Packet), p.where(n)
	if packet.Version == mqtt.V5 {
		c.Beyond("R-BULK.8a", func(m *harness.Metric) {
			m.Must(contentType(where+": Content Type", p.format, packet.ContentType), e.Seq)
		})
		if p.format.name() == "CSV" {
			c.Beyond("R-BULK.11", func(m *harness.Metric) { m.Must(headerPresent(where, packet.ContentType), e.Seq) })
		}
	}
	if qos := p.set["MQTT.PublishQoS"]; qos != "" {
		c.Beyond("TR-181, BulkData.Profile.{i}.MQTT.PublishQoS", func(m *harness.Metric) {
			m.Must(expect.Equal(where+": QoS", qos, fmt.Sprint(packet.QoS)), e.Seq)
		})
	}
	if retain, err := usp.ParseBool(p.set["MQTT.PublishRetain"]); err == nil {
		c.Beyond("TR-181, BulkData.Profile.{i}.MQTT.PublishRetain", func(m *harness.Metric) {
			m.Must(expect.Equal(where+": RETAIN", fmt.Sprint(retain), fmt.Sprint(packet.Retain)), e.Seq)
		})
	}
}

// publishes is 10.13: reports come in PUBLISH packets to the broker of an MQTT client of the device.
func publishes(c *harness.Case) {
	client, own := c.MQTTClient()
	what := upTimeAlone(c)
	p := addProfile(c, interval(c), encodingType(c), published{client, "mqtt-bulkdata"}, nil)
	what.add(p)
	beside := addNeighbour(p, what)
	p.enable(5)
	beside.run()
	if p.twoReports(1, 6) && p.wellFormed(2) && what.judge(p, 3) {
		what.finePrint(p)
		beside.judge()
		judgeOutage(c, what, client, own)
	}
}
