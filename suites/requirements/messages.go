package requirements

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// unknown is a value that no enumeration of USP has.
const unknown = 99

// senseless is R-MSG.1 and what else TR-369 says of Messages that are lawful Protocol Buffers and make no sense.
func senseless(c *harness.Case) {
	c.GoOutside()
	c.Step(1, "send Messages that make no sense, and a Notify, each with a Get behind it")
	empty := func(body *usppb.Body) *usppb.Msg {
		return &usppb.Msg{Header: &usppb.Header{MsgId: c.Agent.NewMsgID(), MsgType: usppb.Header_GET}, Body: body}
	}
	bodiless := empty(&usppb.Body{})
	kindless := empty(&usppb.Body{MsgBody: &usppb.Body_Request{Request: &usppb.Request{}}})
	unasked := usp.NewMsg(c.Agent.NewMsgID(), &usppb.GetResp{})
	misdirected := usp.NewMsg(c.Agent.NewMsgID(), &usppb.Notify{SubscriptionId: c.Fresh("none"), SendResp: true,
		Notification: &usppb.Notify_Event_{Event: &usppb.Notify_Event{ObjPath: "Device.", EventName: "Boot!"}}})
	var answers []*controller.Message
	if !c.Metric(1, func(m *harness.Metric) {
		for _, odd := range []struct {
			what   string
			msg    *usppb.Msg
			lawful usp.MsgType // type of an answer, beside Error
		}{
			{"a Message without a body", bodiless, usp.Error},
			{"a Request without a kind", kindless, usp.Error},
			{"a response that nobody asked for", unasked, usp.Error},
			{"a Notify", misdirected, usp.NotifyResp}, // from an Agent that is a Controller, too
		} {
			answer, err := provoke(c, odd.msg)
			answers = append(answers, answer)
			if err == nil && answer != nil && usp.MsgTypeOf(answer.Msg) != odd.lawful {
				err = expect.Equal("answer", "an Error, or none", cmp.Or(notError(answer), "an Error, or none"))
			}
			if err != nil {
				m.Must(fmt.Errorf("%s: %w", odd.what, err), c.Journal.Mark())
			}
		}
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		for _, answer := range answers[:2] {
			got, seq := "no answer", c.Journal.Mark()
			if answer != nil {
				seq, got = answer.Seq, usp.ErrCode(answer.GetBody().GetError().GetErrCode()).String()
			}
			m.Must(expect.Equal("Error: err_code", usp.CodeInvalidArguments.String(), got), seq)
		}
	})

	c.Step(2, "send a Get with the msg_type %d, and one in a Record with the payload_security %d", unknown, unknown)
	strange := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	strange.Header.MsgType = unknown
	answered := c.Agent.Do(c, strange)
	if answered.Message == nil { // before USP 1.3 it was to be told to the MTP, which may end the connection
		c.DeviceMust(c.Reachable(c))
	}
	secured := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	_, records, err := c.Agent.PrepareOutside(secured)
	c.LabMust(err)
	mark := c.Journal.Mark()
	for _, record := range records {
		record.PayloadSecurity = unknown
		_, err := c.Agent.SendPrepared(c, record)
		c.LabMust(err)
	}
	behind := c.Agent.Get(c, endpointID)
	if behind.Message == nil { // it may have ended its connection at such a Record
		c.DeviceMust(c.Reachable(c))
		behind = c.Agent.Get(c, endpointID)
	}
	deaf := expect.Type(behind, usp.GetResp)
	c.Metric(3, func(m *harness.Metric) {
		m.Must(answered.Err, answered.Evidence())
		got := strings.Join(responses(c, mark, secured), ", ")
		m.Must(expect.Equal("responses to a Get in a Record with an unknown payload_security", "", got), mark)
		if deaf != nil {
			m.Must(fmt.Errorf("the Get behind that Record: %w", deaf), behind.Evidence())
		}
		m.Note("no answer to that Record is accepted: how its payload is read, and with it the msg_id, is not known (R-MTP.5)")
	})
	if deaf != nil {
		return
	}

	c.Step(3, "send a Get whose msg_type is that of a Set")
	differing := usp.NewGet("", endpointID)
	differing.Header.MsgType = usppb.Header_SET
	got := c.Agent.Do(c, differing)
	c.Metric(4, func(m *harness.Metric) { m.Must(expect.Type(got, usp.GetResp), got.Evidence()) })
}

// provoke sends a Message and a Get behind it, which must be answered, and returns what came in answer to the Message until then, or nil.
func provoke(c *harness.Case, msg *usppb.Msg) (*controller.Message, error) {
	mark := c.Journal.Mark()
	if msg.GetBody().GetRequest() == nil { // its Error answers no request
		c.Agent.ExpectStray()
	}
	_, err := c.Agent.Send(c, msg)
	c.LabMust(err)
	if err := expect.Type(c.Agent.Get(c, endpointID), usp.GetResp); err != nil {
		return nil, fmt.Errorf("the Get behind it: %w", err)
	}
	match := answerTo(msg)
	for _, e := range c.Journal.Since(mark) {
		if match(e) == nil {
			answer := *e.Body.(*controller.Message)
			answer.Seq = e.Seq
			return &answer, nil
		}
	}
	return nil, nil
}

// answerTo matches the answer to a Message.
func answerTo(msg *usppb.Msg) func(*journal.Event) error {
	return func(e *journal.Event) error {
		m, ok := e.Body.(*controller.Message)
		if ok && e.Dir == journal.In && m.GetBody().GetRequest() == nil && m.GetHeader().GetMsgId() == msg.GetHeader().GetMsgId() {
			return nil
		}
		return journal.ErrSkip
	}
}

// notError names the type of a Message that is no Error, or is empty.
func notError(m *controller.Message) string {
	if m.GetBody().GetError() != nil {
		return ""
	}
	return usp.TypeName(usp.MsgTypeOf(m.Msg))
}
