package console

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// Render writes a finished run: its failures, then the summary.
func Render(w io.Writer, run *result.Run, p *plan.Plan, o Options) error {
	var b strings.Builder
	o.leftOn(&b, run)
	b.WriteString(heading(run) + "\n")
	if run.Limited {
		fmt.Fprintf(&b, "%s The plan's terms: %s\n", result.LimitedNotice, result.TermsURL)
	}
	o.causes(&b, run)
	for _, l := range run.Links {
		reasons := map[string]string{}
		for _, c := range l.Cases {
			if c.Failed() {
				c.Timeline, _ = run.Events(c) // without it there are numbers of events alone
			}
			o.finished(&b, run, p, l.Link, c, reasons)
		}
	}
	o.summary(&b, run, true)
	_, err := io.WriteString(w, b.String())
	return err
}

// leftOn says first of all that a device was left on another firmware than it had.
func (o Options) leftOn(b *strings.Builder, run *result.Run) {
	if left := run.LeftOn(); left != "" {
		fmt.Fprintf(b, "%s %s\n", o.paint(red, "firmware"), value(left))
	}
}

// heading names the program, the plan and the device.
func heading(run *result.Run) string {
	d := run.Device
	device := join(" ", d.Vendor, d.Model, d.Software)
	if d.Endpoint != "" {
		device = join(" ", device, "("+d.Endpoint+")")
	}
	if d.Reference {
		device = join(", ", "the "+device, strings.Join(d.Defects, ", "))
	}
	if run.Shard != nil {
		device += ", shard " + run.Shard.String()
	}
	return value(fmt.Sprintf("%s %s, %s %s: %s", run.Tool.Name, run.Tool.Version, run.Plan.ID, run.Plan.Version, device))
}

// finished writes what is to be said about one case when it ends. reasons holds the newest error of each link, so that trouble
// of every case is written once.
func (o Options) finished(b *strings.Builder, run *result.Run, p *plan.Plan, link string, c result.Case, reasons map[string]string) {
	judged := slices.ContainsFunc(c.Metrics, func(m result.Metric) bool { return m.Verdict == result.Fail || m.Verdict == result.Error })
	switch {
	case c.Baseline == result.Stale:
		o.header(b, link, c)
		b.WriteString("  stale   it failed in the baseline, and it passes now\n")
	case (c.Baseline == result.Known || c.Expected) && !o.Verbose:
		if !o.Quiet {
			o.header(b, link, c)
			word := "known"
			if c.Expected {
				word = "expected"
			}
			fmt.Fprintf(b, "  %-7s %s\n", word, value(c.Reason))
		}
	case c.Verdict == result.Error && !judged && c.Reason != "" && c.Reason == reasons[link]:
		o.header(b, link, c)
		b.WriteString("  reason  as before\n")
	case c.Verdict == result.Waived && o.Quiet: // the summary has it
	case c.Verdict == result.Advice && o.Quiet: // likewise
	case c.Failed() || c.Verdict == result.Error || c.Verdict == result.Advice:
		reasons[link] = c.Reason
		o.block(b, run, p, link, c)
	case o.Verbose || c.Verdict == result.Pass && !o.Quiet && (!o.Terminal || c.Flooded()):
		o.header(b, link, c)
		if c.Reason != "" {
			fmt.Fprintf(b, "  reason  %s\n", value(c.Reason))
		}
		for _, m := range c.Metrics {
			if m.Verdict == result.Advice {
				fmt.Fprintf(b, "  advice  %s\n", value(m.Finding()))
			}
		}
	}
}

// green is the short summary of a run in which nothing is wrong: at most four lines.
func (o Options) green(b *strings.Builder, run *result.Run) {
	var counts, links []string
	all := tabled(run)
	for _, v := range result.CaseVerdicts() {
		if all[v] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", all[v], v))
		}
	}
	for _, l := range run.Links {
		links = append(links, l.Link)
	}
	fmt.Fprintf(b, "%s over %s in %s\n", strings.Join(counts, ", "), result.VisibleLine(strings.Join(links, ", ")), elapsed(run.WallMS))
	o.beyond(b, run)
	relaxed := 0
	for _, l := range run.Links {
		for _, c := range l.Cases {
			if c.Verdict == result.Pass && len(c.Relaxed) > 0 {
				relaxed++
			}
		}
	}
	if relaxed > 0 {
		fmt.Fprintf(b, "%d of the passes rest on a more lenient reading than the letter of the plan; the report names them\n", relaxed)
	}
	if n := len(run.Conclusion.Reasons); n > 1 {
		fmt.Fprintf(b, "%s: %s; the report has %d more reasons\n", result.VisibleLine(run.Conclusion.Value), value(run.Conclusion.Reasons[0]), n-1)
		return
	}
	o.conclusion(b, run)
}

