package result

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Baseline is an earlier run whose failures and advice are known. They stay what they are, and they do not fail the gate.
type Baseline struct {
	File     string    `json:"file"`
	Software string    `json:"software,omitempty"`
	Started  time.Time `json:"started"`

	cases map[place]Case
	until string                       // the last day of all cases that have none of their own; empty: for good
	today string                       // as until
	where func(link, id string) string // where in File a day is written
}

// NewBaseline makes a baseline of a run; file says where it was read. What it knows until a day before now it does not excuse any more.
// where says where in the file a day is written, that of the whole run by the empty texts.
func NewBaseline(file string, run *Run, now time.Time, where func(link, id string) string) *Baseline {
	return &Baseline{File: file, Software: run.Device.Software, Started: run.Started,
		cases: index(run), until: run.Until, today: now.UTC().Format(time.DateOnly), where: where}
}

// Standing is how a case stands to the baseline.
type Standing string

// The standings. A case without one neither fails, nor gives advice, nor is a known failure. Advice counts for the gate where AdviceFails
// says so.
const (
	Known Standing = "known" // it fails or is flaky, or gives advice, as in the baseline: no failure of the gate
	New   Standing = "new"   // it fails or gives advice, and the baseline has nothing of it, has a metric fine, or has expired
	Stale Standing = "stale" // it passes, and fails in the baseline, which has to be updated: a failure of the gate
)

// Standings are all standings, in the order in which they are reported.
func Standings() []Standing { return []Standing{Known, New, Stale} }

// Mark says of a case how it stands to the baseline. A nil Baseline knows nothing and marks nothing.
func (b *Baseline) Mark(link string, c *Case) {
	if b == nil {
		return
	}
	was := b.cases[place{link, c.ID}]
	until := cmp.Or(was.Until, b.until)
	for i, m := range c.Metrics {
		known := m.Flood() != "" && slices.ContainsFunc(was.Metrics, func(before Metric) bool { return before.Flood() == m.Flood() })
		if known && (until == "" || until >= b.today) {
			c.Metrics[i].Expected = true
		}
	}
	kind, known := Fail, was.Verdict == Fail || was.Verdict == Flaky
	if c.Verdict == Advice {
		kind, known = Advice, known || was.Verdict == Advice
	}
	newly := newly(kind, was, *c)
	switch {
	case c.Verdict == Pass && was.Verdict == Fail:
		c.Baseline = Stale
	case c.Verdict != Fail && c.Verdict != Flaky && c.Verdict != Advice:
	case !known:
		c.Baseline = New
	case len(newly) > 0:
		c.Baseline = New
		what := "a failure"
		if c.Verdict == Advice {
			what = "advice"
		}
		c.Notes = append(c.Notes, what+" that the baseline does not know: "+passedBefore(newly))
	case until != "" && until < b.today:
		c.Baseline = New
		at := b.where(link, c.ID)
		if was.Until == "" {
			at = b.where("", "")
		}
		c.Notes = append(c.Notes, fmt.Sprintf("%s: until: %s: the baseline excuses this no longer; mend it, or set a later day", at, until))
	default:
		c.Baseline, c.Until = Known, until
	}
}

// Standing counts the cases of a standing, over all links; checks beyond the plan where they count, and no advice.
func (r *Run) Standing(s Standing) (n int) {
	for _, l := range r.Links {
		for _, c := range l.Cases {
			if c.Baseline == s && c.Verdict != Advice && (r.GateChecks || !c.IsCheck()) {
				n++
			}
		}
	}
	return n
}
