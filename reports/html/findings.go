package html

import (
	"slices"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// findings are the causes of what went wrong, each with its cases and one of its findings as an example.
func (r *renderer) findings() (found []finding, more int) {
	for _, cause := range r.run.Causes[:min(len(r.run.Causes), maxFindings)] {
		f := finding{Verdict: cause.Verdict, Tone: tone(cause.Verdict), Headline: line(cause.Headline, maxText), Hint: line(cause.Hint, maxText)}
		for _, k := range cause.Cases {
			if len(f.Cases) == maxList {
				f.More++
				continue
			}
			known, _ := r.plan.Case(k.ID)
			v := faulty{ID: result.VisibleLine(k.ID), Title: line(known.Title, maxText), Metric: k.Metric, Text: line(metricText(known, k.Metric), maxText)}
			for _, l := range k.Links {
				v.Links = append(v.Links, ref{result.VisibleLine(l), anchor(l, k.ID)})
			}
			f.Cases = append(f.Cases, v)
			for _, l := range k.Links {
				if f.Want.Head == "" && f.Got.Head == "" { // the one that compares says most
					f.judged = r.example(cause, l, k)
				}
			}
		}
		slices.SortStableFunc(f.Cases, func(a, b faulty) int { return plan.Compare(a.ID, b.ID) })
		if len(f.Cases) > maxFirst+1 {
			f.Cases, f.Rest = f.Cases[:maxFirst], f.Cases[maxFirst:]
		}
		found = append(found, f)
	}
	return found, len(r.run.Causes) - len(found)
}

// example is what was found in a case of a cause over a link.
func (r *renderer) example(cause result.Cause, link string, k result.CauseCase) judged {
	for _, l := range r.run.Links {
		if l.Link != link {
			continue
		}
		for _, c := range l.Cases {
			if c.ID != k.ID {
				continue
			}
			for _, m := range c.Metrics {
				if m.N == k.Metric && m.Verdict == cause.Verdict {
					return judge(m, maxText)
				}
			}
			return judged{Note: block(c.Reason, maxText)}
		}
	}
	return judged{}
}
