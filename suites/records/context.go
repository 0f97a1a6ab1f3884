package records

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const deviceInfo = "Device.DeviceInfo."

// establishContext is 3.8: a Get begins a session context, and its answer comes within it.
func establishContext(c *harness.Case) {
	s := c.OpenSession()
	id, mark := s.ID(), c.Journal.Mark()
	c.Step(1, "begin a session context with a Get of %s", deviceInfo)
	got := c.Agent.Get(c, deviceInfo)
	c.Metric(1, func(m *harness.Metric) { mustBegin(m, s, id, mark, got) })
}

// anotherContext is 3.9: a session context takes the place of one in which numbers have grown.
func anotherContext(c *harness.Case) {
	s := c.OpenSession()
	c.Step(1, "begin a session context with two Gets of %s", endpointID)
	for range 2 {
		carrierOf(c, s, c.Agent.Get(c, endpointID), usp.GetResp)
	}
	s.Reopen()
	id, mark := s.ID(), c.Journal.Mark()
	c.Step(2, "begin another one with a Get of %s", deviceInfo)
	got := c.Agent.Get(c, deviceInfo)
	c.Metric(1, func(m *harness.Metric) { mustBegin(m, s, id, mark, got) })
}

// carrierOf is the Record of a reply, which must have come within a session context.
func carrierOf(c *harness.Case, s *harness.Session, got *controller.Reply, want usp.MsgType) harness.Received {
	carrier := s.Carrier(got.Message)
	c.DeviceMust(cmp.Or(expect.Type(got, want), inContext(s, carrier.GetSessionId(), got)))
	return carrier
}

// inContext wants a reply to have come within the session context id.
func inContext(s *harness.Session, id uint64, got *controller.Reply) error {
	carrier := s.Carrier(got.Message)
	if carrier.SessionContextRecord == nil {
		return &usp.Mismatch{Where: "record_type of the " + got.Type(), Want: "SessionContext", Got: carrier.Describe()}
	}
	return expect.Equal("session_id of the "+got.Type(), fmt.Sprint(id), fmt.Sprint(carrier.GetSessionId()))
}

// mustBegin wants the answer to the first request of the session context id within it, and the first Record of the device after mark
// to be number 1. A device may acknowledge with an empty Record before.
func mustBegin(m *harness.Metric, s *harness.Session, id uint64, mark journal.Mark, got *controller.Reply) {
	m.Must(expect.Type(got, usp.GetResp), got.Evidence())
	m.Must(inContext(s, id, got), got.Record)
	for _, r := range s.Received(mark) {
		if r.GetSessionId() == id {
			m.Must(expect.Equal("sequence_id of the first Record in the session context", "1", fmt.Sprint(r.GetSequenceId())), r.Seq)
			return
		}
	}
}

// expiration is 3.10: Periodic! events that come within SessionExpiration share a session context, and others do not.
func expiration(c *harness.Case) {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	s := c.OpenSession()
	s.Require()
	c.Restore(row, "PeriodicNotifInterval")
	s.Settle(usp.Params{"SessionExpiration": "60"})
	_, id := c.Subscribe(usp.Params{"NotifType": "Event", "ReferenceList": "Device.LocalAgent.Periodic!", "NotifRetry": "false"})
	c.SettleSubscription()
	c.Step(1, "set SessionExpiration to 60 and PeriodicNotifInterval to 10")
	c.Set(row, usp.Params{"PeriodicNotifInterval": "10"})
	mark := c.Journal.Mark()
	c.Step(2, "await three Periodic! events")
	if !c.Metric(1, func(m *harness.Metric) { mustShare(m, s, c, id, mark) }) {
		return
	}
	c.Step(3, "set SessionExpiration to 5")
	c.Set(s.Object(), usp.Params{"SessionExpiration": "5"})
	mark = c.Journal.Mark()
	c.Step(4, "await three Periodic! events")
	c.Metric(2, func(m *harness.Metric) { mustNotShare(m, s, c, id, mark) })
}

