package html

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// maxEvidence is how many events a metric points to, maxList how long the other lists of a case may be.
const (
	maxEvidence = 20
	maxList     = 100
)

// caseView is one case over one link.
type caseView struct {
	Class            string // what the filter looks at
	Anchor, ID, Link string
	Title            text
	Verdict          result.Verdict
	Tone             string
	Open             bool
	Reason           text
	Baseline         string // how it stands to the run's baseline
	Purpose          string
	Obligation       string
	Features         string // that the device must have
	Requirements     []string
	Started, Took    string
	Again            text
	Passed, Apply    int // of the metrics
	ByHand           []handView
	Rounds           []roundView // of a case that was repeated
	Metrics          []metricView
	Steps            []stepView
	Planned          []string // steps of the plan, when none were recorded
	Notes            []text
	Errata           []erratum // that no metric names
	CleanUp          []cleanUp
	Chart            *chartView
	Retries          *retriesView
	Capture          string // the file beside the report
	Timeline         timelineView
}

// judged is what a check found.
type judged struct{ Where, Want, Got, Note text }

type roundView struct {
	Verdict result.Verdict
	Tone    string
	Reason  text
}

// handView is a verdict by hand.
type handView struct {
	Verdict    result.Verdict
	Tone       string
	Text       text
	Instead    text // what usptest says
	Attachment string
}

type metricView struct {
	N        int
	Verdict  result.Verdict
	Tone     string
	Text     string
	Evidence []ref
	Errata   []erratum // that touch this metric
	judged
}

type stepView struct {
	N     int
	Text  text
	Event ref
}

type cleanUp struct{ Name, Error text }

func (r *renderer) caseView(link string, c result.Case, d detail) caseView {
	known, _ := r.plan.Case(c.ID)
	at := anchor(link, c.ID)
	v := caseView{
		Class: r.class(c.ID, c.Verdict), Anchor: at, ID: result.VisibleLine(c.ID), Link: result.VisibleLine(link), Title: line(c.Title, d.value),
		Verdict: c.Verdict, Tone: tone(c.Verdict), Open: c.Verdict != result.Pass,
		Baseline: result.VisibleLine(string(c.Baseline)), Purpose: known.Purpose, Obligation: obligation(known), Requirements: known.Requirements, Features: r.features(known.Requires),
		Started: clock(c.Started), Took: duration(c.DurationMS), Again: line(r.run.AgainFor(link, c.ID), d.value),
		Chart: chart(at, c, link, d), Timeline: timeline(at, c, d), Capture: result.CaptureName(link, c.ID),
	}
	switch {
	case c.Verdict == result.Waived:
		v.Reason = block(r.run.Excuse(c), d.value)
	case !slices.ContainsFunc(c.Metrics, func(m result.Metric) bool { return m.Verdict == result.Fail || m.Verdict == result.Error }):
		v.Reason = block(c.Reason, d.value) // otherwise the metric says it
	}
	for _, h := range c.ByHand {
		v.ByHand = append(v.ByHand, handView{h.Verdict, tone(h.Verdict), line(fmt.Sprintf("%s, %s: %s", h.Who, h.When, h.Why), d.value),
			line(fmt.Sprintf("%s: %s", h.Instead, h.Reason), d.value), h.Attachment})
		v.Reason = text{}
	}
	for _, round := range c.Rounds {
		v.Rounds = append(v.Rounds, roundView{round.Verdict, tone(round.Verdict), line(round.Reason, d.value)})
	}
	shown := map[uint64]bool{}
	for _, row := range v.Timeline.Rows {
		shown[row.Seq] = true
		for _, e := range row.Parts {
			shown[e.Seq] = true
		}
	}
	event := func(seq uint64) ref {
		to := ref{Name: fmt.Sprint(seq)}
		if shown[seq] {
			to.Anchor = fmt.Sprintf("%s-e%d", at, seq)
		}
		return to
	}
	named := map[string]bool{} // errata that a metric names
	for _, m := range c.Metrics {
		if m.Verdict == result.Pass {
			v.Passed++
		}
		if m.Verdict != result.NotApplicable {
			v.Apply++
		}
		mv := metricView{N: m.N, Verdict: m.Verdict, Tone: tone(m.Verdict), Text: metricText(known, m.N), judged: judge(m, d.value)}
		for _, seq := range m.Evidence[:min(len(m.Evidence), maxEvidence)] {
			mv.Evidence = append(mv.Evidence, event(seq))
		}
		for _, e := range r.plan.ErrataFor(c.ID, m.N) {
			if slices.Contains(c.Errata, e.ID) {
				mv.Errata, named[e.ID] = append(mv.Errata, r.erratum(e.ID)), true
			}
		}
		v.Metrics = append(v.Metrics, mv)
	}
	v.Retries = retriesOf(c.Retries)
	for _, s := range c.Steps[:min(len(c.Steps), maxList)] {
		v.Steps = append(v.Steps, stepView{s.N, line(s.Text, d.value), event(s.Seq)})
	}
	if len(c.Steps) == 0 {
		v.Planned = known.Steps
	}
	for _, a := range c.Alternates[:min(len(c.Alternates), maxList)] {
		v.Notes = append(v.Notes, block(a.String(), d.value))
	}
	for _, n := range c.Notes[:min(len(c.Notes), maxList)] {
		v.Notes = append(v.Notes, block(n, d.value))
	}
	for _, id := range c.ByLetter[:min(len(c.ByLetter), maxList)] {
		e, _ := r.plan.Erratum(id)
		v.Notes = append(v.Notes, block(fmt.Sprintf("by the letter of the plan, in spite of erratum %s: %s", id, e.Strict), d.value))
	}
	for _, id := range c.Errata[:min(len(c.Errata), maxList)] {
		if !named[id] {
			v.Errata = append(v.Errata, r.erratum(id))
		}
	}
	for _, a := range c.CleanUp[:min(len(c.CleanUp), maxList)] {
		v.CleanUp = append(v.CleanUp, cleanUp{line(a.Name, d.value), block(a.Error, d.value)})
	}
	return v
}

// features names the features that make a case apply.
func (r *renderer) features(needs plan.Requires) string {
	names := func(numbers []int) []string {
		var out []string
		for _, n := range numbers {
			f, _ := r.plan.Feature(n)
			out = append(out, join(" ", fmt.Sprint("feature ", n), words("(", f.Name, ")")))
		}
		return out
	}
	return join(", and ", strings.Join(names(needs.Any), " or "), strings.Join(names(needs.All), " and "))
}

// words puts s between before and after, unless there is nothing to put.
func words(before, s, after string) string {
	if s == "" {
		return ""
	}
	return before + s + after
}

// judge makes what a check found fit for a reader.
func judge(m result.Metric, limit int) judged {
	return judged{Where: line(m.Where, limit), Want: block(m.Want, limit), Got: block(m.Got, limit), Note: block(m.Note, limit)}
}

// metricText is what metric n is about, in the project's words; empty where there are none.
func metricText(known plan.Case, n int) string {
	i := slices.IndexFunc(known.Metrics, func(m plan.Metric) bool { return m.N == n })
	if i < 0 {
		return ""
	}
	return strings.TrimSpace(known.Metrics[i].Text)
}
