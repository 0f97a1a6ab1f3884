package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
)

// TestSubstitutes carries out cases with other elements than the plan's.
func TestSubstitutes(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	const own = "Device.LocalAgent.Controller.1."
	for i, test := range []struct {
		role, element string
		cases         []string
	}{
		{dut.RoleFlag, "Device.LocalAgent.Subscription.{i}.Persistent", []string{"1.11", "1.13", "1.16", "1.17", "1.19", "1.22", "1.23"}},
		{dut.RoleControllerKey, "Alias", []string{"1.10", "1.33", "1.71", "1.83"}},
		{dut.RoleNestedValues, "Device.DeviceInfo.ModelName,Device.DeviceInfo.UpTime,Device.DeviceInfo.HostName", []string{"1.10", "1.33", "1.35", "1.84", "1.95"}},
		{dut.RoleSyncCommand, own + "SendOnBoardRequest()", []string{"1.61", "1.105"}},
		{dut.RoleWriteOnce, "Device.LocalAgent.Subscription.{i}.ID", []string{"1.104"}},
		{dut.RoleNoObject, "Device.LocalAgent.Nowhere.", []string{"1.4", "1.6", "1.26", "1.28", "1.30", "1.31"}},
		{dut.RoleNoParameter, "Nothing", []string{"1.9", "1.14", "1.15", "1.16", "1.17", "1.20", "1.41"}},
		{dut.RoleEvent, "Device.LocalAgent.Periodic!", []string{"1.106"}},
		{dut.RoleReadable, "Device.DeviceInfo.ModelName", []string{"1.1", "1.37"}},
		{dut.RoleChanging, "Device.DeviceInfo.FriendlyName", []string{"1.52"}},
	} {
		t.Run(test.role, func(t *testing.T) {
			t.Parallel()
			d, err := referenceDUT(nil)
			if err != nil {
				t.Fatal(err)
			}
			d.Elements = map[string]string{test.role: test.element}
			s, err := runner.Open(t.Context(), runner.SessionOptions{DUT: d, Link: "mqtt5", Instance: 900 + i, Scale: referenceScale, Out: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, id := range test.cases {
				c, _ := p.Case(id)
				r, err := s.Run(t.Context(), c, allBodies()[id])
				if err != nil {
					t.Fatal(err)
				}
				if r.Verdict != result.Pass {
					t.Errorf("%s: %s %s", id, r.Verdict, r.Reason)
				}
				if !slices.Contains(r.Alternates, result.Alternate{Role: test.role, Path: test.element}) {
					t.Errorf("%s does not say that %s was used: %v", id, test.element, r.Alternates)
				}
			}
		})
	}
}

// TestAnElementThatTheDeviceLacksIsToldWithItsLine runs the reference agent by a DUT file, as any other device.
func TestAnElementThatTheDeviceLacksIsToldWithItsLine(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := dutFile(t, anyMQTT, "exec "+self+" agent --link={{.Link}} --host={{.Host}} --port={{.Port}} --endpoint={{.AgentID}} --controller={{.ControllerID}}"+
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
	p.want(t, result.ExitUsage, wrong...)
	if files, err := os.ReadDir(out); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	usptest(t, "check", "--dut", path).want(t, result.ExitUsage, wrong...)

	write("elements:\n  changing: Device.DeviceInfo.HostName\n")
	usptest(t, "check", "--dut", path).want(t, result.ExitPassed, "feature 40 (SecuredRoles): the device shows it, but it is not declared")
}
