package websocket

import (
	"errors"
	"time"

	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// pingAndPong is 7.7. An Agent with several Pings before it may answer the last one alone (RFC 6455, section 5.5.3), so there is only one.
func pingAndPong(c *harness.Case) {
	const longest = 60 * time.Second
	conn := session(c)
	c.KeepAwake(false)
	defer c.KeepAwake(true)
	payload := c.Fresh("ping")
	mark := c.Journal.Mark()
	c.Step(1, "send a Ping with the payload %q", payload)
	ping, err := conn.Ping([]byte(payload))
	c.DeviceMust(err)
	c.Step(2, "wait for the Pong")
	c.Metric(1, func(m *harness.Metric) {
		e, err := c.Await("Pong", harness.Wait{D: c.Scaled(longest) + c.Waits().Tolerance + c.Lag()}, mark, pong(conn.ID(), payload))
		m.Must(err, ping)
		m.Saw(e.Seq)
	})
	c.Step(3, "send a Pong")
	unsolicited, err := conn.Pong([]byte(c.Fresh("pong")))
	c.DeviceMust(err)
	c.KeepAwake(true) // the Get must not hang with an Agent that needs waking
	got := c.Agent.Get(c, deviceInfo)
	c.Metric(2, func(m *harness.Metric) {
		m.Saw(unsolicited)
		m.Must(open(c, conn.ID(), unsolicited))
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		if got.Conn != conn.ID() {
			m.Must(&usp.Mismatch{Where: "GetResp", Want: "over the connection that carried the Pong", Got: "over another one"})
		}
	})
}

// pong matches a PONG with a payload on one connection.
func pong(conn uint64, payload string) func(*journal.Event) error {
	return func(e *journal.Event) error {
		f, ok := e.Body.(*websocket.Frame)
		if !ok || e.Dir != journal.In || e.Conn != conn || f.Opcode != websocket.OpPong {
			return journal.ErrSkip
		}
		return expect.Equal("PONG: payload", payload, string(f.Payload))
	}
}

// open wants neither a CLOSE of the Agent's nor an end of one connection after mark.
func open(c *harness.Case, conn uint64, mark journal.Mark) error {
	for _, e := range c.Journal.Since(mark) {
		if e.Conn != conn {
			continue
		}
		f, _ := e.Body.(*websocket.Frame)
		closes := f != nil && e.Dir == journal.In && f.Opcode == websocket.OpClose
		if closes || e.Layer == journal.LayerTCP && e.Type == "close" {
			return &usp.Mismatch{Where: "connection", Want: "open", Got: e.Text}
		}
	}
	return nil
}

// fragmentedRecord is 7.12. The fragments are proven to have been several: an Agent is not judged by what it was not sent.
func fragmentedRecord(c *harness.Case) {
	const size = 16
	c.Step(1, "let the server send fragments of %d bytes, an empty one and a Ping among them", size)
	c.WebSocket().Fragment(size)
	c.Step(2, "get %s", deviceInfo)
	got := c.Agent.Get(c, deviceInfo)
	sent := fragments(c.Journal.Since(got.Sent))
	if len(sent) < 2 {
		c.LabMust(errors.Join(expect.AtLeast("number of frames that carry the Get", 2, len(sent)), got.Err))
	}
	c.Metric(1, func(m *harness.Metric) {
		m.Saw(sent[0], sent[len(sent)-1])
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
	})
}

// fragments returns the numbers of the events that show the frames of the first message sent.
func fragments(events []*journal.Event) (seqs []journal.Mark) {
	for _, e := range events {
		f, ok := e.Body.(*websocket.Frame)
		if !ok || e.Dir != journal.Out || f.Opcode != websocket.OpBinary && f.Opcode != websocket.OpContinuation {
			continue
		}
		seqs = append(seqs, e.Seq)
		if f.Fin {
			break
		}
	}
	return seqs
}
