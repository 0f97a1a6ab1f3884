package result

import (
	"fmt"
	"slices"
	"strings"
)

// IsCheck reports whether a case is a check of our own, for requirements of TR-369 that the plan does not test, and not a case of the
// plan. Its id is that of a requirement, such as R-GET.1.
func (c Case) IsCheck() bool { return strings.HasPrefix(c.ID, "R-") }

// Checks counts the checks beyond the plan by their verdicts, over all links.
func (r *Run) Checks() map[Verdict]int { return r.count(Case.IsCheck) }

// BeyondLine says in a line what the checks beyond the plan found; empty for a run without them.
func (r *Run) BeyondLine() string {
	all, count := 0, r.Checks()
	var words []string
	for _, v := range CaseVerdicts() {
		if n := count[v]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, v))
			all += n
		}
	}
	if all == 0 {
		return ""
	}
	text := fmt.Sprintf("beyond the plan, requirements of TR-369: %s", strings.Join(words, ", "))
	var found []string
	for _, l := range r.Links {
		for _, c := range l.Cases {
			if c.IsCheck() && (c.Failed() || c.Verdict == Advice && !c.IsExpected()) && !slices.Contains(found, c.ID) {
				found = append(found, c.ID)
			}
		}
	}
	if len(found) > 0 {
		text += " (" + strings.Join(found, " ") + ")"
	}
	if n := count[Advice] - r.freshAdvice(); n > 0 {
		text += fmt.Sprintf("; %d of the advice %s expected", n, choose(n, "is", "are"))
	}
	if !r.GateChecks {
		text += "; without effect on the conclusion and the exit code"
	}
	return text
}

// Deciding counts what of the run decides the exit code.
func (r *Run) Deciding() map[Verdict]int {
	count := r.Counts()
	checks := r.Checks()
	if r.GateChecks {
		for v, n := range checks {
			count[v] += n
		}
	}
	fresh := r.freshAdvice()
	if r.AdviceFails {
		count[Fail] += r.NewAdvice()
	} else if r.GateChecks {
		count[Pass] += fresh
	}
	if r.GateChecks {
		count[Pass] += checks[Advice] - fresh
	}
	return count
}
