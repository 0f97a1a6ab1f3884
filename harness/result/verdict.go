package result

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict is the outcome of a metric or of a case.
type Verdict string

// The verdicts. Pass, Fail and Error are for metrics and cases; NotReached and NotApplicable for metrics; the rest for cases.
const (
	Pass          Verdict = "pass"
	Fail          Verdict = "fail"           // the device is at fault
	Error         Verdict = "error"          // the bench or the harness is at fault
	NotReached    Verdict = "not-reached"    // an earlier metric failed, or the case ended before
	NotApplicable Verdict = "not-applicable" // the metric has no meaning for this device
	Unsupported   Verdict = "unsupported"    // the device does not have the feature
	Deselected    Verdict = "deselected"     // the user left it out
	Waived        Verdict = "waived"         // it failed, and the DUT file excuses that
	Deprecated    Verdict = "deprecated"     // the plan no longer runs it
	NotAutomated  Verdict = "not-automated"  // usptest has no body for it yet
	Aborted       Verdict = "aborted"        // the run ended before the case did
	Flaky         Verdict = "flaky"          // it was repeated, and its rounds differ
)

// CaseVerdicts are the verdicts a case can have, in the order in which reports count them: what was judged first.
func CaseVerdicts() []Verdict {
	return []Verdict{Pass, Fail, Flaky, Error, Aborted, Waived, Deselected, Unsupported, NotAutomated, Deprecated}
}

// MetricVerdicts are the verdicts that a metric can have.
func MetricVerdicts() []Verdict { return []Verdict{Pass, Fail, Error, NotReached, NotApplicable} }

// CaseVerdict rolls up the verdicts of a case's metrics. A proven device fault stays proven, so fail beats error; pass needs every
// metric judged, and at least one.
func CaseVerdict(metrics []Metric) (Verdict, string) {
	count := map[Verdict]int{}
	var firstFail, firstError, firstOpen Metric
	for i := len(metrics) - 1; i >= 0; i-- {
		m := metrics[i]
		switch m.Verdict {
		case Pass, NotApplicable:
			count[m.Verdict]++
		case Fail:
			count[Fail], firstFail = count[Fail]+1, m
		case NotReached:
			count[NotReached], firstOpen = count[NotReached]+1, m
		default:
			count[Error], firstError = count[Error]+1, m
		}
	}
	switch {
	case count[Fail] > 0:
		return Fail, fmt.Sprintf("metric %d: %s", firstFail.N, firstFail.Finding())
	case count[Error] > 0:
		return Error, fmt.Sprintf("metric %d: %s", firstError.N, firstError.Finding())
	case count[NotReached] > 0:
		return Error, fmt.Sprintf("case body ended without judging metric %d", firstOpen.N)
	case count[Pass] == 0:
		return Error, "case body judged no metric"
	}
	return Pass, ""
}

// Finding says in one line what was wrong: "<where>: want <x>, got <y>", or the note when there is no comparison.
func (m Metric) Finding() string {
	switch {
	case m.Want == "" && m.Got == "" && m.Where == "":
		return m.Note
	case m.Want == "" && m.Got == "":
		return m.Where
	case m.Where == "":
		return fmt.Sprintf("want %s, got %s", m.Want, m.Got)
	}
	return fmt.Sprintf("%s: want %s, got %s", m.Where, m.Want, m.Got)
}

// Conclusion is the verdict over a whole run.
type Conclusion struct {
	Value  string `json:"value"` // conformant, partial or not-conformant
	Reason string `json:"reason"`
}

// The values of a Conclusion.
const (
	Conformant    = "conformant"
	Partial       = "partial"
	NotConformant = "not-conformant"
)

// Counts says how many cases have each verdict, over all links.
func (r *Run) Counts() map[Verdict]int {
	count := map[Verdict]int{}
	for _, l := range r.Links {
		for _, c := range l.Cases {
			count[c.Verdict]++
		}
	}
	return count
}

// waits sums up the waits of all cases.
func (r *Run) waits() (w Waits) {
	for _, l := range r.Links {
		for _, c := range l.Cases {
			w.TotalMS += c.WaitMS
			if c.WaitMS > w.LongestMS {
				w.LongestMS, w.Longest = c.WaitMS, c.ID
			}
		}
	}
	return w
}

// WaitLine says in a line how long the plan makes a tester wait and how long the run took.
func (r *Run) WaitLine() string {
	took := fmt.Sprintf("the run took %.1f s", float64(r.WallMS)/1000)
	if r.Waits.TotalMS == 0 {
		return "the plan prescribes no wait in the cases carried out; " + took
	}
	return fmt.Sprintf("the plan prescribes waits of %d s in the cases carried out, a reboot counted as 60 s, the longest in one case %d s (%s); %s",
		r.Waits.TotalMS/1000, r.Waits.LongestMS/1000, r.Waits.Longest, took)
}

