// Package markdown writes a run, or what differs between two, for the step summary of a pipeline and for comments. What a device sent means
// nothing in it: result.Visible shows what could deceive, and what Markdown and HTML would read is escaped.
package markdown

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// How much there may be: GitHub takes a step summary of 1 MiB.
const (
	maxText   = 300 // bytes of a text
	maxCauses = 50
	maxIDs    = 10 // cases that a line names
	maxRows   = 200
)

// Cell is a text in which Markdown and HTML find nothing to read, on one line.
func Cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "&", "&amp;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "@", "&#64;", "\\", `\\`).
		Replace(result.VisibleLine(s))
}

// cell is Cell of the beginning of s.
func cell(s string) string {
	head, left := result.Cut(s, maxText)
	if left > 0 {
		return Cell(head) + "…"
	}
	return Cell(head)
}

// Table writes rows under a head.
func Table(w io.Writer, head []string, rows [][]string) {
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}

// sign is that of a verdict.
func sign(v result.Verdict) string {
	switch v {
	case result.Pass:
		return "✅"
	case result.Fail, result.Flaky, result.FailByHand:
		return "❌"
	case result.Error, result.Aborted:
		return "⚠️"
	}
	return "➖"
}

// heading is the device with its software.
func heading(d result.Device) string {
	name := strings.TrimSpace(strings.Join([]string{d.Vendor, d.Model, d.Software}, " "))
	if d.Reference {
		name = "the " + name
	}
	return name
}

// Render writes the conclusion of a run with its reasons, the counts of each link, and the root causes with their cases.
func Render(w io.Writer, run *result.Run, p *plan.Plan) error {
	var b strings.Builder
	conclusion := map[string]string{result.Conformant: "✅", result.NotConformant: "❌", result.Partial: "⚠️"}[run.Conclusion.Value]
	fmt.Fprintf(&b, "## %s %s: %s\n\n", cell(run.Plan.ID+" "+run.Plan.Version), cell(heading(run.Device)),
		strings.TrimSpace(conclusion+" "+cell(run.Conclusion.Value)))
	if run.Limited {
		fmt.Fprintf(&b, "%s [The plan's terms](%s) say why.\n\n", result.LimitedNotice, result.TermsURL)
	}
	if left := run.LeftOn(); left != "" {
		fmt.Fprintf(&b, "**%s**\n\n", cell(left))
	}
	for _, reason := range run.Conclusion.Reasons {
		fmt.Fprintf(&b, "- %s\n", cell(reason))
	}
	b.WriteString("\n")
	links(&b, run)
	causes(&b, run, p)
	fmt.Fprintf(&b, "%s, %s\n", cell(run.Tool.Name+" "+run.Tool.Version), run.Started.UTC().Format(time.DateTime+" MST"))
	_, err := io.WriteString(w, b.String())
	return err
}

// links is a row for each link with a column for each verdict that occurs.
func links(b *strings.Builder, run *result.Run) {
	all := run.Counts()
	verdicts := slices.DeleteFunc(result.CaseVerdicts(), func(v result.Verdict) bool { return all[v] == 0 })
	if len(verdicts) == 0 {
		return
	}
	head := []string{"link"}
	for _, v := range verdicts {
		head = append(head, sign(v)+" "+string(v))
	}
	var rows [][]string
	for _, l := range run.Links {
		counts := (&result.Run{Links: []result.Link{l}}).Counts()
		row := []string{cell(l.Link)}
		for _, v := range verdicts {
			row = append(row, fmt.Sprint(counts[v]))
		}
		rows = append(rows, row)
	}
	Table(b, head, rows)
	b.WriteString("\n")
	for _, l := range run.Links {
		if l.Trouble != "" {
			fmt.Fprintf(b, "⚠️ %s: %s\n\n", cell(l.Link), cell(l.Trouble))
		}
	}
}

// causes are the root causes, each with its cases and a hint where one is known.
func causes(b *strings.Builder, run *result.Run, p *plan.Plan) {
	if len(run.Causes) == 0 {
		return
	}
	b.WriteString("### What went wrong\n\n")
	for _, c := range run.Causes[:min(len(run.Causes), maxCauses)] {
		fmt.Fprintf(b, "- %s **%s** %s\n", sign(c.Verdict), c.Verdict, cell(c.Headline))
		if len(c.Cases) == 1 {
			known, _ := p.Case(c.Cases[0].ID)
			fmt.Fprintf(b, "  <br>%s\n", cell(strings.TrimSpace(c.Where(maxIDs)+": "+known.Title)))
		} else {
			fmt.Fprintf(b, "  <br>%s\n", cell(c.Where(maxIDs)))
		}
		if c.Hint != "" {
			fmt.Fprintf(b, "  <br>hint: %s\n", cell(c.Hint))
		}
	}
	if more := len(run.Causes) - maxCauses; more > 0 {
		fmt.Fprintf(b, "- and %d more in the report\n", more)
	}
	b.WriteString("\n")
}

// Diff writes what differs between two runs: the counts, then link by link what changed, the regressions first.
func Diff(w io.Writer, d *result.Diff, p *plan.Plan) error {
	var b strings.Builder
	title := "✅ no regression"
	if n := d.Counts[result.Regression]; n > 0 {
		title = fmt.Sprintf("❌ %d × regression", n)
	}
	fmt.Fprintf(&b, "## %s\n\n", title)
	var rows [][]string
	for _, side := range []struct {
		word string
		head result.RunHead
	}{{"old", d.Old}, {"new", d.New}} {
		rows = append(rows, []string{side.word, cell(heading(side.head.Device)), cell(side.head.Conclusion),
			side.head.Started.UTC().Format(time.DateTime), cell(side.head.File)})
	}
	Table(&b, []string{"run", "device", "conclusion", "started", "file"}, rows)
	if d.Old.Plan.Hash != d.New.Plan.Hash {
		b.WriteString("\nThe two were judged by different versions of the plan's data.\n")
	}
	rows = nil
	for _, kind := range result.ChangeKinds() {
		for _, l := range d.Links {
			for _, c := range l.Changes {
				if c.Kind == kind {
					known, _ := p.Case(c.ID)
					rows = append(rows, []string{
						string(kind), cell(l.Link), cell(c.ID + " " + known.Title), cell(string(c.Old)), cell(string(c.New)), cell(c.Reason),
					})
				}
			}
		}
	}
	if len(rows) > 0 {
		b.WriteString("\n")
		Table(&b, []string{"change", "link", "case", "old", "new", "reason"}, rows[:min(len(rows), maxRows)])
		if more := len(rows) - maxRows; more > 0 {
			fmt.Fprintf(&b, "\nand %d more\n", more)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
