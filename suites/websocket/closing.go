package websocket

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// closing is 7.4. The Agent answers CLOSE with CLOSE; the status code of it is its own choice (RFC
// 6455, section 5.5.1).
func closing(c *harness.Case) {
	conn := session(c)
	c.Cleanup("let the device connect again", func(ctx context.Context) error { return another(ctx, c, conn) })
	mark := c.Journal.Mark()
	c.Step(1, "send a CLOSE with %d", websocket.CloseNormal)
	sent, err := conn.Close(websocket.CloseNormal, "")
	c.DeviceMust(err)
	c.Step(2, "wait for the CLOSE of the Agent; then the harness closes TCP")
	c.Metric(1, func(m *harness.Metric) {
		m.Saw(sent)
		end, err := awaitClose(c, conn.ID(), mark)
		m.Must(err)
		m.Saw(end.Seq)
		if problem := end.Body.(*websocket.Frame).CloseProblem(); problem != "" {
			m.Must(&usp.Mismatch{Where: "CLOSE of the Agent", Want: "one that RFC 6455 allows", Got: problem})
		}
	})
}

// another waits until the device can be reached over another connection. Nothing more can be sent
// over one on which CLOSE has gone out.
func another(ctx context.Context, c *harness.Case, closing *websocket.Conn) error {
	closing.Abort("the case is over")
	select {
	case <-closing.Done():
	case <-ctx.Done():
	}
	return c.Reachable(ctx)
}

// awaitClose awaits the CLOSE of the Agent on a connection. One that ends without it is an error at
// once.
func awaitClose(c *harness.Case, conn uint64, mark journal.Mark) (*journal.Event, error) {
	e, err := c.Await("CLOSE from the Agent", c.ResponseWait(), mark, func(e *journal.Event) error {
		if e.Conn == conn && (closeFrame(e) != nil || e.Layer == journal.LayerTCP && e.Type == "close") {
			return nil
		}
		return journal.ErrSkip
	})
	if err == nil && closeFrame(e) == nil {
		err = &usp.Mismatch{Where: "end of the connection", Want: "a CLOSE before it", Got: "none: " + e.Text}
	}
	return e, err
}

// closeFrame returns the CLOSE that an event shows the device to have sent, or nil.
func closeFrame(e *journal.Event) *websocket.Frame {
	f, ok := e.Body.(*websocket.Frame)
	if !ok || e.Dir != journal.In || f.Opcode != websocket.OpClose {
		return nil
	}
	return f
}

// unprocessable is 7.6: a message out of which no Record can be read makes the Agent close the
// connection with 1003 (R-WS.16). To ignore it, as over other MTPs, is not enough. A Record whose
// Message cannot be read is none of these: it may have to be answered (R-MTP.5).
func unprocessable(c *harness.Case) {
	c.Cleanup("let the device connect again", c.Reachable)
	var failed error
	var evidence []journal.Mark
	for _, message := range unreadable(c) {
		conn := session(c)
		mark := c.Journal.Mark()
		c.Step(1, "send %s", message.what)
		c.Agent.ExpectStray() // an Error may come before the CLOSE
		sent, err := conn.WriteFrame(websocket.Frame{Opcode: message.opcode, Fin: true, Payload: message.payload})
		c.DeviceMust(err)
		evidence = append(evidence, sent)
		end, err := awaitClose(c, conn.ID(), mark)
		if err == nil {
			evidence = append(evidence, end.Seq)
			err = closesWith(websocket.CloseUnsupported, end)
		}
		if err != nil {
			failed = fmt.Errorf("after %s: %w", message.what, err)
			break
		}
		c.BackAfter(end.Seq)
	}
	c.Metric(1, func(m *harness.Metric) { m.Must(failed, evidence...) })
}

// message is one WebSocket message.
type message struct {
	what    string
	opcode  websocket.Opcode
	payload []byte
}

// unreadable makes the messages of 7.6. The text is a Record whose bytes are valid UTF-8, since RFC
// 6455 has another status code for text that is not.
func unreadable(c *harness.Case) []message {
	c.Uses(plan.NeedInvalidRecord)
	record, err := usp.WrapMessage(usp.EndpointID(c.Agent.AgentID()), usp.EndpointID(c.Agent.ID()), usp.Version,
		usp.NewGet(c.Agent.NewMsgID(), deviceInfo))
	c.LabMust(err)
	raw, err := usp.Marshal(record)
	c.LabMust(err)
	return []message{
		// the first byte of this text begins a protobuf group that has no end
		{"bytes that are no Record", websocket.OpBinary, []byte("this is neither a Record nor a Message")},
		// within its last field: the bytes before that are a Record without a type
		{"a Record that is cut short", websocket.OpBinary, raw[:len(raw)-1]},
		{"a Record in a TEXT frame", websocket.OpText, bytes.ToValidUTF8(raw, nil)},
	}
}

// closesWith wants a status code in the CLOSE of the device.
func closesWith(want int, e *journal.Event) error {
	if got, text := closeFrame(e).CloseCode(); got != want {
		return &usp.Mismatch{Where: "status code of CLOSE", Want: strconv.Itoa(want), Got: fmt.Sprintf("%d %q", got, text)}
	}
	return nil
}
