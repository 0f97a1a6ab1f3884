package stomp

import (
	"fmt"
	"strconv"

	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

const recordType = "application/vnd.bbf.usp.msg" // R-STOMP.20

// requiredHeaders is 6.4: what the SEND frame that carries a GetResp says beside the Record.
func requiredHeaders(c *harness.Case) {
	c.Step(1, "get Device.DeviceInfo.")
	got := c.Agent.Get(c, "Device.DeviceInfo.")
	var send *stomp.Frame
	c.Metric(1, func(m *harness.Metric) {
		m.Must(readable(c, got))
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		f, err := carrier(c, got)
		m.Must(err, got.Packet)
		send = f
		m.Must(header(send, "content-length", strconv.Itoa(send.Size)))
	})
	if send == nil {
		return
	}
	c.Metric(2, func(m *harness.Metric) { m.Must(header(send, "content-type", recordType), got.Packet) })
	c.Metric(3, func(m *harness.Metric) {
		m.Must(header(send, "reply-to-dest", destinations(c, got.Conn)...), got.Packet)
	})
}

// carrier returns the frame that carried a reply.
func carrier(c *harness.Case, got *controller.Reply) (*stomp.Frame, error) {
	if f := frame(c.Journal.At(got.Packet)); f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("want a SEND frame that carries the %s, got none", got.Type())
}

// readable reports bytes that came instead of a reply and make no frame, as with a wrong content-length.
func readable(c *harness.Case, got *controller.Reply) error {
	if got.Message != nil {
		return nil
	}
	for _, e := range c.Journal.Since(got.Sent) {
		if e.Layer == journal.LayerNote && e.Dir == journal.In && e.Type == stomp.BadFrame {
			return &usp.Mismatch{Where: "reply", Want: "a whole SEND frame", Got: fmt.Sprintf("%s (event %d)", e.Text, e.Seq)}
		}
	}
	return nil
}

// destinations are those that the Agent is subscribed to on one connection.
func destinations(c *harness.Case, conn uint64) []string {
	var found []string
	for _, s := range c.STOMP().Subscriptions() {
		if s.Conn == conn {
			found = append(found, s.Destination)
		}
	}
	return found
}
