package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// localAgent is a reply with what LocalAgent:1 requires but for EndpointID, and a name that is hostile to tables.
func localAgent() *usppb.GetSupportedDMResp {
	param := func(name string, t usp.ValueType) *usppb.GetSupportedDMResp_SupportedParamResult {
		return &usppb.GetSupportedDMResp_SupportedParamResult{ParamName: name, ValueType: t}
	}
	return &usppb.GetSupportedDMResp{ReqObjResults: []*usppb.GetSupportedDMResp_RequestedObjectResult{{
		ReqObjPath: "Device.", DataModelInstUri: "urn:broadband-forum-org:tr-181-2-19-1-usp",
		SupportedObjs: []*usppb.GetSupportedDMResp_SupportedObjectResult{
			{SupportedObjPath: "Device."},
			{SupportedObjPath: "Device.LocalAgent.",
				SupportedParams: []*usppb.GetSupportedDMResp_SupportedParamResult{
					param("AdvertisedDeviceSubtypes", usp.TypeString), param("MTPNumberOfEntries", usp.TypeUnsignedInt), param("a|b\n\x1b[2J<b>", usp.TypeString)},
				SupportedEvents: []*usppb.GetSupportedDMResp_SupportedEventResult{{EventName: "Periodic!"}}},
			{SupportedObjPath: "Device.LocalAgent.MTP.{i}.", Access: usppb.GetSupportedDMResp_OBJ_ADD_DELETE, IsMultiInstance: true,
				SupportedParams: []*usppb.GetSupportedDMResp_SupportedParamResult{param("Alias", usp.TypeString), param("Protocol", usp.TypeString)},
				UniqueKeySets:   []*usppb.GetSupportedDMResp_SupportedUniqueKeySet{{KeyNames: []string{"Alias"}}}},
		}}}}
}

// TestModelOffline compares saved replies.
func TestModelOffline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, b []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	msg := usp.NewMsg("1", localAgent())
	asJSON, err := protojson.Marshal(localAgent())
	inJSON := write("reply.json", asJSON, err)
	asJSON, err = protojson.Marshal(msg)
	asMessage := write("message.json", asJSON, err)
	wire, err := usp.Marshal(msg)
	onWire := write("message.bin", wire, err)
	record, err := usp.WrapMessage("self::c", "proto::a", "1.4", msg)
	if err != nil {
		t.Fatal(err)
	}
	wire, err = usp.Marshal(record)
	inRecord := write("record.bin", wire, err)
	empty := write("empty.json", []byte(`{}`), nil)
	noise := write("noise.bin", []byte("\xff\xff\xff"), nil)

	for _, saved := range []string{inJSON, asMessage, onWire, inRecord} {
		usptest(t, "model", "--gsdm", saved, "--profile", "LocalAgent:1").Want(t, result.ExitDeviceFault,
			"fault    Device.LocalAgent.EndpointID", "parameter, readOnly", "missing", "LocalAgent:1", `a|b\n\x1b[2J<b>`, "1 of them in claimed profiles or values")
	}
	usptest(t, "model", "--gsdm", inJSON).Want(t, result.ExitPassed, "LocalAgent:1  partial  7 of 8  Device.LocalAgent.EndpointID", "no profile was claimed, so nothing fails")
	usptest(t, "model", "--gsdm", inJSON, "--format", "markdown").Want(t, result.ExitPassed, `a\|b\\n\\x1b\[2J&lt;b>`)
	out := usptest(t, "model", "--gsdm", inJSON, "--profile", "LocalAgent:1", "--format", "json")
	out.Want(t, result.ExitDeviceFault)
	var report model.Report
	if err := json.Unmarshal(out.Stdout.Bytes(), &report); err != nil || report.Faults() != 1 {
		t.Errorf("%d faults, %v", report.Faults(), err)
	}

	wire, err = usp.Marshal(usp.NewMsg("1", &usppb.GetResp{}))
	other := write("get.bin", wire, err)
	commas := write("commas.json", []byte(`{"reqObjResults": [{}`+strings.Repeat(",{}", maxCommas+1)+"]}"), nil)
	tooLarge := write("large.bin", nil, nil)
	if err := os.Truncate(tooLarge, maxReply+1); err != nil {
		t.Fatal(err)
	}
	broken := write("broken.xml", []byte("<document>\n<model>"), nil)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--gsdm", empty}, "names no object"},
		{[]string{"--gsdm", noise}, "noise.bin is not a GetSupportedDMResp: "},
		{[]string{"--gsdm", other}, "get.bin is not a GetSupportedDMResp: GetResp;"},
		{[]string{"--gsdm", commas}, "commas.json is not a GetSupportedDMResp: JSON with more than 1048576 commas"},
		{[]string{"--gsdm", tooLarge}, "large.bin is larger than 64 MB"},
		{[]string{"--gsdm", "/dev/zero"}, "/dev/zero is larger than 64 MB"},
		{[]string{"--gsdm", filepath.Join(dir, "away")}, "no such file"},
		{[]string{"--gsdm", dir}, "has no journals"},
		{[]string{"--gsdm", inJSON, "--profile", "LocalAgent:9"}, `--profile "LocalAgent:9"`},
		{[]string{"--gsdm", inJSON, "--model", broken}, "broken.xml:2: the file ends within <model>"},
		{[]string{"--gsdm", inJSON, "--format", "xml"}, "want one of table, json, markdown"},
		{[]string{"--gsdm", inJSON, "--write", "Device.LocalAgent."}, "none of the others can be"},
		{[]string{"--list", "--gsdm", inJSON}, "none of the others can be"},
		{nil, "at least one of the flags"},
	} {
		usptest(t, append([]string{"model"}, c.args...)...).Want(t, result.ExitUsage, c.want)
	}
	usptest(t, "model", "--list").Want(t, result.ExitPassed, "PROFILE", "LocalAgent:1")
}

