package html

import (
	"fmt"
	"slices"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// column is what a column of a table counts: the cases of one tone.
type column struct{ Tone, Head string }

// columnsOf are the columns of a run's tables. A limited report has failures alone.
func columnsOf(run *result.Run) []column {
	counts := run.Counts()
	for verdict, n := range run.Checks() {
		counts[verdict] += n
	}
	return slices.DeleteFunc(columnsFor(counts), func(c column) bool {
		return run.Limited && slices.Contains([]string{"pass", "error", "rest"}, c.Tone)
	})
}

// columnsFor are the columns for these counts. Few runs have cases that are flaky, waived or judged by hand, or advice, and only those have
// a column for them.
func columnsFor(counts map[result.Verdict]int) []column {
	columns := []column{{"pass", "pass"}, {"fail", "fail"}, {"flaky", "flaky"}, {"advice", "advice"}, {"error", "error"}, {"waived", "waived"},
		{"hand", "by hand"}, {"rest", "not run"}}
	return slices.DeleteFunc(columns, func(c column) bool {
		rare := slices.Contains([]string{"flaky", "advice", "waived"}, c.Tone)
		return rare && counts[result.Verdict(c.Tone)] == 0 ||
			c.Tone == "hand" && counts[result.PassByHand]+counts[result.FailByHand] == 0
	})
}

// tallies is a table of counts: cases of all links together, by one thing the plan says of them.
type tallies struct {
	Name string
	Rows []tallyRow
}

type tallyRow struct {
	Name   string
	Counts []int
	All    int
}

// tallies counts by obligation and by chapter; features are counted in their own table.
func (r *renderer) tallies() []tallies {
	by := func(name string) tallies { return tallies{Name: name} }
	add := func(t *tallies, name string, of func(plan.Case) bool) {
		row := tallyRow{Name: name, Counts: r.tally(of)}
		for _, n := range row.Counts {
			row.All += n
		}
		if row.All > 0 {
			t.Rows = append(t.Rows, row)
		}
	}
	obligations, chapters := by("Obligation"), by("Chapter")
	for _, o := range []plan.Obligation{plan.Mandatory, plan.Conditional, plan.None} {
		add(&obligations, string(o), func(c plan.Case) bool { return c.Obligation == o && !c.IsCheck() })
	}
	for _, ch := range r.plan.Chapters {
		add(&chapters, chapterName(ch), func(c plan.Case) bool { return c.Chapter == ch.Number })
	}
	return []tallies{obligations, chapters}
}

// chapterName is the number of a chapter and its title; the checks beyond the plan have no number.
func chapterName(c plan.Chapter) string {
	if c.Number == plan.ChecksChapter {
		return c.Title
	}
	return fmt.Sprintf("%d %s", c.Number, c.Title)
}

// tally counts the cases of the run by the tone of their verdict.
func (r *renderer) tally(of func(plan.Case) bool) []int {
	counts := make([]int, len(r.columns))
	for _, l := range r.run.Links {
		for _, c := range l.Cases {
			if known, _ := r.plan.Case(c.ID); of(known) {
				counts[slices.IndexFunc(r.columns, func(k column) bool { return k.Tone == tone(c.Verdict) })]++
			}
		}
	}
	return counts
}