// mustShare wants three Notifies in a row in one session context. The device may begin another one for reasons of its own in between, so
// that more of them are awaited.
func mustShare(m *harness.Metric, s *harness.Session, c *harness.Case, id string, mark journal.Mark) {
	const wanted, most = 3, 8
	var row []harness.Received
	for n := 0; len(row) < wanted; n++ {
		if n >= wanted {
			c.Extend(10 * time.Second)
		}
		var r harness.Received
		r, mark = periodic(m, s, c, id, mark)
		if len(row) > 0 && r.GetSessionId() != row[0].GetSessionId() {
			another := expect.Equal(fmt.Sprintf("session_id of Notify %d, within SessionExpiration", n+1),
				fmt.Sprint(row[0].GetSessionId()), fmt.Sprint(r.GetSessionId()))
			if c.Strict("context-begun-again-between-events") || n+1 >= most {
				m.Must(another, row[0].Seq, r.Seq)
			}
			c.Note("the device has begun another session context in between: %v", another)
			row = nil
		}
		row = append(row, r)
	}
}

// mustNotShare wants three Notifies in session contexts of their own. Two that come together, since the machine of a
// simulated device stood still, may share one, and another is awaited.
func mustNotShare(m *harness.Metric, s *harness.Session, c *harness.Case, id string, mark journal.Mark) {
	const most = 8
	apart := c.Scaled(8 * time.Second)
	seen := map[uint64]bool{}
	var last harness.Received
	for n := 0; n < most && len(seen) < 3; n++ {
		var r harness.Received
		r, mark = periodic(m, s, c, id, mark)
		squeezed := last.SessionContextRecord != nil && r.At.Sub(last.At) < apart
		if seen[r.GetSessionId()] && !squeezed {
			m.Must(&usp.Mismatch{Where: "session_id after an idle time of more than SessionExpiration", Want: "a new one",
				Got: fmt.Sprint(r.GetSessionId()) + " again"}, last.Seq, r.Seq)
		}
		seen[r.GetSessionId()] = true
		last = r
	}
	if len(seen) < 3 {
		c.LabMust(fmt.Errorf("the machine is too busy to tell session contexts apart: %d events came too close together", most))
	}
}

// periodic awaits the next Periodic! Notify within a session context, and returns its Record and a mark behind it.
func periodic(m *harness.Metric, s *harness.Session, c *harness.Case, id string, mark journal.Mark) (harness.Received, journal.Mark) {
	wait := c.NotifyWait()
	wait.D += c.Scaled(10 * time.Second)
	n, err := c.AwaitNotify("Periodic! Notify", wait, mark, func(n *usppb.Notify) error {
		if n.GetSubscriptionId() != id {
			return journal.ErrSkip
		}
		return expect.Equal("event.event_name", "Periodic!", n.GetEvent().GetEventName())
	})
	m.Must(err, mark)
	r := s.Carrier(n)
	if r.SessionContextRecord == nil {
		m.Must(&usp.Mismatch{Where: "record_type of the Notify", Want: "SessionContext, since SessionMode is Require", Got: r.Describe()}, n.Seq)
	}
	m.Saw(r.Seq)
	return r, n.Seq
}

// sequence is 3.11: Records are processed in the order of their sequence_id, however they come.
func sequence(c *harness.Case) {
	params := elements(c)
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	if _, err := c.Read(row + "E2ESession.SessionExpiration"); err == nil { // else nothing expires
		c.Restore(row+"E2ESession.", "SessionExpiration")
		c.Set(row+"E2ESession.", usp.Params{"SessionExpiration": "0"})
	}
	s := c.OpenSession()
	id, mark := s.ID(), c.Journal.Mark()
	c.Step(1, "begin a session context with a Get of %s", params[0])
	got := c.Agent.Get(c, params[0])
	if !c.Metric(1, func(m *harness.Metric) {
		mustBegin(m, s, id, mark, got)
		m.Must(showsParam(got.Message, params[0]), got.Evidence())
		m.Must(acknowledges(s.Carrier(got.Message), 1), got.Record)
	}) {
		return
	}
	s.Hold(true) // a device may ask for what is missing, which would come too early
	var gets [3]*usppb.Msg
	var records [3][]*usppb.Record
	for i, param := range []string{params[1], params[1], params[2]} {
		gets[i] = usp.NewGet(c.Agent.NewMsgID(), param)
		records[i] = s.Records(gets[i])
	}
	mark = c.Journal.Mark()
	began := mark
	c.Step(2, "send Record 4, a Get of %s", params[2])
	s.Send(records[2]...)
	if !c.Metric(2, func(m *harness.Metric) {
		c.MustBeQuiet(m, "answer to Record 4 before Records 2 and 3", 5*time.Second, mark, answerTo(gets[2]))
	}) {
		return
	}
	c.Step(3, "send Record 2, a Get of %s", params[1])
	s.Send(records[0]...)
	passed := c.Metric(3, func(m *harness.Metric) {
		mark = mustAnswer(m, s, c, mark, gets[0], params[1], 2)
		for _, e := range c.Journal.Since(began) {
			if answerTo(gets[1])(e) == nil || answerTo(gets[2])(e) == nil {
				m.Must(&usp.Mismatch{Where: "answers before Record 3", Want: "that to Record 2 alone", Got: e.Text}, e.Seq)
			}
		}
	})
	if !passed {
		return
	}
	c.Step(4, "send Record 3, a Get of %s", params[1])
	s.Send(records[1]...)
	c.Metric(4, func(m *harness.Metric) {
		mark = mustAnswer(m, s, c, mark, gets[1], params[1], 3)
		mustAnswer(m, s, c, mark, gets[2], params[2], 4)
		mustCount(m, s)
	})
	s.Hold(false)
}

