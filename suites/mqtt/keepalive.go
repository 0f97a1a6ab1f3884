package mqtt

import (
	"fmt"
	"slices"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// keepAlive is 11.7: the broker's Server Keep Alive takes the place of the Agent's own interval
// (MQTT 5.0, section 3.2.2.3.14). Any packet of the Agent keeps the connection alive, so the
// silence since its last one counts, and the harness sends nothing meanwhile.
func keepAlive(c *harness.Case) {
	c.Uses(plan.NeedReconfiguration)
	const own, server = "60", 30
	connectsAnewInTheEnd(c)
	row := c.BrokerRow()
	c.Restore(row, "KeepAliveTime")
	c.Step(1, "set %sKeepAliveTime to %s; CONNACK will have a Server Keep Alive of %d s", row, own, server)
	c.Set(row, usp.Params{"KeepAliveTime": own})
	c.MQTT().ServerKeepAlive(server)
	c.Step(2, "reboot the device")
	mark := c.Reboot()
	c.Step(3, "wait until it connects")
	connect, err := awaitConnect(c, mark)
	c.DeviceMust(err)
	c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Equal("CONNECT: Keep Alive in seconds", own, fmt.Sprint(packet(connect, mqtt.Connect).KeepAlive)), connect.Seq)
	})
	c.BackAfter(mark)
	mark = c.Journal.Mark()
	c.MQTT().Swallow(mqtt.Pingresp)
	c.Step(5, "wait for a PINGREQ")
	c.Metric(2, func(m *harness.Metric) { judgePing(m, c, connect, server*time.Second*3/2) })
	noteUnanswered(c, connect.Conn, mark, server*time.Second/2)
}

// noteUnanswered notes what the Agent does about a PINGREQ after mark, which had no PINGRESP. It should close the connection, after a time
// that it chooses (MQTT 5.0, section 3.1.2.10), so that no metric depends on it.
func noteUnanswered(c *harness.Case, conn uint64, mark journal.Mark, watched time.Duration) {
	since := c.Journal.Since(mark)
	ping := slices.IndexFunc(since, func(e *journal.Event) bool { return e.Conn == conn && packet(e, mqtt.Pingreq) != nil })
	if ping < 0 {
		return
	}
	c.Extend(watched)
	end, err := c.Await("end of the connection", harness.Wait{D: c.Scaled(watched)}, since[ping].Seq, func(e *journal.Event) error {
		if c.Ends(conn, e) {
			return nil
		}
		return journal.ErrSkip
	})
	if err != nil {
		c.Note("the connection was not closed within %s although no PINGRESP came", c.Scaled(watched))
		return
	}
	c.Note("the connection was closed (event %d) as no PINGRESP came", end.Seq)
	c.MQTT().Reset()
	if _, err := c.Reconnected(end.Seq); err != nil {
		c.Note("the device did not come back by itself: %v", err)
	}
}

// judgePing wants a PINGREQ before the Agent has been silent for longer than most. One that is busy
// enough to need none passes.
func judgePing(m *harness.Metric, c *harness.Case, connect *journal.Event, most time.Duration) {
	last := connect
	for end := time.Now().Add(2 * c.Scaled(most)); ; {
		wait := harness.Wait{D: c.Scaled(most) + c.Waits().Tolerance + c.Stall(), From: last.At}
		e, err := c.Await("PINGREQ, or any other packet of the Agent", wait, last.Seq, func(e *journal.Event) error {
			_, isPacket := e.Body.(*mqtt.Packet)
			if e.Conn == connect.Conn && (isPacket && e.Dir == journal.In || e.Layer == journal.LayerTCP && e.Type == "close") {
				return nil
			}
			return journal.ErrSkip
		})
		m.Must(err, last.Seq)
		switch {
		case packet(e, mqtt.Pingreq) != nil:
			m.Saw(last.Seq, e.Seq)
			m.Note("PINGREQ after %s of silence", e.At.Sub(last.At).Round(time.Millisecond))
			return
		case e.Layer == journal.LayerTCP || packet(e, mqtt.Disconnect) != nil:
			m.Must(&usp.Mismatch{Where: "MQTT session", Want: "to stay open, with a PINGREQ", Got: e.Text}, last.Seq, e.Seq)
		case time.Now().After(end):
			m.Saw(e.Seq)
			m.Note("the Agent sent other packets so often that it needed no PINGREQ")
			return
		}
		last = e
	}
}
