// Package junit writes a run as JUnit XML, the form that pipelines read. A fault of the device is a <failure>; a fault of the bench or the
// harness, and a case that was cut off, is an <error>; whatever was not run is <skipped>, with its reason. The file and the exit code
// agree: a failure that a waiver excuses or the baseline knows is <skipped> with what was found, and one that it knows wrongly is a
// <failure>. A check beyond the plan that does not count, and advice, are <skipped>, too.
package junit

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// What of a device's text goes into the file; report.html and the journal have more.
const (
	maxValue   = 4 << 10 // bytes of a value
	maxMessage = 500     // bytes of a message, which pipelines show in one line

	maxCauseIDs = 20 // cases that a cause names
)

// Render writes one suite for each link and one test case for each case, by the class name TP-469.<link>.<chapter>, or
// TR-369 for a check beyond the plan, and a suite TR-181 about the data model. The texts of the metrics come from p.
func Render(w io.Writer, run *result.Run, p *plan.Plan) error {
	all := junit.Testsuites{Name: line(run.Plan.ID + " " + run.Plan.Version), Time: seconds(run.WallMS)}
	for i, l := range run.Links {
		all.AddSuite(suite(i, run, p, l))
	}
	if run.Model != nil {
		all.AddSuite(modelSuite(len(run.Links), run))
	}
	// the schema of Jenkins has no such attribute here; each suite counts its own
	all.Skipped = 0
	if _, err := io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"); err != nil {
		return err
	}
	return all.WriteXML(w)
}

// suite is the run over one link.
func suite(id int, run *result.Run, p *plan.Plan, l result.Link) junit.Testsuite {
	s := junit.Testsuite{
		ID: id, Name: line(run.Plan.ID + "." + l.Link), Time: seconds(l.WallMS),
		// without a zone, as the schema of Ant wants it; it is UTC
		Timestamp: run.Started.UTC().Format("2006-01-02T15:04:05"),
	}
	for _, property := range [][2]string{
		{"tool", run.Tool.Name + " " + run.Tool.Version},
		{"plan", run.Plan.ID + " " + run.Plan.Version},
		{"planHash", run.Plan.Hash},
		{"link", l.Link},
		{"device", strings.TrimSpace(run.Device.Vendor + " " + run.Device.Model)},
		{"software", run.Device.Software},
		{"endpoint", run.Device.Endpoint},
		{"timeScale", fmt.Sprint(run.TimeScale)},
		{"tolerance", run.Tolerant()},
		{"shard", shard(run)},
		{"baseline", baselineFile(run)},
		{"conclusion", run.Conclusion.Value + ": " + run.Conclusion.Reason},
	} {
		if property[1] != "" {
			s.AddProperty(property[0], line(property[1]))
		}
	}
	if run.Limited {
		s.AddProperty("limited", result.LimitedNotice)
	}
	if run.DUT != nil {
		s.AddProperty("dutFile", line(run.DUT.File+" SHA-256 "+run.DUT.SHA256))
	}
	number := func(name string, i int) string { return fmt.Sprintf("%s %d", name, i+1) } // the schema of Ant wants each name once
	for i, c := range run.Conditions {
		s.AddProperty(number("condition", i), line(c.Text))
	}
	for i, c := range run.Causes { // before the cases, so that a reader meets them first
		if slices.ContainsFunc(c.Cases, func(k result.CauseCase) bool { return slices.Contains(k.Links, l.Link) }) {
			s.AddProperty(number("cause", i), message(c.Headline)+" "+line(c.Where(maxCauseIDs))+words(" Hint: ", line(c.Hint), ""))
		}
	}
	for i, m := range run.Device.Mismatches() {
		s.AddProperty(number("mismatch", i), line(m.Mismatch()))
	}
	for _, c := range l.Cases {
		s.AddTestcase(testcase(run, p, l.Link, c))
	}
	if l.Trouble != "" {
		text := "trouble: " + block(l.Trouble)
		for _, logged := range l.DeviceLog {
			text += "\ndevice: " + line(logged)
		}
		s.SystemErr = &junit.Output{Data: text}
		if s.Failures+s.Errors == 0 {
			// trouble is never green, not even when no case bears it
			s.AddTestcase(junit.Testcase{Classname: line(run.Plan.ID + "." + l.Link), Name: "link", Time: seconds(0),
				Error: &junit.Result{Message: message(l.Trouble), Type: string(result.Error)}})
		}
	}
	return s
}

