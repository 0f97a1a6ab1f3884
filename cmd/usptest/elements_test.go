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
