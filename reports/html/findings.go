package html

import (
	"cmp"
	"slices"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// findings groups what went wrong: the same fault in several cases, or over several links, is told once. What touches most comes first.
func (r *renderer) findings() (found []finding, more int) {
	type key struct {
		verdict result.Verdict
		text    string
	}
	index := map[key]int{}
	add := func(link string, c result.Case, v result.Verdict, j judged, told string, metric int, what string) {
		k := key{v, told}
		i, ok := index[k]
		switch {
		case !ok && len(found) == maxFindings:
			more++
			return
		case !ok:
			i, index[k] = len(found), len(found)
			found = append(found, finding{Verdict: v, Tone: tone(v), judged: j})
		}
		f := &found[i]
		if f.Want.Head == "" && f.Got.Head == "" { // the one that compares says most
			f.judged = j
		}
		at := slices.IndexFunc(f.Cases, func(known faulty) bool { return known.ID == c.ID && known.Metric == metric })
		switch {
		case at < 0 && len(f.Cases) == maxList:
			f.More++
			return
		case at < 0:
			at, f.Cases = len(f.Cases), append(f.Cases, faulty{ID: c.ID, Title: line(c.Title, maxText), Metric: metric, Text: line(what, maxText)})
		}
		f.Cases[at].Links = append(f.Cases[at].Links, ref{link, anchor(link, c.ID)})
	}
	for _, l := range r.run.Links {
		for _, c := range l.Cases {
			if c.Verdict != result.Fail && c.Verdict != result.Flaky && c.Verdict != result.Error && c.Verdict != result.Aborted {
				continue
			}
			known, _ := r.plan.Case(c.ID)
			told := false
			for _, m := range c.Metrics {
				if m.Verdict == result.Fail || m.Verdict == result.Error {
					told = true
					add(l.Link, c, m.Verdict, judge(m, maxText), m.Finding(), m.N, metricText(known, m.N))
				}
			}
			if !told {
				add(l.Link, c, c.Verdict, judged{Note: block(c.Reason, maxText)}, c.Reason, 0, "")
			}
		}
	}
	size := func(f finding) (n int) {
		for _, c := range f.Cases {
			n += len(c.Links)
		}
		return n + f.More
	}
	for _, f := range found {
		slices.SortStableFunc(f.Cases, func(a, b faulty) int { return plan.Compare(a.ID, b.ID) })
	}
	slices.SortStableFunc(found, func(a, b finding) int {
		return cmp.Or(size(b)-size(a), plan.Compare(a.Cases[0].ID, b.Cases[0].ID))
	})
	for i := range found {
		if f := &found[i]; len(f.Cases) > maxFirst+1 {
			f.Cases, f.Rest = f.Cases[:maxFirst], f.Cases[maxFirst:]
		}
	}
	return found, more
}
