package html

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
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
)

// page is everything before the cases.
type page struct {
	Policy     string
	Style      template.CSS
	Script     template.JS
	Title      text
	Device     text
	Plan       string
	Identity   []fact
	Conclusion conclusion
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
	Features   []feature
	Waivers    []waiver
	Alternates []alternate
	Baseline   []standing
	Errata     []erratum
	Adapted    int // errata for which the procedure was adapted
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
	Reason           text
}

// notice is a plain sentence about the run as a whole.
type notice struct {
	Tone string
	Text text
	Log  []text
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
	Verdict result.Verdict
	Tone    string
	judged
	Cases []faulty
	Rest  []faulty // the cases after the first few
	More  int      // cases that are not listed
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
	Title          string
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
	Counts   [len(columns)]int // of the cases that need it
}

type waiver struct {
	Case                 string
	Reason, Issue, Until text
	URL                  string
}

type alternate struct{ Role, Path text }

// standing is the cases that stand in one way to the run's baseline.
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
}

// page collects what stands before the cases.
func (r *renderer) page() page {
	run := r.run
	d := run.Device
	p := page{
		Policy: r.policy, Style: r.style, Script: r.script, Filter: r.filter,
		Device:     line(join(" ", d.Vendor, d.Model), maxIdentity),
		Plan:       result.VisibleLine(run.Plan.ID + " " + run.Plan.Version),
		Conclusion: conclude(run.Conclusion),
		Again:      line(result.ShellLine(run.Again), maxText),
		Tool:       line(run.Tool.Name+" "+run.Tool.Version, maxText),
	}
	if p.Device.Head == "" {
		p.Device = line(d.Endpoint, maxIdentity)
	}
	p.Title = text{Head: p.Device.Head + " – " + p.Plan + " – " + p.Conclusion.Word}
	p.Identity = r.identity()
	p.Notices = r.notices()
	for _, c := range counts(run.Counts(), result.Pass, result.Fail) {
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
	r.declarations(&p)
	p.Baseline = r.baseline()
	p.Identity = append(p.Identity, departures(p)...)
	return p
}

func (r *renderer) identity() []fact {
	d, run := r.run.Device, r.run
	var facts []fact
	add := func(name, value string, code bool) {
		if value != "" {
			facts = append(facts, fact{name, line(value, maxIdentity), code})
		}
	}
	add("Vendor", d.Vendor, false)
	add("Model", d.Model, false)
	add("Software version", d.Software, false)
	add("Endpoint ID", d.Endpoint, true)
	add("Firmware banks", bankCount(d.Firmware), false)
	for _, b := range d.Firmware {
		add(fmt.Sprintf("Firmware bank %d", b.Instance), bankLine(b), false)
	}
	add("Supported features", declared(run.Features), false)
	add("Alternates used", alternatesUsed(run.Alternates), false)
	add("Test plan", run.Plan.ID+" "+run.Plan.Version, false)
	add("Plan data, SHA-256", run.Plan.Hash, true)
	add("Test tool", run.Tool.Name+" "+run.Tool.Version, false)
	if !run.Started.IsZero() {
		add("Started", run.Started.UTC().Format("2 January 2006, 15:04:05 MST"), false)
	}
	add("Duration", duration(run.WallMS), false)
	add("Waiting", run.WaitLine(), false)
	add("Time scale", scale(run.TimeScale), false)
	if run.StrictPlan {
		add("Judged by", "the letter of the plan, also where it contradicts itself or the standard", false)
	}
	return facts
}

// departures say on the first page how far the run is from the plan's letter: by errata that touched a verdict, and by waivers.
func departures(p page) []fact {
	var facts []fact
	if n := len(p.Errata); n > 0 {
		facts = append(facts, fact{Name: "Errata applied", Value: text{Head: fmt.Sprintf("%d; the procedure is adapted for %d", n, p.Adapted)}})
	}
	if n := len(p.Waivers); n > 0 {
		facts = append(facts, fact{Name: "Waivers", Value: text{Head: fmt.Sprint(n)}})
	}
	return facts
}

// bankCount is how many firmware banks the device showed; nothing where it showed none.
func bankCount(banks []result.FirmwareBank) string {
	if len(banks) == 0 {
		return ""
	}
	return fmt.Sprint(len(banks))
}

// bankLine is what a firmware bank holds and what the device does with it.
func bankLine(b result.FirmwareBank) string {
	say := func(yes bool, what string) string {
		if yes {
			return what
		}
		return ""
	}
	return join(": ", join(", ", say(b.Active, "active"), say(b.Boot, "boots next")), join(" ", b.Name, b.Version, words("(", b.Status, ")")))
}

// declared are the numbers of the features that the device's owner declared.
func declared(features []result.Feature) string {
	var numbers []string
	for _, f := range features {
		if f.Declared {
			numbers = append(numbers, fmt.Sprint(f.Number))
		}
	}
	return strings.Join(numbers, ", ")
}

// alternatesUsed are the elements that stood in for the plan's own; their section says for which.
func alternatesUsed(alternates []result.Alternate) string {
	if len(alternates) == 0 {
		return "none"
	}
	var paths []string
	for _, a := range alternates {
		paths = append(paths, cmp.Or(a.Path, "nothing"))
	}
	slices.Sort(paths)
	return strings.Join(slices.Compact(paths), ", ")
}

func scale(s float64) string {
	if s == 1 {
		return "real time"
	}
	return fmt.Sprintf("protocol intervals divided by %g", s)
}

func conclude(c result.Conclusion) conclusion {
	v := conclusion{Word: result.VisibleLine(c.Value), Reason: line(c.Reason, maxText), Tone: "rest", Icon: "–"}
	switch c.Value {
	case result.Conformant:
		v.Tone, v.Icon, v.Word = "pass", "✓", "Conformant"
	case result.Partial:
		v.Tone, v.Icon, v.Word = "error", "!", "Partial"
	case result.NotConformant:
		v.Tone, v.Icon, v.Word = "fail", "✕", "Not conformant"
	}
	return v
}

// notices are what a reader must know before the figures: what was tested in truth, and what went wrong as a whole.
func (r *renderer) notices() []notice {
	run := r.run
	var n []notice
	if run.Device.Reference {
		s := "The device is the reference agent that comes with the test tool, not a product."
		if len(run.Device.Defects) > 0 {
			s += " It was broken on purpose: " + strings.Join(run.Device.Defects, ", ") + "."
		}
		n = append(n, notice{Tone: "rest", Text: line(s, maxText)})
	}
	if run.TimeScale != 1 {
		n = append(n, notice{Tone: "error", Text: line(fmt.Sprintf(
			"Protocol intervals were divided by %g on both sides. Only a simulated device can be run like that, and such a run is never conformant.",
			run.TimeScale), maxText)})
	}
	if run.Shard != nil {
		n = append(n, notice{Tone: "error", Text: line(fmt.Sprintf(
			"This is shard %s of a run: it has a part of the cases. usptest merge joins all parts into the report of the device.", run.Shard), maxText)})
	}
	if run.Baseline != nil {
		n = append(n, baselineNotice(run))
	}
	for _, l := range run.Links {
		if l.Trouble == "" {
			continue
		}
		t := notice{Tone: "error", Text: line(l.Link+": "+l.Trouble, maxText)}
		for _, s := range l.DeviceLog[max(0, len(l.DeviceLog)-maxLogLines):] {
			t.Log = append(t.Log, line(s, maxText))
		}
		n = append(n, t)
	}
	return n
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

func (r *renderer) link(l result.Link) linkView {
	n := map[result.Verdict]int{}
	v := linkView{Anchor: "link-" + l.Link, Link: result.VisibleLine(l.Link), Cases: len(l.Cases), Elapsed: duration(l.WallMS)}
	for _, c := range l.Cases {
		n[c.Verdict]++
		if !begun(c) {
			v.NotRun = append(v.NotRun, notRun{r.class(c.ID, c.Verdict), anchor(l.Link, c.ID), c.ID, line(c.Title, maxText), c.Verdict, tone(c.Verdict), line(c.Reason, maxText)})
		}
	}
	v.Counts = counts(n, result.Pass, result.Fail)
	x := 0
	for _, tone := range []string{"pass", "fail", "error", "rest"} {
		sum := 0
		for _, c := range v.Counts {
			if c.Tone == tone {
				sum += c.N
			}
		}
		if width := sum * 1000 / max(1, len(l.Cases)); sum > 0 {
			v.Bars = append(v.Bars, bar{tone, x, width})
			x += width
		}
	}
	return v
}

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
			if c.Verdict != result.Fail && c.Verdict != result.Error && c.Verdict != result.Aborted {
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

// head is the beginning of a text that stands within a sentence.
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
				if c.Baseline == s {
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
			c := chapter{Number: known.Chapter, Judged: t, NotRun: t}
			if i := slices.IndexFunc(r.plan.Chapters, func(p plan.Chapter) bool { return p.Number == known.Chapter }); i >= 0 {
				c.Title = r.plan.Chapters[i].Title
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
			return slices.Contains(c.Requires.All, f.Number) || slices.Contains(c.Requires.Any, f.Number)
		})
		p.Features = append(p.Features, v)
	}
	for _, w := range r.run.Waivers {
		v := waiver{Case: result.VisibleLine(w.Case), Reason: line(w.Reason, maxText), Issue: line(w.Issue, maxText), Until: line(w.Until, maxText)}
		if strings.HasPrefix(w.Issue, "https://") || strings.HasPrefix(w.Issue, "http://") {
			v.URL = w.Issue
		}
		p.Waivers = append(p.Waivers, v)
	}
	for _, a := range r.run.Alternates {
		p.Alternates = append(p.Alternates, alternate{line(a.Role, maxText), line(a.Path, maxText)})
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
	for _, e := range p.Errata {
		if e.Adapted {
			p.Adapted++
		}
	}
}

// erratum finds an erratum of the plan by its id. An id that this plan does not know is shown alone.
func (r *renderer) erratum(id string) erratum {
	v := erratum{ID: line(id, maxText)}
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
