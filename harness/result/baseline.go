package result

import "time"

// Baseline is an earlier run whose failures are known. They stay failures of the device, and they do not fail the gate.
type Baseline struct {
	File     string    `json:"file"`
	Software string    `json:"software,omitempty"`
	Started  time.Time `json:"started"`

	cases map[place]Case
}

// NewBaseline makes a baseline of a run; file says where it was read.
func NewBaseline(file string, run *Run) *Baseline {
	return &Baseline{File: file, Software: run.Device.Software, Started: run.Started, cases: index(run)}
}

// Standing is how a case stands to the baseline.
type Standing string

// The standings. A case without one neither fails nor is a known failure.
const (
	Known Standing = "known" // it fails or is flaky, as in the baseline: no failure of the gate
	New   Standing = "new"   // it fails, and in the baseline it does not, or a metric that fails was fine there
	Stale Standing = "stale" // it passes, and fails in the baseline, which has to be updated: a failure of the gate
)

// Standings are all standings, in the order in which they are reported.
func Standings() []Standing { return []Standing{Known, New, Stale} }

// Mark says of a case how it stands to the baseline. A nil Baseline knows no failures and marks nothing.
func (b *Baseline) Mark(link string, c *Case) {
	if b == nil {
		return
	}
	was := b.cases[place{link, c.ID}]
	newly := newlyFailed(was, *c)
	switch {
	case c.Verdict == Pass && was.Verdict == Fail:
		c.Baseline = Stale
	case c.Verdict != Fail && c.Verdict != Flaky:
	case was.Verdict != Fail && was.Verdict != Flaky:
		c.Baseline = New
	case len(newly) > 0:
		c.Baseline = New
		c.Notes = append(c.Notes, "a failure that the baseline does not know: "+passedBefore(newly))
	default:
		c.Baseline = Known
	}
}

// Standing counts the cases of a standing, over all links; checks beyond the plan where they count.
func (r *Run) Standing(s Standing) (n int) {
	for _, l := range r.Links {
		for _, c := range l.Cases {
			if c.Baseline == s && (r.GateChecks || !c.IsCheck()) {
				n++
			}
		}
	}
	return n
}
