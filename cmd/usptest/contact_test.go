package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// faults are what check and run say of each defect with which the reference agent does not get in, and the link that shows it.
var faults = map[string]struct{ link, says string }{
	"stomp-without-accept-version": {`{mtp: stomp}`, `accept-version of the STOMP frame: want "1.2" among the versions, got no such header (R-STOMP.2)`},
	"stomp-answers-elsewhere": {`{mtp: stomp, controllerTopic: here}`,
		`where the device sends its GetResp: want "here", as the request says, got "here.answers" (R-STOMP.23)`},
	"mqtt-answers-elsewhere": {`{mtp: mqtt, version: "5.0", controllerTopic: here}`,
		`where the device sends its GetResp: want "here", as the request says, got "answers/here" (R-MQTT.26)`},
	"mqtt-without-reply-to-filter": {`{mtp: mqtt, version: "3.1.1", agentTopic: there}`,
		`what the device subscribes to: want "there" with a reply-to topic behind it too, such as "there/reply-to=`},
	"websocket-without-subprotocol": {`{mtp: websocket}`,
		`Sec-WebSocket-Protocol of the device's opening request: want "v1.usp", got no such header (R-WS.10)`},
	"stomp-accepts-1.0-alone":     {`{mtp: stomp}`, `accept-version of the STOMP frame: want "1.2" among the versions, got "1.0" (R-STOMP.2)`},
	"websocket-other-subprotocol": {`{mtp: websocket}`, `Sec-WebSocket-Protocol of the device's opening request: want "v1.usp", got "v2.usp" (R-WS.10)`},
	"msg-id-with-suffix":          {`{mtp: mqtt, version: "5.0"}`, `msg_id of GetResp: want that of a request that was sent, got `},
}

// TestADeviceAtFaultFromTheFirstContactOn: check and run say the same, and the exit code is that of a device fault.
func TestADeviceAtFaultFromTheFirstContactOn(t *testing.T) {
	t.Parallel()
	for _, d := range program.Sample(*full, 3, defects.ContactDefects()) {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			want, known := faults[d.Name]
			if !known {
				t.Fatal("the test has no words for it")
			}
			file := contactFile(t, want.link, "--defect="+d.Name)
			says := "the device is at fault before the first case: " + want.says
			kept := filepath.Join(t.TempDir(), "kept")
			usptest(t, "check", "--dut", file, "--out", kept).Want(t, result.ExitDeviceFault, says, "what was seen is in "+kept)
			for _, pattern := range []string{"journal/*/contact.jsonl", "capture/*/contact.pcapng"} {
				if found, err := filepath.Glob(filepath.Join(kept, pattern)); err != nil || len(found) != 1 {
					t.Errorf("want one %s, got %v, %v", pattern, found, err)
				}
			}
			dir := filepath.Join(t.TempDir(), "out")
			p := usptest(t, "run", "--dut", file, "--out", dir, "1.1", "1.36", "6.2", "7.1", "11.12")
			p.Want(t, result.ExitDeviceFault, "trouble ", says)
			failed, aborted := d.Case, 0
			if failed == "universal" {
				failed = "1.1"
			}
			for _, c := range runIn(t, dir).Links[0].Cases {
				switch {
				case c.ID == failed:
					universal := slices.IndexFunc(c.Metrics, func(m result.Metric) bool { return m.N == 0 && m.Verdict == result.Fail && len(m.Evidence) > 0 })
					if c.Verdict != result.Fail || universal < 0 || c.Journal == "" {
						t.Errorf("want %s to fail with evidence, got %+v", c.ID, c)
					}
				case c.Verdict == result.Aborted:
					aborted++
				case c.Verdict == result.Fail, c.Verdict == result.Error, c.Verdict == result.Pass:
					t.Errorf("want no verdict for %s, got %+v", c.ID, c)
				}
			}
			if aborted == 0 {
				t.Error("want the other cases aborted")
			}
			if all := p.Stdout.String(); strings.Contains(all, "besides") { // where it answers is its fault alone
				t.Errorf("want no word of the setup:\n%s", all)
			}
			if all := p.Stdout.String(); strings.Count(all, says) > 3 { // when it is found, and in the summary
				t.Errorf("told too often:\n%s", all)
			}
		})
	}
}

