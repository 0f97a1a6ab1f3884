package plan

import (
	"slices"
	"strings"
	"testing"
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
	type elements = map[string]Element
	const create, write = "Device.LocalAgent.Controller.{i}.", "Device.LocalAgent.Subscription.{i}.TriggerConfigSettings"
	for _, test := range []struct {
		name    string
		feature int
		model   Model
		want    Detected
		text    string
	}{
		{"nothing there", 10, Model{}, No, "Device.Reboot()"},
		{"removed", 11, Model{}, Unknown, "removed"},
		{"creatable", 7, Model{Elements: elements{create: {Creatable: true}}}, Yes, ""},
		{"not creatable", 7, Model{Elements: elements{create: {}}}, No, create + " with rows that can be added"},
		{"not writable", 37, Model{Elements: elements{write: {}, "Device.LocalAgent.Subscription.{i}.TriggerAction": {}}}, No, write + " that can be set"},
		{"either role", 19, Model{Elements: elements{"Device.LocalAgent.MTP.{i}.WebSocket.Port": {}}}, Yes, ""},
		{"command", 1, Model{Elements: elements{"Device.Reboot()": {}}}, Yes, ""},
		{"command without arguments", 2, Model{Elements: elements{"Device.Reboot()": {}}}, No, "command-arguments"},
		{"synchronous", 3, Model{Elements: elements{"Device.Reboot()": {Arguments: []string{"A"}}}}, No, "async-command"},
		{"event", 39, Model{Elements: elements{"Device.Boot!": {Arguments: []string{"A"}}}}, Yes, ""},
		{"table", 31, Model{Elements: elements{"Device.A.{i}.": {}, "Device.A.{i}.B.C": {}}}, No, "nested-table"},
		{"nested table", 31, Model{Elements: elements{"Device.A.{i}.B.{i}.": {}}}, Yes, ""},
		{"value not read", 36, mqttModel(""), Unknown, "ProtocolVersionsSupported was not read"},
		{"value lacks", 36, mqttModel("3.1, 3.1.1"), No, `want "5.0" in the list, got "3.1, 3.1.1"`},
		{"value has", 35, mqttModel("3.1, 3.1.1"), Yes, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, ok := p.Feature(test.feature)
			if !ok {
				t.Fatalf("there is no feature %d", test.feature)
			}
			if got, text := f.DetectIn(test.model); got != test.want || !strings.Contains(text, test.text) {
				t.Errorf("want %s (%s), got %s (%s)", test.want, test.text, got, text)
			}
		})
	}
}

// mqttModel is the model of a device with MQTT; versions empty: not read.
func mqttModel(versions string) Model {
	m := Model{
		Elements: map[string]Element{"Device.LocalAgent.MTP.{i}.MQTT.Reference": {}, "Device.MQTT.Client.{i}.ProtocolVersion": {}},
		Values:   map[string]string{},
	}
	if versions != "" {
		m.Values["Device.MQTT.Capabilities.ProtocolVersionsSupported"] = versions
	}
	return m
}
