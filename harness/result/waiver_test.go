package result

import (
	"strings"
	"testing"
)

// TestAWaiverExcusesAFailureAndNothingElse goes through every verdict.
func TestAWaiverExcusesAFailureAndNothingElse(t *testing.T) {
	waivers := []Waiver{{Case: "1.1", Reason: "known", Issue: "https://tracker.example/17", Until: "2099-12-31"}}
	const excuse = "known (https://tracker.example/17), waived until 2099-12-31"
	for _, v := range CaseVerdicts() {
		for _, id := range []string{"1.1", "1.11"} {
			c := Case{ID: id, Verdict: v, Reason: "found", Metrics: []Metric{{N: 1, Verdict: Fail, Where: "x"}}}
			want, reason := v, "found"
			if v == Fail && id == "1.1" {
				want, reason = Waived, excuse+"; found"
			}
			if Waive(waivers, &c); c.Verdict != want || c.Reason != reason || len(c.Metrics) != 1 || c.Metrics[0].Verdict != Fail {
				t.Errorf("%s %s: want %s (%s) with what was found, got %+v", id, v, want, reason, c)
			}
		}
	}
	c := Case{ID: "1.1", Verdict: Fail, Reason: "found", Metrics: []Metric{{N: 1, Verdict: Fail, Where: "x"}}}
	Waive(waivers, &c)
	run := &Run{Waivers: waivers}
	if got := run.Excuse(c); got != excuse {
		t.Errorf("want the excuse alone where a metric tells what was found, got %q", got)
	}
	c.Metrics = nil
	if got := run.Excuse(c); got != excuse+"; found" {
		t.Errorf("want what was found where no metric tells it, got %q", got)
	}
}

func TestAWaiverIsNeededAsLongAsSomethingMayFail(t *testing.T) {
	for verdicts, want := range map[string]bool{
		"pass": true, "pass pass": true, "pass unsupported": true, "pass waived": false, "pass error": false, "pass aborted": false, "waived": false, "error": false,
		"deselected": false, "": false,
	} {
		run := &Run{}
		for _, v := range strings.Fields(verdicts) {
			run.Links = append(run.Links, Link{Cases: []Case{{ID: "1.1", Verdict: Verdict(v)}, {ID: "1.2", Verdict: Fail}}})
		}
		if got := run.Needless("1.1"); got != want {
			t.Errorf("%q: want %v, got %v", verdicts, want, got)
		}
		run.Shard = &Shard{Index: 1, Of: 2}
		if run.Needless("1.1") {
			t.Errorf("%q: a shard cannot know", verdicts)
		}
	}
}

func TestWhatAWaiverDoesToTheConclusion(t *testing.T) {
	for want, verdicts := range map[string][]Verdict{
		"1 case failed and is waived":                             {Pass, Waived},
		"2 cases failed and are waived":                           {Pass, Waived, Waived},
		"1 case failed and is waived; 1 case could not be judged": {Pass, Waived, Error},
		"1 case failed; 1 more failed and is waived":              {Pass, Fail, Waived},
	} {
		r := run(verdicts...)
		if r.Conclude(); r.Conclusion.Reason != want {
			t.Errorf("%v: want %q, got %q", verdicts, want, r.Conclusion.Reason)
		}
	}
}
