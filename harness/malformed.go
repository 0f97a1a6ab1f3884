package harness

import (
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Malformed is a Record that no Agent can process.
type Malformed struct {
	What string // such as "a Record that is cut short"
	Raw  []byte
}

// MalformedRecords makes several, each malformed in another way.
func (c *Case) MalformedRecords() []Malformed {
	c.Uses(plan.NeedInvalidRecord)
	wrapped := func(payload []byte) []byte {
		raw, err := usp.Marshal(&usppb.Record{Version: usp.Version, ToId: c.Agent.AgentID(), FromId: c.Agent.ID(),
			RecordType: &usppb.Record_NoSessionContext{NoSessionContext: &usppb.NoSessionContextRecord{Payload: payload}}})
		c.LabMust(err)
		return raw
	}
	message, err := usp.Marshal(usp.NewGet(c.Agent.NewMsgID(), EndpointID))
	c.LabMust(err)
	whole := wrapped(message)
	typeless, err := usp.Marshal(&usppb.Record{Version: usp.Version, ToId: c.Agent.AgentID(), FromId: c.Agent.ID()})
	c.LabMust(err)
	// the first byte of this text begins a protobuf group that has no end
	garbage := []byte("this is neither a Record nor a Message")
	return []Malformed{
		{"bytes that are no Record", garbage},
		{"a Record that is cut short", whole[:len(whole)-len(message)/2]},
		{"a Record without a type", typeless},
		{"a Record whose Message cannot be read", wrapped(garbage)},
	}
}

// LawfulAfterMalformed reports whether the device may have sent the Record between a malformed one and
// the answer to a Get behind it, by the msg_id of the Get: a malformed Record is ignored, or
// answered with an Error or a Disconnect.
func (e Emission) LawfulAfterMalformed(get string) error {
	switch fault := e.Msg.GetBody().GetError(); {
	case !e.Answers() || e.Record.GetDisconnect() != nil || e.MsgID() == get && fault == nil:
		return nil
	case fault != nil && e.MsgID() == get:
		return &usp.Mismatch{Where: "answer to the Get behind it", Want: usp.TypeName(usp.GetResp), Got: e.Describe()}
	case fault != nil:
		return expect.Code("Error: err_code", fault.GetErrCode(), usp.Error)
	}
	return &usp.Mismatch{Where: "answer", Want: "none, or an Error", Got: e.Describe()}
}