// summary counts by link, says what was not run and why if that is wanted here, and concludes.
func (o Options) summary(b *strings.Builder, run *result.Run, notRun bool) {
	b.WriteString("\n")
	o.table(b, run)
	b.WriteString("\n")
	if notRun {
		o.notRun(b, run)
	}
	for _, l := range run.Links {
		if l.Trouble == "" {
			continue
		}
		fmt.Fprintf(b, "%s %s: %s\n", o.paint(yellow, "trouble"), result.VisibleLine(l.Link), o.wrap(l.Trouble, len("trouble ")))
		for _, line := range l.DeviceLog {
			fmt.Fprintf(b, "  device: %s\n", value(line))
		}
	}
	for _, m := range run.Device.Mismatches() {
		fmt.Fprintf(b, "%s %s\n", o.paint(yellow, "identity"), value(m.Mismatch()))
	}
	for _, f := range run.Features {
		if differs := f.Disagreement(); differs != "" {
			fmt.Fprintf(b, "%s %d (%s): %s\n", o.paint(yellow, "feature"), f.Number, result.VisibleLine(f.Name), value(differs))
		}
	}
	o.model(b, run)
	for _, w := range run.Waivers {
		if run.Needless(w.Case) {
			fmt.Fprintf(b, "%s %s is no longer needed: the case passes over every link of this run; remove the waiver from the DUT file\n",
				o.paint(yellow, "waiver"), result.VisibleLine(w.Case))
		}
	}
	for _, e := range run.ExpectedAdvice {
		if run.Needless(e.Check) {
			fmt.Fprintf(b, "%s %s is no longer given: the check passes over every link of this run; remove it from the DUT file\n",
				o.paint(yellow, "advice"), result.VisibleLine(e.Check))
		}
	}
	o.beyond(b, run)
	o.baseline(b, run)
	if !run.Limited {
		fmt.Fprintln(b, value(run.WaitLine()))
	}
	o.relaxed(b, run)
	for _, c := range run.Conditions {
		if !c.Widens { // the others are reasons of the conclusion
			fmt.Fprintln(b, value(c.Text))
		}
	}
	o.conclusion(b, run)
}

// conclusion is the verdict over the run with all its reasons, one a line.
func (o Options) conclusion(b *strings.Builder, run *result.Run) {
	colour := map[string]string{result.Conformant: green, result.Partial: yellow, result.NotConformant: red}[run.Conclusion.Value]
	reasons := run.Conclusion.Reasons
	if len(reasons) == 0 { // an earlier version wrote one alone
		reasons = []string{run.Conclusion.Reason}
	}
	for i, reason := range reasons {
		if i == 0 {
			fmt.Fprintf(b, "%s: %s\n", o.paint(colour, result.VisibleLine(run.Conclusion.Value)), value(reason))
			continue
		}
		fmt.Fprintf(b, "  %s\n", value(reason))
	}
}

// maxCauses is how many causes the console shows; the report has all of them.
const maxCauses = 20

// causes writes the root causes of what went wrong, each once with its cases.
func (o Options) causes(b *strings.Builder, run *result.Run) {
	if len(run.Causes) == 0 {
		return
	}
	word := "root causes"
	if len(run.Causes) == 1 {
		word = "root cause"
	}
	fmt.Fprintf(b, "\n%d %s\n", len(run.Causes), word)
	for _, c := range run.Causes[:min(len(run.Causes), maxCauses)] {
		fmt.Fprintf(b, "  %s %s\n        %s\n", o.verdict(c.Verdict), o.wrap(c.Headline, len(c.Verdict)+3),
			o.paint(faint, result.VisibleLine(c.Where(maxIDs))))
		if c.Hint != "" {
			fmt.Fprintf(b, "        hint: %s\n", o.wrap(c.Hint, 14))
		}
	}
	if more := len(run.Causes) - maxCauses; more > 0 {
		fmt.Fprintf(b, "  and %d more in the report\n", more)
	}
}

