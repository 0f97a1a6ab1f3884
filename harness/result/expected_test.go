package result

import (
	"strings"
	"testing"
)

// advising is a check whose metrics with these numbers give advice; two others pass.
func advising(numbers ...int) Case {
	c := Case{ID: "R-MSG.1", Verdict: Advice, Metrics: []Metric{{N: 8, Verdict: Pass}, {N: 9, Verdict: Pass}}}
	for _, n := range numbers {
		c.Metrics = append(c.Metrics, Metric{N: n, Verdict: Advice})
	}
	return c
}

// TestExpectedAdviceDoesNotFailTheGate: neither what the DUT file expects nor what the baseline knows does.
func TestExpectedAdviceDoesNotFailTheGate(t *testing.T) {
	list := []ExpectedAdvice{{Check: "R-MSG.1", Metrics: []int{2}, Reason: "by design", Issue: "T-9", Until: "2099-12-31"},
		{Check: "R-NOT.3", Reason: "polls"}}
	polls := Case{ID: "R-NOT.3", Verdict: Advice, Metrics: []Metric{{N: 1, Verdict: Advice}}}
	fault := Case{ID: "R-MSG.1", Verdict: Fail, Metrics: []Metric{{N: 4, Verdict: Fail}}}
	for _, test := range []struct {
		name     string
		is       Case
		known    *Case // by the baseline
		expected bool
		standing Standing
	}{
		{"as listed", advising(2), nil, true, ""},
		{"besides what is listed", advising(2, 4), nil, false, ""},
		{"nothing of what is listed", advising(4), nil, false, ""},
		{"any metric of a check that is listed without", polls, nil, true, ""},
		{"a check that is not listed", Case{ID: "R-WS.12", Verdict: Advice}, nil, false, ""},
		{"as in the baseline", advising(4), pointer(advising(4)), false, Known},
		{"less than in the baseline", advising(4), pointer(advising(3, 4)), false, Known},
		{"a fault in the baseline", advising(4), &fault, false, Known},
		{"besides what is in the baseline", advising(3, 8), pointer(advising(3)), false, New},
		{"not in the baseline", advising(4), pointer(Case{ID: "R-MSG.1", Verdict: Pass}), false, New},
	} {
		c := test.is
		Expect(list, &c)
		if test.known != nil {
			baseline(over("mqtt5", *test.known)).Mark("mqtt5", &c)
		}
		if c.Verdict != Advice || c.Expected != test.expected || c.Baseline != test.standing {
			t.Errorf("%s: want expected %v and standing %q, got %+v", test.name, test.expected, test.standing, c)
		}
		fine := test.expected || test.standing == Known
		for _, gate := range []bool{false, true} {
			r := over("mqtt5", Case{ID: "1.1", Verdict: Pass}, c)
			r.AdviceFails, r.GateChecks = true, gate
			if got, want := r.ExitCode(), map[bool]int{true: ExitPassed, false: ExitDeviceFault}[fine]; got != want {
				t.Errorf("%s: want exit code %d, got %d", test.name, want, got)
			}
			if r.AdviceFails = false; r.ExitCode() != ExitPassed {
				t.Errorf("%s: advice fails a run without --advice-fails", test.name)
			}
			line := r.BeyondLine()
			if strings.Contains(line, "1 of the advice is expected") != fine || strings.Contains(line, "("+c.ID+")") == fine {
				t.Errorf("%s: the line about the checks: %q", test.name, line)
			}
		}
	}
	r := over("mqtt5", advising(2))
	Expect(list, &r.Links[0].Cases[0])
	if r.AdviceFails, r.GateChecks = true, true; r.ExitCode() != ExitPassed {
		t.Errorf("a check alone whose advice is expected ends with %d", r.ExitCode())
	}
	if notes := strings.Join(r.Links[0].Cases[0].Notes, ""); !strings.Contains(notes, "by design (T-9), until 2099-12-31") {
		t.Errorf("nothing says why the advice is expected: %q", notes)
	}
	failed := Case{ID: "R-MSG.1", Verdict: Fail, Metrics: []Metric{{N: 1, Verdict: Fail}, {N: 2, Verdict: Advice}}}
	if Expect(list, &failed); failed.Expected || failed.IsExpected() {
		t.Error("a fault is expected with the advice beside it")
	}
}

// TestFloodsFailTheGateWhereAdviceDoes: a flood that neither the DUT file expects nor the baseline knows does, with --advice-fails alone.
func TestFloodsFailTheGateWhereAdviceDoes(t *testing.T) {
	flooded := func(id string, v Verdict) Case {
		return Case{ID: id, Verdict: v, Metrics: []Metric{{N: 1, Verdict: v},
			{Verdict: Advice, Where: "PINGREQ", Want: "one", Got: "41", Note: BeyondPlan + FloodOfPings}}}
	}
	plain := Case{ID: "1.1", Verdict: Pass, Metrics: []Metric{{N: 1, Verdict: Pass}, {Verdict: Advice, Note: BeyondPlan + "TR-181"}}}
	list := func(check string) []ExpectedAdvice { return []ExpectedAdvice{{Check: check, Reason: "by design"}} }
	for name, test := range map[string]struct {
		is     Case
		listed []ExpectedAdvice
		known  *Case
		fails  bool
		line   string
	}{
		"a flood":             {flooded("1.1", Pass), nil, nil, true, "flood of PINGs in 1 case (mqtt5 1.1)"},
		"in a check":          {flooded("R-MSG.1", Pass), nil, nil, true, "flood of PINGs in 1 case (mqtt5 R-MSG.1)"},
		"as listed":           {flooded("1.1", Pass), list(FloodOfPings), nil, false, "flood of PINGs in 1 case, as expected (mqtt5 1.1)"},
		"another is listed":   {flooded("1.1", Pass), list(FloodOfNotifies), nil, true, "flood of PINGs in 1 case (mqtt5 1.1)"},
		"besides the advice":  {flooded("R-MSG.1", Advice), list("R-MSG.1"), nil, true, "flood of PINGs in 1 case (mqtt5 R-MSG.1)"},
		"as in the baseline":  {flooded("1.1", Pass), nil, pointer(flooded("1.1", Pass)), false, "flood of PINGs in 1 case, as expected (mqtt5 1.1)"},
		"not in the baseline": {flooded("1.1", Pass), nil, &plain, true, "flood of PINGs in 1 case (mqtt5 1.1)"},
		"other advice":        {plain, nil, nil, false, ""},
	} {
		c := test.is
		Expect(test.listed, &c)
		if test.known != nil {
			baseline(over("mqtt5", *test.known)).Mark("mqtt5", &c)
		}
		r := over("mqtt5", c, Case{ID: "1.2", Verdict: Pass})
		if got := r.ExitCode(); got != ExitPassed {
			t.Errorf("%s: exit code %d without --advice-fails", name, got)
		}
		r.AdviceFails = true
		if got, want := r.ExitCode(), map[bool]int{true: ExitDeviceFault, false: ExitPassed}[test.fails]; got != want || c.IsAdvised() != test.fails {
			t.Errorf("%s: want exit code %d, got %d", name, want, got)
		}
		if got, _ := strings.CutPrefix(r.FloodLine(), "advice of any case: "); got != test.line {
			t.Errorf("%s: want %q, got %q", name, test.line, got)
		}
	}
}

func pointer(c Case) *Case { return &c }
