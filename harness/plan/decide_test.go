package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/model"
)

func TestDecide(t *testing.T) {
	p := mustLoad(t)
	yes := func(string) bool { return true }
	onlyChapter6 := Filter{"--select section:6", func(labels []string) bool { return slices.Contains(labels, "section:6") }}
	for _, test := range []struct {
		name, id string
		setup    Setup
		want     Choice
		reason   string
	}{
		{"mandatory", "1.1", Setup{Link: "mqtt5"}, ChooseRun, ""},
		{"deprecated", "1.63", Setup{Link: "mqtt5", Filters: []Filter{onlyChapter6}}, ChooseDeprecated, "deprecated in TP-469 1.4.0"},
		{"deleted", "1.69", Setup{Link: "mqtt5"}, ChooseDeprecated, "deleted in TP-469 1.4.0"},
		{"future", "1.85", Setup{Link: "mqtt5"}, ChooseDeprecated, "left to a later version by TP-469 1.4.0"},
		{"other MTP", "6.4", Setup{Link: "mqtt5", Features: []int{17}}, ChooseOtherLink, "is for stomp, and the run has no such link"},
		{"wants TLS", "4.1", Setup{Link: "stomp", Features: []int{15}}, ChooseOtherLink, "--link stomp+tls"},
		{"wants no TLS", "3.2", Setup{Link: "stomp+tls", Features: []int{23}}, ChooseOtherLink, "--link stomp"},
		{"has no TLS", "4.1", Setup{Link: "stomp+tls"}, ChooseUnsupported, "needs feature 15 (TLS at the MTP)"},
		{"one of two", "1.79", Setup{Link: "mqtt5", Features: []int{9}}, ChooseRun, ""},
		{"none of two", "1.79", Setup{Link: "mqtt5"}, ChooseUnsupported, "needs feature 2 (command with arguments) or 9 (ScheduleTimer())"},
		{"half of both", "6.8", Setup{Link: "stomp", Features: []int{17}}, ChooseUnsupported, "needs feature 18 (STOMPHeartbeat:1)"},
		{"unsupported before deselected", "1.79", Setup{Link: "mqtt5", Filters: []Filter{onlyChapter6}}, ChooseUnsupported, ""},
		{"deselected", "1.1", Setup{Link: "mqtt5", Filters: []Filter{onlyChapter6}}, ChooseDeselected, "left out by --select section:6"},
		{"not automated", "1.1", Setup{Link: "mqtt5", Automated: func(string) bool { return false }}, ChooseNotAutomated, "does not automate"},
		{"lab lacks", "6.2", Setup{Link: "stomp", Features: []int{17}, Automated: yes}, ChooseLacksNeed, "needs reboot"},
		{"lab offers", "6.2", Setup{Link: "stomp", Features: []int{17}, Automated: yes, Offers: yes}, ChooseRun, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, ok := p.Case(test.id)
			if !ok {
				t.Fatalf("there is no case %s", test.id)
			}
			got := p.Decide(c, test.setup)
			if got.Choice != test.want || !strings.Contains(got.Reason, test.reason) || (got.Reason == "") != (got.Choice == ChooseRun) {
				t.Errorf("want %s (%s), got %+v", test.want, test.reason, got)
			}
		})
	}
}

