package requirements

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/usptest/usptest/brokers/uds"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/retry"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// udsHandshakes is R-UDS.16 and what else TR-369 says of handshakes and frames over Unix domain sockets.
func udsHandshakes(c *harness.Case) {
	c.GoOutside()
	c.Cleanup("let the device connect again", c.ConnectAnew)
	began := c.Journal.Mark()
	c.Step(1, "send a Get over a new connection before the handshake, then take part in the handshake, and send another Get")
	conn := newUDSConn(c)
	early := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	sendOver(c, conn, fieldOf(c, early))
	greeted, err := greet(c, conn)
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(err, greeted)
		first, err := c.Await("first frame of the device", c.ResponseWait(), began, frameOf(conn, func(*uds.Frame) bool { return true }))
		m.Must(err)
		frame := first.Body.(*uds.Frame)
		at := slices.IndexFunc(frame.Fields, func(f uds.TLV) bool { return f.Type == uds.Handshake })
		if at < 0 || frame.Has(uds.Record) { // fields of other types are ignored (R-UDS.15)
			m.Must(expect.Equal("type of the device's first frame", uds.Handshake.String(), first.Type), first.Seq)
		}
		m.Must(expect.Equal("Endpoint ID in the Handshake", c.Agent.AgentID(), string(frame.Fields[at].Value)), first.Seq)
	}) {
		return
	}
	after := c.Agent.Get(c, endpointID)
	c.DeviceMust(expect.Type(after, usp.GetResp))
	if c.Metric(2, func(m *harness.Metric) {
		for _, e := range c.Emitted(began, c.Journal.Mark()) {
			if e.MsgID() == early.GetHeader().GetMsgId() {
				m.Must(expect.Nothing("answer to the Get before the handshake", e.Describe()), e.Seq)
			}
		}
		m.Saw(after.Evidence())
	}) {
		c.Metric(8, func(m *harness.Metric) {
			record, first, err := c.FirstRecord(c.Journal.At(greeted))
			m.Must(err, greeted)
			m.Must(expect.Equal("first Record over the connection", "UDSConnect", usp.RecordType(record)), first.Seq)
		})
	}

	c.Step(2, "send a field of a type that TR-369 does not have, alone and before the Record of a Get")
	mark := c.Journal.Mark()
	other := uds.TLV{Type: 200, Value: []byte("usptest")}
	sendOver(c, conn, other)
	get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	sendOver(c, conn, other, fieldOf(c, get))
	if !c.Metric(3, func(m *harness.Metric) { m.Must(answeredOver(c, conn, get, mark), mark) }) {
		return
	}

	c.Step(3, "send another Handshake, and a Get")
	mark = c.Journal.Mark()
	sendOver(c, conn, uds.TLV{Type: uds.Handshake, Value: []byte(c.Agent.ID())})
	get = usp.NewGet(c.Agent.NewMsgID(), endpointID)
	sendOver(c, conn, fieldOf(c, get))
	if !c.Metric(4, func(m *harness.Metric) {
		m.Must(answeredOver(c, conn, get, mark), mark)
		for _, e := range c.Journal.Since(mark) {
			if f, ok := e.Body.(*uds.Frame); ok && e.Dir == journal.In && f.Has(uds.Handshake) {
				m.Must(expect.Nothing("answer to the other Handshake", "a Handshake"), e.Seq)
			}
		}
	}) {
		return
	}

	c.Step(4, "get Device., and look at every frame of the Agent")
	c.Agent.Get(c, "Device.")
	c.Metric(5, func(m *harness.Metric) {
		for _, e := range c.Journal.Since(began) {
			if e.Layer == journal.LayerNote && e.Dir == journal.In && e.Type == "bad frame" {
				m.Must(fmt.Errorf("a frame of the device cannot be read: %s", e.Text), e.Seq)
			}
		}
		m.Saw(greeted)
	})
	if !conn.Dialled() {
		const why = "the device connects to usptest, and does not listen"
		c.NotApplicable(6, why)
		c.NotApplicable(7, why)
		return
	}
	c.Step(5, "connect once more, with the same Endpoint ID")
	if !c.Metric(6, func(m *harness.Metric) { m.Must(takesTwice(c, m, conn), c.Journal.Mark()) }) {
		return
	}
	c.Step(6, "connect once more, with another Endpoint ID")
	c.UDS.Reset()
	c.DeviceMust(c.Reachable(c)) // the first connection is there
	mark = c.Journal.Mark()
	further, joined := c.Join("proto::" + c.Fresh("further"))
	c.Metric(7, func(m *harness.Metric) {
		ctx, cancel := context.WithTimeout(c, c.ResponseWait().D)
		defer cancel()
		m.Must(further.Connected(ctx), mark)
	})
	joined.Leave()
}

