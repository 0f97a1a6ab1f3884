package html

import (
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// What the first pages show of a text, in bytes, and of a list.
const (
	maxText     = 1 << 10
	maxIdentity = 200
	maxFindings = 300
	maxLogLines = 40
	maxFirst    = 5 // cases of a finding before the fold
	maxReasons  = 8
	maxDUT      = 64 << 10 // of the DUT file
)

// page is everything before the cases.
type page struct {
	Policy     string
	Style      template.CSS
	Script     template.JS
	Title      text
	Limited    string // what the report is, when it is limited
	Terms      string // where a reader finds what the plan's terms allow
	Device     text
	Plan       string
	Identity   []fact
	Conclusion conclusion
	Beyond     text // what the checks beyond the plan found, and the floods
	Notices    []notice
	Judged     []count // cases that were begun
	Skipped    []count // cases that were not run
	NotRun     int
	Links      []linkView
	Findings   []finding
	MoreFaults int
	Filter     filter
	Tallies    []tallies
	Chapters   []chapter
	Demands    []requirementChapter
	Features   []feature
	Waivers    []waiver
	Model      *modelView
	Alternates []alternate
	Baseline   []standing
	Errata     []erratum // all that touch a case
	Decided    []erratum // of them, those by which a case was judged
	Silent     []erratum // those that neither decided nor adapted anything
	Adapted    int       // errata for which the procedure was adapted
	Conditions []condition
	DUT        *text
	Again      text
	Tool       text
}

// fact is a line of the identity.
type fact struct {
	Name  string
	Value text
	Code  bool
}

type conclusion struct {
	Tone, Icon, Word string
	Reasons          []text
}

// notice is a plain sentence about the run as a whole.
type notice struct {
	Tone string
	Text text
	Log  []text
}

// condition is what bent the run.
type condition struct {
	Tone, Icon string
	Text       text
}

// count is how many cases have a verdict.
type count struct {
	Verdict result.Verdict
	Tone    string
	N       int
}

// linkView is a link as a whole, and the cases over it that were not begun.
type linkView struct {
	Anchor  string
	Link    string
	Cases   int
	Elapsed string
	Counts  []count
	Bars    []bar
	NotRun  []notRun
}

// bar is a piece of the bar that shows how a link did; X and Width are parts of 1000.
type bar struct {
	Tone     string
	X, Width int
}

type notRun struct {
	Class      string // what the filter looks at
	Anchor, ID string
	Title      text
	Verdict    result.Verdict
	Tone       string
	Reason     text
}

// finding is something that went wrong, the same in one or more cases.
type finding struct {
	Verdict        result.Verdict
	Tone           string
	Headline, Hint text
	judged         // an example
	Cases          []faulty
	Rest           []faulty // the cases after the first few
	More           int      // cases that are not listed
}

// faulty is a case in which a finding was made, over one or more links.
type faulty struct {
	ID     string
	Title  text
	Metric int
	Text   text
	Links  []ref
}

// ref points to a case or an event in this file.
type ref struct{ Name, Anchor string }

// chapter is a part of the matrix of case by link: first the cases of which something is known, then those that were not run at all.
type chapter struct {
	Number         int
	Name           string
	Counts         []count
	Judged, NotRun table
}

// table is rows of the matrix.
type table struct {
	Number int
	Links  []string
	Rows   []row
}

type row struct {
	Class      string // what the filter looks at
	ID         string
	Title      text
	Obligation string
	Cells      []cell
}

// cell is a case over a link; without a verdict when the case is not for that link.
type cell struct {
	Verdict result.Verdict
	Tone    string
	Anchor  string
}

type feature struct {
	Number   int
	Name     text
	Declared bool
	Detected string
	Remark   text // declaration and detection differ
	Why      text // otherwise
	Tone     string
	Counts   []int // of the cases that need it
}

type waiver struct {
	Case                 string
	Reason, Issue, Until text
	URL                  string
	Excused              []ref // the links over which it hides a failure
	Needless             bool
}

type alternate struct{ Role, Instead, Path text }

// standing is the cases that compare in one way with the run's baseline.
type standing struct {
	Name, Means string
	Tone        string
	Cases       []faulty
	More        int // cases that are not listed
}

type erratum struct {
	Anchor                           string // none for one that the plan does not know
	ID                               text
	Wrong, Accept, Why, Strict, Kept string
	Adapted                          bool
	Cases                            []ref // that it touched, each over the first link

	Decides bool // a case was judged by it
	id      string
}

// page collects what is before the cases.
func (r *renderer) page() page {
	run := r.run
	d := run.Device
	p := page{
		Policy: r.policy, Style: r.style, Script: r.script, Filter: r.filter,
		Terms:      result.TermsURL,
		Device:     line(join(" ", d.Vendor, d.Model), maxIdentity),
		Plan:       result.VisibleLine(run.Plan.ID + " " + run.Plan.Version),
		Conclusion: conclude(run.Conclusion, run.Conditions),
		Again:      line(result.ShellLine(run.Again), maxText),
		Tool:       line(run.Tool.Name+" "+run.Tool.Version, maxText),
	}
	var beyond []string
	for _, text := range []string{run.BeyondLine(), run.FloodLine()} {
		if text != "" {
			beyond = append(beyond, sentence(text)+".")
		}
	}
	p.Beyond = line(strings.Join(beyond, " "), maxText)
	if run.Limited {
		p.Limited = result.LimitedNotice
	}
	if p.Device.Head == "" {
		p.Device = line(d.Endpoint, maxIdentity)
	}
	p.Title = text{Head: p.Device.Head + " – " + p.Plan + " – " + p.Conclusion.Word}
	p.Identity = r.identity()
	p.Notices = r.notices()
	for _, c := range run.Conditions[:min(len(run.Conditions), maxList)] {
		v := condition{"rest", "–", line(c.Text, maxText)}
		if c.Widens {
			v.Tone, v.Icon = "error", "!"
		}
		p.Conditions = append(p.Conditions, v)
	}
	if run.DUT != nil {
		t := block(run.DUT.Text, maxDUT)
		p.DUT = &t
	}
	for _, c := range counts(run.Counts(), r.always()...) {
		if c.Tone != "rest" {
			p.Judged = append(p.Judged, c)
			continue
		}
		p.Skipped, p.NotRun = append(p.Skipped, c), p.NotRun+c.N
	}
	for _, l := range run.Links {
		p.Links = append(p.Links, r.link(l))
	}
	p.Findings, p.MoreFaults = r.findings()
	p.Tallies = r.tallies()
	p.Chapters = r.matrix()
	p.Demands = r.requirements()
	r.declarations(&p)
	p.Baseline = r.baseline()
	p.Identity = append(p.Identity, departures(p)...)
	return p
}

// counts lists the verdicts that occur, and those of always even when they do not: none is an answer too.
func counts(n map[result.Verdict]int, always ...result.Verdict) []count {
	var out []count
	order := result.CaseVerdicts()
	for _, v := range order {
		if n[v] > 0 || slices.Contains(always, v) {
			out = append(out, count{v, tone(v), n[v]})
		}
	}
	for v := range n {
		if !slices.Contains(order, v) {
			out = append(out, count{v, tone(v), n[v]})
		}
	}
	return out
}

// always are the verdicts that are counted also where no case has them. A limited report says nothing about passes.
func (r *renderer) always() []result.Verdict {
	if r.run.Limited {
		return []result.Verdict{result.Fail}
	}
	return []result.Verdict{result.Pass, result.Fail}
}

func (r *renderer) link(l result.Link) linkView {
	n := map[result.Verdict]int{}
	v := linkView{Anchor: "link-" + l.Link, Link: result.VisibleLine(l.Link), Elapsed: duration(l.WallMS)}
	for _, c := range l.Cases {
		if !c.IsCheck() {
			n[c.Verdict]++
			v.Cases++
		}
		if !begun(c) {
			v.NotRun = append(v.NotRun, notRun{r.class(c.ID, c.Verdict), anchor(l.Link, c.ID), c.ID, line(c.Title, maxText), c.Verdict, tone(c.Verdict), line(c.Reason, maxText)})
		}
	}
	v.Counts = counts(n, r.always()...)
	x := 0
	for _, column := range r.columns {
		sum := 0
		for _, c := range v.Counts {
			if c.Tone == column.Tone {
				sum += c.N
			}
		}
		if width := sum * 1000 / max(1, v.Cases); sum > 0 {
			v.Bars = append(v.Bars, bar{column.Tone, x, width})
			x += width
		}
	}
	return v
}

// declarations are what the device's owner said, and what the plan got wrong.
func (r *renderer) declarations(p *page) {
	for _, f := range r.run.Features {
		v := feature{Number: f.Number, Name: line(f.Name, maxText), Declared: f.Declared, Detected: result.VisibleLine(f.Detected), Tone: "rest"}
		if v.Remark = line(f.Disagreement(), maxText); f.Disagreement() != "" {
			v.Tone = "error"
		} else {
			v.Why = line(f.Why, maxText)
		}
		v.Counts = r.tally(func(c plan.Case) bool {
			return !c.IsCheck() && (slices.Contains(c.Requires.All, f.Number) || slices.Contains(c.Requires.Any, f.Number))
		})
		p.Features = append(p.Features, v)
	}
	p.Model = r.model()
	for _, w := range r.run.Waivers {
		v := waiver{Case: result.VisibleLine(w.Case), Reason: line(w.Reason, maxText), Issue: line(w.Issue, maxText), Until: line(w.Until, maxText)}
		if strings.HasPrefix(w.Issue, "https://") || strings.HasPrefix(w.Issue, "http://") {
			v.URL = w.Issue
		}
		for _, l := range r.run.Links {
			for _, c := range l.Cases {
				if c.ID == w.Case && c.Verdict == result.Waived {
					v.Excused = append(v.Excused, ref{result.VisibleLine(l.Link), anchor(l.Link, c.ID)})
				}
			}
		}
		v.Needless = r.run.Needless(w.Case)
		p.Waivers = append(p.Waivers, v)
	}
	for _, a := range r.run.Alternates {
		p.Alternates = append(p.Alternates, alternate{line(a.Role, maxText), line(a.Instead, maxText), line(a.Path, maxText)})
	}
	r.errata(p)
}

// errata collects the errata that touched a verdict, each with the cases it touched.
func (r *renderer) errata(p *page) {
	place := map[string]int{}
	for _, l := range r.run.Links {
		for _, c := range l.Cases {
			for _, id := range c.Errata {
				if _, ok := place[id]; !ok {
					place[id], p.Errata = len(p.Errata), append(p.Errata, r.erratum(id))
				}
				e := &p.Errata[place[id]]
				if !slices.ContainsFunc(e.Cases, func(known ref) bool { return known.Name == c.ID }) {
					e.Cases = append(e.Cases, ref{c.ID, anchor(l.Link, c.ID)})
				}
			}
		}
	}
	decided := map[string][]ref{} // the cases
	for _, l := range r.run.Links {
		for _, c := range l.Cases {
			for _, id := range c.Relaxed {
				if !slices.ContainsFunc(decided[id], func(known ref) bool { return known.Name == c.ID }) {
					decided[id] = append(decided[id], ref{c.ID, anchor(l.Link, c.ID)})
				}
			}
		}
	}
	for i := range p.Errata {
		cases, judged := decided[p.Errata[i].id]
		p.Errata[i].Decides = judged
		e := p.Errata[i]
		if e.Adapted {
			p.Adapted++
		}
		switch {
		case judged:
			e.Cases = cases
			p.Decided = append(p.Decided, e)
		case !e.Adapted:
			p.Silent = append(p.Silent, e)
		}
	}
}

// erratum finds an erratum of the plan by its id. An id that this plan does not know is shown alone.
func (r *renderer) erratum(id string) erratum {
	v := erratum{id: id, ID: line(id, maxText)}
	if e, known := r.plan.Erratum(id); known {
		v.Anchor = "erratum-" + id
		v.Wrong, v.Accept, v.Why, v.Strict, v.Kept, v.Adapted = e.Wrong, e.Accept, e.Why, e.Strict, e.Kept, e.Adapted
	}
	return v
}

// clock writes when a case began.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("15:04:05.000 MST")
}
