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

	// NoType is what MsgTypeOf returns for a Message without a body. It is never on the wire.
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
	switch body := m.GetBody().GetMsgBody().(type) {
	case *usppb.Body_Error:
		return body.Error
	case *usppb.Body_Request:
		return requestIn(body.Request)
	case *usppb.Body_Response:
		return responseIn(body.Response)
	}
	return nil
}

func requestIn(r *usppb.Request) proto.Message {
	switch r := r.GetReqType().(type) {
	case *usppb.Request_Get:
		return r.Get
	case *usppb.Request_GetSupportedDm:
		return r.GetSupportedDm
	case *usppb.Request_GetInstances:
		return r.GetInstances
	case *usppb.Request_Set:
		return r.Set
	case *usppb.Request_Add:
		return r.Add
	case *usppb.Request_Delete:
		return r.Delete
	case *usppb.Request_Operate:
		return r.Operate
	case *usppb.Request_Notify:
		return r.Notify
	case *usppb.Request_GetSupportedProtocol:
		return r.GetSupportedProtocol
	case *usppb.Request_Register:
		return r.Register
	case *usppb.Request_Deregister:
		return r.Deregister
	}
	return nil
}

func responseIn(r *usppb.Response) proto.Message {
	switch r := r.GetRespType().(type) {
	case *usppb.Response_GetResp:
		return r.GetResp
	case *usppb.Response_GetSupportedDmResp:
		return r.GetSupportedDmResp
	case *usppb.Response_GetInstancesResp:
		return r.GetInstancesResp
	case *usppb.Response_SetResp:
		return r.SetResp
	case *usppb.Response_AddResp:
		return r.AddResp
	case *usppb.Response_DeleteResp:
		return r.DeleteResp
	case *usppb.Response_OperateResp:
		return r.OperateResp
	case *usppb.Response_NotifyResp:
		return r.NotifyResp
	case *usppb.Response_GetSupportedProtocolResp:
		return r.GetSupportedProtocolResp
	case *usppb.Response_RegisterResp:
		return r.RegisterResp
	case *usppb.Response_DeregisterResp:
		return r.DeregisterResp
	}
	return nil
}

// MsgTypeOf is the type of what the body holds, which counts when the header says otherwise (TR-369 R-MSG.10);
// NoType if it holds nothing.
func MsgTypeOf(m *usppb.Msg) MsgType {
	switch BodyOf(m).(type) {
	case *usppb.Error:
		return Error
	case *usppb.Get:
		return Get
	case *usppb.GetResp:
		return GetResp
	case *usppb.GetSupportedDM:
		return GetSupportedDM
	case *usppb.GetSupportedDMResp:
		return GetSupportedDMResp
	case *usppb.GetInstances:
		return GetInstances
	case *usppb.GetInstancesResp:
		return GetInstancesResp
	case *usppb.Set:
		return Set
	case *usppb.SetResp:
		return SetResp
	case *usppb.Add:
		return Add
	case *usppb.AddResp:
		return AddResp
	case *usppb.Delete:
		return Delete
	case *usppb.DeleteResp:
		return DeleteResp
	case *usppb.Operate:
		return Operate
	case *usppb.OperateResp:
		return OperateResp
	case *usppb.Notify:
		return Notify
	case *usppb.NotifyResp:
		return NotifyResp
	case *usppb.GetSupportedProtocol:
		return GetSupportedProtocol
	case *usppb.GetSupportedProtocolResp:
		return GetSupportedProtocolResp
	case *usppb.Register:
		return Register
	case *usppb.RegisterResp:
		return RegisterResp
	case *usppb.Deregister:
		return Deregister
	case *usppb.DeregisterResp:
		return DeregisterResp
	}
	return NoType
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
