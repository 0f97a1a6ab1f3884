package usp

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// Params are values by parameter or argument name, relative to an object or a command.
type Params map[string]string

// MsgBody is the set of everything that a Message can be about.
type MsgBody interface {
	proto.Message
	*usppb.Error |
		*usppb.Get | *usppb.GetSupportedDM | *usppb.GetInstances | *usppb.Set | *usppb.Add | *usppb.Delete |
		*usppb.Operate | *usppb.Notify | *usppb.GetSupportedProtocol | *usppb.Register | *usppb.Deregister |
		*usppb.GetResp | *usppb.GetSupportedDMResp | *usppb.GetInstancesResp | *usppb.SetResp | *usppb.AddResp |
		*usppb.DeleteResp | *usppb.OperateResp | *usppb.NotifyResp | *usppb.GetSupportedProtocolResp |
		*usppb.RegisterResp | *usppb.DeregisterResp
}

// NewMsg puts a body into a Message with the header that belongs to it. It is the way to every Message; the other
// New functions are shorthand for the common ones.
func NewMsg[B MsgBody](msgID string, body B) *usppb.Msg {
	m := &usppb.Msg{Header: &usppb.Header{MsgId: msgID}, Body: &usppb.Body{}}
	request, response := &usppb.Request{}, &usppb.Response{}
	switch {
	case put(m.Body, body): // an Error
	case put(request, body):
		m.Body.MsgBody = &usppb.Body_Request{Request: request}
	case put(response, body):
		m.Body.MsgBody = &usppb.Body_Response{Response: response}
	}
	m.Header.MsgType = MsgTypeOf(m)
	return m
}

// put sets that member of parent's oneof which has the type of member, and reports whether there is one.
func put(parent, member proto.Message) bool {
	fields := parent.ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	for i := range fields.Len() {
		if fields.Get(i).Message() == member.ProtoReflect().Descriptor() {
			parent.ProtoReflect().Set(fields.Get(i), protoreflect.ValueOfMessage(member.ProtoReflect()))
			return true
		}
	}
	return false
}

// NewGet asks for parameters, objects or subtrees at any depth.
func NewGet(msgID string, paths ...string) *usppb.Msg {
	return NewMsg(msgID, &usppb.Get{ParamPaths: paths})
}

// NewGetInstances asks which rows the tables have.
func NewGetInstances(msgID string, firstLevelOnly bool, paths ...string) *usppb.Msg {
	return NewMsg(msgID, &usppb.GetInstances{ObjPaths: paths, FirstLevelOnly: firstLevelOnly})
}

// NewGetSupportedProtocol offers a comma-separated list of versions, "1.3,1.4".
func NewGetSupportedProtocol(msgID, versions string) *usppb.Msg {
	return NewMsg(msgID, &usppb.GetSupportedProtocol{ControllerSupportedProtocolVersions: versions})
}

// NewSet changes existing objects; Update makes each of them.
func NewSet(msgID string, allowPartial bool, objects ...*usppb.Set_UpdateObject) *usppb.Msg {
	return NewMsg(msgID, &usppb.Set{AllowPartial: allowPartial, UpdateObjs: objects})
}

// Update is one object of a Set: the parameters that are required to succeed, and those that are not. They are
// sent in the order of their names, required ones first; either may be nil.
func Update(path string, required, optional Params) *usppb.Set_UpdateObject {
	obj := &usppb.Set_UpdateObject{ObjPath: path}
	for i, params := range []Params{required, optional} {
		for _, name := range params.Names() {
			obj.ParamSettings = append(obj.ParamSettings,
				&usppb.Set_UpdateParamSetting{Param: name, Value: params[name], Required: i == 0})
		}
	}
	return obj
}

// NewAdd creates objects; Create makes each of them.
func NewAdd(msgID string, allowPartial bool, objects ...*usppb.Add_CreateObject) *usppb.Msg {
	return NewMsg(msgID, &usppb.Add{AllowPartial: allowPartial, CreateObjs: objects})
}

// Create is one new row of an Add, its parameters as in Update.
func Create(table string, required, optional Params) *usppb.Add_CreateObject {
	obj := &usppb.Add_CreateObject{ObjPath: table}
	for i, params := range []Params{required, optional} {
		for _, name := range params.Names() {
			obj.ParamSettings = append(obj.ParamSettings,
				&usppb.Add_CreateParamSetting{Param: name, Value: params[name], Required: i == 0})
		}
	}
	return obj
}

// NewDelete removes rows.
func NewDelete(msgID string, allowPartial bool, paths ...string) *usppb.Msg {
	return NewMsg(msgID, &usppb.Delete{AllowPartial: allowPartial, ObjPaths: paths})
}

// NewOperate runs a command. The key comes back in the OperationComplete notification; args may be nil.
func NewOperate(msgID, command, commandKey string, sendResp bool, args Params) *usppb.Msg {
	return NewMsg(msgID, &usppb.Operate{Command: command, CommandKey: commandKey, SendResp: sendResp, InputArgs: args})
}

// NewNotifyResp acknowledges the Notify with this msg_id; the Subscription's ID goes back as it came (R-NOT.10).
func NewNotifyResp(msgID, subscriptionID string) *usppb.Msg {
	return NewMsg(msgID, &usppb.NotifyResp{SubscriptionId: subscriptionID})
}

// NewError answers a request that failed as a whole. An empty text becomes the name of the code.
func NewError(msgID string, code ErrCode, text string, params ...*usppb.Error_ParamError) *usppb.Msg {
	if text == "" {
		text = code.Name()
	}
	return NewMsg(msgID, &usppb.Error{ErrCode: uint32(code), ErrMsg: text, ParamErrs: params})
}

// Names returns the names in order.
func (p Params) Names() []string { return slices.Sorted(maps.Keys(p)) }

// Created is one row that an Add made.
type Created struct {
	Table      string // the path as requested
	Path       string // the new row: "Device.LocalAgent.Subscription.3."
	UniqueKeys Params
}

// CreatedBy lists the rows that an AddResp says it made, in its order; nil for any other Message.
func CreatedBy(m *usppb.Msg) []Created {
	var rows []Created
	for _, result := range m.GetBody().GetResponse().GetAddResp().GetCreatedObjResults() {
		if ok := result.GetOperStatus().GetOperSuccess(); ok != nil {
			rows = append(rows, Created{result.RequestedPath, ok.InstantiatedPath, ok.UniqueKeys})
		}
	}
	return rows
}
