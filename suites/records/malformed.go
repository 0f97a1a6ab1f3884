package records

import (
	"fmt"
	"strconv"

	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

const endpointID = "Device.LocalAgent.EndpointID"

// malformedRecords is 3.1: each of several malformed Records must be ignored or answered with an Error, and the Agent must work
// afterwards. Over WebSocket it may also close the connection with 1003 (R-WS.16) and come back.
func malformedRecords(c *harness.Case) {
	c.DeviceMust(expect.Type(c.Agent.Get(c, endpointID), usp.GetResp))
	var failed error
	var evidence []uint64
	for i, record := range c.MalformedRecords() {
		c.Step(i+1, "send %s, then a Get", record.What)
		seqs, err := provoke(c, record)
		evidence = append(evidence, seqs...)
		if err != nil {
			failed = fmt.Errorf("%s: %w", record.What, err)
			break
		}
	}
	c.Metric(1, func(m *harness.Metric) { m.Must(failed, evidence...) })
}

// provoke sends a malformed Record and a Get behind it, and judges what comes until the Get is answered. It returns the events it judged.
func provoke(c *harness.Case, record harness.Malformed) (evidence []uint64, err error) {
	mark := c.Journal.Mark()
	seq, err := c.Agent.SendRaw(c, record.Raw)
	c.LabMust(err)
	evidence = append(evidence, seq)
	get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	// over WebSocket the connection may be gone already
	if _, err := c.Agent.Send(c, get); !c.MTP.EndsOnBadRecord {
		c.LabMust(err)
	}
	end, err := c.Await("answer to a Get sent afterwards", c.ResponseWait(), mark, func(e *journal.Event) error {
		if m, ok := e.Body.(*controller.Message); ok && e.Dir == journal.In && m.GetHeader().GetMsgId() == get.GetHeader().GetMsgId() {
			return nil
		}
		return isClose(e)
	})
	if err != nil {
		return evidence, err
	}
	evidence = append(evidence, end.Seq)
	for _, e := range c.Emitted(mark, end.Seq) {
		if err := e.LawfulAfterMalformed(get.GetHeader().GetMsgId()); err != nil {
			return append(evidence, e.Seq), err
		}
	}
	if isClose(end) == nil {
		if c.Strict("websocket-close-on-bad-record") {
			return evidence, &usp.Mismatch{Where: "answer", Want: "none, or an Error", Got: "CLOSE"}
		}
		if err := unsupportedData(end); err != nil {
			return evidence, err
		}
		if _, err := c.Reconnected(end.Seq); err != nil {
			return evidence, fmt.Errorf("after the close with %d: %w", websocket.CloseUnsupported, err)
		}
		c.Note("%s ended the WebSocket connection with %d, as R-WS.16 demands", record.What, websocket.CloseUnsupported)
	}
	got := c.Agent.Get(c, endpointID)
	return append(evidence, got.Evidence()), expect.Type(got, usp.GetResp)
}

// isClose says whether e is the device closing a WebSocket connection.
func isClose(e *journal.Event) error {
	if f, ok := e.Body.(*websocket.Frame); ok && e.Dir == journal.In && f.Opcode == websocket.OpClose {
		return nil
	}
	return journal.ErrSkip
}

// unsupportedData wants 1003 in a frame that closes a connection.
func unsupportedData(e *journal.Event) error {
	if got, text := e.Body.(*websocket.Frame).CloseCode(); got != websocket.CloseUnsupported {
		return &usp.Mismatch{Where: "status code of CLOSE", Want: strconv.Itoa(websocket.CloseUnsupported), Got: fmt.Sprintf("%d %q", got, text)}
	}
	return nil
}
