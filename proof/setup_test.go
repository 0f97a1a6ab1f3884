package proof

import (
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// TestSetUpsThatLackSomething carries out cases in set-ups that cannot show what the case is about. That is an error that says what to do,
// and no fault of the device.
func TestSetUpsThatLackSomething(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		id, link, reason string
		change           func(*dut.File)
	}{
		"no credentials": {"11.2", "mqtt5", "set username and password of mqtt5 in the DUT file", func(f *dut.File) {
			for i := range f.Links {
				f.Links[i].Username, f.Links[i].Password = "", ""
			}
		}},
		"no room for a Permission": {"2.24", "mqtt5", "the case adds 3 Permissions, one for each Controller: make room", func(f *dut.File) {
			f.Lab.Launch.Exec = append(f.Lab.Launch.Exec, "--defect=knows-three-controllers", "--defect=room-for-few-permissions")
		}},
		"no other firmware":                     {"9.3", "mqtt5", "name one under firmware", func(f *dut.File) { f.Firmware = f.Firmware[:1] }},
		"nothing to get the firmware back from": {"9.7", "mqtt5", `want an image of version "1.0.0"`, func(f *dut.File) { f.Firmware = f.Firmware[1:] }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := device(t)
			test.change(d)
			s := open(t.Context(), t, runner.SessionOptions{DUT: d, Link: test.link})
			defer s.Close()
			c, _ := p.Case(test.id)
			r, err := s.Run(t.Context(), c, suites.Bodies()[test.id])
			if err != nil {
				t.Fatal(err)
			}
			if r.Verdict != result.Error || !strings.Contains(r.Reason, test.reason) {
				t.Errorf("want an error with %q, got %s %s", test.reason, r.Verdict, r.Reason)
			}
		})
	}
}
