package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/runner"
)

// TestModelFindings is the proof of "usptest model" with --values and --write: it finds nothing on the clean reference agent, nor
// where rows differ in what they have, and with each defect of the data model exactly what is in modelFindings. Every kind has a defect.
func TestModelFindings(t *testing.T) {
	t.Parallel()
	facts, err := model.Facts()
	if err != nil {
		t.Fatal(err)
	}
	claim := []string{"LocalAgent:1", "Subscriptions:1", "Reboot:1", "TraceRoute:1"}
	check := runner.ModelCheck{Model: facts, Profiles: claim, Values: true, Write: localAgent}
	chosen, kinds := []defects.Defect{{Name: "clean"}, {Name: "diverging-rows"}}, map[string]bool{}
	for _, d := range defects.DescribedDefects() {
		if *full || !kinds[d.Case] {
			chosen = append(chosen, d)
		}
		kinds[d.Case] = true
	}
	for _, d := range chosen {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			var ways []string
			if d.Name != "clean" {
				ways = []string{d.Name}
			}
			r, err := runner.CheckModel(t.Context(), device(t, ways...), "mqtt5", check)
			var left *runner.NotRestoredError
			if errors.As(err, &left) != (d.Name == "write-is-not-restored") || r == nil {
				t.Fatal(err)
			}
			const least = 100
			if r.Values < least {
				t.Errorf("want at least %d values, got %d", least, r.Values)
			}
			var found []string
			for _, f := range r.Findings {
				found = append(found, strings.TrimSpace(fmt.Sprintf("%s: %s %s", f.Path, f.Got, f.Profile)))
				if string(f.Kind) != d.Case || f.Event == 0 {
					t.Errorf("want findings of the kind %q alone, got %+v", d.Case, f)
				}
			}
			if want := modelFindings()[d.Name]; !slices.Equal(found, want) {
				t.Errorf("want\n%s\ngot\n%s", strings.Join(want, "\n"), strings.Join(found, "\n"))
			}
		})
	}
	for _, kind := range model.Kinds() {
		if !kinds[string(kind)] {
			t.Errorf("no defect is found by %s: add one to defects.DescribedDefects", kind)
		}
	}
}