// Conclude fills in the waits and the conclusion: not-conformant when any case failed that no waiver excuses, conformant when everything that the
// plan asks of this device passed in real time, partial otherwise.
func (r *Run) Conclude() {
	r.Waits = r.waits()
	count := r.Counts()
	reservation := r.reservation(count)
	switch waived := count[Waived]; {
	case count[Fail] > 0 || r.failedOnce():
		var reasons []string
		if count[Fail] > 0 {
			reasons = append(reasons, plural(count[Fail], "case")+" failed")
		}
		if flaky := count[Flaky]; flaky > 0 {
			reasons = append(reasons, fmt.Sprintf("%s %s flaky", plural(flaky, "case"), choose(flaky, "is", "are")))
		}
		reason := strings.Join(reasons, ", ")
		if known := r.Standing(Known); known > 0 {
			reason += fmt.Sprintf(", of which the baseline knows %d", known)
		}
		if waived > 0 {
			reason += fmt.Sprintf("; %d more failed and %s waived", waived, choose(waived, "is", "are"))
		}
		r.Conclusion = Conclusion{NotConformant, reason}
	case waived > 0:
		reason := fmt.Sprintf("%s failed and %s waived", plural(waived, "case"), choose(waived, "is", "are"))
		if reservation != "" {
			reason += "; besides, " + reservation
		}
		r.Conclusion = Conclusion{Partial, reason}
	case reservation != "":
		r.Conclusion = Conclusion{Partial, "no case failed, but " + reservation}
	default:
		r.Conclusion = Conclusion{Conformant, "every case that applies to this device passed"}
	}
}

// reservation is the first reason why a run without a failure proves no conformance; empty when there is none.
func (r *Run) reservation(count map[Verdict]int) string {
	for _, l := range r.Links {
		if l.Trouble != "" {
			return fmt.Sprintf("there was trouble over %s: %s", l.Link, l.Trouble)
		}
	}
	switch n := count[Error] + count[Aborted]; {
	case count[Flaky] > 0:
		return fmt.Sprintf("%s passed in some rounds and could not be judged in others", plural(count[Flaky], "case"))
	case n > 0:
		return fmt.Sprintf("%s could not be judged", plural(n, "case"))
	case count[Pass] == 0:
		return "no case passed, so nothing is proven"
	case r.Shard != nil:
		return fmt.Sprintf("this is shard %s alone; usptest merge joins all of them", r.Shard)
	case r.FailedOf != "":
		return "the run was limited to what failed or could not be judged in " + r.FailedOf
	case len(r.Selectors) > 0:
		return "the run was limited to " + strings.Join(r.Selectors, " ")
	case count[Deselected] > 0:
		return fmt.Sprintf("%s %s left out of the run", plural(count[Deselected], "case"), choose(count[Deselected], "was", "were"))
	case count[NotAutomated] > 0:
		return fmt.Sprintf("%s %s not automated yet", plural(count[NotAutomated], "case"), choose(count[NotAutomated], "is", "are"))
	case r.TimeScale != 1:
		return fmt.Sprintf("protocol intervals were divided by %g", r.TimeScale)
	case r.Tolerant() != "":
		return r.Tolerant()
	}
	if m := r.Device.Mismatches(); len(m) > 0 {
		return m[0].Mismatch()
	}
	for _, f := range r.Features {
		if differs := f.Disagreement(); differs != "" {
			return fmt.Sprintf("feature %d (%s): %s", f.Number, f.Name, differs)
		}
	}
	return ""
}

// failedOnce reports whether the device failed a round of a case that is flaky.
func (r *Run) failedOnce() bool {
	return slices.ContainsFunc(r.Links, func(l Link) bool {
		return slices.ContainsFunc(l.Cases, func(c Case) bool { return c.Verdict == Flaky && c.failedOnce() })
	})
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// choose is the word that fits so many things.
func choose(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// Exit codes of the command line (DESIGN section 6).
const (
	ExitPassed      = 0
	ExitDeviceFault = 1
	ExitUsage       = 2
	ExitError       = 3
	ExitInterrupted = 130
)

// ExitCode is what the run as a whole means to a pipeline: 0 everything selected passed, 1 a device fault or a flaky case, 3
// errors but no device fault. A waived failure is none; with a baseline, a known one is none, and a stale one is. A run in which nothing was judged is an error:
// nothing is silently green.
func (r *Run) ExitCode() int {
	count := r.Counts()
	for _, l := range r.Links {
		if l.Trouble != "" {
			count[Error]++
		}
	}
	known := r.Standing(Known)
	switch {
	case count[Fail]+count[Flaky]-known+r.Standing(Stale) > 0:
		return ExitDeviceFault
	case count[Error]+count[Aborted] > 0 || count[Pass]+count[Waived]+known == 0:
		return ExitError
	}
	return ExitPassed
}
