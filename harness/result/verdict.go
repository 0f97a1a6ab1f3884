package result

import (
	"fmt"
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
	Waived        Verdict = "waived"         // the DUT file excuses it
	Deprecated    Verdict = "deprecated"     // the plan no longer runs it
	NotAutomated  Verdict = "not-automated"  // usptest has no body for it yet
	Aborted       Verdict = "aborted"        // the run ended before the case did
)

// CaseVerdicts are the verdicts a case can have, in the order in which reports count them: what was judged first.
func CaseVerdicts() []Verdict {
	return []Verdict{Pass, Fail, Error, Aborted, Waived, Deselected, Unsupported, NotAutomated, Deprecated}
}

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

// Conclude fills in the waits and the conclusion: not-conformant when any case failed, conformant when everything that the plan asks of this
// device passed in real time, partial otherwise.
func (r *Run) Conclude() {
	r.Waits = r.waits()
	count := r.Counts()
	r.Conclusion = Conclusion{Partial, ""}
	open := []Verdict{Error, Aborted, Waived, Deselected, NotAutomated}
	trouble := ""
	for _, l := range r.Links {
		if l.Trouble != "" && trouble == "" {
			trouble = l.Link + ": " + l.Trouble
		}
	}
	switch {
	case count[Fail] > 0:
		r.Conclusion = Conclusion{NotConformant, plural(count[Fail], "case") + " failed"}
		if known := r.Standing(Known); known > 0 {
			r.Conclusion.Reason += fmt.Sprintf(", of which the baseline knows %d", known)
		}
		return
	case trouble != "":
		r.Conclusion.Reason = trouble
		return
	case count[Pass] == 0:
		r.Conclusion.Reason = "no case passed, so nothing is proven"
		return
	}
	for _, v := range open {
		if count[v] > 0 {
			r.Conclusion.Reason = fmt.Sprintf("no case failed, but %s %s %s", plural(count[v], "case"), are(count[v]), v)
			return
		}
	}
	if r.Shard != nil {
		r.Conclusion.Reason = fmt.Sprintf("no case failed, but this is shard %s alone; usptest merge joins all of them", r.Shard)
		return
	}
	if len(r.Selectors) > 0 {
		r.Conclusion.Reason = "no case failed, but the run was limited to " + strings.Join(r.Selectors, " ")
		return
	}
	if r.TimeScale != 1 {
		r.Conclusion.Reason = fmt.Sprintf("no case failed, but protocol intervals were divided by %g", r.TimeScale)
		return
	}
	for _, f := range r.Features {
		if differs := f.Disagreement(); differs != "" {
			r.Conclusion.Reason = fmt.Sprintf("no case failed, but feature %d (%s): %s", f.Number, f.Name, differs)
			return
		}
	}
	r.Conclusion = Conclusion{Conformant, "every case that applies to this device passed"}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// Exit codes of the command line (DESIGN section 6).
const (
	ExitPassed      = 0
	ExitDeviceFault = 1
	ExitUsage       = 2
	ExitError       = 3
	ExitInterrupted = 130
)

// ExitCode is what the run as a whole means to a pipeline: 0 everything selected passed, 1 a device fault, 3 errors but no device
// fault. With a baseline, a known failure is none, and a stale one is. A run in which nothing passed is an error: nothing is silently
// green.
func (r *Run) ExitCode() int {
	count := r.Counts()
	for _, l := range r.Links {
		if l.Trouble != "" {
			count[Error]++
		}
	}
	known := r.Standing(Known)
	switch {
	case count[Fail]-known+r.Standing(Stale) > 0:
		return ExitDeviceFault
	case count[Error]+count[Aborted] > 0 || count[Pass]+known == 0:
		return ExitError
	}
	return ExitPassed
}
