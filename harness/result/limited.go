package result

import (
	"slices"
	"strings"
)

// Limited is the conclusion of a limited report without a failure: it says nothing.
const Limited = "limited"

// OnlyFailures is the run as a limited report shows it: the cases that failed, with the metrics that failed and their evidence, and nothing
// about any other case. The terms of the plan let a member of the Broadband Forum that tests independently hand out no more; see
// docs/plan-terms.md. Checks beyond the plan are no cases of it.
func (r *Run) OnlyFailures() *Run {
	some := *r
	some.Limited = true
	some.Coverage, some.Features, some.Model, some.Baseline, some.Waits = nil, nil, nil, nil, Waits{}
	some.Links, some.Waivers, some.ExpectedAdvice = nil, nil, nil
	for _, l := range r.Links {
		failed := Link{Link: l.Link, WallMS: l.WallMS, LeftOn: l.LeftOn}
		for _, c := range l.Cases {
			if c.IsCheck() || !c.Failed() && c.Verdict != FailByHand {
				continue
			}
			c.Baseline = ""
			c.Metrics = slices.DeleteFunc(slices.Clone(c.Metrics), func(m Metric) bool { return m.Verdict != Fail })
			c.Rounds = slices.DeleteFunc(slices.Clone(c.Rounds), func(o Round) bool { return o.Verdict == Pass })
			failed.Cases = append(failed.Cases, c)
		}
		if len(failed.Cases) > 0 || failed.LeftOn != "" {
			some.Links = append(some.Links, failed)
		}
	}
	for _, w := range r.Waivers {
		excuses := func(c Case) bool { return c.ID == w.Case }
		if slices.ContainsFunc(some.Links, func(l Link) bool { return slices.ContainsFunc(l.Cases, excuses) }) {
			some.Waivers = append(some.Waivers, w)
		}
	}
	some.Alternates, some.Causes = Alternates(some.Links), some.causes()
	some.Conclusion = Conclusion{Value: Limited, Reasons: some.failures()}
	switch count := some.Counts(); {
	case count[Fail]+count[Flaky]+count[FailByHand] > 0:
		some.Conclusion.Value = NotConformant
	case count[Waived] == 0:
		some.Conclusion.Reasons = []string{"this report has no case: it says nothing about what passed, was not run or could not be judged"}
	}
	some.Conclusion.Reason = strings.Join(some.Conclusion.Reasons, "; ")
	return &some
}

// What a limited report says of itself, and where every report leads a reader who wants to hand it out.
const (
	LimitedNotice = "Limited report: it shows the cases that failed, with their evidence, and says nothing about any other case."
	TermsURL      = "https://github.com/usptest/usptest/blob/main/docs/plan-terms.md"
)