// modelFindings is what each defect of the data model is found by: path, what is there, and the claimed profile that requires otherwise.
func modelFindings() map[string][]string {
	const roles = localAgent + "ControllerTrust."
	const accepted = localAgent + `MaxSubscriptionChangeAdoptionTime: success; a Get shows "6"`
	return map[string][]string{
		"model-without-parameter":       {"Device.LocalAgent.AdvertisedDeviceSubtypes: missing LocalAgent:1"},
		"model-without-object":          {"Device.LocalAgent.Controller.{i}.BootParameter.{i}.: missing Reboot:1"},
		"model-without-command":         {"Device.IP.Diagnostics.TraceRoute(): missing TraceRoute:1"},
		"model-without-event":           {"Device.LocalAgent.Periodic!: missing LocalAgent:1"},
		"model-without-input":           {"Device.IP.Diagnostics.TraceRoute() DSCP: missing TraceRoute:1"},
		"model-without-mandatory-input": {"Device.IP.Diagnostics.IPPing() Host: missing"},
		"model-without-output":          {"Device.IP.Diagnostics.TraceRoute() RouteHops.{i}.RTTimes: missing TraceRoute:1"},
		"model-narrower":                {"Device.LocalAgent.Subscription.{i}.Persistent: readOnly Subscriptions:1"},
		"model-write-only":              {"Device.LocalAgent.Subscription.{i}.Persistent: writeOnly Subscriptions:1"},
		"model-rows-fixed":              {"Device.LocalAgent.Subscription.{i}.: rows that can be read only Subscriptions:1"},
		"model-rows-without-delete":     {"Device.LocalAgent.Subscription.{i}.: rows that can be created Subscriptions:1"},
		"model-rows-without-add":        {"Device.LocalAgent.Subscription.{i}.: rows that can be deleted Subscriptions:1"},
		"model-wider":                   {"Device.DeviceInfo.SoftwareVersion: readWrite", "Device.LocalAgent.SoftwareVersion: readWrite"},
		"model-wider-rows":              {"Device.DeviceInfo.FirmwareImage.{i}.: rows that can be created and deleted"},
		"model-other-type":              {"Device.DeviceInfo.UpTime: int", "Device.LocalAgent.UpTime: int"},
		"model-without-a-type":          {"Device.LocalAgent.EndpointID: PARAM_UNKNOWN LocalAgent:1"},
		"model-other-kind":              {"Device.LocalAgent.Controller.{i}.SendOnBoardRequest(): async"},
		"model-synchronous":             {"Device.ScheduleTimer(): sync"},
		"model-without-a-kind":          {"Device.Reboot(): CMD_UNKNOWN Reboot:1"},
		"model-split-key":               {"Device.LocalAgent.Subscription.{i}. ID+Recipient: split into Recipient and ID Subscriptions:1"},
		"model-part-of-a-key":           {"Device.LocalAgent.Subscription.{i}. ID+Recipient: the key ID Subscriptions:1"},
		"model-without-key":             {"Device.MQTT.Client.{i}.Subscription.{i}. Topic: missing"},
		"model-further-key":             {"Device.LocalAgent.ControllerTrust.Role.{i}. Enable: the key Enable as well"},
		"model-outdated":                {"Device.DeviceInfo.ProcessorNumberOfEntries: deprecated"},
		"model-deleted-object":          {"Device.LocalAgent.MTP.{i}.CoAP.: deleted"},
		"model-deleted-command":         {"Device.LocalAgent.Controller.{i}.ScheduleTimer(): deleted"},
		"model-deleted-event":           {"Device.LocalAgent.Controller.{i}.Timer!: deleted"},
		"model-unknown":                 {"Device.LocalAgent.Mood: parameter that is not in the model"},
		"model-unknown-object":          {"Device.LocalAgent.Mood.: object that is not in the model"},
		"model-unknown-command":         {"Device.LocalAgent.Smile(): command that is not in the model"},
		"model-unknown-event":           {"Device.LocalAgent.Laughed!: event that is not in the model"},
		"model-unknown-input":           {"Device.ScheduleTimer() Mood: input argument that is not in the model"},
		"model-unknown-output":          {"Device.IP.Diagnostics.TraceRoute() Mood: output argument that is not in the model"},
		"model-unknown-event-argument":  {"Device.Boot! Mood: event argument that is not in the model"},
		"model-twice":                   {"Device.: more than once Reboot:1"},
		"model-parameter-twice":         {"Device.LocalAgent.EndpointID: more than once LocalAgent:1"},
		"model-claims-less": {
			"data_model_inst_uri: 2.16, with 2 newer elements, such as Device.LocalAgent.Controller.{i}.OnBoardingComplete of 2.17",
		},
		"model-contradicts-divergence": {
			"Device.LocalAgent.MTP.{i}.: divergent_paths, and 6 parameters, commands, events or unique keys LocalAgent:1",
			"Device.LocalAgent.MTP.{i}.MQTT.: described",
			"Device.LocalAgent.MTP.{i}.STOMP.: described",
			"Device.LocalAgent.MTP.{i}.UDS.: described",
			"Device.LocalAgent.MTP.{i}.WebSocket.: described",
		},
		"model-diverges-elsewhere": {
			`Device.LocalAgent.MTP.{i}.: "Device.LocalAgent.Controller.1.", which is no instance of it LocalAgent:1`,
		},
		"model-diverges-twice": {`Device.LocalAgent.MTP.{i}.: "Device.LocalAgent.MTP.1." more than once LocalAgent:1`},
		"model-describes-diverging-rows": {
			"Device.LocalAgent.MTP.{i}.MQTT.: described",
			"Device.LocalAgent.MTP.{i}.STOMP.: described",
			"Device.LocalAgent.MTP.{i}.UDS.: described",
			"Device.LocalAgent.MTP.{i}.WebSocket.: described",
		},
		"value-without-form":    {`Device.DeviceInfo.ManufacturerOUI: "00256d"`},
		"value-of-another-type": {`Device.DeviceInfo.UpTime: "1.5"`, `Device.LocalAgent.UpTime: "1.5"`},
		"value-too-long":        {`Device.DeviceInfo.ProductClass: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`},
		"value-out-of-range":    {`Device.MQTT.Client.1.KeepAliveTime: "70000"`},
		"value-not-listed":      {`Device.LocalAgent.Controller.1.E2ESession.SessionMode: "Maybe"`},
		"value-list-too-long": {
			roles + `UntrustedRole: "` + roles + "Role.1," + roles + `Role.2"`,
		},
		"value-list-item":         {`Device.LocalAgent.SupportedProtocols: "MQTT,STOMP,WebSocket,Pigeon"`},
		"value-refers-to-nothing": {`Device.LocalAgent.Controller.1.MTP.1.MQTT.AgentMTPReference: "Device.LocalAgent.MTP.99"`},
		"value-refers-elsewhere":  {`Device.LocalAgent.Controller.1.MTP.1.MQTT.AgentMTPReference: "Device.LocalAgent.Controller.1"`},
		"value-not-supported":     {`Device.MQTT.Client.1.ProtocolVersion: "5.0"`},
		"value-miscounts":         {"Device.LocalAgent.ControllerNumberOfEntries: 9"},
		"value-is-not-unique": {
			`Device.LocalAgent.ControllerTrust.Role.2. Name: "role" as Device.LocalAgent.ControllerTrust.Role.1.`,
		},
		"value-is-not-shown":             {"Device.DeviceInfo.HostName: a Get without it"},
		"value-is-not-described":         {"Device.DeviceInfo.Mood: a parameter that it does not have"},
		"value-of-an-undescribed-object": {"Device.DeviceInfo.Mood.: an object that it does not have"},
		"write-is-not-kept":              {`Device.LocalAgent.MaxSubscriptionChangeAdoptionTime: "5"`},
		"write-accepts-anything":         slices.Repeat([]string{accepted}, 4),
		"write-is-not-restored":          slices.Repeat([]string{accepted}, 4),
		"write-is-refused":               {`Device.LocalAgent.MaxSubscriptionChangeAdoptionTime: error 7003 "internal error"`},
	}
}

