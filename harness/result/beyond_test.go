package result

import (
	"strings"
	"testing"
)

// TestChecksBeyondThePlan holds that checks change nothing about the plan, unless they were selected.
func TestChecksBeyondThePlan(t *testing.T) {
	passed := Case{ID: "1.1", Verdict: Pass}
	check := func(v Verdict) Case { return Case{ID: "R-GET.1", Verdict: v} }
	for _, test := range []struct {
		name        string
		cases       []Case
		gate        bool
		adviceFails bool
		want        int
	}{
		{"a check that fails", []Case{passed, check(Fail)}, false, false, ExitPassed},
		{"a check that cannot be judged", []Case{passed, check(Error)}, false, false, ExitPassed},
		{"advice", []Case{passed, check(Advice)}, false, false, ExitPassed},
		{"advice that fails", []Case{passed, check(Advice)}, false, true, ExitDeviceFault},
		{"a selected check that fails", []Case{passed, check(Fail)}, true, false, ExitDeviceFault},
		{"a selected check that cannot be judged", []Case{passed, check(Error)}, true, false, ExitError},
		{"a check alone that passes", []Case{check(Pass)}, true, false, ExitPassed},
		{"a check alone with advice", []Case{check(Advice)}, true, false, ExitPassed},
		{"a check alone whose advice fails", []Case{check(Advice)}, true, true, ExitDeviceFault},
		{"a case that fails beside a check that passes", []Case{{ID: "1.1", Verdict: Fail}, check(Pass)}, false, false, ExitDeviceFault},
		{"a case that cannot be judged beside a check that passes", []Case{{ID: "1.1", Verdict: Error}, check(Pass)}, false, false, ExitError},
	} {
		r := over("mqtt5", test.cases...)
		r.GateChecks, r.AdviceFails = test.gate, test.adviceFails
		r.Conclude()
		if got := r.ExitCode(); got != test.want {
			t.Errorf("%s: want exit code %d, got %d", test.name, test.want, got)
		}
		if r.Conclusion.Value == NotConformant && test.cases[0].Verdict != Fail {
			t.Errorf("%s: the check changes the conclusion: %s", test.name, r.Conclusion.Reason)
		}
	}
	r := over("mqtt5", passed, check(Fail), Case{ID: "R-MSG.1", Verdict: Advice})
	if r.Conclude(); r.Conclusion.Value != Conformant || r.Counts()[Pass] != 1 || len(r.Counts()) != 1 || len(r.Causes) != 0 {
		t.Errorf("the checks change the conclusion: %+v, %v, causes %v", r.Conclusion, r.Counts(), r.Causes)
	}
	if line := r.BeyondLine(); !strings.Contains(line, "1 fail, 1 advice (R-GET.1 R-MSG.1); without effect") {
		t.Errorf("the line about the checks: %q", line)
	}
	if line := over("mqtt5", passed).BeyondLine(); line != "" {
		t.Errorf("a run without checks has a line about them: %q", line)
	}
}
