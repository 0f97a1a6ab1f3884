package matrix

import (
	"maps"
	"slices"
	"testing"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// aPlan has a requirement that two cases test, one that a check tests with a metric of its own, and one that every case tests.
func aPlan() *plan.Plan {
	p := &plan.Plan{Cases: []plan.Case{
		{ID: "1.1", Requirements: []string{"R-A.1", "R-A.2"}}, {ID: "1.2", Requirements: []string{"R-A.1"}},
		{ID: "8.5", Requirements: []string{"R-MQTT.38", "R-STOMP.32"}},
		{ID: "R-B.1", Requirements: []string{"R-B.1", "R-B.2"}, Metrics: []plan.Metric{{N: 1, Requirements: []string{"R-B.1"}},
			{N: 2, Requirements: []string{"R-B.2"}}}},
	}}
	for _, id := range []string{"R-A.1", "R-A.2", "R-B.1", "R-B.2", "R-C.1", "R-D.1", "R-MQTT.38", "R-STOMP.32"} {
		p.Requirements = append(p.Requirements, plan.Requirement{ID: id, Everywhere: id == "R-C.1"})
	}
	return p
}

func metric(n int, v result.Verdict, about ...string) result.Metric {
	return result.Metric{N: n, Verdict: v, Requirements: about}
}

func aCase(id string, v result.Verdict, metrics ...result.Metric) result.Case {
	return result.Case{ID: id, Verdict: v, Metrics: metrics}
}

func run(links ...[]result.Case) *result.Run {
	r := &result.Run{}
	for i, cases := range links {
		r.Links = append(r.Links, result.Link{Link: []string{"mqtt5", "stomp"}[i], Cases: cases})
	}
	return r
}

// TestVerdicts has the weightiest verdict of each requirement, and those over the first link.
func TestVerdicts(t *testing.T) {
	type verdicts map[string]result.Verdict
	passes := aCase("1.2", result.Pass, metric(1, result.Pass))
	for name, test := range map[string]struct {
		run   *result.Run
		is    verdicts
		first map[string]verdicts
	}{
		"nothing was run": {run(nil), verdicts{}, nil},
		"nothing was judged": {run([]result.Case{aCase("1.1", result.Unsupported)}), verdicts{},
			map[string]verdicts{"R-A.1": {"1.1": result.Unsupported}, "R-A.2": {"1.1": result.Unsupported}}},
		"a case fails over one of two links": {
			run([]result.Case{aCase("1.1", result.Pass, metric(1, result.Pass)), passes}, []result.Case{aCase("1.1", result.Fail, metric(1, result.Fail)), passes}),
			verdicts{"R-A.1": result.Fail, "R-A.2": result.Fail, "R-C.1": result.Pass},
			map[string]verdicts{"R-A.1": {"1.1": result.Pass, "1.2": result.Pass}, "R-A.2": {"1.1": result.Pass}, "R-C.1": {EveryCase: result.Pass}}},
		"a universal metric is broken, which the case is not about": {
			run([]result.Case{aCase("1.1", result.Fail, metric(1, result.Pass), metric(0, result.Fail, "R-C.1", "R-D.1")), passes}),
			verdicts{"R-A.1": result.Pass, "R-A.2": result.Pass, "R-C.1": result.Fail, "R-D.1": result.Fail},
			map[string]verdicts{"R-A.1": {"1.1": result.Pass, "1.2": result.Pass}, "R-A.2": {"1.1": result.Pass},
				"R-C.1": {"1.1": result.Fail}, "R-D.1": {"1.1": result.Fail}}},
		"one that it is about": {
			run([]result.Case{aCase("1.1", result.Fail, metric(1, result.Pass), metric(0, result.Fail, "R-A.2"))}),
			verdicts{"R-A.1": result.Pass, "R-A.2": result.Fail, "R-C.1": result.Pass},
			map[string]verdicts{"R-A.1": {"1.1": result.Pass}, "R-A.2": {"1.1": result.Fail}, "R-C.1": {EveryCase: result.Pass}}},
		"the device went away": {
			run([]result.Case{aCase("1.2", result.Fail, metric(1, result.Pass), metric(0, result.Fail))}),
			verdicts{"R-A.1": result.Fail, "R-C.1": result.Pass},
			map[string]verdicts{"R-A.1": {"1.2": result.Fail}, "R-C.1": {EveryCase: result.Pass}}},
		"a waiver": {
			run([]result.Case{aCase("1.1", result.Waived, metric(1, result.Pass), metric(0, result.Fail, "R-C.1"))}),
			verdicts{"R-A.1": result.Waived, "R-A.2": result.Waived, "R-C.1": result.Waived},
			map[string]verdicts{"R-A.1": {"1.1": result.Waived}, "R-A.2": {"1.1": result.Waived}, "R-C.1": {"1.1": result.Waived}}},
		"what is about two MTPs counts over a link of each": {
			run([]result.Case{aCase("8.5", result.Fail, metric(1, result.Fail))}, []result.Case{aCase("8.5", result.Pass, metric(1, result.Pass))}),
			verdicts{"R-MQTT.38": result.Fail, "R-STOMP.32": result.Pass, "R-C.1": result.Pass},
			map[string]verdicts{"R-MQTT.38": {"8.5": result.Fail}, "R-C.1": {EveryCase: result.Pass}}},
		"a check fails in one metric": {
			run([]result.Case{aCase("R-B.1", result.Fail, metric(1, result.Pass), metric(2, result.Fail))}),
			verdicts{"R-B.1": result.Pass, "R-B.2": result.Fail, "R-C.1": result.Pass},
			map[string]verdicts{"R-B.1": {"R-B.1": result.Pass}, "R-B.2": {"R-B.1": result.Fail}, "R-C.1": {EveryCase: result.Pass}}},
		"and one is not for the device": {
			run([]result.Case{aCase("R-B.1", result.Pass, metric(1, result.NotApplicable), metric(2, result.Pass))}),
			verdicts{"R-B.2": result.Pass, "R-C.1": result.Pass},
			map[string]verdicts{"R-B.1": {"R-B.1": result.NotApplicable}, "R-B.2": {"R-B.1": result.Pass}, "R-C.1": {EveryCase: result.Pass}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, row := range Rows(aPlan(), test.run) {
				if row.Verdict != test.is[row.ID] {
					t.Errorf("%s: want %q, got %q", row.ID, test.is[row.ID], row.Verdict)
				}
				if got := row.Verdicts["mqtt5"]; !maps.Equal(got, test.first[row.ID]) {
					t.Errorf("%s: want %v, got %v", row.ID, test.first[row.ID], got)
				}
			}
		})
	}
}

// TestWithoutARun has the requirements of the plan, with the checks that test them.
func TestWithoutARun(t *testing.T) {
	rows := Rows(aPlan(), nil)
	at := slices.IndexFunc(rows, func(r Row) bool { return r.ID == "R-B.2" })
	if len(rows) != 8 || at < 0 || rows[at].Verdicts != nil || len(rows[at].Checks) != 1 || !slices.Equal(rows[at].Checks[0].Metrics, []int{2}) {
		t.Errorf("got %+v", rows)
	}
}