// takesTwice wants a device that listens to answer the Handshake over a second connection of one Controller, and requests over it, or to
// say in an Error that it does not take it (R-UDS.17, R-UDS.21), and then those over the first.
func takesTwice(c *harness.Case, m *harness.Metric, first *uds.Conn) error {
	second, err := first.Again(c)
	if err != nil {
		return err
	}
	mark := c.Journal.Mark()
	if _, err := second.Greet(); err != nil {
		return fmt.Errorf("sending the Handshake: %w", err)
	}
	answer, err := c.Await("answer to the Handshake", c.ResponseWait(), mark,
		frameOrEnd(second, func(f *uds.Frame) bool { return greets(f) || complains(f) }))
	if err != nil {
		return err
	}
	conn := second
	switch {
	case answer.Closes():
		return &usp.Mismatch{Where: "the second connection", Want: "a Handshake, or an Error before its end", Got: "its end alone"}
	case complains(answer.Body.(*uds.Frame)):
		m.Note("the device refuses it: %s", answer.Text)
		conn = first
	}
	get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	sendOver(c, conn, fieldOf(c, get))
	return answeredOver(c, conn, get, mark)
}

// udsFailures is R-UDS.24 and what else TR-369 says of errors and lost connections over Unix domain sockets.
func udsFailures(c *harness.Case) {
	c.Cleanup("let the device connect again", c.ConnectAnew)
	c.Step(1, "send a Handshake without an Endpoint ID")
	conn := newUDSConn(c)
	mark := c.Journal.Mark()
	sendOver(c, conn, uds.TLV{Type: uds.Handshake})
	c.Metric(1, func(m *harness.Metric) { m.Must(refused(c, conn, mark, false), mark) })

	c.Step(2, "send a text instead of a Record")
	mark = c.Journal.Mark()
	conn = openUDSConn(c)
	sendOver(c, conn, uds.TLV{Type: uds.Record, Value: []byte("no Record of USP")})
	c.Metric(2, func(m *harness.Metric) { m.Must(refused(c, conn, mark, true), mark) })

	c.Step(3, "send a frame whose field is longer than the frame, and one that does not begin with _USP")
	field := uds.TLV{Type: uds.Record, Value: []byte("cut")}
	long, unsynchronized := uds.Encode(field), uds.Encode(field)
	long[len(long)-4]++
	unsynchronized[0] = 'u'
	c.Metric(3, func(m *harness.Metric) {
		for _, raw := range [][]byte{long, unsynchronized} {
			mark = c.Journal.Mark()
			conn = openUDSConn(c)
			_, err := conn.Inject(raw)
			c.LabMust(err)
			m.Must(refused(c, conn, mark, true), mark)
		}
	})

	c.Step(4, "send an Error")
	conn = openUDSConn(c)
	mark = c.Journal.Mark()
	sendOver(c, conn, uds.TLV{Type: uds.Error, Value: []byte("the check sends an Error")})
	if !c.Metric(4, func(m *harness.Metric) {
		end, err := c.Await("end of the connection", c.ResponseWait(), mark, endOf(conn))
		m.Must(err)
		m.Saw(end.Seq)
	}) {
		return
	}
	if conn.Dialled() {
		const why = "usptest connects to the device, which opens no connection"
		c.NotApplicable(5, why)
		c.NotApplicable(6, why)
		return
	}
	c.Step(5, "end the connection and the two that follow, and wait for the next one each time")
	conn = openUDSConn(c)
	mark = c.Journal.Mark()
	c.UDS.Reset()
	c.UDS.RefuseNext(-1)
	defer c.UDS.RefuseNext(0)
	conn.Abort("the check ends it")
	failure, err := c.Await("end of the connection", c.ResponseWait(), mark, frameOrEnd(conn, func(*uds.Frame) bool { return false }))
	c.LabMust(err)
	retries := c.WatchRetries(retry.Policy{Initial: time.Second, Multiplier: 5000, Steady: true}, failure, opens)
	if !c.Metric(5, func(m *harness.Metric) {
		for range steadyRetries {
			retries.Next(m)
		}
	}) {
		return
	}
	c.UDS.RefuseNext(0)

	const within = 30 * time.Second
	c.Step(6, "send no Handshake over the next connection")
	c.Extend(within)
	conn = newUDSConn(c)
	greeted, err := c.Await("Handshake of the device", c.ResponseWait(), 0, frameOf(conn, greets))
	c.DeviceMust(err)
	c.Metric(6, func(m *harness.Metric) {
		patience := harness.Wait{D: c.Scaled(within) + c.Waits().Tolerance + c.Lag() + c.ResponseWait().D, From: greeted.At}
		end, err := c.Await("end of the connection", patience, greeted.Seq, endOf(conn))
		m.Must(err, greeted.Seq)
		m.Saw(end.Seq)
	})
}

