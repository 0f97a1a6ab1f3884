package html

import (
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/matrix"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// requirementChapter is the requirements of a chapter of TR-369.
type requirementChapter struct {
	Name      string
	Counts    []count
	Unjudged  int // of those that bind Agents
	Rows      []requirementRow
	NotAgents int // requirements that bind others
}

// requirementRow is a requirement, where it is tested, and what the run says of it.
type requirementRow struct {
	Class       string // what the filter looks at
	Anchor, ID  string
	Level, Text string
	Binds       string // whom, where that is not the Agent
	Lacks, Why  string // what the tests leave out, or that there are none, and why
	Everywhere  bool
	Places      []requirementPlace
	More        int // cases that broke it and are not listed
	Verdict     result.Verdict
	Tone        string
}

// requirementPlace is a case or a check that tests a requirement, or a case that broke it. It has no anchor where it is not in the run, and
// a tone where its verdict is to be seen.
type requirementPlace struct{ Name, Anchor, Tone string }

// requirements are the requirements of TR-369 with their verdicts, chapter by chapter. A limited report has none.
func (r *renderer) requirements() (chapters []requirementChapter) {
	if r.run.Limited {
		return nil
	}
	anchors := map[string]map[string]string{} // by the link and the id of a case
	for _, l := range r.run.Links {
		anchors[l.Link] = map[string]string{}
		for _, c := range l.Cases {
			anchors[l.Link][c.ID] = anchor(l.Link, c.ID)
		}
	}
	var tally map[result.Verdict]int // of the newest chapter
	for _, m := range matrix.Rows(r.plan, r.run) {
		if len(chapters) == 0 || chapters[len(chapters)-1].Name != m.Chapter {
			chapters, tally = append(chapters, requirementChapter{Name: m.Chapter}), map[result.Verdict]int{}
		}
		c := &chapters[len(chapters)-1]
		row := requirementRow{Class: r.class("", m.Verdict), Anchor: "tr369-" + m.ID, ID: m.ID, Level: strings.ToUpper(m.Level), Text: m.Text,
			Why: m.Untested, Everywhere: m.Everywhere, Verdict: m.Verdict, Tone: tone(m.Verdict)}
		switch {
		case m.Binds != "agent":
			row.Binds = map[string]string{"controller": "binds Controllers", "server": "binds servers", "nobody": "binds no device"}[m.Binds]
			c.NotAgents++
		case m.Verdict == "":
			c.Unjudged++
		default:
			tally[m.Verdict]++
			c.Counts = counts(tally)
		}
		ids, more := placesOf(m)
		for _, id := range ids {
			row.Places = append(row.Places, r.requirementPlace(m, id, anchors))
		}
		row.More = more
		if row.Lacks = "Not tested"; len(ids) > 0 || m.Everywhere {
			row.Lacks = "Not in full"
		}
		c.Rows = append(c.Rows, row)
	}
	return chapters
}

// maxBroke is how many cases that broke a requirement besides what they are about are listed.
const maxBroke = 6

// placesOf are the cases and checks that test a requirement, and the first of the cases that broke it besides, each once.
func placesOf(m matrix.Row) (ids []string, more int) {
	ids = slices.Clone(m.Cases)
	for _, check := range m.Checks {
		ids = append(ids, check.ID)
	}
	broke := map[string]bool{}
	for _, cases := range m.Verdicts {
		for id := range cases {
			if id != matrix.EveryCase && !slices.Contains(ids, id) {
				broke[id] = true
			}
		}
	}
	besides := slices.SortedFunc(maps.Keys(broke), plan.Compare)
	listed := min(len(besides), maxBroke)
	return append(ids, besides[:listed]...), len(besides) - listed
}

// requirementPlace points to a case over the link where its verdict counts most.
func (r *renderer) requirementPlace(m matrix.Row, id string, anchors map[string]map[string]string) requirementPlace {
	place := requirementPlace{Name: id}
	weight := func(v result.Verdict) int { return slices.Index(matrix.Weight(), v) }
	best := -1
	for _, l := range r.run.Links {
		to, there := anchors[l.Link][id]
		if !there {
			continue
		}
		v := m.Verdicts[l.Link][id]
		if w := weight(v); place.Anchor == "" || w >= 0 && (best < 0 || w < best) {
			place.Anchor, best, place.Tone = to, w, ""
			if t := tone(v); w >= 0 && t != "pass" {
				place.Tone = t
			}
		}
	}
	return place
}
