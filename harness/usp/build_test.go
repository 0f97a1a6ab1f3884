package usp

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// everyMessage has one Message of each type, complete enough to be valid.
func everyMessage() map[MsgType]*usppb.Msg {
	row, table := "Device.LocalAgent.Subscription.1.", "Device.LocalAgent.Subscription."
	return map[MsgType]*usppb.Msg{
		Error:                NewError("1", CodeInvalidPath, "", &usppb.Error_ParamError{ParamPath: table, ErrCode: 7026}),
		Get:                  NewGet("1", "Device."),
		GetSupportedDM:       NewMsg("1", &usppb.GetSupportedDM{ObjPaths: []string{"Device."}}),
		GetInstances:         NewGetInstances("1", true, table),
		Set:                  NewSet("1", false, Update(row, Params{"Enable": "true"}, nil)),
		Add:                  NewAdd("1", false, Create(table, nil, Params{"ID": "x"})),
		Delete:               NewDelete("1", true, row),
		Operate:              NewOperate("1", "Device.Reboot()", "key", true, nil),
		GetSupportedProtocol: NewGetSupportedProtocol("1", "1.3,1.4"),
		NotifyResp:           NewNotifyResp("1", "sub"),
		Notify: NewMsg("1", &usppb.Notify{SubscriptionId: "sub", Notification: &usppb.Notify_ValueChange_{
			ValueChange: &usppb.Notify_ValueChange{ParamPath: row + "Enable", ParamValue: "true"}}}),
		Register:   NewMsg("1", &usppb.Register{RegPaths: []*usppb.Register_RegistrationPath{{Path: "Device.X."}}}),
		Deregister: NewMsg("1", &usppb.Deregister{Paths: []string{"Device.X."}}),
		GetResp: NewMsg("1", &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{{
			RequestedPath: "Device.LocalAgent.", ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{
				ResolvedPath: row, ResultParams: Params{"Enable": "true", "Sub.Name": ""}}}}}}),
		GetInstancesResp: NewMsg("1", &usppb.GetInstancesResp{ReqPathResults: []*usppb.GetInstancesResp_RequestedPathResult{{
			RequestedPath: table, CurrInsts: []*usppb.GetInstancesResp_CurrInstance{{InstantiatedObjPath: row, UniqueKeys: Params{"ID": "x"}}}}}}),
		GetSupportedDMResp:       NewMsg("1", supportedModel(1, 1)),
		GetSupportedProtocolResp: NewMsg("1", &usppb.GetSupportedProtocolResp{AgentSupportedProtocolVersions: "1.4"}),
		AddResp: NewMsg("1", &usppb.AddResp{CreatedObjResults: []*usppb.AddResp_CreatedObjectResult{
			{RequestedPath: table, OperStatus: addSuccess(row, Params{"ID": "x"})},
			{RequestedPath: table, OperStatus: &usppb.AddResp_CreatedObjectResult_OperationStatus{
				OperStatus: &usppb.AddResp_CreatedObjectResult_OperationStatus_OperFailure{
					OperFailure: &usppb.AddResp_CreatedObjectResult_OperationStatus_OperationFailure{ErrCode: 7025}}}},
		}}),
		SetResp: NewMsg("1", &usppb.SetResp{UpdatedObjResults: []*usppb.SetResp_UpdatedObjectResult{{
			RequestedPath: row, OperStatus: &usppb.SetResp_UpdatedObjectResult_OperationStatus{
				OperStatus: &usppb.SetResp_UpdatedObjectResult_OperationStatus_OperSuccess{
					OperSuccess: &usppb.SetResp_UpdatedObjectResult_OperationStatus_OperationSuccess{
						UpdatedInstResults: []*usppb.SetResp_UpdatedInstanceResult{{AffectedPath: row, UpdatedParams: Params{"Enable": "true"}}}}}}}}}),
		DeleteResp: NewMsg("1", &usppb.DeleteResp{DeletedObjResults: []*usppb.DeleteResp_DeletedObjectResult{{
			RequestedPath: row, OperStatus: &usppb.DeleteResp_DeletedObjectResult_OperationStatus{
				OperStatus: &usppb.DeleteResp_DeletedObjectResult_OperationStatus_OperSuccess{
					OperSuccess: &usppb.DeleteResp_DeletedObjectResult_OperationStatus_OperationSuccess{AffectedPaths: []string{row},
						UnaffectedPathErrs: []*usppb.DeleteResp_UnaffectedPathError{{UnaffectedPath: row, ErrCode: 7024}}}}}}}}),
		OperateResp: NewMsg("1", &usppb.OperateResp{OperationResults: []*usppb.OperateResp_OperationResult{{
			ExecutedCommand: "Device.X()", OperationResp: &usppb.OperateResp_OperationResult_ReqObjPath{ReqObjPath: "Device.LocalAgent.Request.1"}}}}),
		RegisterResp: NewMsg("1", &usppb.RegisterResp{RegisteredPathResults: []*usppb.RegisterResp_RegisteredPathResult{{
			RequestedPath: "Device.X.", OperStatus: &usppb.RegisterResp_RegisteredPathResult_OperationStatus{
				OperStatus: &usppb.RegisterResp_RegisteredPathResult_OperationStatus_OperSuccess{
					OperSuccess: &usppb.RegisterResp_RegisteredPathResult_OperationStatus_OperationSuccess{RegisteredPath: "Device.X."}}}}}}),
		DeregisterResp: NewMsg("1", &usppb.DeregisterResp{}),
	}
}

