package console

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// What of a device's text a terminal shows; the report and the journal have more.
const (
	maxValue    = 400 // bytes of a value
	maxBeside   = 60  // bytes of a value that leave room for its event in the same line
	maxCleanUps = 3   // acts of clean-up named in a block
)

// block is the failure of one case: what was judged, what was wanted, what came, and how to see and repeat it.
func (o Options) block(b *strings.Builder, run *result.Run, p *plan.Plan, link string, c result.Case) {
	known, _ := p.Case(c.ID)
	o.header(b, link, c)
	for i, r := range c.Rounds {
		fmt.Fprintf(b, "  round %d %s\n", i+1, r.Verdict)
	}
	if c.Verdict == result.Waived {
		fmt.Fprintf(b, "  excuse  %s\n", value(run.Excuse(c)))
	}
	shown := false
	for _, m := range c.Metrics {
		if m.Verdict == result.Pass || m.Verdict == result.NotApplicable || m.Verdict == result.NotReached {
			continue
		}
		shown = true
		o.metric(b, known, c, m)
		for _, e := range p.ErrataFor(c.ID, m.N) {
			// the report has the others too; here is only room for what can explain the verdict
			switch {
			case e.Weight != plan.ChangesVerdict || m.N == 0: // none is about a universal metric
			case slices.Contains(c.Errata, e.ID):
				fmt.Fprintf(b, "    erratum %s: %s\n", e.ID, e.Accept)
			case slices.Contains(c.ByLetter, e.ID):
				fmt.Fprintf(b, "    by the letter of the plan, in spite of erratum %s: %s\n", e.ID, e.Strict)
			}
		}
	}
	if !shown && c.Reason != "" && c.Verdict != result.Waived {
		fmt.Fprintf(b, "  reason  %s\n", value(c.Reason))
	}
	for _, n := range c.Notes {
		fmt.Fprintf(b, "  note    %s\n", o.wrap(n, len("  note    ")))
	}
	if tail := join("; ", append(rest(c.Metrics), cleanUp(c.CleanUp)...)...); tail != "" {
		fmt.Fprintf(b, "  %s\n", tail)
	}
	var where []string
	if !c.IsCheck() {
		where = append(where, fmt.Sprintf("plan %s %s / %s", run.Plan.ID, run.Plan.Version, c.ID))
	}
	if len(known.Requirements) > 0 {
		where = append(where, "TR-369 "+strings.Join(known.Requirements, " "))
	}
	if o.Report != "" {
		where = append(where, o.Report+"#"+link+"-"+c.ID)
	}
	where = append(where, "again: "+run.AgainFor(link, c.ID))
	fmt.Fprintf(b, "  %s\n", o.paint(faint, result.VisibleLine(strings.Join(where, "   "))))
}

// header is the line a case is known by: verdict, id, title, and the link at the right edge.
func (o Options) header(b *strings.Builder, link string, c result.Case) {
	title := result.VisibleLine(c.Title)
	used := utf8.RuneCountInString(fmt.Sprintf("%s %s %s%s", c.Verdict, c.ID, title, link))
	gap := max(2, min(o.width(), fileWidth)-used)
	fmt.Fprintf(b, "%s %s %s%s%s\n", o.verdict(c.Verdict), o.paint(bold, result.VisibleLine(c.ID)), title, strings.Repeat(" ", gap), result.VisibleLine(link))
}

// metric is one metric that did not pass.
func (o Options) metric(b *strings.Builder, known plan.Case, c result.Case, m result.Metric) {
	head := "universal metric"
	switch {
	case m.N > 0:
		head = fmt.Sprintf("metric %d", m.N)
	case m.Verdict == result.Error:
		head = "besides"
	}
	if i := slices.IndexFunc(known.Metrics, func(k plan.Metric) bool { return k.N == m.N }); i >= 0 && known.Metrics[i].Text != "" {
		head += "  " + known.Metrics[i].Text
	}
	if m.Verdict != c.Verdict {
		head += "  (" + string(m.Verdict) + ")"
	}
	fmt.Fprintf(b, "  %s\n", result.VisibleLine(head))
	compared := m.Want != "" || m.Got != ""
	word := "in"
	if !compared { // a missing event is placed after the one that it should have followed
		word = since
	}
	seen := evidence(c.Timeline, word, m.Evidence)
	switch {
	case compared:
		fmt.Fprintf(b, "    want  %s\n", wanted(m.Where, m.Want))
		got := o.paint(verdictColour(m.Verdict), value(m.Got))
		if len(m.Got) > maxBeside {
			got, seen = join("\n    seen  ", got, seen), ""
		}
		fmt.Fprintf(b, "    got   %s\n", join("   ", got, seen))
	case m.Where != "":
		fmt.Fprintf(b, "    got   %s\n", join("   ", o.paint(verdictColour(m.Verdict), value(m.Where)), seen))
	}
	if m.Note != "" {
		fmt.Fprintf(b, "    note  %s\n", value(m.Note))
	}
}