// TestADeviceThatBreaksARuleAndGetsIn: check and run say the same of it, too.
func TestADeviceThatBreaksARuleAndGetsIn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ link, says string }{
		"websocket-without-eid": {`{mtp: websocket}`,
			`eid in the query of the device's opening request: want "proto::x1", got none (R-WS.10b)`},
		"stomp-endpoint-id-of-another": {`{mtp: stomp}`, `endpoint-id of the STOMP frame: want "proto::x1", got "proto::another" (R-STOMP.4)`},
		"from-id-without-scheme":       {`{mtp: mqtt, version: "5.0"}`, `got "agent" (Endpoint IDs are valid)`},
		"record-without-version": {`{mtp: mqtt, version: "3.1.1"}`,
			`version of the Record: want <major>.<minor>, got "" (Records and Messages are valid by their schemas)`},
		"answers-another-controller": {`{mtp: websocket}`,
			`to_id of the Record: want "self::usptest", got "self::another" (Endpoint IDs are valid)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, kept := contactFile(t, test.link, "--defect="+name), filepath.Join(t.TempDir(), "kept")
			usptest(t, "check", "--dut", file, "--out", kept).Want(t, result.ExitDeviceFault, "the device is at fault: ", test.says,
				"the first case of a run fails", "what was seen is in "+kept)
		})
	}
}

// TestWhatTheConsoleSaysOfAProcess is what is on the console of a device whose fault shows only as a process or in real time.
func TestWhatTheConsoleSaysOfAProcess(t *testing.T) {
	t.Parallel()
	const mqtt, stomp = `{mtp: mqtt, version: "5.0", controllerTopic: here}`, `{mtp: stomp, controllerTopic: here}`
	lost := `The device sends no ObjectCreation Notify of usptest-notify-1-57-1 within 2s (waits.notify): ` +
		`a Notify went to "elsewhere/here" instead of "here".`
	const remedy = "hint: Set the topic or destination"
	for name, test := range map[string]struct {
		defect, link, id string
		exit             int
		says             []string
	}{
		"a crash": {"crashes-at-controller-mtp", mqtt, "1.78", result.ExitDeviceFault, []string{
			"got   it ended: exit status 139   in crash, ", "its last lines: stack frame 3 | ", // ten of them
			"| segmentation fault while adding Device.LocalAgent.Controller.", "hint: The device crashed. "}},
		"late answers": {"answers-late", mqtt, "1.36", result.ExitError, []string{
			"the device answers too late: a GetResp came 5.", "hint: Raise waits.response in the DUT file, now 4s"}},
		"MQTT elsewhere":  {"notify-elsewhere", mqtt, "1.57", result.ExitDeviceFault, []string{lost, remedy}},
		"STOMP elsewhere": {"notify-elsewhere", stomp, "1.57", result.ExitDeviceFault, []string{lost, remedy}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := contactFile(t, test.link, "--defect="+test.defect)
			usptest(t, "run", "--dut", file, "--out", filepath.Join(t.TempDir(), "out"), test.id).Want(t, test.exit, test.says...)
		})
	}
}

// contactFile is the DUT file of a reference agent over a link, with more flags.
func contactFile(t *testing.T, link string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab.yaml")
	text := "device: {vendor: ACME, model: X1, software: \"1.0\", endpoint: \"proto::x1\"}\nlinks: [" + link + "]\n" +
		"features: [1, 7, 17, 19, 36, 37]\n" +
		"lab:\n  reboot: usp\n  launch:\n    fresh: per-run\n    exec:\n"
	for _, word := range append(agentLaunch(t), flags...) {
		text += "      - '" + word + "'\n"
	}
	text += "waits: {connect: 15s, response: 4s, notify: 2s}\n"
	write(t, []byte(text), path)
	return path
}
