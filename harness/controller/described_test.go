package controller

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// supportedModel answers a GetSupportedDM about path with a device, a table and a child.
func supportedModel(id, path string, change func(*usppb.GetSupportedDMResp_RequestedObjectResult)) *usppb.Msg {
	q := &usppb.GetSupportedDMResp_RequestedObjectResult{ReqObjPath: path, SupportedObjs: []*supportedObject{
		{SupportedObjPath: "Device.", SupportedCommands: []*usppb.GetSupportedDMResp_SupportedCommandResult{
			{CommandName: "Reboot()", CommandType: usppb.GetSupportedDMResp_CMD_SYNC},
			{CommandName: "Test()", CommandType: usppb.GetSupportedDMResp_CMD_ASYNC, OutputArgNames: []string{"A", "B"}}}},
		{SupportedObjPath: "Device.T.{i}.", SupportedParams: []*usppb.GetSupportedDMResp_SupportedParamResult{
			{ParamName: "ID", ValueType: usppb.GetSupportedDMResp_PARAM_STRING}},
			UniqueKeySets:   []*usppb.GetSupportedDMResp_SupportedUniqueKeySet{{KeyNames: []string{"ID"}}},
			SupportedEvents: []*usppb.GetSupportedDMResp_SupportedEventResult{{EventName: "Went!"}}},
		{SupportedObjPath: "Device.T.{i}.Child."},
	}}
	if change != nil {
		change(q)
	}
	return usp.NewMsg(id, &usppb.GetSupportedDMResp{ReqObjResults: []*usppb.GetSupportedDMResp_RequestedObjectResult{q}})
}