// relaxed names the passes that rest on a reading of the plan that is milder than its letter.
func (o Options) relaxed(b *strings.Builder, run *result.Run) {
	cases := map[string][]string{} // by erratum
	var errata []string
	for _, l := range run.Links {
		for _, c := range l.Cases {
			if c.Verdict != result.Pass {
				continue
			}
			for _, e := range c.Relaxed {
				if cases[e] == nil {
					errata = append(errata, e)
				}
				if !slices.Contains(cases[e], c.ID) {
					cases[e] = append(cases[e], c.ID)
				}
			}
		}
	}
	for _, e := range errata {
		passes := "pass"
		if len(cases[e]) == 1 {
			passes = "passes"
		}
		fmt.Fprintf(b, "%s %s by erratum %s, not by the letter of the plan; see usptest show %s\n",
			o.list(cases[e]), passes, value(e), result.VisibleLine(cases[e][0]))
	}
}

// model says in a line how the data model compares with TR-181, and what a claimed profile lacks.
func (o Options) model(b *strings.Builder, run *result.Run) {
	if run.Model == nil {
		return
	}
	count := map[string]int{}
	for _, p := range run.Model.Profiles {
		count[p.State]++
	}
	fmt.Fprintf(b, "data model, apart from the plan: %d profiles of TR-181 complete, %d in part; %s\n", count["complete"], count["partial"],
		value(run.Model.Summary()))
	for _, f := range run.Model.Findings {
		if f.Profile != "" && !f.Advice {
			fmt.Fprintf(b, "  %s %s: want %s, got %s (%s)\n", o.paint(red, "fault"), value(f.Path), value(f.Want), value(f.Got), value(f.Profile))
		}
	}
	for _, n := range run.Model.Notes {
		fmt.Fprintf(b, "  note: %s\n", value(n))
	}
}

// beyond says in a line each what the checks beyond the plan found, and which floods came.
func (o Options) beyond(b *strings.Builder, run *result.Run) {
	for _, line := range []string{run.BeyondLine(), run.FloodLine()} {
		if line != "" {
			fmt.Fprintln(b, value(line))
		}
	}
}

// baseline says how the run compares with the known failures.
func (o Options) baseline(b *strings.Builder, run *result.Run) {
	if run.Baseline == nil {
		return
	}
	of := join(", ", words("software ", run.Baseline.Software), run.Baseline.Started.UTC().Format(time.DateOnly))
	var counts []string
	for _, s := range result.Standings() {
		counts = append(counts, fmt.Sprintf("%d %s", run.Standing(s), s))
	}
	fmt.Fprintf(b, "baseline %s (%s): failures %s\n", value(run.Baseline.File), value(of), strings.Join(counts, ", "))
	for _, s := range result.Standings() {
		var places []string
		for _, l := range run.Links {
			for _, c := range l.Cases {
				if c.Baseline == s && c.Verdict != result.Advice {
					places = append(places, l.Link+" "+c.ID)
				}
			}
		}
		if len(places) > 0 {
			fmt.Fprintf(b, "  %s %s\n", o.paint(standingColour(s), string(s)), result.VisibleLine(strings.Join(places, ", ")))
		}
	}
	if run.Standing(result.Stale) > 0 {
		b.WriteString("  stale failures pass now: replace the baseline with the run.json of this run, or of one that you trust\n")
	}
}

func standingColour(s result.Standing) string {
	switch s {
	case result.New:
		return red
	case result.Stale:
		return yellow
	}
	return faint
}