func addSuccess(row string, keys Params) *usppb.AddResp_CreatedObjectResult_OperationStatus {
	return &usppb.AddResp_CreatedObjectResult_OperationStatus{
		OperStatus: &usppb.AddResp_CreatedObjectResult_OperationStatus_OperSuccess{
			OperSuccess: &usppb.AddResp_CreatedObjectResult_OperationStatus_OperationSuccess{InstantiatedPath: row, UniqueKeys: keys}}}
}

// supportedModel is a GetSupportedDMResp of this size.
func supportedModel(objects, params int) *usppb.GetSupportedDMResp {
	result := &usppb.GetSupportedDMResp_RequestedObjectResult{ReqObjPath: "Device."}
	for range objects {
		obj := &usppb.GetSupportedDMResp_SupportedObjectResult{
			SupportedObjPath: "Device.LocalAgent.Controller.{i}.", IsMultiInstance: true,
			SupportedCommands: []*usppb.GetSupportedDMResp_SupportedCommandResult{{CommandName: "Reset()",
				InputArgNames: []string{"Delay"}, OutputArgNames: []string{"Hop.{i}.Host"}, CommandType: usppb.GetSupportedDMResp_CMD_ASYNC}},
			SupportedEvents: []*usppb.GetSupportedDMResp_SupportedEventResult{{EventName: "Boot!", ArgNames: []string{"Cause"}}},
			DivergentPaths:  []string{"Device.LocalAgent.Controller.1."},
			UniqueKeySets:   []*usppb.GetSupportedDMResp_SupportedUniqueKeySet{{KeyNames: []string{"Alias"}}},
		}
		for range params {
			obj.SupportedParams = append(obj.SupportedParams, &usppb.GetSupportedDMResp_SupportedParamResult{
				ParamName: "USPNotifRetryInterval", Access: usppb.GetSupportedDMResp_PARAM_READ_WRITE, ValueType: TypeUnsignedInt,
				ValueChange: usppb.GetSupportedDMResp_VALUE_CHANGE_ALLOWED})
		}
		result.SupportedObjs = append(result.SupportedObjs, obj)
	}
	return &usppb.GetSupportedDMResp{ReqObjResults: []*usppb.GetSupportedDMResp_RequestedObjectResult{result}}
}

func TestEveryMessage(t *testing.T) {
	all := everyMessage()
	if len(all) != len(typeNames) {
		t.Fatalf("want %d messages, got %d", len(typeNames), len(all))
	}
	for kind, m := range all {
		if m.Header.MsgType != kind || MsgTypeOf(m) != kind {
			t.Errorf("%s: header %v, body %v", TypeName(kind), m.Header.MsgType, MsgTypeOf(m))
		}
		if name := string(BodyOf(m).ProtoReflect().Descriptor().Name()); name != TypeName(kind) {
			t.Errorf("%s: the body is a %s", TypeName(kind), name)
		}
		b, err := Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseMessage(b)
		if err != nil || !proto.Equal(back, m) {
			t.Errorf("%s: comes back as %v, %v", TypeName(kind), back, err)
		}
		for name, err := range map[string]error{
			"ValidateMessage": ValidateMessage(m), "ValidateWire": ValidateWire(b, m),
			"ValidatePaths": ValidatePaths(m), "ValidateAddressing": ValidateAddressing(m),
		} {
			if err != nil {
				t.Errorf("%s: %s: %v", TypeName(kind), name, err)
			}
		}
		if IsRequest(kind) && (IsResponse(kind) || !IsResponse(ResponseTo(kind)) || requestOf(ResponseTo(kind)) != kind) {
			t.Errorf("%s is not answered by %s", TypeName(kind), TypeName(ResponseTo(kind)))
		}
	}
	if IsRequest(Error) || IsResponse(Error) || ResponseTo(GetResp) != NoType || IsRequest(NoType) || IsResponse(99) {
		t.Error("what is neither request nor response is one")
	}
	if TypeName(NoType) != "no body" || TypeName(99) != "unknown message type 99" {
		t.Error(TypeName(NoType), TypeName(99))
	}
	for _, empty := range []*usppb.Msg{nil, {}, {Body: &usppb.Body{}}, {Body: &usppb.Body{MsgBody: &usppb.Body_Request{}}}} {
		if BodyOf(empty) != nil || MsgTypeOf(empty) != NoType {
			t.Errorf("%v has a body", empty)
		}
	}
}

func TestSettings(t *testing.T) {
	m := NewSet("s", true, Update("Device.X.1.", Params{"B": "2", "A": "1"}, Params{"C": "3"}))
	want := &usppb.Set{AllowPartial: true, UpdateObjs: []*usppb.Set_UpdateObject{{ObjPath: "Device.X.1.",
		ParamSettings: []*usppb.Set_UpdateParamSetting{
			{Param: "A", Value: "1", Required: true}, {Param: "B", Value: "2", Required: true}, {Param: "C", Value: "3"}}}}}
	if !proto.Equal(BodyOf(m), want) {
		t.Errorf("want %v, got %v", want, m)
	}
}

func TestCreatedBy(t *testing.T) {
	all := everyMessage()
	want := []Created{{"Device.LocalAgent.Subscription.", "Device.LocalAgent.Subscription.1.", Params{"ID": "x"}}}
	if got := CreatedBy(all[AddResp]); !reflect.DeepEqual(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if got := CreatedBy(all[Error]); got != nil {
		t.Errorf("an Error created %v", got)
	}
}