// steadyRetries is how many connections of a client that fail are followed: waits that grow from one to the next are out of range by then.
const steadyRetries = 3

// opens matches a connection that the device opens.
func opens(e *journal.Event) error {
	if e.Opens() {
		return nil
	}
	return journal.ErrSkip
}

// newUDSConn ends the connections with the device and returns the next one, over which the harness has sent nothing.
func newUDSConn(c *harness.Case) *uds.Conn {
	c.Uses(plan.NeedInvalidRecord)
	c.UDS.ByHand()
	c.UDS.DropAll()
	timeout := time.NewTimer(c.ReconnectWait().D)
	defer timeout.Stop()
	for {
		changed := c.UDS.Changed()
		for _, conn := range c.UDS.Conns() {
			if !conn.Ended() {
				return conn
			}
		}
		select {
		case <-changed:
		case <-timeout.C:
			c.DeviceMust(fmt.Errorf("no connection with the device within %s (waits.reconnect)", c.ReconnectWait().D))
		case <-c.Done():
			c.LabMust(c.Err())
		}
	}
}

// openUDSConn is newUDSConn behind the handshake.
func openUDSConn(c *harness.Case) *uds.Conn {
	conn := newUDSConn(c)
	_, err := greet(c, conn)
	c.DeviceMust(err)
	return conn
}

// greet sends the harness's Handshake and waits for the device's.
func greet(c *harness.Case, conn *uds.Conn) (seq journal.Mark, err error) {
	seq, err = conn.Greet()
	c.LabMust(err)
	_, err = c.Await("Handshake of the device", c.ResponseWait(), 0, frameOf(conn, greets))
	return seq, err
}

// greets and complains report whether a frame is a Handshake, and an Error.
func greets(f *uds.Frame) bool    { return f.Has(uds.Handshake) }
func complains(f *uds.Frame) bool { return f.Has(uds.Error) }

// sendOver sends a frame over a connection, which may be ending.
func sendOver(c *harness.Case, conn *uds.Conn, fields ...uds.TLV) {
	_, err := conn.Send(fields...)
	c.DeviceMust(err)
}

// fieldOf is the field with the Record of a request.
func fieldOf(c *harness.Case, request *usppb.Msg) uds.TLV {
	_, records, err := c.Agent.PrepareOutside(request)
	c.LabMust(err)
	raw, err := usp.Marshal(records[0])
	c.LabMust(err)
	return uds.TLV{Type: uds.Record, Value: raw}
}

// answeredOver wants a request to be answered over the connection over which it went.
func answeredOver(c *harness.Case, conn *uds.Conn, request *usppb.Msg, mark journal.Mark) error {
	e, err := c.Await("answer to the Get", c.ResponseWait(), mark, func(e *journal.Event) error {
		m, ok := e.Body.(*controller.Message)
		if ok && e.Dir == journal.In && m.GetHeader().GetMsgId() == request.GetHeader().GetMsgId() {
			return nil
		}
		return frameOrEnd(conn, complains)(e)
	})
	if err == nil && e.Layer == journal.LayerUDS {
		err = &usp.Mismatch{Where: "the connection", Want: "an answer to the Get", Got: e.Type + " " + e.Text}
	}
	return err
}

// refused wants the device to answer with an Error, and to end the connection where that is so.
func refused(c *harness.Case, conn *uds.Conn, mark journal.Mark, ends bool) error {
	e, err := c.Await("Error of the device", c.ResponseWait(), mark, frameOrEnd(conn, complains))
	switch {
	case err != nil:
		return err
	case e.Closes():
		return &usp.Mismatch{Where: "the connection", Want: "an Error before its end", Got: "its end alone"}
	case !ends:
		return nil
	}
	_, err = c.Await("end of the connection after the Error", c.ResponseWait(), e.Seq, endOf(conn))
	return err
}

// frameOf matches a frame of the device over a connection.
func frameOf(conn *uds.Conn, match func(*uds.Frame) bool) func(*journal.Event) error {
	return func(e *journal.Event) error {
		if f, ok := e.Body.(*uds.Frame); ok && e.Conn == conn.ID() && e.Dir == journal.In && match(f) {
			return nil
		}
		return journal.ErrSkip
	}
}

// frameOrEnd is frameOf, or the end of the connection.
func frameOrEnd(conn *uds.Conn, match func(*uds.Frame) bool) func(*journal.Event) error {
	return func(e *journal.Event) error {
		if e.Closes() && e.Conn == conn.ID() {
			return nil
		}
		return frameOf(conn, match)(e)
	}
}

// endOf matches the device ending a connection.
func endOf(conn *uds.Conn) func(*journal.Event) error {
	return func(e *journal.Event) error {
		if e.Dir == journal.In && e.Closes() && e.Conn == conn.ID() {
			return nil
		}
		return journal.ErrSkip
	}
}
