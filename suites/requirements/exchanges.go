package requirements

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// noTable is an Add that fails: Device.LocalAgent. is no table.
func noTable() *usppb.Msg {
	return usp.NewMsg("", &usppb.Add{CreateObjs: []*usppb.Add_CreateObject{usp.Create(localAgent, nil, nil)}})
}

// carriers is R-MSG.0a while there is a session context: an answer comes within it, or outside, as its request did.
func carriers(c *harness.Case) {
	s := c.OpenSession()
	c.Step(1, "send a Get and an Add that fails within a session context")
	within := []*controller.Reply{c.Agent.Get(c, endpointID), c.Agent.Do(c, noTable())}
	if !c.Metric(1, func(m *harness.Metric) {
		for _, got := range within {
			m.Must(got.Err, got.Evidence())
			m.Must(carriedBy(s, got.Message, true), got.Record)
		}
	}) {
		return
	}

	c.Step(2, "send both without session context, while there is one")
	if mode, err := c.Read(s.Object() + "SessionMode"); err == nil && mode == "Require" {
		c.NotApplicable(2, "the device requires session contexts")
		c.NotApplicable(3, "the device requires session contexts")
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		for _, msg := range []*usppb.Msg{usp.NewGet("", endpointID), noTable()} {
			mark := c.Journal.Mark()
			_, records, err := c.Agent.PrepareOutside(msg)
			c.LabMust(err)
			for _, record := range records {
				_, err := c.Agent.SendPrepared(c, record)
				c.DeviceMust(err)
			}
			e, err := c.Await("answer to the "+usp.TypeName(usp.MsgTypeOf(msg)), c.ResponseWait(), mark, answerTo(msg))
			m.Must(err, mark)
			m.Must(carriedBy(s, e.Body.(*controller.Message), false), e.Seq)
		}
	})

	c.Step(3, "send the Get within the session context again")
	again := c.Agent.Get(c, endpointID)
	c.Metric(3, func(m *harness.Metric) {
		m.Must(expect.Type(again, usp.GetResp), again.Evidence())
		m.Must(carriedBy(s, again.Message, true), again.Record)
	})
}

// carriedBy wants a Message to have come within a session context, or without.
func carriedBy(s *harness.Session, m *controller.Message, within bool) error {
	names := map[bool]string{true: "session_context", false: "no_session_context"}
	carrier := s.Carrier(m)
	return expect.Equal("record_type of the "+usp.TypeName(usp.MsgTypeOf(m.Msg)), names[within], names[carrier.SessionContextRecord != nil])
}

// incomplete is R-MSG.8 and R-ENC.3: Messages without what every Message has, with more than one may have, and one that comes twice.
func incomplete(c *harness.Case) {
	c.GoOutside()
	row, _ := c.Subscribe(usp.Params{"Enable": "false"})
	enable := usp.NewSet("", false, usp.Update(row, usp.Params{"Enable": "true"}, nil))

	c.Step(1, "send a Set without header, and one without msg_id, each with a Get behind it")
	headless, anonymous := proto.Clone(enable).(*usppb.Msg), proto.Clone(enable).(*usppb.Msg)
	headless.Header = nil
	anonymous.Header.MsgId = ""
	for i, msg := range []*usppb.Msg{headless, anonymous} {
		raw, err := usp.Marshal(msg)
		c.LabMust(err)
		c.Set(row, usp.Params{"Enable": "false"})
		mark := c.Journal.Mark()
		record := recordOf(c, usp.NewGet("", endpointID))
		record.GetNoSessionContext().Payload = raw
		_, err = c.Agent.SendRecord(c, record)
		c.DeviceMust(err)
		behind := c.Agent.Get(c, row+"Enable")
		c.Metric(i+1, func(m *harness.Metric) {
			m.Must(expect.Type(behind, usp.GetResp), behind.Evidence())
			m.Must(remains(c, row+"Enable", "false"), mark)
		})
	}

	c.Step(2, "send a Request that is a Set and a Get at once")
	both := usp.NewGet("", endpointID)
	record := recordOf(c, both)
	record.GetNoSessionContext().Payload = withTwoKinds(c, both, enable)
	c.Set(row, usp.Params{"Enable": "false"})
	mark := c.Journal.Mark()
	_, err := c.Agent.SendPrepared(c, record)
	c.DeviceMust(err)
	behind := c.Agent.Get(c, row+"Enable")
	c.Metric(3, func(m *harness.Metric) {
		m.Must(expect.Type(behind, usp.GetResp), behind.Evidence())
		want := "false"
		m.Note("it was not answered")
		for _, answer := range answers(c, mark, both) {
			kind := usp.MsgTypeOf(answer.Msg)
			m.Note("it was answered with %s", usp.TypeName(kind))
			if kind == usp.SetResp {
				want = "true"
			}
		}
		m.Must(remains(c, row+"Enable", want), mark)
	})

	c.Step(3, "send a GetSupportedDM twice at once, with the same msg_id, and a Get behind them")
	twice := usp.NewMsg(c.Agent.NewMsgID(), &usppb.GetSupportedDM{ObjPaths: []string{localAgent}, ReturnParams: true})
	mark = c.Journal.Mark()
	for range 2 {
		_, err := c.Agent.Send(c, twice)
		c.DeviceMust(err)
	}
	_, missing := c.Await("answer to the GetSupportedDM", c.ResponseWait(), mark, answerTo(twice))
	got := c.Agent.Get(c, endpointID)
	c.Metric(4, func(m *harness.Metric) {
		m.Must(missing, mark)
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		all := answers(c, mark, twice)
		m.Note("answers until the Get was answered: %d; a second request is ignored only while the first is handled", len(all))
		for _, answer := range all {
			kind := usp.TypeName(usp.MsgTypeOf(answer.Msg))
			m.Must(expect.Equal("answer to the GetSupportedDM", usp.TypeName(usp.GetSupportedDMResp), kind), answer.Seq)
		}
	})
}

// remains wants a boolean to have a value.
func remains(c *harness.Case, path, want string) error {
	value, err := c.Read(path)
	if err != nil {
		return err
	}
	return expect.Value(path, usp.TypeBoolean, want, value)
}

// recordOf makes the Record that carries a request without session context.
func recordOf(c *harness.Case, msg *usppb.Msg) *usppb.Record {
	_, records, err := c.Agent.PrepareOutside(msg)
	c.LabMust(err)
	return records[0]
}

// withTwoKinds is the Message of a request whose Request has the kind of another request too, before its own.
func withTwoKinds(c *harness.Case, msg, other *usppb.Msg) []byte {
	header, err := proto.Marshal(msg.GetHeader())
	c.LabMust(err)
	var request []byte
	for _, m := range []*usppb.Msg{other, msg} {
		raw, err := proto.Marshal(m.GetBody().GetRequest())
		c.LabMust(err)
		request = append(request, raw...)
	}
	field := func(b []byte, n protowire.Number, content []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), content)
	}
	const headerField, bodyField, requestField = 1, 2, 1
	return field(field(nil, headerField, header), bodyField, field(nil, requestField, request))
}

// answers are the answers to a request that came after mark.
func answers(c *harness.Case, mark journal.Mark, msg *usppb.Msg) (all []*controller.Message) {
	match := answerTo(msg)
	for _, e := range c.Journal.Since(mark) {
		if match(e) == nil {
			all = append(all, e.Body.(*controller.Message))
		}
	}
	return all
}