// modelDUT writes the DUT file of a reference agent that differs in some ways from the clean one.
func modelDUT(t *testing.T, ways ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab.yaml")
	text := "device: {vendor: ACME, model: X1, software: \"1.0\", endpoint: \"proto::model\"}\nlinks: [{mtp: mqtt, version: \"5.0\"}]\n" +
		"lab:\n  launch:\n    fresh: per-run\n    exec:\n"
	for _, word := range append(agentLaunch(t), ways...) {
		text += fmt.Sprintf("      - %q\n", word)
	}
	text += "waits: {connect: 1m, response: 20s}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestModelOfFullSize: as large a reply as a Message may be is compared, and what it says is cut; a larger one is refused.
func TestModelOfFullSize(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for size, want := range map[int]struct {
		exit int
		says []string
	}{
		15: {result.ExitPassed, []string{"Device.LocalAgent.X0.aaaa", "object that is not in the model", "15 pieces of advice"}},
		63: {result.ExitUsage, []string{"is not a GetSupportedDMResp: Msg: want at most 16777216 bytes"}},
	} {
		var objects []*usppb.GetSupportedDMResp_SupportedObjectResult
		for i := range size {
			path := fmt.Sprintf("Device.LocalAgent.X%d.%s.", i, strings.Repeat("a", mib))
			objects = append(objects, &usppb.GetSupportedDMResp_SupportedObjectResult{SupportedObjPath: path})
		}
		reply := &usppb.GetSupportedDMResp{ReqObjResults: []*usppb.GetSupportedDMResp_RequestedObjectResult{{SupportedObjs: objects}}}
		wire, err := usp.Marshal(usp.NewMsg("1", reply))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "reply.bin")
		if err := os.WriteFile(path, wire, 0o644); err != nil {
			t.Fatal(err)
		}
		p := usptest(t, "model", "--gsdm", path)
		p.Want(t, want.exit, want.says...)
		if n := p.Stdout.Len(); n > mib {
			t.Errorf("%d bytes of output", n)
		}
	}
}