// elements are three parameters below Device.DeviceInfo. that the device has.
func elements(c *harness.Case) (found []string) {
	has, err := c.ReadAll(deviceInfo)
	c.DeviceMust(err)
	for _, name := range []string{"ModelNumber", "HardwareVersion", "SoftwareVersion", "ModelName", "Manufacturer", "SerialNumber",
		"ProductClass"} {
		if _, ok := has[deviceInfo+name]; ok && len(found) < 3 {
			found = append(found, deviceInfo+name)
		}
	}
	if len(found) < 3 {
		c.Unsupported("the device shows fewer than three of the parameters of " + deviceInfo)
	}
	return found
}

// answerTo matches the answer to a request.
func answerTo(request *usppb.Msg) func(*journal.Event) error {
	return func(e *journal.Event) error {
		m, ok := e.Body.(*controller.Message)
		if !ok || e.Dir != journal.In || m.GetBody().GetRequest() != nil || m.GetHeader().GetMsgId() != request.GetHeader().GetMsgId() {
			return journal.ErrSkip
		}
		return nil
	}
}

// acknowledges wants the Record with the answer to Record n to expect a later one (R-E2E.17).
func acknowledges(r harness.Received, n uint64) error {
	if r.GetExpectedId() > n {
		return nil
	}
	return &usp.Mismatch{Where: fmt.Sprintf("expected_id of the answer to Record %d", n), Want: fmt.Sprintf("%d or more", n+1),
		Got: fmt.Sprint(r.GetExpectedId())}
}

// mustAnswer wants a GetResp with a parameter for a request after mark, sent in Record n of the session context that there is, and
// returns a mark behind it.
func mustAnswer(
	m *harness.Metric, s *harness.Session, c *harness.Case, mark journal.Mark, request *usppb.Msg, param string, n uint64,
) journal.Mark {
	e, err := c.Await("answer to "+request.GetHeader().GetMsgId(), c.ResponseWait(), mark, answerTo(request))
	m.Must(err, mark)
	got := *e.Body.(*controller.Message)
	m.Must(showsParam(&got, param), e.Seq)
	carrier := s.Carrier(&got)
	m.Must(expect.Equal("session_id of the GetResp", fmt.Sprint(s.ID()), fmt.Sprint(carrier.GetSessionId())), e.Seq)
	m.Must(acknowledges(carrier, n), e.Seq)
	return e.Seq
}

// showsParam wants a GetResp with a parameter.
func showsParam(m *controller.Message, param string) error {
	if m == nil || m.GetBody().GetResponse().GetGetResp() == nil {
		return &usp.Mismatch{Where: "answer", Want: "GetResp", Got: "another Message"}
	}
	for _, q := range m.GetBody().GetResponse().GetGetResp().GetReqPathResults() {
		if _, ok := expect.Resolved(q)[param]; ok {
			return nil
		}
	}
	return &usp.Mismatch{Where: "GetResp", Want: "the parameter " + param, Got: "none of this name"}
}

