package result

import "slices"

// Waiver is a case whose failure the device's owner excuses until a day.
type Waiver struct {
	Case   string `json:"case"`
	Reason string `json:"reason"`
	Issue  string `json:"issue,omitempty"`
	Until  string `json:"until"`
}

// String says why the case is excused, and until when.
func (w Waiver) String() string {
	text := w.Reason
	if w.Issue != "" {
		text += " (" + w.Issue + ")"
	}
	return text + ", waived until " + w.Until
}

// Waive shows a failure as Waived where a waiver names its case. What was found stays, and so does every other verdict.
func Waive(waivers []Waiver, c *Case) {
	i := slices.IndexFunc(waivers, func(w Waiver) bool { return w.Case == c.ID })
	if i >= 0 && c.Verdict == Fail {
		c.Verdict, c.Reason = Waived, waivers[i].String()+"; "+c.Reason
	}
}

// Failed reports whether the device failed the case, also where a waiver excuses that, and where other rounds of the case differ.
func (c Case) Failed() bool { return c.Verdict == Fail || c.Verdict == Waived || c.Verdict == Flaky }

// Excuse is why a case is waived, with what was found in it where no metric tells that.
func (r *Run) Excuse(c Case) string {
	i := slices.IndexFunc(r.Waivers, func(w Waiver) bool { return w.Case == c.ID })
	told := slices.ContainsFunc(c.Metrics, func(m Metric) bool { return m.Verdict == Fail })
	if i >= 0 && told {
		return r.Waivers[i].String()
	}
	return c.Reason
}

// Needless reports whether a waiver or expected advice is not needed any more: its case passes over every link over which it was carried
// out. A shard does not know the other links.
func (r *Run) Needless(id string) bool {
	passed := false
	for _, l := range r.Links {
		for _, c := range l.Cases {
			switch {
			case c.ID != id:
			case c.Verdict == Pass:
				passed = true
			case judged(c.Verdict):
				return false
			}
		}
	}
	return passed && r.Shard == nil
}