// TestModelLive asks the reference agent.
func TestModelLive(t *testing.T) {
	t.Parallel()
	path := modelDUT(t)
	usptest(t, "model", "--dut", path, "--profile", "LocalAgent:1", "--profile", "Subscriptions:1", "--profile", "Controllers:1", "--profile", "Reboot:1").
		Want(t, result.ExitPassed, "Subscriptions:1  complete", "0 faults")
	usptest(t, "model", "--dut", path, "--profile", "Location:1").Want(t, result.ExitDeviceFault, "Device.DeviceInfo.Location.{i}.")
	usptest(t, "model", "--dut", modelDUT(t, "--defect=value-miscounts"), "--values", "--out", t.TempDir()).Want(t, result.ExitDeviceFault,
		"EVENT", "Device.LocalAgent.ControllerNumberOfEntries", "journal: journal/mqtt5/")
	usptest(t, "model", "--dut", path, "--values").Want(t, result.ExitPassed, " values checked; 0 faults")
	usptest(t, "model", "--dut", path, "--write", "Device.LocalAgent.").Want(t, result.ExitPassed,
		"2 parameters of Device.LocalAgent. were set to valid and invalid values and restored", "0 faults")
	usptest(t, "model", "--dut", path, "--write", "Device.LocalAgent.Controller.1.").Want(t, result.ExitError, "the harness's own Controller")
	usptest(t, "model", "--dut", path, "--write", "Device.Nowhere.").Want(t, result.ExitError, "the device shows nothing there")
	usptest(t, "model", "--dut", path, "--write", "Device.LocalAgent.Controller.*.").Want(t, result.ExitUsage, "want one object")
	usptest(t, "model", "--dut", path, "--link", "stomp").Want(t, result.ExitUsage, `--link "stomp": the device has no such link`)
}

// TestModelNotRestored: a device that does not take its value back is reported with what was found before, and the program ends with 3.
func TestModelNotRestored(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	dut := modelDUT(t, "--defect=write-is-not-restored")
	p := usptest(t, "model", "--dut", dut, "--write", "Device.LocalAgent.", "--format", "json", "--out", out)
	const left = `Device.LocalAgent.MaxSubscriptionChangeAdoptionTime could not be restored: it was "5"; it is "6"`
	p.Want(t, result.ExitError, "usptest: mqtt5: "+left)
	var report model.Report
	err := json.Unmarshal(p.Stdout.Bytes(), &report)
	if err != nil || report.Faults() == 0 || !slices.Contains(report.Notes, "not complete: "+left) {
		t.Errorf("%d faults, notes %q, %v", report.Faults(), report.Notes, err)
	}
	if events, err := result.ReadJournal(out, report.Journal); err != nil || len(events) == 0 {
		t.Errorf("the journal %q: %d events, %v", report.Journal, len(events), err)
	}
}

// TestRunComparesTheDataModel: a run has a section about the data model, and a claim of the DUT file that is false fails.
func TestRunComparesTheDataModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	claims := filepath.Join(dir, "lab.yaml")
	text := "device: {vendor: ACME, model: X1, software: \"1.0\", endpoint: \"proto::model-run\"}\nlinks: [{mtp: mqtt, version: \"5.0\"}]\n" +
		"profiles: [\"LocalAgent:1\", \"Location:1\", \"WiFiRadio:1\"]\nlab:\n  launch:\n    fresh: per-run\n    exec:\n"
	for _, word := range agentLaunch(t) {
		text += fmt.Sprintf("      - %q\n", word)
	}
	if err := os.WriteFile(claims, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	usptest(t, "run", "--dut", claims, "--out", out, "1.36").Want(t, result.ExitDeviceFault,
		"data model, apart from the plan:", "fault Device.DeviceInfo.Location.{i}.: want object, got missing (Location:1)",
		"the profile WiFiRadio:1 of the DUT file was not compared", "the device lacks part of a profile that it claims")
	run := runIn(t, out)
	if run.Model.Faults() != 2 || run.Conclusion.Value == result.NotConformant {
		t.Errorf("%+v, %+v", run.Model, run.Conclusion)
	}
	for name, want := range map[string]string{"junit.xml": `<testcase name="Location:1" classname="TR-181"`, "report.html": `id="model"`} {
		if b, err := os.ReadFile(filepath.Join(out, name)); err != nil || !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s has no %s, %v", name, want, err)
		}
	}
	if events, err := result.ReadJournal(out, run.Model.Journal); err != nil || len(events) == 0 {
		t.Errorf("the journal %q: %d events, %v", run.Model.Journal, len(events), err)
	}
}
