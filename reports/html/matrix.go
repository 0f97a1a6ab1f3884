package html

import (
	"fmt"
	"maps"
	"slices"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// matrix is case by link, chapter by chapter, in the plan's order.
func (r *renderer) matrix() []chapter {
	var links []string
	cells := map[string][]cell{}
	titles := map[string]string{}
	for i, l := range r.run.Links {
		links = append(links, result.VisibleLine(l.Link))
		for _, c := range l.Cases {
			if cells[c.ID] == nil {
				cells[c.ID], titles[c.ID] = make([]cell, len(r.run.Links)), c.Title
			}
			cells[c.ID][i] = cell{c.Verdict, tone(c.Verdict), anchor(l.Link, c.ID)}
		}
	}
	var chapters []chapter
	var tally map[result.Verdict]int // of the newest chapter
	for _, id := range slices.SortedFunc(maps.Keys(cells), plan.Compare) {
		known, _ := r.plan.Case(id)
		if len(chapters) == 0 || chapters[len(chapters)-1].Number != known.Chapter {
			t := table{Number: known.Chapter, Links: links}
			c := chapter{Number: known.Chapter, Name: fmt.Sprint(known.Chapter), Judged: t, NotRun: t}
			if i := slices.IndexFunc(r.plan.Chapters, func(p plan.Chapter) bool { return p.Number == known.Chapter }); i >= 0 {
				c.Name = chapterName(r.plan.Chapters[i])
			}
			chapters, tally = append(chapters, c), map[result.Verdict]int{}
		}
		c := &chapters[len(chapters)-1]
		into := &c.NotRun
		for _, cell := range cells[id] {
			if cell.Verdict != "" {
				tally[cell.Verdict]++
			}
			if cell.Tone != "" && cell.Tone != "rest" {
				into = &c.Judged
			}
		}
		var verdicts []result.Verdict
		for _, cell := range cells[id] {
			verdicts = append(verdicts, cell.Verdict)
		}
		into.Rows = append(into.Rows, row{r.class(id, verdicts...), id, line(titles[id], maxText), obligation(known), cells[id]})
		c.Counts = counts(tally)
	}
	return chapters
}

// obligation says who must pass a case; nothing when the plan does not say.
func obligation(c plan.Case) string {
	if c.Obligation == plan.None {
		return ""
	}
	return string(c.Obligation)
}
