package html

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/result"
)

// baselineNotice says with which earlier run this one was compared, and what came of it.
func baselineNotice(run *result.Run) notice {
	var counts []string
	for _, s := range result.Standings() {
		counts = append(counts, fmt.Sprintf("%d %s", run.Standing(s), s))
	}
	of := join(", ", words("software ", head(run.Baseline.Software), ""), run.Baseline.Started.UTC().Format("2 January 2006"))
	v := notice{Tone: "rest", Text: line(fmt.Sprintf("Compared with the baseline %s (%s): failures %s. Verdicts and conclusion are as without it.",
		head(run.Baseline.File), of, strings.Join(counts, ", ")), maxText)}
	if run.Standing(result.New)+run.Standing(result.Stale) > 0 {
		v.Tone = "error"
	}
	return v
}

// head is the beginning of a text that is within a sentence.
func head(s string) string {
	h, _ := result.Cut(s, maxIdentity)
	return h
}

// baseline lists the cases of each standing, in the order of the links.
func (r *renderer) baseline() []standing {
	means := map[result.Standing]standing{
		result.Known: {Means: "fail as in the baseline, and do not fail the gate", Tone: "rest"},
		result.New:   {Means: "fail, and the baseline does not know it", Tone: "fail"},
		result.Stale: {Means: "pass, and the baseline knows them as failures: replace it", Tone: "error"},
	}
	var found []standing
	for _, s := range result.Standings() {
		v := means[s]
		v.Name = string(s)
		for _, l := range r.run.Links {
			for _, c := range l.Cases {
				if c.Baseline == s && c.Verdict != result.Advice {
					v.list(l.Link, c)
				}
			}
		}
		if len(v.Cases) > 0 {
			found = append(found, v)
		}
	}
	return found
}

// list names one more case, with those of the same id over other links.
func (v *standing) list(link string, c result.Case) {
	at := slices.IndexFunc(v.Cases, func(known faulty) bool { return known.ID == c.ID })
	switch {
	case at < 0 && len(v.Cases) == maxFindings:
		v.More++
		return
	case at < 0:
		at, v.Cases = len(v.Cases), append(v.Cases, faulty{ID: c.ID, Title: line(c.Title, maxText)})
	}
	v.Cases[at].Links = append(v.Cases[at].Links, ref{link, anchor(link, c.ID)})
}
