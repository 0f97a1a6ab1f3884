package mqtt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// subscribePacket is 11.8: topics that the broker names in CONNACK are subscribed to. The filters of all SUBSCRIBE packets of the
// connection count together. A subscribe-topic must be a filter itself; another filter may cover the Response Information (R-MQTT.15).
func subscribePacket(c *harness.Case) {
	connectsAnewInTheEnd(c)
	askForResponseInformation(c)
	named, information := topic(c, "subscribe"), topic(c, "information")
	c.Step(1, "reboot the device; CONNACK will name %s as subscribe-topic and %s as Response Information", named, information)
	c.MQTT().SubscribeTopics(named)
	c.MQTT().ResponseInfo(information)
	mark := c.Reboot()
	c.Step(2, "wait until it connects")
	var conn uint64
	asked := c.Metric(1, func(m *harness.Metric) {
		e, err := awaitConnect(c, mark)
		m.Must(err)
		mark, conn = e.Seq, e.Conn
		if connect := packet(e, mqtt.Connect); !connect.RequestResponseInfo {
			m.Must(&usp.Mismatch{Where: "CONNECT: Request Response Information", Want: "1", Got: "0 or absent"}, e.Seq)
		}
		m.Saw(e.Seq)
	})
	if conn == 0 {
		return
	}
	c.Step(5, "wait until it subscribes")
	for n, topic := range []string{2: named, 3: information} {
		if topic == "" || n == 3 && !asked {
			continue // an Agent that does not ask for Response Information is given none
		}
		c.Metric(n, func(m *harness.Metric) {
			if c.Strict("filters-over-several-packets") {
				m.Must(subscribesAtOnce(c, mark, conn, topic))
				return
			}
			e, err := c.Await("SUBSCRIBE packet for "+topic, c.ReconnectWait(), mark, func(e *journal.Event) error { return subscribes(e, conn, topic, n == 3) })
			m.Must(err)
			m.Saw(e.Seq)
		})
	}
}

// subscribes matches a SUBSCRIBE on one connection that has a topic as a filter, or one that covers it where that is enough.
func subscribes(e *journal.Event, conn uint64, topic string, covered bool) error {
	p := packet(e, mqtt.Subscribe)
	if p == nil || e.Conn != conn {
		return journal.ErrSkip
	}
	var filters []string
	for _, f := range p.Filters {
		if f.Topic == topic || covered && mqtt.Covers(f.Topic, topic) {
			return nil
		}
		filters = append(filters, f.Topic)
	}
	return fmt.Errorf("filters: want %q among them, got %q", topic, filters)
}

// subscribesAtOnce wants a topic itself among the filters of the first SUBSCRIBE on a connection.
func subscribesAtOnce(c *harness.Case, mark journal.Mark, conn uint64, topic string) error {
	first, err := c.Await("SUBSCRIBE packet", c.ReconnectWait(), mark, func(e *journal.Event) error {
		if packet(e, mqtt.Subscribe) == nil || e.Conn != conn {
			return journal.ErrSkip
		}
		return nil
	})
	if err != nil {
		return err
	}
	return expect.Contains("SUBSCRIBE: filters", []string{topic}, filters(first))
}

// filters are the topic filters of a SUBSCRIBE.
func filters(e *journal.Event) []string {
	var out []string
	for _, f := range packet(e, mqtt.Subscribe).Filters {
		out = append(out, f.Topic)
	}
	return out
}

// refusedSubscription is 11.11: an Agent that cannot subscribe leaves, and sends no Record on the way. A Periodic! event tempts it.
func refusedSubscription(c *harness.Case) {
	const interval, watched = "60", 120 * time.Second
	const refusal = 0x87 // not authorized
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	c.Restore(row, "PeriodicNotifInterval")
	c.Set(row, usp.Params{"PeriodicNotifInterval": interval})
	event := usp.Params{"ReferenceList": "Device.LocalAgent.Periodic!", "NotifType": "Event"}
	if !c.Strict("periodic-across-reboot") {
		event["Persistent"] = "true"
	}
	c.Add(harness.Subscriptions, event,
		usp.Params{"Enable": "true", "ID": c.Fresh("periodic")})

	c.Step(1, "reboot the device; every SUBSCRIBE will be refused")
	c.Cleanup("accept subscriptions again", func(ctx context.Context) error { return rejoin(ctx, c) })
	c.MQTT().RejectSubscribe(refusal)
	mark := c.Reboot()
	c.Step(2, "wait until it subscribes")
	connect, err := awaitConnect(c, mark)
	c.DeviceMust(err)
	subscribed, err := c.Await("SUBSCRIBE packet", c.ReconnectWait(), connect.Seq, func(e *journal.Event) error {
		if packet(e, mqtt.Subscribe) == nil || e.Conn != connect.Conn && !isForUSP(c, e) {
			return journal.ErrSkip
		}
		return nil
	})
	c.DeviceMust(err)
	c.Step(4, "watch the connection for two periodic intervals")
	quiet, silence := c.Quiet("PUBLISH packets that carry a USP Record after the refusal", watched, subscribed.Seq, func(e *journal.Event) error {
		if err := carriesRecord(e); err != nil {
			return err
		}
		if c.Strict("publish-anywhere") && !slices.Contains(filters(subscribed), packet(e, mqtt.Publish).Topic) {
			return journal.ErrSkip
		}
		return nil
	})
	c.Metric(1, func(m *harness.Metric) {
		wait := harness.Wait{D: c.Scaled(watched), From: subscribed.At} // over by now, but for a Record that ended it early
		e, err := c.Await("DISCONNECT packet after the refusal", wait, subscribed.Seq, func(e *journal.Event) error {
			if packet(e, mqtt.Disconnect) == nil || e.Conn != subscribed.Conn {
				return journal.ErrSkip
			}
			return nil
		})
		m.Must(err, subscribed.Seq)
		m.Saw(e.Seq)
	})
	c.Metric(2, func(m *harness.Metric) {
		if quiet != nil {
			m.Must(silence, quiet.Seq)
		}
		m.Must(silence)
	})
}

// carriesRecord matches a PUBLISH from the device that holds a USP Record.
func carriesRecord(e *journal.Event) error {
	p := packet(e, mqtt.Publish)
	if p == nil {
		return journal.ErrSkip
	}
	// a payload that is no Record may still parse as one without a type
	if record, err := usp.ParseRecord(p.Payload); err != nil || record.GetRecordType() == nil {
		return journal.ErrSkip
	}
	return nil
}

// rejoin lets the device back in and waits for it. Its retries have grown rare by now, so it is switched off and on where the
// lab can do so by itself; one that stays away is brought back after the case.
func rejoin(ctx context.Context, c *harness.Case) error {
	c.MQTT().RejectSubscribe(0)
	if canPowerCycle(c) {
		if err := c.Device.PowerCycle(ctx); err != nil {
			return err
		}
	}
	return c.Reachable(ctx)
}
