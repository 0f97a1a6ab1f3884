// Package matrix is the requirements of TR-369, with what tests each of them and what a run says of it.
package matrix

import (
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// EveryCase stands for all cases over a link, in the verdicts of a requirement that universal metrics test and no case broke.
const EveryCase = "every case"

// Row is one requirement.
type Row struct {
	plan.Requirement
	// Checks of our own test it, each with some of its metrics.
	Checks []plan.Place
	// Verdicts are those of a run, by the link and the case: of cases that test it, of the metrics of checks that do, and of every case with
	// a universal metric that was broken in it. Nil without a run.
	Verdicts map[string]map[string]result.Verdict
	// Verdict is the weightiest of them; "" where none was judged.
	Verdict result.Verdict
}

// Rows are the requirements of a plan in its order. run may be nil.
func Rows(p *plan.Plan, run *result.Run) []Row {
	rows := make([]Row, len(p.Requirements))
	place := map[string]int{}
	for i, r := range p.Requirements {
		rows[i], place[r.ID] = Row{Requirement: r, Checks: p.Checks(r.ID)}, i
		if run != nil {
			rows[i].Verdicts = map[string]map[string]result.Verdict{}
		}
	}
	if run == nil {
		return rows
	}
	for _, link := range run.Links {
		set := func(id, name string, v result.Verdict) {
			i, ok := place[id]
			if !ok || !concerns(id, link.Link) { // of another version of the plan, or of another MTP
				return
			}
			if rows[i].Verdicts[link.Link] == nil {
				rows[i].Verdicts[link.Link] = map[string]result.Verdict{}
			}
			rows[i].Verdicts[link.Link][name] = v
		}
		judged, broken := false, map[string]bool{}
		for _, c := range link.Cases {
			judged = judged || slices.ContainsFunc(c.Metrics, func(m result.Metric) bool { return m.N > 0 && verdictOf(m.Verdict) })
			if known, ok := p.Case(c.ID); ok && known.IsCheck() {
				for _, id := range known.Requirements {
					set(id, c.ID, ofMetrics(c, known, id))
				}
			} else if ok {
				for _, id := range known.Requirements {
					set(id, c.ID, ofCase(c))
				}
			}
			for _, m := range c.Metrics {
				for _, id := range m.Requirements {
					if m.N == 0 && m.Verdict == result.Fail {
						set(id, c.ID, c.Verdict)
						broken[id] = true
					}
				}
			}
		}
		for _, r := range p.Requirements {
			if r.Everywhere && judged && !broken[r.ID] {
				set(r.ID, EveryCase, result.Pass)
			}
		}
	}
	for i := range rows {
		rows[i].Verdict = rows[i].weightiest()
	}
	return rows
}

// concerns reports whether a requirement binds Agents over a link: one about an MTP does over links of that alone.
func concerns(id, link string) bool {
	for _, mtp := range [][2]string{{"R-MQTT.", "mqtt"}, {"R-STOMP.", "stomp"}, {"R-WS.", "websocket"}, {"R-UDS.", "uds"}} {
		if strings.HasPrefix(id, mtp[0]) {
			return strings.HasPrefix(link, mtp[1])
		}
	}
	return true
}

// verdictOf reports whether a metric was judged.
func verdictOf(v result.Verdict) bool {
	return v == result.Pass || v == result.Fail || v == result.Advice
}

// ofCase is the verdict of a case as one of each requirement that it tests. A universal metric that was broken says nothing of the others.
func ofCase(c result.Case) result.Verdict {
	if c.Verdict != result.Fail {
		return c.Verdict
	}
	own := slices.DeleteFunc(slices.Clone(c.Metrics), func(m result.Metric) bool { return m.N == 0 && len(m.Requirements) > 0 })
	if v, _ := result.CaseVerdict(own); v == result.Pass || v == result.Advice {
		return v
	}
	return c.Verdict
}

// ofMetrics is the verdict of the metrics of a check about a requirement, or that of the whole where they were not judged.
func ofMetrics(c result.Case, check plan.Case, id string) result.Verdict {
	some := slices.DeleteFunc(slices.Clone(c.Metrics), func(m result.Metric) bool {
		return !slices.ContainsFunc(check.Metrics, func(k plan.Metric) bool { return k.N == m.N && slices.Contains(k.Requirements, id) })
	})
	if len(some) > 0 && !slices.ContainsFunc(some, func(m result.Metric) bool { return m.Verdict != result.NotApplicable }) {
		return result.NotApplicable
	}
	if v, _ := result.CaseVerdict(some); v != result.Error {
		return v
	}
	return c.Verdict
}

// Weight are the verdicts of a case that was judged, the one that counts most first.
func Weight() []result.Verdict {
	return []result.Verdict{result.Fail, result.FailByHand, result.Flaky, result.Waived, result.Error, result.Aborted, result.Advice,
		result.Pass, result.PassByHand}
}

// weightiest is the verdict that counts most.
func (r Row) weightiest() result.Verdict {
	for _, v := range Weight() {
		for _, cases := range r.Verdicts {
			for _, of := range cases {
				if of == v {
					return v
				}
			}
		}
	}
	return ""
}
