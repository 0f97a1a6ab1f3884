package harness

import (
	"slices"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// Beyond judges what no metric of the plan says, but another source binds the device to, such as "R-BULK.7" or the text of a parameter in
// TR-181. A fault is reported as one against a universal metric is: as metric 0, with the source as its note. It returns whether the device
// keeps the rule. Each source is reported once for a case, with the first fault against it.
func (c *Case) Beyond(source string, check func(m *Metric)) (kept bool) {
	return c.judgeBeyond(source, result.Fail, check)
}

// Advise is Beyond for what the source says without a MUST: it is advice, which leaves the verdict of the case as it is. It returns whether
// the device follows it.
func (c *Case) Advise(source string, check func(m *Metric)) (followed bool) {
	return c.judgeBeyond(source, result.Advice, check)
}

// judgeBeyond judges what has such a verdict where it does not hold.
func (c *Case) judgeBeyond(source string, otherwise result.Verdict, check func(m *Metric)) (kept bool) {
	note := result.BeyondPlan + source
	r := &result.Metric{Note: note, Requirements: plan.RequirementsIn(source)}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case failed:
			if c.cutShort(p.err) {
				panic(&stop{result.Error, errCutShort})
			}
			r.Verdict = otherwise
			r.Where, r.Want, r.Got = finding(p.err)
			if !slices.ContainsFunc(c.beyond, func(known result.Metric) bool { return known.Note == note }) {
				c.beyond = append(c.beyond, *r)
			}
		default:
			panic(p)
		}
	}()
	check(&Metric{r})
	return true
}
