package stomp

import (
	"context"
	"fmt"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// noDestination is 6.7: an Agent that nobody told a destination ends the session that it has begun
// (R-STOMP.16). It cannot be reached then, until the server assigns it a destination in one of the
// attempts that follow.
func noDestination(c *harness.Case) {
	c.Uses(plan.NeedReconfiguration)
	c.Cleanup("connect without an assigned destination", c.ConnectAnew)
	shortRetries(c, c.BrokerRow())
	conn := subscribed(c).Conn
	mark := c.Journal.Mark()
	c.Step(1, "set the Agent's destination to nothing")
	object := mtpRow(c) + "STOMP."
	c.Restore(object, "Destination")
	c.Cleanup("assign a destination, so that the Agent can be reached", func(ctx context.Context) error {
		c.STOMP().SubscribeDest(c.AgentAddress)
		return c.Reachable(ctx)
	})
	// the Agent may leave before it answers, and each of its attempts then makes the next wait longer
	there, leave := whileOpen(c, conn, mark)
	defer leave()
	set := c.Agent.Set(there, false, usp.Update(object, usp.Params{"Destination": ""}, nil))
	if e := set.Body().GetError(); e != nil {
		c.Unsupported(fmt.Sprintf("the device does not let %sDestination be empty, which no profile asks for: %s",
			object, usp.ErrCode(e.GetErrCode())))
	}
	c.Step(2, "reboot the device")
	isNew, mark := restart(c, there, mark)
	c.Step(3, "wait until it connects; CONNECTED has no subscribe-dest")
	connected, err := c.Await("CONNECTED on a new connection", c.ReconnectWait(), mark, func(e *journal.Event) error {
		if e.Layer == journal.LayerSTOMP && e.Dir == journal.Out && e.Type == "CONNECTED" && isNew(e.Conn) {
			return nil
		}
		return journal.ErrSkip
	})
	c.DeviceMust(err)
	var end *journal.Event
	c.Metric(1, func(m *harness.Metric) {
		// the plan does not say how long
		patience := harness.Wait{D: max(c.Scaled(30*time.Second), c.Waits().Response) + c.Waits().Tolerance + c.Lag()}
		e, err := c.Await("end of the session", patience, connected.Seq, func(e *journal.Event) error { return endsSession(e, connected.Conn) })
		m.Must(err)
		end = e
		m.Must(isEnd(e), connected.Seq, e.Seq)
		m.Note("the session was ended by %s", map[bool]string{true: "DISCONNECT", false: "closing the connection"}[frame(e) != nil])
	})
	if end == nil {
		return
	}
	c.STOMP().SubscribeDest(c.AgentAddress)
	if _, err := c.Reconnected(end.Seq); err != nil {
		c.Note("the Agent did not come back when the server assigned a destination in the attempts that followed (R-STOMP.16): %v", err)
	}
}

// restart makes the device begin a new session: by a reboot or, where it has left its destination and cannot be told to any more,
// by the end of its connection. there ends when it leaves, which may be at any moment after mark. What is new is so since the
// mark that restart returns: a session that the server ended is none that the device could end, nor is one that the reboot cut
// off.
func restart(c *harness.Case, there context.Context, mark journal.Mark) (newConn, journal.Mark) {
	if c.DUT.Lab.Reboot.By != dut.ByUSP {
		mark = c.Reboot()
		return newSince(c, mark), mark
	}
	c.ExpectRestart()
	operated := c.Agent.Operate(there, harness.Reboot, c.Fresh("reboot"), nil)
	if err := expect.Type(operated, usp.OperateResp); err != nil {
		c.Note("the Agent left its destination before it could be told to reboot; the server ends the connection instead: %v", err)
		c.STOMP().DropAll()
		mark = c.Journal.Mark()
	}
	return newSince(c, mark), mark
}

// whileOpen is a context that ends with a connection, when that ends after mark.
func whileOpen(c *harness.Case, conn uint64, mark journal.Mark) (context.Context, context.CancelFunc) {
	open, cancel := context.WithCancel(c)
	go func() {
		defer cancel()
		_, _ = c.Journal.Await(open, mark, func(e *journal.Event) error {
			if c.Ends(conn, e) {
				return nil
			}
			return journal.ErrSkip
		})
	}()
	return open, cancel
}

// endsSession matches what decides whether the device ends a session: the end, or a subscription.
func endsSession(e *journal.Event, conn uint64) error {
	if e.Conn != conn {
		return journal.ErrSkip
	}
	if f := frame(e); f != nil && (f.Command == "SUBSCRIBE" || f.Command == "DISCONNECT") {
		return nil
	}
	return ends(conn, journal.In)(e)
}

// isEnd wants an event that endsSession matched to be the end.
func isEnd(e *journal.Event) error {
	if f := frame(e); f != nil && f.Command == "SUBSCRIBE" {
		destination, _ := f.Header("destination")
		return expect.Nothing("SUBSCRIBE without a destination from anybody", usp.Quote(destination))
	}
	return nil
}
