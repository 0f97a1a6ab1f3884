package requirements

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// restarts is R-E2E.5, R-E2E.21 to R-E2E.24: there is one session context, a Record that cannot be processed makes the device begin another
// one, and what was acknowledged in one that ends is processed.
func restarts(c *harness.Case) {
	s := c.OpenSession()
	s.Require()
	s.SettleShown(usp.Params{"SessionExpiration": "0"})
	s.Reopen()

	c.Step(1, "exchange two Gets, begin another session context, and send the first one's Records 3 and 4")
	for range 2 {
		c.DeviceMust(expect.Type(c.Agent.Get(c, endpointID), usp.GetResp))
	}
	was := s.ID()
	third, last := usp.NewGet(c.Agent.NewMsgID(), endpointID), usp.NewGet(c.Agent.NewMsgID(), endpointID)
	late := slices.Concat(s.Records(third), s.Records(last))
	s.Reopen()
	c.DeviceMust(expect.Type(c.Agent.Get(c, endpointID), usp.GetResp))
	mark := c.Journal.Mark()
	s.Send(late...)
	s.Reopen()
	behind := c.Agent.Get(c, endpointID)
	c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(behind, usp.GetResp), behind.Evidence())
		m.Must(doesNotGoOn(c, was, mark, last), mark)
	})

	c.Step(2, "ask for a Record again that was never sent")
	again := restart(c, s, func() []*usppb.Record { return []*usppb.Record{s.Empty(math.MaxUint32)} })
	c.Metric(2, again.judge)

	c.Step(3, "send the last segment of a Message that has not begun")
	again = restart(c, s, func() []*usppb.Record {
		records := s.Records(usp.NewGet(c.Agent.NewMsgID(), endpointID))
		for _, r := range records {
			body := r.GetSessionContext()
			whole := bytes.Join(body.Payload, nil)
			body.Payload = [][]byte{whole[len(whole)/2:]}
			body.PayloadSarState = usppb.SessionContextRecord_COMPLETE
			body.PayloadrecSarState = usppb.SessionContextRecord_COMPLETE
		}
		return records
	})
	c.Metric(3, again.judge)

	c.Step(4, "send a Get with the session_id 1, and one with 0")
	var silent error
	var begun []restarted
	for _, id := range []uint64{1, 0} {
		get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
		again := restart(c, s, func() []*usppb.Record {
			records := s.Records(get)
			for _, r := range records {
				r.GetSessionContext().SessionId = id
			}
			return records
		})
		c.DeviceMust(expect.Type(c.Agent.Get(c, endpointID), usp.GetResp))
		begun = append(begun, again)
		if silent == nil && responds(c, again.mark, get) {
			silent = expect.Nothing(fmt.Sprintf("response to the Get with the session_id %d", id), "a GetResp")
		}
	}
	if !c.Metric(4, func(m *harness.Metric) {
		m.Note("an Error is accepted (R-MTP.5)")
		m.Must(silent, begun[0].mark)
	}) {
		return
	}
	if !c.Metric(5, func(m *harness.Metric) {
		for _, again := range begun {
			again.judge(m)
		}
	}) {
		return
	}

	row, _ := c.Subscribe(usp.Params{"Enable": "false"})
	s.Reopen()
	c.DeviceMust(expect.Type(c.Agent.Get(c, endpointID), usp.GetResp))
	was = s.ID()
	set := s.Records(usp.NewSet(c.Agent.NewMsgID(), false, usp.Update(row, usp.Params{"Enable": "true"}, nil)))
	mark = c.Journal.Mark()
	c.Step(5, "send a Set, and begin another session context at once")
	s.Send(set...)
	s.Reopen()
	behind = c.Agent.Get(c, endpointID)
	c.Metric(6, func(m *harness.Metric) {
		m.Must(expect.Type(behind, usp.GetResp), behind.Evidence())
		by := acknowledged(s, was, mark, set[len(set)-1].GetSessionContext().GetSequenceId())
		if by == 0 {
			m.Note("the device has not acknowledged the Set, which may be lost then")
			return
		}
		// a device that works on several requests at once may be slower with the Set than with a Get
		m.Must(c.Eventually(c.Waits().Response, func() error { return remains(c, row+"Enable", "true") }), mark, by)
	})

	c.Step(6, "send a Get with a mac_signature that is not valid")
	switch {
	case !c.SecuresPayloads(): // the plan asks no others for signatures
		c.NotApplicable(7, "the DUT file does not declare TLS in USP Records")
		return
	case c.Protected(): // nor these
		c.NotApplicable(7, "the MTP protects Records")
		return
	}
	get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	again = restart(c, s, func() []*usppb.Record {
		records := s.Records(get)
		s.Forge(records...)
		return records
	})
	behind = c.Agent.Get(c, endpointID)
	c.Metric(7, func(m *harness.Metric) {
		m.Must(expect.Type(behind, usp.GetResp), behind.Evidence())
		if responds(c, again.mark, get) {
			m.Must(expect.Nothing("response to the Get whose signature is not valid", "a GetResp"), again.mark)
		}
		again.judge(m)
	})
}

// acknowledged is the number of a Record of the session context id after mark that expects one behind sequence; 0 where there is none.
func acknowledged(s *harness.Session, id uint64, mark journal.Mark, sequence uint64) journal.Mark {
	for _, r := range s.Received(mark) {
		if r.GetSessionId() == id && r.GetExpectedId() > sequence {
			return r.Seq
		}
	}
	return 0
}

// doesNotGoOn wants no Record of the session context id after mark that answers a request where the device's numbers were: one that begins
// again begins with 1 (R-E2E.6).
func doesNotGoOn(c *harness.Case, id uint64, mark journal.Mark, request *usppb.Msg) error {
	first := uint64(0)
	for _, e := range c.Emitted(mark, c.Journal.Mark()) {
		body := e.Record.GetSessionContext()
		if body.GetSessionId() != id {
			continue
		}
		if first == 0 {
			first = body.GetSequenceId()
		}
		if first != 1 && e.MsgID() == request.GetHeader().GetMsgId() {
			return &usp.Mismatch{Where: "session context that was replaced", Want: "no answer, or a beginning with the sequence_id 1",
				Got: fmt.Sprintf("an answer with the sequence_id %d", body.GetSequenceId())}
		}
	}
	return nil
}

// responds reports whether the device has sent a response other than an Error to a request after mark.
func responds(c *harness.Case, mark journal.Mark, request *usppb.Msg) bool {
	return slices.ContainsFunc(c.Emitted(mark, c.Journal.Mark()), func(e harness.Emission) bool {
		return e.MsgID() == request.GetHeader().GetMsgId() && e.Msg.GetBody().GetResponse() != nil
	})
}

// restarted is what became of a Record that the device cannot process: the first one of another session context, or why there is none.
type restarted struct {
	mark  journal.Mark
	begun harness.Received
	err   error
}

func (r restarted) judge(m *harness.Metric) {
	m.Must(r.err, r.mark)
	m.Saw(r.begun.Seq)
}

// restart sends Records of the session context that there is, and awaits another one, which the device begins. Without, the harness does.
func restart(c *harness.Case, s *harness.Session, lies func() []*usppb.Record) restarted {
	wait := s.RestartWait()
	was, records := s.ID(), lies()
	mark := c.Journal.Mark()
	s.Send(records...)
	begun, err := s.Await("new session context", wait, mark, func(r harness.Received) error {
		if r.GetSessionId() == was || r.GetSessionId() < 2 {
			return journal.ErrSkip
		}
		return nil
	})
	if err != nil {
		s.Reopen()
	}
	return restarted{mark, begun, err}
}