// testcase is one case over one link.
func testcase(run *result.Run, p *plan.Plan, link string, c result.Case) junit.Testcase {
	chapter, _, _ := strings.Cut(c.ID, ".")
	of := run.Plan.ID
	if c.IsCheck() {
		of = "TR-369"
	}
	t := junit.Testcase{
		Classname: line(of + "." + link + "." + chapter),
		Name:      line(c.ID + " " + c.Title),
		Time:      seconds(c.DurationMS),
	}
	known, _ := p.Case(c.ID)
	outcome := &junit.Result{Message: message(c.Reason), Type: string(c.Verdict)}
	if c.Baseline != "" {
		outcome.Type = string(c.Baseline)
	}
	counts := !c.IsCheck() || run.GateChecks
	switch c.Verdict {
	case result.Pass:
		if c.Baseline == result.Stale {
			outcome.Message = message("it failed in the baseline, and it passes now; update " + baselineFile(run))
			t.Failure = outcome
		} else if run.AdviceFails && c.IsAdvised() {
			outcome.Message, outcome.Data = message(advised(c)), findings(run, known, link, c)
			t.Failure = outcome
		}
	case result.Fail, result.Flaky:
		outcome.Data = findings(run, known, link, c)
		switch {
		case !counts:
			outcome.Message = message("beyond the plan, without effect on the exit code: " + c.Reason)
			t.Skipped = outcome
		case c.Baseline == result.Known:
			outcome.Message = message("known failure: " + c.Reason)
			t.Skipped = outcome
		default:
			t.Failure = outcome
		}
	case result.FailByHand:
		outcome.Data = findings(run, known, link, c)
		t.Failure = outcome
	case result.Advice:
		outcome.Data = findings(run, known, link, c)
		switch {
		case run.AdviceFails && c.IsAdvised():
			t.Failure = outcome
		case c.IsExpected():
			outcome.Message = message("expected advice: " + c.Reason)
			t.Skipped = outcome
		default:
			t.Skipped = outcome
		}
	case result.Waived:
		outcome.Data = findings(run, known, link, c)
		t.Skipped = outcome
	case result.Unsupported:
		if c.Refuted && counts {
			t.Failure = outcome
		} else {
			t.Skipped = outcome
		}
	case result.PassByHand, result.Deselected, result.NotAutomated, result.Deprecated:
		t.Skipped = outcome
	default: // error, aborted, and whatever this version does not know
		outcome.Data = findings(run, known, link, c)
		if counts {
			t.Error = outcome
		} else {
			t.Skipped = outcome
		}
	}
	if out := output(known, c); out != "" {
		t.SystemOut = &junit.Output{Data: out}
	}
	return t
}

// shard is which part of a run this is; empty when it is the whole.
func shard(run *result.Run) string {
	if run.Shard == nil {
		return ""
	}
	return run.Shard.String()
}

// baselineFile is where the known failures stand; empty without a baseline.
func baselineFile(run *result.Run) string {
	if run.Baseline == nil {
		return ""
	}
	return run.Baseline.File
}

// advised is the flood that a case which passes advises against.
func advised(c result.Case) string {
	at := slices.IndexFunc(c.Metrics, func(m result.Metric) bool { return m.Flood() != "" && !m.Expected })
	return c.Metrics[at].Flood() + ": " + c.Metrics[at].Finding()
}

