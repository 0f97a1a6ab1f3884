package usp

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// MsgType is the type of a Message: the value of header.msg_type, and what the body really holds.
type MsgType = usppb.Header_MsgType

// The Message types of TR-369, section "Message Header Fields".
const (
	Error                    = usppb.Header_ERROR
	Get                      = usppb.Header_GET
	GetResp                  = usppb.Header_GET_RESP
	Notify                   = usppb.Header_NOTIFY
	Set                      = usppb.Header_SET
	SetResp                  = usppb.Header_SET_RESP
	Operate                  = usppb.Header_OPERATE
	OperateResp              = usppb.Header_OPERATE_RESP
	Add                      = usppb.Header_ADD
	AddResp                  = usppb.Header_ADD_RESP
	Delete                   = usppb.Header_DELETE
	DeleteResp               = usppb.Header_DELETE_RESP
	GetSupportedDM           = usppb.Header_GET_SUPPORTED_DM
	GetSupportedDMResp       = usppb.Header_GET_SUPPORTED_DM_RESP
	GetInstances             = usppb.Header_GET_INSTANCES
	GetInstancesResp         = usppb.Header_GET_INSTANCES_RESP
	NotifyResp               = usppb.Header_NOTIFY_RESP
	GetSupportedProtocol     = usppb.Header_GET_SUPPORTED_PROTO
	GetSupportedProtocolResp = usppb.Header_GET_SUPPORTED_PROTO_RESP
	Register                 = usppb.Header_REGISTER
	RegisterResp             = usppb.Header_REGISTER_RESP
	Deregister               = usppb.Header_DEREGISTER
	DeregisterResp           = usppb.Header_DEREGISTER_RESP

	// NoType is what MsgTypeOf returns for a Message without a body. It never stands on the wire.
	NoType MsgType = -1
)

// typeNames holds, for each MsgType, the name of the protobuf message that is its body.
var typeNames = [...]protoreflect.Name{
	Error: "Error",
	Get:   "Get", GetResp: "GetResp",
	Notify: "Notify", NotifyResp: "NotifyResp",
	Set: "Set", SetResp: "SetResp",
	Operate: "Operate", OperateResp: "OperateResp",
	Add: "Add", AddResp: "AddResp",
	Delete: "Delete", DeleteResp: "DeleteResp",
	GetSupportedDM: "GetSupportedDM", GetSupportedDMResp: "GetSupportedDMResp",
	GetInstances: "GetInstances", GetInstancesResp: "GetInstancesResp",
	GetSupportedProtocol: "GetSupportedProtocol", GetSupportedProtocolResp: "GetSupportedProtocolResp",
	Register: "Register", RegisterResp: "RegisterResp",
	Deregister: "Deregister", DeregisterResp: "DeregisterResp",
}

// TypeName is how a Message type is called in every text: "GetResp", "Error".
func TypeName(t MsgType) string {
	switch {
	case t == NoType:
		return "no body"
	case !isKnown(t):
		return fmt.Sprintf("unknown message type %d", int32(t))
	}
	return string(typeNames[t])
}

// BodyOf returns what a Message is about: its *usppb.Get, *usppb.GetResp, *usppb.Error and so on. It is nil for a
// nil Message and for one whose body is missing or empty.
func BodyOf(m *usppb.Msg) proto.Message {
	inner := func(m protoreflect.Message) protoreflect.Message {
		if fd := m.WhichOneof(m.Descriptor().Oneofs().Get(0)); fd != nil {
			return m.Get(fd).Message()
		}
		return nil
	}
	if m.GetBody() == nil {
		return nil
	}
	body := inner(m.Body.ProtoReflect())
	if body != nil && body.Descriptor().Name() != typeNames[Error] {
		body = inner(body)
	}
	if body == nil {
		return nil
	}
	return body.Interface()
}

// MsgTypeOf is the type of what the body holds, which counts when the header says otherwise (TR-369 R-MSG.10);
// NoType if it holds nothing.
func MsgTypeOf(m *usppb.Msg) MsgType {
	body := BodyOf(m)
	if body == nil {
		return NoType
	}
	return MsgType(slices.Index(typeNames[:], body.ProtoReflect().Descriptor().Name()))
}

// ResponseTo is the type that answers a request: GetResp for Get; NoType for what is no request.
func ResponseTo(request MsgType) MsgType {
	if !IsRequest(request) {
		return NoType
	}
	return MsgType(slices.Index(typeNames[:], typeNames[request]+"Resp"))
}

// requestOf is the type that a response answers.
func requestOf(response MsgType) MsgType {
	name := strings.TrimSuffix(string(typeNames[response]), "Resp")
	return MsgType(slices.Index(typeNames[:], protoreflect.Name(name)))
}

// IsRequest reports whether t is one of the eleven request types.
func IsRequest(t MsgType) bool { return isKnown(t) && t != Error && !IsResponse(t) }

// IsResponse reports whether t is one of the eleven response types. Error is none of them.
func IsResponse(t MsgType) bool {
	return isKnown(t) && strings.HasSuffix(string(typeNames[t]), "Resp")
}

func isKnown(t MsgType) bool { return t >= 0 && int(t) < len(typeNames) }
