package records

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/usptest/usptest/brokers/uds"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
)

const endpointID = harness.EndpointID

// malformedRecords is 3.1: each of several malformed Records must be ignored or answered with an Error, and the Agent must stay
// connected and work afterwards. Over WebSocket it may also close the connection with 1003 (R-WS.16) and come back, over a Unix domain
// socket with an Error (R-UDS.23).
func malformedRecords(c *harness.Case) {
	before := c.Agent.Get(c, endpointID)
	c.DeviceMust(expect.Type(before, usp.GetResp))
	p := provocation{c: c, conn: before.Conn, mark: c.Journal.Mark()}
	var failed error
	for i, record := range c.MalformedRecords() {
		c.Step(i+1, "send %s, then a Get", record.What)
		if err := p.provoke(record); err != nil {
			failed = fmt.Errorf("%s: %w", record.What, err)
			break
		}
	}
	c.Metric(1, func(m *harness.Metric) { m.Must(failed, p.evidence...) })
}

// none is the number of no connection.
const none = 0

// provocation is what has been sent to the device and what it made of it.
type provocation struct {
	c        *harness.Case
	conn     uint64       // the connection that the device has to keep
	mark     journal.Mark // since when
	evidence []journal.Mark
}

// provoke sends a malformed Record and a Get behind it, and judges what comes until a further Get is answered.
func (p *provocation) provoke(record harness.Malformed) error {
	c, mark := p.c, p.c.Journal.Mark()
	seq, err := c.Agent.SendRaw(c, record.Raw)
	p.evidence = append(p.evidence, seq)
	if c.Ended(p.conn, p.mark) == nil {
		c.LabMust(err)
	}
	get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	if _, err := c.Agent.Send(c, get); !errors.Is(err, link.ErrUnreachable) { // the connection may be gone already
		c.LabMust(err)
	}
	answered, err := c.Await("answer to a Get sent afterwards", c.ResponseWait(), p.mark, func(e *journal.Event) error {
		m, ok := e.Body.(*controller.Message)
		if ok && e.Dir == journal.In && m.GetHeader().GetMsgId() == get.GetHeader().GetMsgId() || c.Ends(p.conn, e) {
			return nil
		}
		return journal.ErrSkip
	})
	if err != nil {
		return err
	}
	p.evidence = append(p.evidence, answered.Seq)
	for _, e := range c.Emitted(mark, answered.Seq) {
		if err := e.LawfulAfterMalformed(get.GetHeader().GetMsgId()); err != nil {
			p.evidence = append(p.evidence, e.Seq)
			return err
		}
	}
	if err := p.judgeEnd(record); err != nil {
		return err
	}
	for {
		conn, got := p.conn, c.Agent.Get(c, endpointID)
		p.evidence = append(p.evidence, got.Evidence())
		if err := p.judgeEnd(record); err != nil { // of an Agent that first works off what it has at hand
			return err
		}
		if p.conn == conn { // else it has come back since
			if err := expect.Type(got, usp.GetResp); err != nil {
				return err
			}
			p.conn = got.Conn
			return nil
		}
	}
}

// judgeEnd judges the end of the connection, if the device has ended it: over WebSocket it may, with 1003, over a Unix domain socket
// with an Error, and must come back.
func (p *provocation) judgeEnd(record harness.Malformed) error {
	c, end := p.c, p.c.Ended(p.conn, p.mark)
	if p.conn == none || end == nil {
		return nil
	}
	p.evidence = append(p.evidence, end.Seq)
	if refusal, ok := end.Body.(*uds.Frame); ok && refusal.Has(uds.Error) && !c.Strict("uds-error-on-bad-record") {
		if _, err := c.Reconnected(end.Seq); err != nil {
			return fmt.Errorf("after the Error: %w", err)
		}
		c.Note("%s ended the connection with the Error %s, as R-UDS.23 demands", record.What, end.Text)
		p.conn = none
		return nil
	}
	f, closes := end.Body.(*websocket.Frame)
	if !closes || c.Strict("websocket-close-on-bad-record") {
		_, err := c.StaysConnected(p.conn, p.mark)
		return err
	}
	if got, text := f.CloseCode(); got != websocket.CloseUnsupported {
		return &usp.Mismatch{Where: "status code of CLOSE", Want: strconv.Itoa(websocket.CloseUnsupported), Got: fmt.Sprintf("%d %q", got, text)}
	}
	if _, err := c.Reconnected(end.Seq); err != nil {
		return fmt.Errorf("after the close with %d: %w", websocket.CloseUnsupported, err)
	}
	c.Note("%s ended the WebSocket connection with %d, as R-WS.16 demands", record.What, websocket.CloseUnsupported)
	p.conn = none
	return nil
}
