package usp

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp/usppb"
)

func TestReportedPaths(t *testing.T) {
	get := func(path string, params Params) *usppb.Msg {
		return NewMsg("1", &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{{RequestedPath: "any thing",
			ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{ResolvedPath: path, ResultParams: params}}}}})
	}
	spoiled := func(kind MsgType, spoil func(*usppb.Msg)) *usppb.Msg {
		m := proto.CloneOf(everyMessage()[kind])
		spoil(m)
		return m
	}
	model := func(m *usppb.Msg) *usppb.GetSupportedDMResp_SupportedObjectResult {
		return m.GetBody().GetResponse().GetGetSupportedDmResp().ReqObjResults[0].SupportedObjs[0]
	}
	notify := func(n *usppb.Notify) *usppb.Msg { return NewMsg("1", n) }
	register := func(paths ...string) *usppb.Msg {
		m := &usppb.Register{}
		for _, path := range paths {
			m.RegPaths = append(m.RegPaths, &usppb.Register_RegistrationPath{Path: path})
		}
		return NewMsg("1", m)
	}
	const resolved = "body.response.get_resp.req_path_results[0].resolved_path_results[0]"
	for _, c := range []struct {
		name, where, want string
		check             func(*usppb.Msg) error
		msg               *usppb.Msg
	}{
		{"no dot", resolved + ".resolved_path", "'.' after an instance", ValidatePaths, get("Device.X.1", nil)},
		{"a parameter", resolved + ".resolved_path", "object path", ValidatePaths, get("Device.X.1.Y", nil)},
		{"a sub-object", resolved + ".result_params", "parameter path", ValidatePaths, get("Device.X.", Params{"A": "", "B.": ""})},
		{"a wildcard", resolved + ".resolved_path", "instance numbers", ValidateAddressing, get("Device.X.*.", nil)},
		{"a key", resolved + ".resolved_path", "instance numbers", ValidateAddressing, get(`Device.X.[A=="b"].`, nil)},
		{"a key below", resolved + ".result_params", "instance numbers", ValidateAddressing, get("Device.X.", Params{`Y.[A=="b"].C`: ""})},
		{"a reference", resolved + ".resolved_path", "instance numbers", ValidateAddressing, get("Device.X.Ref+.", nil)},
		{"created a table", "add_resp.created_obj_results[0].oper_status.oper_success.instantiated_path", "object instance path", ValidatePaths,
			spoiled(AddResp, func(m *usppb.Msg) {
				m.GetBody().GetResponse().GetAddResp().CreatedObjResults[0].OperStatus = addSuccess("Device.X.", nil)
			})},
		{"changed by key", "updated_inst_results[0].affected_path", "instance numbers", ValidateAddressing, spoiled(SetResp, func(m *usppb.Msg) {
			m.GetBody().GetResponse().GetSetResp().UpdatedObjResults[0].OperStatus.GetOperSuccess().UpdatedInstResults[0].AffectedPath = `Device.X.[A=="b"].`
		})},
		{"deleted by key", "affected_paths[0]", "instance numbers", ValidateAddressing, spoiled(DeleteResp, func(m *usppb.Msg) {
			m.GetBody().GetResponse().GetDeleteResp().DeletedObjResults[0].OperStatus.GetOperSuccess().AffectedPaths[0] = `Device.X.*.`
		})},
		{"an instance without dot", "curr_insts[0].instantiated_obj_path", "'.' after an instance", ValidatePaths, spoiled(GetInstancesResp, func(m *usppb.Msg) {
			m.GetBody().GetResponse().GetGetInstancesResp().ReqPathResults[0].CurrInsts[0].InstantiatedObjPath = "Device.X.1"
		})},
		{"no request object", "operation_results[0].req_obj_path", "object instance path", ValidatePaths, spoiled(OperateResp, func(m *usppb.Msg) {
			m.GetBody().GetResponse().GetOperateResp().OperationResults[0].OperationResp = &usppb.OperateResp_OperationResult_ReqObjPath{ReqObjPath: "Device.LocalAgent"}
		})},
		{"a wildcard in a name", "supported_objs[0].supported_params[0].param_name", "", ValidatePaths,
			spoiled(GetSupportedDMResp, func(m *usppb.Msg) { model(m).SupportedParams[0].ParamName = "A.*.B" })},
		{"a command without brackets", "supported_commands[0].command_name", "command path", ValidatePaths,
			spoiled(GetSupportedDMResp, func(m *usppb.Msg) { model(m).SupportedCommands[0].CommandName = "Reboot" })},
		{"an event without mark", "supported_events[0].event_name", "event path", ValidatePaths,
			spoiled(GetSupportedDMResp, func(m *usppb.Msg) { model(m).SupportedEvents[0].EventName = "Boot" })},
		{"a wildcard in the model", "supported_objs[0].supported_obj_path", "'{i}'", ValidatePaths,
			spoiled(GetSupportedDMResp, func(m *usppb.Msg) { model(m).SupportedObjPath = "Device.X.*." })},
		{"an event", "body.request.notify.event.event_name", "event path", ValidatePaths, notify(&usppb.Notify{
			Notification: &usppb.Notify_Event_{Event: &usppb.Notify_Event{ObjPath: "Device.", EventName: "Boot"}}})},
		{"a change", "notify.value_change.param_path", "parameter path", ValidatePaths, notify(&usppb.Notify{
			Notification: &usppb.Notify_ValueChange_{ValueChange: &usppb.Notify_ValueChange{ParamPath: "Device.X."}}})},
		{"a creation", "notify.obj_creation.obj_path", "instance numbers", ValidateAddressing, notify(&usppb.Notify{
			Notification: &usppb.Notify_ObjCreation{ObjCreation: &usppb.Notify_ObjectCreation{ObjPath: "Device.X.*."}}})},
		{"a deletion", "notify.obj_deletion.obj_path", "object instance path", ValidatePaths, notify(&usppb.Notify{
			Notification: &usppb.Notify_ObjDeletion{ObjDeletion: &usppb.Notify_ObjectDeletion{ObjPath: "Device.X."}}})},
		{"a completion", "notify.oper_complete.command_name", "command path", ValidatePaths, notify(&usppb.Notify{
			Notification: &usppb.Notify_OperComplete{OperComplete: &usppb.Notify_OperationComplete{ObjPath: "Device.", CommandName: "Reboot"}}})},
		{"registered a placeholder", "body.request.register.reg_paths[1].path", "", ValidatePaths, register("Device.X.", "Device.X.{i}.Y.")},
		{"registered a row", "register.reg_paths[0].path", "names alone", ValidatePaths, register("Device.X.1.")},
		{"registered a parameter of a row", "register.reg_paths[0].path", "names alone", ValidatePaths, register("Device.X.1.Y")},
		{"registered any row", "register.reg_paths[0].path", "names alone", ValidatePaths, register("Device.X.*.Y()")},
		{"registered a reference", "register.reg_paths[0].path", "names alone", ValidatePaths, register("Device.X.Ref+.Y!")},
		{"registered no path", "register.reg_paths[0].path", "'.'", ValidatePaths, register("Device")},
	} {
		wantMismatch(t, c.name, c.check(c.msg), c.where, c.want)
	}
	// Echoes of a request and failed commands are not the Agent's own words; a Service Element of any kind may be registered.
	for _, m := range []*usppb.Msg{
		NewGet("1", "nonsense"),
		NewError("1", CodeInvalidPath, "", &usppb.Error_ParamError{ParamPath: "nonsense", ErrCode: 7026}),
		NewMsg("1", &usppb.OperateResp{OperationResults: []*usppb.OperateResp_OperationResult{{ExecutedCommand: "nonsense",
			OperationResp: &usppb.OperateResp_OperationResult_CmdFailure{}}}}),
		register("Device.", "Device.X.Y.", "Device.X.Y", "Device.X.Y()", "Device.X.Y!"),
		nil,
	} {
		if err := ValidatePaths(m); err != nil {
			t.Error(err)
		}
		if err := ValidateAddressing(m); err != nil {
			t.Error(err)
		}
	}
}