// TestAnAgentThatContradictsItselfIsAtFault: each Message says something else than the description at first contact.
func TestAnAgentThatContradictsItselfIsAtFault(t *testing.T) {
	type requested = usppb.GetSupportedDMResp_RequestedObjectResult
	whole := WholeModel()
	shallow := proto.CloneOf(whole)
	shallow.FirstLevelOnly = true
	supported := func(change func(*requested)) *usppb.Msg { return supportedModel("2", "Device.", change) }
	get := func(path, param string) *usppb.Msg {
		m := getResp("2")
		r := m.GetBody().GetResponse().GetGetResp().GetReqPathResults()[0].GetResolvedPathResults()[0]
		r.ResolvedPath, r.ResultParams = path, map[string]string{param: "1"}
		return m
	}
	operated := func(command string, r *usppb.OperateResp_OperationResult) *usppb.Msg {
		r = proto.CloneOf(r)
		r.ExecutedCommand = command
		return usp.NewMsg("2", &usppb.OperateResp{OperationResults: []*usppb.OperateResp_OperationResult{r}})
	}
	atOnce := &usppb.OperateResp_OperationResult{OperationResp: &usppb.OperateResp_OperationResult_ReqOutputArgs{
		ReqOutputArgs: &usppb.OperateResp_OperationResult_OutputArgs{}}}
	for name, test := range map[string]struct {
		request *usppb.Msg
		answer  *usppb.Msg
		want    string // part of the finding; empty for none
	}{
		"the same":        {usp.NewMsg("2", whole), supported(nil), ""},
		"the first level": {usp.NewMsg("2", shallow), supported(func(q *requested) { q.SupportedObjs = q.SupportedObjs[:2] }), ""},
		"a child is gone": {usp.NewMsg("2", whole), supported(func(q *requested) { q.SupportedObjs = q.SupportedObjs[:2] }), "want Device.T.{i}.Child."},
		"another type": {usp.NewMsg("2", whole), supported(func(q *requested) {
			q.SupportedObjs[1].SupportedParams[0].ValueType = usppb.GetSupportedDMResp_PARAM_INT
		}), "Device.T.{i}.ID: want"},
		"a parameter more": {usp.NewMsg("2", whole), supported(func(q *requested) {
			q.SupportedObjs[2].SupportedParams = []*usppb.GetSupportedDMResp_SupportedParamResult{{ParamName: "New"}}
		}), "want nothing of New"},
		"other keys":             {usp.NewMsg("2", whole), supported(func(q *requested) { q.SupportedObjs[1].UniqueKeySets = nil }), "unique key"},
		"output arguments alike": {usp.NewMsg("2", whole), supported(func(q *requested) { q.SupportedObjs[0].SupportedCommands[1].OutputArgNames = []string{"B", "A"} }), ""},
		"other output arguments": {usp.NewMsg("2", whole), supported(func(q *requested) { q.SupportedObjs[0].SupportedCommands[1].OutputArgNames = nil }), "output arguments"},
		"synchronous once": {usp.NewMsg("2", whole), supported(func(q *requested) {
			q.SupportedObjs[0].SupportedCommands[1].CommandType = usppb.GetSupportedDMResp_CMD_SYNC
		}), "CMD_SYNC"},
		"a parameter that was described": {usp.NewGet("2", "Device.T.7."), get("Device.T.7.", "ID"), ""},
		"a parameter that was not":       {usp.NewGet("2", "Device.T.7."), get("Device.T.7.", "Other"), "got Device.T.{i}.Other"},
		"an object that was not":         {usp.NewGet("2", "Device.X."), get("Device.X.", "A"), "got Device.X.A"},
		"asynchronous but at once":       {usp.NewOperate("2", "Device.Test()", "k", true, nil), operated("Device.Test()", atOnce), "as an asynchronous command"},
		"synchronous and at once":        {usp.NewOperate("2", "Device.Reboot()", "k", true, nil), operated("Device.Reboot()", atOnce), ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, l, _ := start(t)
			for _, step := range []struct{ request, answer *usppb.Msg }{{usp.NewMsg("1", whole), supportedModel("1", "Device.", nil)}, {test.request, test.answer}} {
				if _, err := c.Send(t.Context(), step.request); err != nil {
					t.Fatal(err)
				}
				l.tell(t, ownID, step.answer)
			}
			var found []string
			for _, v := range c.Violations(0) {
				if v.Rule == sameModel {
					if e := c.journal.At(v.Before); e == nil || !strings.Contains(e.Text, "the GetSupportedDMResp in event ") {
						t.Errorf("want what it contradicts as evidence, got %+v", e)
					}
					found = append(found, v.Describe())
				}
			}
			if all := strings.Join(found, "\n"); (all == "") != (test.want == "") || !strings.Contains(all, test.want) {
				t.Errorf("want %q, got %q", test.want, all)
			}
		})
	}
}

// TestAnotherFirmwareIsNoContradiction: after a boot with another one the device may have another data model, which is described again.
func TestAnotherFirmwareIsNoContradiction(t *testing.T) {
	for updated, want := range map[string]int{"true": 0, "false": 1} {
		c, l, _ := start(t)
		ask := func(id string, change func(*usppb.GetSupportedDMResp_RequestedObjectResult)) {
			if _, err := c.Send(t.Context(), usp.NewMsg(id, WholeModel())); err != nil {
				t.Fatal(err)
			}
			l.tell(t, ownID, supportedModel(id, "Device.", change))
		}
		ask("1", nil)
		l.tell(t, ownID, usp.NewMsg("n", &usppb.Notify{Notification: &usppb.Notify_Event_{Event: &usppb.Notify_Event{
			ObjPath: "Device.", EventName: "Boot!", Params: map[string]string{"FirmwareUpdated": updated}}}}))
		ask("2", func(q *usppb.GetSupportedDMResp_RequestedObjectResult) { q.SupportedObjs = q.SupportedObjs[:2] })
		found := 0
		for _, v := range c.Violations(0) {
			if v.Rule == sameModel && strings.Contains(v.Describe(), "Device.T.{i}.Child.") {
				found++
			}
		}
		if found != want {
			t.Errorf("FirmwareUpdated %s: want %d contradictions, got %d", updated, want, found)
		}
	}
}