// localAgent is the object whose parameters are set.
const localAgent = "Device.LocalAgent."

// TestWriteRestores interrupts --write as soon as the device has another value than before. It has its own again at the end.
func TestWriteRestores(t *testing.T) {
	t.Parallel()
	facts, err := model.Facts()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 { // the interrupt may come too late
		if interruptedWrite(t, facts) {
			return
		}
	}
	t.Error("no attempt was interrupted in time")
}

// interruptedWrite reports whether the interrupt came in time.
func interruptedWrite(t *testing.T, facts *model.Model) bool {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state.json")
	f := device(t)
	f.Lab.Launch.Exec = append(f.Lab.Launch.Exec, "--state="+state)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	values := func() string {
		var kept struct{ Values map[string]string }
		if raw, err := os.ReadFile(state); err == nil {
			_ = json.Unmarshal(raw, &kept) // a file that is being replaced has none
		}
		return kept.Values[localAgent+"AdvertisedDeviceSubtypes"] + " " + kept.Values[localAgent+"MaxSubscriptionChangeAdoptionTime"]
	}
	done := make(chan error)
	go func() {
		_, err := runner.CheckModel(ctx, f, "mqtt5", runner.ModelCheck{Model: facts, Write: localAgent})
		done <- err
	}()
	gomega.NewWithT(t).Eventually(values, "30s", "1ms").ShouldNot(gomega.BeElementOf(" ", " 5"))
	interrupt()
	err := <-done
	if got := values(); got != " " && got != " 5" {
		t.Errorf("the device is left with %q; %v", got, err)
	}
	return err != nil
}