// mustCount wants the sequence_ids of the device's Records in the session context to count from 1, without a gap.
func mustCount(m *harness.Metric, s *harness.Session) {
	next := uint64(1)
	for _, r := range s.Received(0) {
		if r.GetSessionId() != s.ID() || r.GetSequenceId() < next { // one that is sent again
			continue
		}
		m.Must(expect.Equal("sequence_id", fmt.Sprint(next), fmt.Sprint(r.GetSequenceId())), r.Seq)
		next++
	}
}

// preservation is 3.12: a Record that was not acknowledged is sent again on request.
func preservation(c *harness.Case) {
	s := c.OpenSession()
	s.SettleShown(usp.Params{"MaxRetransmitTries": "2", "SessionExpiration": "0"})
	var was harness.Received
	var mark journal.Mark
	for again := range undisturbed(c, s) {
		c.Step(1, "begin a session context")
		c.Step(2, "get %s", deviceInfo)
		got := c.Agent.Get(c, deviceInfo)
		was = carrierOf(c, s, got, usp.GetResp)
		s.Spare(was.GetSequenceId()) // a NotifyResp would acknowledge it
		if !again {
			c.Step(3, "wait 60 s")
			c.Pause(c.Scaled(time.Minute))
		}
		mark = c.Journal.Mark()
		c.Step(4, "ask for Record %d again", was.GetSequenceId())
		s.Send(s.Ask(was.GetSequenceId()))
		_, _ = repeated(s, c, mark, was)
	}
	c.Metric(1, func(m *harness.Metric) { mustRepeat(m, s, c, mark, was) })
}

// undisturbed has a part of a procedure carried out in a session context that the harness begins, and carried out again, at most twice,
// when the device has begun another one meanwhile, which it may for reasons of its own.
func undisturbed(c *harness.Case, s *harness.Session) iter.Seq[bool] {
	return func(yield func(again bool) bool) {
		for n := range 3 {
			s.Reopen()
			id, mark := s.ID(), c.Journal.Mark()
			other := func(r harness.Received) bool { return r.GetSessionId() != id }
			if !yield(n > 0) || !slices.ContainsFunc(s.Received(mark), other) {
				return
			}
			c.Note("the device has begun another session context in between")
		}
	}
}

// repeated awaits a Record again after mark. It gives up when the device has begun another session context.
func repeated(s *harness.Session, c *harness.Case, mark journal.Mark, was harness.Received) (harness.Received, error) {
	again, err := s.Await(was.Describe()+" again", c.ResponseWait(), mark, func(r harness.Received) error {
		if r.GetSessionId() != was.GetSessionId() {
			return nil
		}
		return expect.Equal("sequence_id", fmt.Sprint(was.GetSequenceId()), fmt.Sprint(r.GetSequenceId()))
	})
	if err == nil {
		err = expect.Equal("session_id", fmt.Sprint(was.GetSessionId()), fmt.Sprint(again.GetSessionId()))
	}
	return again, err
}

// mustRepeat wants a Record again after mark, with the same number, payload and states of segmentation.
func mustRepeat(m *harness.Metric, s *harness.Session, c *harness.Case, mark journal.Mark, was harness.Received) {
	again, err := repeated(s, c, mark, was)
	m.Must(err, was.Seq)
	if !bytes.Equal(bytes.Join(was.GetPayload(), nil), bytes.Join(again.GetPayload(), nil)) {
		m.Must(&usp.Mismatch{Where: "payload of the Record that is sent again", Want: "that of the first time", Got: "another one"},
			was.Seq, again.Seq)
	}
	states := func(r harness.Received) string {
		return fmt.Sprint(r.GetPayloadSarState(), " and ", r.GetPayloadrecSarState())
	}
	m.Must(expect.Equal("payload_sar_state and payloadrec_sar_state of the Record that is sent again", states(was), states(again)),
		was.Seq, again.Seq)
	m.Saw(was.Seq, again.Seq)
}

