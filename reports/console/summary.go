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
	b.WriteString(heading(run) + "\n")
	for _, l := range run.Links {
		reasons := map[string]string{}
		for _, c := range l.Cases {
			if c.Failed() {
				c.Timeline, _ = run.Events(c) // without it there are numbers of events alone
			}
			o.finished(&b, run, p, l.Link, c, reasons)
		}
	}
	o.summary(&b, run)
	_, err := io.WriteString(w, b.String())
	return err
}

// heading names the program, the plan and the device.
func heading(run *result.Run) string {
	d := run.Device
	device := join(" ", d.Vendor, d.Model, d.Software)
	if d.Endpoint != "" {
		device = join(" ", device, "("+d.Endpoint+")")
	}
	if d.Reference {
		device = join(", ", "the reference agent "+device, strings.Join(d.Defects, ", "))
	}
	if run.Shard != nil {
		device += ", shard " + run.Shard.String()
	}
	return value(fmt.Sprintf("%s %s, %s %s: %s", run.Tool.Name, run.Tool.Version, run.Plan.ID, run.Plan.Version, device))
}

// finished writes what is to be said about one case when it ends. reasons holds the newest error of each link, so that one trouble
// that hits every case is told once.
func (o Options) finished(b *strings.Builder, run *result.Run, p *plan.Plan, link string, c result.Case, reasons map[string]string) {
	judged := slices.ContainsFunc(c.Metrics, func(m result.Metric) bool { return m.Verdict == result.Fail || m.Verdict == result.Error })
	switch {
	case c.Baseline == result.Stale:
		o.header(b, link, c)
		b.WriteString("  stale   the baseline knows it as a failure, and it passes\n")
	case c.Baseline == result.Known && !o.Verbose:
		if !o.Quiet {
			o.header(b, link, c)
			fmt.Fprintf(b, "  known   %s\n", value(c.Reason))
		}
	case c.Verdict == result.Error && !judged && c.Reason != "" && c.Reason == reasons[link]:
		o.header(b, link, c)
		b.WriteString("  reason  as before\n")
	case c.Verdict == result.Waived && o.Quiet: // the summary has it
	case c.Failed() || c.Verdict == result.Error:
		reasons[link] = c.Reason
		o.block(b, run, p, link, c)
	case o.Verbose || c.Verdict == result.Pass && !o.Quiet && !o.Terminal:
		o.header(b, link, c)
		if c.Reason != "" {
			fmt.Fprintf(b, "  reason  %s\n", value(c.Reason))
		}
	}
}

// summary counts by link, says what was not run and why, and concludes.
func (o Options) summary(b *strings.Builder, run *result.Run) {
	b.WriteString("\n")
	o.table(b, run)
	b.WriteString("\n")
	o.notRun(b, run)
	for _, l := range run.Links {
		if l.Trouble == "" {
			continue
		}
		fmt.Fprintf(b, "%s %s: %s\n", o.paint(yellow, "trouble"), result.VisibleLine(l.Link), value(l.Trouble))
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
	for _, w := range run.Waivers {
		if run.Needless(w) {
			fmt.Fprintf(b, "%s %s is not needed any more: the case passes over every link of this run; remove the waiver from the DUT file\n",
				o.paint(yellow, "waiver"), result.VisibleLine(w.Case))
		}
	}
	o.baseline(b, run)
	fmt.Fprintln(b, value(run.WaitLine()))
	if run.StrictPlan {
		b.WriteString("judged by the letter of the plan, also where it contradicts itself or the standard (--strict-plan)\n")
	}
	if run.TimeScale != 1 {
		fmt.Fprintf(b, "protocol intervals were divided by %g; only a simulated device can be run like that\n", run.TimeScale)
	}
	if tolerant := run.Tolerant(); tolerant != "" {
		fmt.Fprintln(b, tolerant)
	}
	colour := map[string]string{result.Conformant: green, result.Partial: yellow, result.NotConformant: red}[run.Conclusion.Value]
	fmt.Fprintf(b, "%s: %s\n", o.paint(colour, result.VisibleLine(run.Conclusion.Value)), value(run.Conclusion.Reason))
}

// baseline says how the run stands to the failures that were known.
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
				if c.Baseline == s {
					places = append(places, l.Link+" "+c.ID)
				}
			}
		}
		if len(places) > 0 {
			fmt.Fprintf(b, "  %s %s\n", o.paint(standingColour(s), string(s)), result.VisibleLine(strings.Join(places, ", ")))
		}
	}
	if run.Standing(result.Stale) > 0 {
		b.WriteString("  what is stale passes now: put the run.json of this run, or of one that you trust, in the place of the baseline\n")
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

// table has a line for each link and a column for each verdict that occurs.
func (o Options) table(b *strings.Builder, run *result.Run) {
	all, order := run.Counts(), result.CaseVerdicts()
	var shown []result.Verdict
	for _, v := range order {
		if all[v] > 0 || v == result.Pass || v == result.Fail {
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
		line(result.VisibleLine(l.Link), count(one.Counts()), elapsed(l.WallMS))
	}
	if len(run.Links) > 1 {
		line("all", count(all), elapsed(run.WallMS))
	}
}

// notRun groups the cases that were waived, not carried out, or not to their end, by the reason.
func (o Options) notRun(b *strings.Builder, run *result.Run) {
	type group struct {
		verdict result.Verdict
		reason  string
	}
	ids := map[group][]string{}
	var groups []group
	for _, l := range run.Links {
		for _, c := range l.Cases {
			switch c.Verdict {
			case result.Pass, result.Fail, result.Flaky, result.Error:
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
	switch {
	case code == result.ExitPassed && run.Standing(result.Known) > 0 && run.Counts()[result.Waived] > 0:
		return "no failure but those that the baseline knows or a waiver excuses"
	case code == result.ExitPassed && run.Standing(result.Known) > 0:
		return "no failure but those that the baseline knows"
	case code == result.ExitPassed && run.Counts()[result.Waived] > 0:
		return "no failure but those that a waiver excuses"
	case code == result.ExitDeviceFault && run.Counts()[result.Fail]+run.Counts()[result.Flaky] == run.Standing(result.Known):
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
