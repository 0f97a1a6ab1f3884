package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestAnElementThatTheDeviceLacksIsToldWithItsLine runs the reference agent by a DUT file, as any other device.
func TestAnElementThatTheDeviceLacksIsToldWithItsLine(t *testing.T) {
	t.Parallel()
	path := dutFile(t, anyMQTT, "exec "+self(t)+" agent --link={{.Link}} --host={{.Host}} --port={{.Port}} --endpoint={{.AgentID}} --controller={{.ControllerID}}"+
		" --agent-topic={{.AgentTopic}} --controller-topic={{.ControllerTopic}} --state={{.Dir}}/state.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	patient := strings.Replace(string(text), "connect: 2s, response: 1s", "connect: 30s, response: 20s", 1)
	write := func(elements string) {
		if err := os.WriteFile(path, []byte(patient+elements), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "out")
	write("elements:\n  changing: Device.DeviceInfo.ModelName\n  event: Device.Boo!\n")
	wrong := []string{"lab.yaml:7:13: elements.changing: ", "read-only string", "lab.yaml:8:10: elements.event: ", "did you mean Boot!?"}
	p := usptest(t, "run", "--dut", path, "--out", out, "1.1", "1.36")
	p.Want(t, result.ExitUsage, wrong...)
	if files, err := os.ReadDir(out); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	usptest(t, "check", "--dut", path).Want(t, result.ExitUsage, wrong...)

	write("elements:\n  changing: Device.DeviceInfo.HostName\n")
	usptest(t, "check", "--dut", path).Want(t, result.ExitPassed, "feature 40 (SecuredRoles): the device shows it, but it is not declared")
}

// TestAnInvalidDescriptionIsTheDevicesFault: the DUT file names elements that the device has, and describes wrongly.
func TestAnInvalidDescriptionIsTheDevicesFault(t *testing.T) {
	t.Parallel()
	for defect, checked := range map[string]int{ // names that are none break a rule of every Message
		"root-command-types-unknown": result.ExitPassed,
		"root-commands-misnamed":     result.ExitDeviceFault,
		"root-events-misnamed":       result.ExitDeviceFault,
	} {
		t.Run(defect, func(t *testing.T) {
			t.Parallel()
			path := contactFile(t, `{mtp: mqtt, version: "5.0"}`, "--defect="+defect)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, append(text, "elements: {timer: Device.X_00256D_Wait(), timer-delay: Seconds, event: Device.LocalAgent.Periodic!}\n"...), path)
			const says = "the device's description of its data model is not valid: "
			usptest(t, "check", "--dut", path, "--out", filepath.Join(t.TempDir(), "kept")).Want(t, checked, says)
			dir := filepath.Join(t.TempDir(), "out")
			usptest(t, "run", "--dut", path, "--out", dir, "1.36", "1.76").Want(t, result.ExitDeviceFault, says)
			for _, c := range runIn(t, dir).Links[0].Cases {
				if c.ID == "1.76" && c.Verdict != result.Fail {
					t.Errorf("want %s to fail, got %s %s", c.ID, c.Verdict, c.Reason)
				}
			}
		})
	}
}