// retransmissions is 3.14: MaxRetransmitTries bounds how often a Record is sent again, and then a new session context begins.
func retransmissions(c *harness.Case) {
	s := c.OpenSession()
	s.Require()
	s.Settle(usp.Params{"MaxRetransmitTries": "2"})
	wait := s.RestartWait()
	var answer harness.Received
	var asked [2]journal.Mark
	for range undisturbed(c, s) {
		c.Step(1, "set MaxRetransmitTries to 2")
		set := c.Agent.Set(c, false, usp.Update(s.Object(), usp.Params{"MaxRetransmitTries": "2"}, nil))
		c.Step(2, "await the SetResp")
		answer = carrierOf(c, s, set, usp.SetResp)
		for n := range asked {
			asked[n] = c.Journal.Mark()
			c.Step(3+n, "ask for Record %d again", answer.GetSequenceId())
			s.Send(s.Ask(answer.GetSequenceId()))
			_, _ = repeated(s, c, asked[n], answer)
		}
	}
	if !c.Metric(1, func(m *harness.Metric) {
		for _, mark := range asked {
			mustRepeat(m, s, c, mark, answer)
		}
	}) {
		return
	}
	mark := c.Journal.Mark()
	c.Step(5, "ask for Record %d a third time", answer.GetSequenceId())
	s.Send(s.Ask(answer.GetSequenceId()))
	c.Metric(2, func(m *harness.Metric) { mustRestart(m, s, wait, mark, answer) })
}

// mustRestart wants a new session context of the device after mark, and a Record not to be sent again before.
func mustRestart(m *harness.Metric, s *harness.Session, wait harness.Wait, mark journal.Mark, not harness.Received) {
	_, err := s.Await("new session context", wait, mark, func(r harness.Received) error {
		if r.GetSessionId() != not.GetSessionId() {
			return nil
		}
		if r.GetSequenceId() == not.GetSequenceId() {
			return &usp.Mismatch{Where: "Record after the third request", Want: "a new session_id", Got: r.Describe() + " once more"}
		}
		return journal.ErrSkip
	})
	m.Must(err, mark)
	for _, r := range s.Received(mark) {
		if r.GetSessionId() == not.GetSessionId() && r.GetSequenceId() == not.GetSequenceId() {
			m.Must(&usp.Mismatch{Where: "Record after the third request", Want: "a new session_id", Got: r.Describe() + " once more"}, r.Seq)
		}
	}
}

// duplicates is 3.15: of a Record that comes four times, and once more after the next one, the first alone counts.
func duplicates(c *harness.Case) {
	s := c.OpenSession()
	var get, last *usppb.Msg
	var records []*usppb.Record
	var mark journal.Mark
	for range undisturbed(c, s) {
		c.Step(1, "begin a session context")
		carrierOf(c, s, c.Agent.Get(c, endpointID), usp.GetResp)
		get, last = usp.NewGet(c.Agent.NewMsgID(), endpointID), usp.NewGet(c.Agent.NewMsgID(), endpointID)
		records = s.Records(get)
		mark = c.Journal.Mark()
		c.Step(2, "get %s", endpointID)
		s.Send(records...)
		for n := range 3 {
			c.Step(3+n, "send the same Record again")
			s.Send(records...)
		}
		s.Send(s.Records(usp.NewGet(c.Agent.NewMsgID(), endpointID))...)
		s.Send(records...)
		s.Send(s.Records(last)...)
		_, _ = c.Await("answer to a Get sent afterwards", c.ResponseWait(), mark, answerTo(last))
	}
	c.Metric(1, func(m *harness.Metric) {
		end, err := c.Await("answer to a Get sent afterwards", c.ResponseWait(), mark, answerTo(last))
		m.Must(err, mark)
		var answers []harness.Received
		for _, r := range s.Received(mark) {
			// whole, or again, which the harness itself ignores
			if r.Seq < end.Seq && strings.Contains(string(bytes.Join(r.GetPayload(), nil)), get.GetHeader().GetMsgId()) {
				answers = append(answers, r)
			}
		}
		for _, r := range answers {
			m.Saw(r.Seq)
		}
		m.Must(expect.Equal("answers to the Get whose Record came five times", "1", fmt.Sprint(len(answers))))
		m.Must(expect.Equal("session_id of the answer to a Get afterwards", fmt.Sprint(records[0].GetSessionContext().GetSessionId()),
			fmt.Sprint(s.Carrier(end.Body.(*controller.Message)).GetSessionId())), end.Seq)
	})
}
