package requirements

import (
	"context"
	"math"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// contextEnds is R-E2E.6a, R-E2E.6b and R-E2E.8. A device without session contexts must refuse them; one that has them and no parameter to
// forbid them has nothing to refuse.
func contextEnds(c *harness.Case) {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	const mode, enable = "SessionMode", "Enable"
	object := row + "E2ESession."
	forbidden := true
	if _, err := c.Read(object + mode); err == nil {
		endContexts(c, mode)
	} else {
		on, err := c.Read(object + enable)
		if forbidden = err == nil; forbidden && on != "false" { // before TR-181 2.15
			c.Restore(object, enable)
			c.Set(object, usp.Params{enable: "false"})
		}
		why := "the device has no " + object + mode
		c.NotApplicable(1, why)
		c.NotApplicable(2, why)
		c.Cleanup("leave the session context", func(context.Context) error {
			c.Agent.LeaveContext()
			return nil
		})
	}
	c.Step(3, "send a Record that begins a session context")
	c.Agent.OpenContext(nil)
	get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	_, records, err := c.Agent.Prepare(get)
	c.LabMust(err)
	answered, mark := answerTo(get), c.Journal.Mark()
	for _, record := range records {
		_, err := c.Agent.SendPrepared(c, record)
		c.DeviceMust(err)
	}
	e, err := c.Await("Disconnect Record", c.ResponseWait(), mark, func(e *journal.Event) error {
		if !forbidden && answered(e) == nil {
			return nil
		}
		return disconnects(e)
	})
	if err == nil && answered(e) == nil {
		c.Unsupported("the device has session contexts, and neither " + mode + " nor " + enable + " of " + object + " to forbid them")
	}
	judged := c.Metric(3, func(m *harness.Metric) {
		m.Must(err, mark)
		m.Must(givesReason(e, usp.CodeSessionContextNotAllowed), e.Seq)
	})
	c.Agent.LeaveContext()
	if !judged {
		return
	}
	if e == nil { // it speaks a version of USP that knows no Disconnect Record
		c.NotApplicable(4, "no Disconnect Record has come")
		return
	}
	goesOn(c, e)
}

// goesOn is R-MTP.8 after a Disconnect Record. A device may end its connection then, and so lose the Get.
func goesOn(c *harness.Case, disconnect *journal.Event) {
	c.Step(4, "send a Get without session context")
	_, records, err := c.Agent.PrepareOutside(usp.NewGet(c.Agent.NewMsgID(), endpointID))
	c.LabMust(err)
	for _, record := range records {
		_, _ = c.Agent.SendPrepared(c, record)
	}
	c.Metric(4, func(m *harness.Metric) {
		next, err := c.Await("Record behind the Disconnect Record", c.ReconnectWait(), disconnect.Seq, func(e *journal.Event) error {
			if e.Layer != journal.LayerRecord || e.Dir != journal.In || e.Link != "" || disconnects(e) == nil {
				return journal.ErrSkip
			}
			return nil
		})
		m.Must(err, disconnect.Seq)
		m.Must(expect.Equal("first Record behind the Disconnect Record", c.MTP.Name+"Connect", next.Type), disconnect.Seq, next.Seq)
		m.Saw(next.Seq)
	})
}

// endContexts is what concerns a device that has session contexts.
func endContexts(c *harness.Case, mode string) {
	c.GoOutside()
	s := c.OpenSession()
	s.Require()
	c.Step(1, "begin a session context, and send a Record whose sequence_id is nearly the largest")
	c.DeviceMust(expect.Type(c.Agent.Get(c, endpointID), usp.GetResp))
	again := restart(c, s, func() []*usppb.Record {
		last := s.Records(usp.NewGet(c.Agent.NewMsgID(), endpointID))
		for _, record := range last {
			record.GetSessionContext().SequenceId = math.MaxUint64 - 5000
		}
		return last
	})
	c.Metric(1, again.judge)

	c.Set(s.Object(), usp.Params{mode: "Allow"}) // so that the clean-up is heard outside, whether the next Set has come or not
	c.Cleanup("leave the session context", func(context.Context) error {
		c.Agent.LeaveContext()
		return nil
	})
	c.Step(2, "set %s to Forbid within a session context", mode)
	got := c.Agent.Get(c, endpointID)
	c.DeviceMust(expect.Type(got, usp.GetResp))
	leaves := func(e *journal.Event) bool { return c.Ends(got.Conn, e) }
	mark := c.Journal.Mark()
	set := c.Agent.Set(c, false, usp.Update(s.Object(), usp.Params{mode: "Forbid"}, nil))
	if set.Message == nil { // a session context that has ended at once carries no answer any more
		c.Note("the Set is not answered: %v", set.Err)
	} else {
		c.DeviceMust(expect.Type(set, usp.SetResp))
	}
	e, err := c.Await("Disconnect Record", c.ResponseWait(), mark, func(e *journal.Event) error {
		if leaves(e) {
			return nil
		}
		return disconnects(e)
	})
	if e != nil && leaves(e) {
		c.NotApplicable(2, "the device has ended its connection, with which the session context ends")
		c.DeviceMust(c.Reachable(c))
		return
	}
	c.Metric(2, func(m *harness.Metric) { // TR-181 wants the session context to end at once
		m.Must(err, mark)
		m.Must(givesReason(e, usp.CodeSessionContextTerminated), e.Seq)
	})
}

// disconnects matches a Disconnect Record of the device.
func disconnects(e *journal.Event) error {
	record, ok := e.Body.(*usppb.Record)
	if !ok || e.Dir != journal.In || e.Layer != journal.LayerRecord || record.GetDisconnect() == nil {
		return journal.ErrSkip
	}
	return nil
}

// givesReason wants a Disconnect Record to have a reason_code, and a reason.
func givesReason(e *journal.Event, code usp.ErrCode) error {
	d := e.Body.(*usppb.Record).GetDisconnect()
	if err := expect.Equal("Disconnect Record: reason_code", code.String(), usp.ErrCode(d.GetReasonCode()).String()); err != nil {
		return err
	}
	if d.GetReason() == "" {
		return &usp.Mismatch{Where: "Disconnect Record: reason", Want: "a text", Got: "none"}
	}
	return nil
}
