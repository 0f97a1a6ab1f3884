package result

import (
	"fmt"
	"slices"
)

// ExpectedAdvice is what a check beyond the plan, or any case about a flood, advises and the device's owner expects.
type ExpectedAdvice struct {
	Check string `json:"check"` // its id, or the name of the flood
	// Metrics are the numbers of those that may give advice; none: all of the check.
	Metrics []int  `json:"metrics,omitempty"`
	Reason  string `json:"reason"`
	Issue   string `json:"issue,omitempty"`
	// Until is the last day, as 2027-12-31; empty: for good.
	Until string `json:"until,omitempty"`
}

// String says why the advice is expected, and until when.
func (e ExpectedAdvice) String() string {
	text := e.Reason
	if e.Issue != "" {
		text += " (" + e.Issue + ")"
	}
	if e.Until != "" {
		text += ", until " + e.Until
	}
	return text
}

// Expect marks a case whose advice is all expected, and the floods that are, and notes why. The verdict stays.
func Expect(all []ExpectedAdvice, c *Case) {
	for i, m := range c.Metrics {
		at := slices.IndexFunc(all, func(e ExpectedAdvice) bool { return e.Check == m.Flood() })
		if m.Flood() == "" || at < 0 {
			continue
		}
		c.Metrics[i].Expected = true
		c.Notes = append(c.Notes, "the DUT file expects this "+m.Flood()+": "+all[at].String())
	}
	i := slices.IndexFunc(all, func(e ExpectedAdvice) bool { return e.Check == c.ID })
	if i < 0 || c.Verdict != Advice {
		return
	}
	for _, m := range c.Metrics {
		if m.Verdict == Advice && len(all[i].Metrics) > 0 && !slices.Contains(all[i].Metrics, m.N) {
			c.Notes = append(c.Notes, fmt.Sprintf("the DUT file does not expect the advice of metric %d", m.N))
			return
		}
	}
	c.Expected = true
	c.Notes = append(c.Notes, "the DUT file expects this advice: "+all[i].String())
}

// IsExpected reports whether a case gives advice that the DUT file expects or the baseline knows.
func (c Case) IsExpected() bool { return c.Verdict == Advice && (c.Expected || c.Baseline == Known) }

// IsAdvised reports whether a case gives advice that nobody expects: as the verdict of a check, or of a flood in a case that passes.
func (c Case) IsAdvised() bool {
	return c.Verdict == Advice && !c.IsExpected() || (c.Verdict == Pass || c.Verdict == Advice) && c.Flooded()
}

// NewAdvice counts the cases, over all links, that give advice which is not expected.
func (r *Run) NewAdvice() (n int) {
	for _, of := range r.count(Case.IsAdvised) {
		n += of
	}
	return n
}

// freshAdvice counts the checks, over all links, with such a verdict.
func (r *Run) freshAdvice() int {
	return r.count(func(c Case) bool { return !c.IsExpected() })[Advice]
}
