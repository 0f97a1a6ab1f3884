package proof

import (
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// TestSubstitutes carries out cases with other elements than the plan's.
func TestSubstitutes(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	const label = "Device.LocalAgent.Controller.{i}.X_00256D_Label.{i}."
	for _, test := range program.Sample(*full, 5, []struct {
		name     string
		elements map[string]string // by role
		cases    []string
	}{
		{"flag", map[string]string{dut.RoleFlag: "Device.LocalAgent.Subscription.{i}.Persistent"}, []string{"1.11", "1.13", "1.16", "1.17", "1.19", "1.22", "1.23"}},
		{"number", map[string]string{dut.RoleNumber: "Device.LocalAgent.Subscription.{i}.X_00256D_Priority"}, []string{"1.22", "1.48", "1.49", "1.50", "1.51"}},
		{"controller's key", map[string]string{dut.RoleControllerKey: "Alias"}, []string{"1.10", "1.33", "1.71", "1.83"}},
		{"nested values", map[string]string{dut.RoleNestedValues: "Device.DeviceInfo.ModelName,Device.DeviceInfo.UpTime,Device.DeviceInfo.HostName"},
			[]string{"1.10", "1.33", "1.35", "1.84", "1.95"}},
		{"nested table", map[string]string{dut.RoleNestedTable: label, dut.RoleNestedKey: "Alias", dut.RoleNestedValues: "red,green,blue"},
			[]string{"1.10", "1.33", "1.35", "1.71", "1.83", "1.84", "1.95"}},
		{"timer", map[string]string{dut.RoleTimer: "Device.X_00256D_Wait()", dut.RoleTimerDelay: "Seconds"}, []string{"1.79", "1.91", "1.100", "9.11"}},
		{"command", map[string]string{dut.RoleSyncCommand: "Device.LocalAgent.Controller.1.SendOnBoardRequest()"}, []string{"1.61", "1.105"}},
		{"write-once", map[string]string{dut.RoleWriteOnce: "Device.LocalAgent.Subscription.{i}.ID"}, []string{"1.104"}},
		{"no object", map[string]string{dut.RoleNoObject: "Device.LocalAgent.Nowhere."}, []string{"1.4", "1.6", "1.26", "1.28", "1.30", "1.31"}},
		{"no parameter", map[string]string{dut.RoleNoParameter: "Nothing"}, []string{"1.9", "1.14", "1.15", "1.16", "1.17", "1.20", "1.41"}},
		{"event", map[string]string{dut.RoleEvent: "Device.LocalAgent.Periodic!"}, []string{"1.106"}},
		{"boot parameter", map[string]string{dut.RoleBootParameter: "Device.DeviceInfo.SoftwareVersion"}, []string{"9.10"}},
		{"readable", map[string]string{dut.RoleReadable: "Device.DeviceInfo.ModelName"}, []string{"1.1", "1.37"}},
		{"changing", map[string]string{dut.RoleChanging: "Device.DeviceInfo.FriendlyName"}, []string{"1.52"}},
	}) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := device(t)
			d.Elements = test.elements
			s := open(t.Context(), t, runner.SessionOptions{DUT: d, Link: "mqtt5"})
			defer s.Close()
			used := map[string]bool{}
			for _, id := range test.cases {
				c, _ := p.Case(id)
				r, err := s.Run(t.Context(), c, suites.Bodies()[id])
				if err != nil {
					t.Fatal(err)
				}
				if r.Verdict != result.Pass {
					t.Errorf("%s: %s %s", id, r.Verdict, r.Reason)
				}
				for _, act := range r.CleanUp {
					if act.Error != "" {
						t.Errorf("%s: clean-up: %s: %s", id, act.Name, act.Error)
					}
				}
				if len(r.Alternates) == 0 {
					t.Errorf("%s does not say that another element was used", id)
				}
				for _, a := range r.Alternates {
					used[a.Role] = true
					if a.Path != test.elements[a.Role] {
						t.Errorf("%s says that %s was used as %s", id, a.Path, a.Role)
					}
				}
			}
			for role := range test.elements {
				if !used[role] {
					t.Errorf("none of %v says that %s was used", test.cases, role)
				}
			}
		})
	}
}
