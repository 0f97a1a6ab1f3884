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
	Advice        Verdict = "advice"         // a check beyond the plan found what TR-369 only advises against
	PassByHand    Verdict = "pass-by-hand"   // usptest could not judge it, and a person says that it passed
	FailByHand    Verdict = "fail-by-hand"   // the same for a failure
)

// CaseVerdicts are the verdicts a case can have, in the order in which reports count them: what was judged first.
func CaseVerdicts() []Verdict {
	return []Verdict{Pass, Fail, Flaky, Advice, Error, Aborted, Waived, PassByHand, FailByHand,
		Deselected, Unsupported, NotAutomated, Deprecated}
}

// MetricVerdicts are the verdicts that a metric can have.
func MetricVerdicts() []Verdict {
	return []Verdict{Pass, Fail, Advice, Error, NotReached, NotApplicable}
}

// CaseVerdict rolls up the verdicts of a case's metrics. A proven device fault stays proven, so fail beats error; pass needs every
// metric judged, and at least one. Advice is less than a fault, and more than nothing; that of metric 0 changes no verdict.
func CaseVerdict(metrics []Metric) (Verdict, string) {
	count := map[Verdict]int{}
	var firstFail, firstAdvice, firstError, firstOpen Metric
	for i := len(metrics) - 1; i >= 0; i-- {
		m := metrics[i]
		switch m.Verdict {
		case Pass, NotApplicable:
			count[m.Verdict]++
		case Fail:
			count[Fail], firstFail = count[Fail]+1, m
		case Advice:
			if m.N == 0 {
				continue // beside what the case is about
			}
			count[Advice], firstAdvice = count[Advice]+1, m
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
	case count[Advice] > 0:
		return Advice, fmt.Sprintf("metric %d: %s", firstAdvice.N, firstAdvice.Finding())
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
	Value  string `json:"value"`  // conformant, partial or not-conformant
	Reason string `json:"reason"` // all Reasons in a line
	// Reasons are every reason by itself, failures first, then what of the plan was not judged, then the rest.
	Reasons []string `json:"reasons,omitempty"`
}

// The values of a Conclusion.
const (
	Conformant    = "conformant"
	Partial       = "partial"
	NotConformant = "not-conformant"
)

// Counts says how many cases of the plan have each verdict, over all links.
func (r *Run) Counts() map[Verdict]int { return r.count(func(c Case) bool { return !c.IsCheck() }) }

func (r *Run) count(which func(Case) bool) map[Verdict]int {
	count := map[Verdict]int{}
	for _, l := range r.Links {
		for _, c := range l.Cases {
			if which(c) {
				count[c.Verdict]++
			}
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

// Coverage says how much of the plan a run judged; every case counts once, whatever the number of links.
type Coverage struct {
	Plan      int `json:"plan"`      // active cases of the plan
	Apply     int `json:"apply"`     // of them, those that apply to the device by its declared features
	Automated int `json:"automated"` // of those, the ones that this version of usptest has a body for
	Judged    int `json:"judged"`    // of those, the ones that passed, failed, are flaky, waived or turned out not to apply, over any link
}

// judgedCases counts the cases of which the run says something, each once.
func (r *Run) judgedCases() int {
	seen := map[string]bool{}
	for _, l := range r.Links {
		for _, c := range l.Cases {
			if !c.IsCheck() && (c.Verdict == Pass || c.Failed() || c.Verdict == Unsupported && !c.Started.IsZero()) {
				seen[c.ID] = true
			}
		}
	}
	return len(seen)
}

// String says it in a line.
func (c Coverage) String() string {
	text := fmt.Sprintf("judged %d of the %s that apply to this device (%d in the plan)", c.Judged, plural(c.Apply, "case"), c.Plan)
	if gap := c.Apply - c.Automated; gap > 0 {
		text += fmt.Sprintf("; usptest does not automate %d of them", gap)
	}
	return text
}

// Conclude fills in the waits, the conditions, the coverage, the causes and the conclusion: not-conformant when any case failed that no
// waiver excuses, conformant when everything that the plan asks of this device passed in real time, partial otherwise.
func (r *Run) Conclude() {
	r.Waits, r.Conditions, r.Causes = r.waits(), r.conditions(), r.causes()
	if r.Coverage != nil {
		r.Coverage.Judged = r.judgedCases()
	}
	reasons := append(r.failures(), r.reservations()...)
	r.Conclusion = Conclusion{Value: Partial, Reasons: reasons}
	count := r.Counts()
	switch {
	case count[Fail]+count[FailByHand] > 0 || r.failedOnce():
		r.Conclusion.Value = NotConformant
	case len(reasons) == 0:
		r.Conclusion.Value = Conformant
		r.Conclusion.Reasons = []string{"every case that applies to this device passed"}
	}
	if left := r.LeftOn(); left != "" {
		r.Conclusion.Reasons = slices.Insert(r.Conclusion.Reasons, 0, left)
	}
	r.Conclusion.Reason = strings.Join(r.Conclusion.Reasons, "; ")
}

// LeftOn says which devices do not run the firmware that they had before the run, by link; empty when all do. Whoever shows a run shows it
// first.
func (r *Run) LeftOn() string {
	var left []string
	for _, l := range r.Links {
		if l.LeftOn != "" {
			left = append(left, l.Link+": "+l.LeftOn)
		}
	}
	return strings.Join(left, "; ")
}

// failures say how many cases failed, excused or not.
func (r *Run) failures() (reasons []string) {
	count := r.Counts()
	if n := count[Fail]; n > 0 {
		reasons = append(reasons, plural(n, "case")+" failed")
	}
	if n := count[Flaky]; n > 0 {
		reasons = append(reasons, fmt.Sprintf("%s %s flaky", plural(n, "case"), choose(n, "is", "are")))
	}
	if known := r.Standing(Known); known > 0 {
		reasons[len(reasons)-1] += fmt.Sprintf(", of which the baseline knows %d", known)
	}
	if text := r.byHand(); count[FailByHand] > 0 {
		reasons = append(reasons, text)
	}
	if n := count[Waived]; n > 0 {
		more := plural(n, "case")
		if count[Fail] > 0 {
			more = fmt.Sprintf("%d more", n)
		}
		reasons = append(reasons, fmt.Sprintf("%s failed and %s waived", more, choose(n, "is", "are")))
	}
	return reasons
}

// reservations are all reasons why the run, without a failure, would prove no conformance; the gaps of the plan's coverage first.
func (r *Run) reservations() (reasons []string) {
	add := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	count := r.Counts()
	switch c := r.Coverage; {
	case c != nil && c.Judged < c.Apply:
		add("%s", c)
	case c == nil && count[NotAutomated] > 0:
		add("%s %s not automated yet", plural(count[NotAutomated], "case"), choose(count[NotAutomated], "is", "are"))
	}
	if text := r.byHand(); text != "" && count[FailByHand] == 0 {
		add("%s", text)
	}
	if n := count[Error] + count[Aborted]; n > 0 {
		add("%s could not be judged", plural(n, "case"))
	}
	if count[Pass]+count[Fail]+count[Flaky]+count[Waived] == 0 {
		add("no case passed, so nothing is proven")
	}
	for _, l := range r.Links {
		if l.Trouble != "" {
			text, _, _ := strings.Cut(l.Trouble, "; ")
			add("there was trouble over %s: %s", l.Link, text)
		}
	}
	if n := count[Deselected]; n > 0 {
		add("%s %s left out of the run", plural(n, "case"), choose(n, "was", "were"))
	}
	for _, c := range r.Conditions {
		if c.Widens && !strings.HasPrefix(c.Text, waives) {
			add("%s", clause(c.Text))
		}
	}
	for _, m := range r.Device.Mismatches() {
		add("%s", m.Mismatch())
	}
	var features []string
	for _, f := range r.Features {
		if f.Disagreement() != "" {
			features = append(features, fmt.Sprint(f.Number))
		}
	}
	if n := len(features); n > 0 {
		add("%s %s not what the DUT file declares: %s", plural(n, "feature"), choose(n, "is", "are"), strings.Join(features, ", "))
	}
	return reasons
}

// failedOnce reports whether the device failed a round of a case that is flaky.
func (r *Run) failedOnce() bool {
	return slices.ContainsFunc(r.Links, func(l Link) bool {
		return slices.ContainsFunc(l.Cases, func(c Case) bool { return !c.IsCheck() && c.Verdict == Flaky && c.failedOnce() })
	})
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// choose is the word that fits this many things.
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

// ExitCode is what the run as a whole means to a pipeline: 0 everything selected passed, 1 a device fault, a flaky case, or a profile or
// a feature that is claimed and lacks something, 3 errors but no device fault. A waived failure is none; with a baseline, a known one is
// none, and a stale one is. A run in which nothing was judged is an error: nothing is silently green. Checks beyond the plan count when
// GateChecks or, for what they advise, AdviceFails says so.
func (r *Run) ExitCode() int {
	count := r.Deciding()
	for _, l := range r.Links {
		if l.Trouble != "" {
			count[Error]++
		}
	}
	known := r.Standing(Known)
	switch {
	case count[Fail]+count[Flaky]+count[FailByHand]-known+r.Standing(Stale)+r.Model.Faults()+r.Refuted() > 0:
		return ExitDeviceFault
	case count[Error]+count[Aborted] > 0 || count[Pass]+count[Waived]+known == 0:
		return ExitError
	}
	return ExitPassed
}

// Refuted counts the cases that the device does not support against the DUT file, of those that decide the exit code.
func (r *Run) Refuted() int {
	return r.count(func(c Case) bool { return c.Refuted && (!c.IsCheck() || r.GateChecks) })[Unsupported]
}