func TestDetect(t *testing.T) {
	p := mustLoad(t)
	const table, subscription = "Device.LocalAgent.Controller.{i}.", "Device.LocalAgent.Subscription.{i}."
	argument := map[string]model.Argument{"A": {}}
	param := func(names ...string) *model.Object {
		o := &model.Object{Params: map[string]model.Param{}}
		for _, name := range names {
			o.Params[name] = model.Param{Access: model.ReadOnly}
		}
		return o
	}
	reboot := func(c model.Command) *model.Object {
		return &model.Object{Commands: map[string]model.Command{"Reboot()": c}}
	}
	mqtt := objects{"Device.LocalAgent.MTP.{i}.MQTT.": param("Reference"), "Device.MQTT.Client.{i}.": param("ProtocolVersion")}
	versions := map[string]string{"Device.MQTT.Capabilities.ProtocolVersionsSupported": "3.1, 3.1.1"}
	for _, test := range []struct {
		name    string
		feature int
		objects objects
		values  map[string]string
		want    Detected
		text    string
	}{
		{"nothing there", 10, nil, nil, No, "Device.Reboot()"},
		{"removed", 11, nil, nil, Unknown, "removed"},
		{"creatable", 7, objects{table: {Create: true}}, nil, Yes, ""},
		{"not creatable", 7, objects{table: {}}, nil, No, table + " with rows that can be added"},
		{"not writable", 37, objects{subscription: param("TriggerConfigSettings", "TriggerAction")}, nil, No,
			subscription + "TriggerConfigSettings that can be set"},
		{"either role", 19, objects{"Device.LocalAgent.MTP.{i}.WebSocket.": param("Port")}, nil, Yes, ""},
		{"command", 1, objects{"Device.": reboot(model.Command{})}, nil, Yes, ""},
		{"command without arguments", 2, objects{"Device.": reboot(model.Command{})}, nil, No, "command-arguments"},
		{"synchronous", 3, objects{"Device.": reboot(model.Command{Kind: model.Sync, In: argument})}, nil, No, "async-command"},
		{"event", 39, objects{"Device.": {Events: map[string]model.Event{"Boot!": {Args: argument}}}}, nil, Yes, ""},
		{"table", 31, objects{"Device.A.{i}.": {}, "Device.A.{i}.B.": param("C")}, nil, No, "nested-table"},
		{"nested table", 31, objects{"Device.A.{i}.B.{i}.": {}}, nil, Yes, ""},
		{"value not read", 36, mqtt, nil, Unknown, "ProtocolVersionsSupported was not read"},
		{"value lacks", 36, mqtt, versions, No, `want "5.0" in the list, got "3.1, 3.1.1"`},
		{"value has", 35, mqtt, versions, Yes, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, ok := p.Feature(test.feature)
			if !ok {
				t.Fatalf("there is no feature %d", test.feature)
			}
			if got, text := f.DetectIn(&model.Model{Objects: test.objects}, test.values); got != test.want || !strings.Contains(text, test.text) {
				t.Errorf("want %s (%s), got %s (%s)", test.want, test.text, got, text)
			}
		})
	}
}

// TestRefuted: what the data model of a device lacks counts more than what the DUT file declares, and no more than that.
func TestRefuted(t *testing.T) {
	p := mustLoad(t)
	bulkData := objects{
		"Device.BulkData.": {}, "Device.BulkData.Profile.{i}.": {}, // whose rows cannot be added
		"Device.BulkData.Profile.{i}.HTTP.": {Params: map[string]model.Param{"URL": {}}},
	}
	offers := func(encodings string) map[string]string {
		return map[string]string{"Device.BulkData.Protocols": "HTTP", "Device.BulkData.EncodingTypes": encodings}
	}
	for _, test := range []struct {
		name, id string
		declared []int
		objects  objects
		values   map[string]string
		want     string
	}{
		{"no firmware", "9.3", []int{26}, bulkData, nil, "needs feature 26 (Firmware:1), declared in the DUT file, but the " +
			"device does not have it: not in the supported data model: Device.DeviceInfo.ActiveFirmwareImage"},
		{"no CSV", "10.3", []int{32, 33}, bulkData, offers("JSON"), `Device.BulkData.EncodingTypes: want "CSV" in the list, got "JSON"`},
		{"JSON instead", "10.5", []int{32, 33}, bulkData, offers("JSON"), ""},
		{"neither", "10.5", []int{32, 33}, bulkData, offers("XML"), "needs feature 32 (bulk data, HTTP and JSON), declared in the DUT"},
		{"CSV", "10.3", []int{33}, bulkData, offers("JSON,CSV"), ""},
		{"access is for the case to judge", "10.3", []int{33}, bulkData, offers("CSV"), ""},
		{"nobody has read the list", "10.3", []int{33}, bulkData, nil, ""},
		{"not declared", "10.3", []int{32}, bulkData, offers("JSON"), ""},
		{"one of two that are needed", "9.5", []int{26, 27}, bulkData, nil, "needs feature 26 (Firmware:1)"},
		{"a sign alone", "7.1", []int{19}, nil, nil, ""},
		{"what the case itself looks for", "1.98", []int{39}, nil, nil, ""},
		{"what no model shows", "4.1", []int{15}, nil, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			lacks := map[int]string{}
			for _, f := range p.Features {
				lacks[f.Number] = f.LackedBy(&model.Model{Objects: test.objects}, test.values)
			}
			c, _ := p.Case(test.id)
			if got := p.Refuted(c, test.declared, lacks); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("want %q, got %q", test.want, got)
			}
		})
	}
}

// objects are those of a data model, by their paths.
type objects = map[string]*model.Object