// findings says what went wrong, metric by metric, and how to repeat it.
func findings(run *result.Run, known plan.Case, link string, c result.Case) string {
	var b strings.Builder
	for _, m := range c.Metrics {
		if m.Verdict == result.Fail || m.Verdict == result.Error || m.Verdict == result.Advice {
			fmt.Fprintf(&b, "metric %d%s: %s\n", m.N, words(" (", text(known, m.N), ")"), block(m.Finding()))
			if m.Note != "" && m.Note != m.Finding() {
				fmt.Fprintf(&b, "  note: %s\n", block(m.Note))
			}
		}
	}
	if b.Len() == 0 {
		fmt.Fprintf(&b, "%s\n", block(c.Reason))
	}
	if len(known.Requirements) > 0 {
		fmt.Fprintf(&b, "TR-369 %s\n", strings.Join(known.Requirements, " "))
	}
	fmt.Fprintf(&b, "report.html#%s\n", line(link+"-"+c.ID))
	fmt.Fprintf(&b, "again: %s", line(run.AgainFor(link, c.ID)))
	return b.String()
}

// output lists the rounds of a case that was repeated and every metric with its verdict, then the remarks on the case.
func output(known plan.Case, c result.Case) string {
	var lines []string
	for i, r := range c.Rounds {
		lines = append(lines, line(fmt.Sprintf("round %d %s%s", i+1, r.Verdict, words(": ", r.Reason, ""))))
	}
	for _, h := range c.ByHand {
		lines = append(lines, line(fmt.Sprintf("%s by %s; usptest itself: %s: %s", h.Verdict, h, h.Instead, h.Reason)))
	}
	for _, m := range c.Metrics {
		l := fmt.Sprintf("metric %d %s%s", m.N, m.Verdict, words(": ", text(known, m.N), ""))
		if len(m.Evidence) > 0 {
			l += fmt.Sprintf(" (event %s)", strings.Trim(fmt.Sprint(m.Evidence), "[]"))
		}
		if m.Verdict == result.Advice && c.Verdict == result.Pass { // nothing else tells it
			l += ": " + m.Finding()
		}
		lines = append(lines, line(l))
	}
	for _, a := range c.Alternates {
		lines = append(lines, "alternate: "+line(a.String()))
	}
	for _, n := range c.Notes {
		lines = append(lines, "note: "+block(n))
	}
	for _, e := range c.Relaxed {
		lines = append(lines, "judged by erratum, not by the letter of the plan: "+line(e))
	}
	for _, e := range c.Errata {
		lines = append(lines, "erratum: "+line(e))
	}
	for _, e := range c.ByLetter {
		lines = append(lines, "by the letter of the plan, in spite of erratum: "+line(e))
	}
	for _, a := range c.CleanUp {
		l := "clean-up: " + line(a.Name)
		if a.Error != "" {
			l += ": failed: " + block(a.Error)
		}
		lines = append(lines, l)
	}
	return strings.Join(lines, "\n")
}

// text is what metric n is about; empty when the plan has no words for it.
func text(known plan.Case, n int) string {
	for _, m := range known.Metrics {
		if m.N == n {
			return m.Text
		}
	}
	return ""
}

// words puts s between before and after, unless there is nothing to put.
func words(before, s, after string) string {
	if s == "" {
		return ""
	}
	return before + s + after
}

// seconds writes milliseconds the way JUnit counts.
func seconds(ms int64) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }

// message is text for an attribute that is read in one line.
func message(s string) string {
	head, left := result.Cut(s, maxMessage)
	if left > 0 {
		return line(head) + "…"
	}
	return line(head)
}

// line is text for one line, block for several: cut, and free of what XML forbids.
func line(s string) string  { return short(s, result.VisibleLine) }
func block(s string) string { return short(s, result.Visible) }

func short(s string, visible func(string) string) string {
	head, left := result.Cut(s, maxValue)
	if left == 0 {
		return visible(head)
	}
	return visible(head) + fmt.Sprintf("… (%d bytes more)", left)
}