// words puts before in front of s, unless there is nothing to put it before.
func words(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

// tabled are the counts that the summary shows: those of the plan, or of the checks in a run of checks alone.
func tabled(run *result.Run) map[result.Verdict]int {
	if count := run.Counts(); len(count) > 0 {
		return count
	}
	return run.Checks()
}

// table has a line for each link and a column for each verdict that occurs.
func (o Options) table(b *strings.Builder, run *result.Run) {
	all, order := tabled(run), result.CaseVerdicts()
	var shown []result.Verdict
	for _, v := range order {
		if all[v] > 0 || v == result.Fail || v == result.Pass && !run.Limited {
			shown = append(shown, v)
		}
	}
	for v := range all {
		if !slices.Contains(order, v) {
			shown = append(shown, v)
		}
	}
	name := len("link")
	for _, l := range run.Links {
		name = max(name, len(l.Link))
	}
	line := func(link string, cell func(result.Verdict) string, time string) {
		fmt.Fprintf(b, "%-*s", name, link)
		for _, v := range shown {
			text := fmt.Sprintf("%*s", max(len(v), 4)+2, cell(v))
			if strings.TrimSpace(text) == "0" {
				text = o.paint(faint, text)
			} else if link != "link" {
				text = o.paint(verdictColour(v), text)
			}
			b.WriteString(text)
		}
		fmt.Fprintf(b, "  %8s\n", time)
	}
	line("link", func(v result.Verdict) string { return string(v) }, "time")
	count := func(counts map[result.Verdict]int) func(result.Verdict) string {
		return func(v result.Verdict) string { return fmt.Sprint(counts[v]) }
	}
	for _, l := range run.Links {
		one := result.Run{Links: []result.Link{l}}
		line(result.VisibleLine(l.Link), count(tabled(&one)), elapsed(l.WallMS))
	}
	if len(run.Links) > 1 {
		line("all", count(all), elapsed(run.WallMS))
	}
}

// notRun groups the cases that were waived, not carried out, or not to their end, by the reason.
func (o Options) notRun(b *strings.Builder, run *result.Run) {
	o.groups(b, run, result.Pass, result.Fail, result.Flaky, result.Advice, result.Error)
}

// groups groups the cases by verdict and reason, but for those with one of the verdicts left out.
func (o Options) groups(b *strings.Builder, run *result.Run, leftOut ...result.Verdict) {
	type group struct {
		verdict result.Verdict
		reason  string
	}
	ids := map[group][]string{}
	var groups []group
	for _, l := range run.Links {
		for _, c := range l.Cases {
			if slices.Contains(leftOut, c.Verdict) {
				continue
			}
			g := group{c.Verdict, c.Reason}
			if _, ok := ids[g]; !ok {
				groups = append(groups, g)
			}
			if !slices.Contains(ids[g], c.ID) {
				ids[g] = append(ids[g], c.ID)
			}
		}
	}
	order := result.CaseVerdicts()
	slices.SortStableFunc(groups, func(a, b group) int { return slices.Index(order, a.verdict) - slices.Index(order, b.verdict) })
	for _, g := range groups {
		slices.SortFunc(ids[g], plan.Compare)
		fmt.Fprintf(b, "%s %s: %s\n", o.verdict(g.verdict), o.list(ids[g]), value(g.reason))
	}
}

// maxIDs is how many ids of a group are named unless every case is wanted.
const maxIDs = 8

func (o Options) list(ids []string) string {
	shown := ids
	if !o.Verbose {
		shown = ids[:min(len(ids), maxIDs)]
	}
	text := result.VisibleLine(strings.Join(shown, " "))
	if more := len(ids) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// elapsed writes milliseconds for a reader.
func elapsed(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d:%02d min", int(d.Minutes()), int(d.Seconds())%60)
}

// exit says what the exit code of a run means.
func exit(run *result.Run, code int) string {
	count := run.Deciding()
	faults, advice := count[result.Fail]+count[result.Flaky], run.NewAdvice()
	switch {
	case code == result.ExitDeviceFault && run.AdviceFails && advice > 0 && faults-advice == run.Standing(result.Known):
		return "advice, which --advice-fails makes a failure"
	case code == result.ExitPassed && run.Standing(result.Known) > 0 && count[result.Waived] > 0:
		return "no failures except known and waived ones"
	case code == result.ExitPassed && run.Standing(result.Known) > 0:
		return "no failures except known ones"
	case code == result.ExitPassed && count[result.Waived] > 0:
		return "no failures except waived ones"
	case code == result.ExitDeviceFault && count[result.FailByHand] > 0 && faults == run.Standing(result.Known):
		return "no new failure that usptest saw, but one by hand"
	case code == result.ExitDeviceFault && faults+run.Standing(result.Stale) == run.Standing(result.Known) && run.Refuted() > 0:
		return "no new failure, but the device lacks part of a feature that the DUT file declares"
	case code == result.ExitDeviceFault && faults+run.Standing(result.Stale) == run.Standing(result.Known):
		return "no new failure, but the device lacks part of a profile that it claims"
	case code == result.ExitDeviceFault && faults == run.Standing(result.Known):
		return "no new failure, but the baseline is stale"
	}
	switch code {
	case result.ExitPassed:
		return "everything selected passed"
	case result.ExitDeviceFault:
		return "a device fault"
	case result.ExitUsage:
		return "usage or configuration"
	case result.ExitError:
		return "errors, but no device fault"
	case result.ExitInterrupted:
		return "interrupted"
	}
	return "unknown"
}