// wanted puts what was wanted behind where: a path has a value, anything else is spoken of.
func wanted(where, want string) string {
	switch {
	case where == "":
		return value(want)
	case strings.HasPrefix(where, "Device.") && !strings.ContainsAny(where, " \t"):
		return value(where) + " = " + value(want)
	}
	return value(where) + ": " + value(want)
}

const since = "since"

// evidence says in which event the last of the numbers was seen, or since which, and how long after the device's message before it that is
// of another type.
func evidence(timeline []result.Event, word string, numbers []uint64) string {
	if len(numbers) == 0 {
		return ""
	}
	n := numbers[len(numbers)-1]
	i := slices.IndexFunc(timeline, func(e result.Event) bool { return e.Seq == n })
	if i < 0 {
		return fmt.Sprintf("event %d", n)
	}
	e, text := timeline[i], fmt.Sprintf("event %d", n)
	switch {
	case e.Type != "" && (e.Dir != "own" || e.Layer == "step"):
		text = word + " " + value(e.Type) + ", " + text
	case word == since:
		text = word + " " + text
	}
	for _, before := range slices.Backward(timeline[:i]) {
		if before.Layer == "message" && before.Dir == "in" && before.Type != "" && before.Type != e.Type {
			return fmt.Sprintf("%s, %s after the %s", text, seconds(e.AtMS-before.AtMS), value(before.Type))
		}
	}
	if e.AtMS < 0 {
		return fmt.Sprintf("%s, %s before the case", text, seconds(-e.AtMS))
	}
	return fmt.Sprintf("%s, %s into the case", text, seconds(e.AtMS))
}

// seconds writes milliseconds as seconds, with a tenth as long as it matters.
func seconds(ms float64) string {
	if ms < 100 {
		return fmt.Sprintf("%.2f s", ms/1000)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// rest says what became of the metrics that have no lines of their own: "metrics 1-3 pass".
func rest(metrics []result.Metric) []string {
	var parts []string
	for _, v := range []result.Verdict{result.Pass, result.NotApplicable, result.NotReached} {
		var numbers []int
		for _, m := range metrics {
			if m.Verdict == v {
				numbers = append(numbers, m.N)
			}
		}
		if len(numbers) == 0 {
			continue
		}
		word := "metrics"
		if len(numbers) == 1 {
			word = "metric"
		}
		parts = append(parts, fmt.Sprintf("%s %s %s", word, ranges(numbers), v))
	}
	return parts
}

// ranges writes numbers in order, neighbours joined: 1-3, 5.
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(numbers[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", numbers[i], numbers[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

// cleanUp says what put the device back, and what could not.
func cleanUp(acts []result.CleanUp) []string {
	var done, failed []string
	for _, a := range acts {
		if a.Error != "" {
			failed = append(failed, value(a.Name)+": "+value(a.Error))
		} else {
			done = append(done, value(a.Name))
		}
	}
	var parts []string
	for _, p := range []struct {
		word string
		acts []string
	}{{"clean-up", done}, {"clean-up failed", failed}} {
		if len(p.acts) == 0 {
			continue
		}
		shown := p.acts[:min(len(p.acts), maxCleanUps)]
		text := p.word + ": " + strings.Join(shown, ", ")
		if more := len(p.acts) - len(shown); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, text)
	}
	return parts
}

// value is text that may come from the device: on one line, harmless, and not too long.
func value(s string) string {
	head, left := result.Cut(s, maxValue)
	head = result.VisibleLine(head)
	if left > 0 {
		head += fmt.Sprintf("… (%d bytes more)", left)
	}
	return head
}

// maxWrapped is how many bytes of a text that is wrapped are shown.
const maxWrapped = 1200

// wrap is text that may come from the device, on a terminal in lines that fit it: the first one already has some columns, the others
// are indented. A word is never broken. In a file it is one line, which a search finds.
func (o Options) wrap(s string, begun int) string {
	const indent = 8
	head, left := result.Cut(s, maxWrapped)
	if left > 0 {
		head += fmt.Sprintf("… (%d bytes more)", left)
	}
	var b strings.Builder
	column := begun
	for i, word := range strings.Split(result.VisibleLine(head), " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case !o.Terminal, column+1+n < o.width():
			b.WriteByte(' ')
			column++
		default:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// join joins what is not empty.
func join(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), sep)
}
