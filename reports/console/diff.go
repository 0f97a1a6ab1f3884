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

// Diff writes how newer differs from older: link by link what changed, then how often. The titles are those of p.
func Diff(w io.Writer, older, newer *result.Run, p *plan.Plan, o Options) error {
	var b strings.Builder
	for _, r := range []struct {
		word string
		run  *result.Run
	}{{"old", older}, {"new", newer}} {
		fmt.Fprintf(&b, "%s  %s, %s\n", r.word, heading(r.run), r.run.Started.UTC().Format(time.DateTime))
	}
	if older.Plan.Hash != newer.Plan.Hash {
		b.WriteString("the two were judged by different versions of the plan's data\n")
	}
	links := result.Compare(older, newer)
	counts := map[result.ChangeKind]int{}
	for _, l := range links {
		fmt.Fprintf(&b, "\n%s", result.VisibleLine(l.Link))
		if len(l.Changes) == 0 {
			b.WriteString(": no difference\n")
			continue
		}
		b.WriteString("\n")
		for _, kind := range result.ChangeKinds() {
			for _, group := range grouped(l.Changes, kind) {
				counts[kind] += len(group)
				o.changes(&b, p, group)
			}
		}
	}
	var told []string
	for _, kind := range result.ChangeKinds() {
		told = append(told, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	fmt.Fprintf(&b, "\n%s\n", strings.Join(told, ", "))
	_, err := io.WriteString(w, b.String())
	return err
}

// grouped are the changes of one kind: those that come or go alike together, every other by itself.
func grouped(all []result.Change, kind result.ChangeKind) [][]result.Change {
	var groups [][]result.Change
	for _, c := range all {
		if c.Kind != kind {
			continue
		}
		alike := func(g []result.Change) bool { return g[0].Old == c.Old && g[0].New == c.New && g[0].Reason == c.Reason }
		i := slices.IndexFunc(groups, alike)
		if i < 0 || kind != result.Appeared && kind != result.Vanished {
			groups = append(groups, []result.Change{c})
			continue
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

// changes writes one group.
func (o Options) changes(b *strings.Builder, p *plan.Plan, group []result.Change) {
	c := group[0]
	name := result.VisibleLine(c.ID)
	if len(group) > 1 {
		var ids []string
		for _, c := range group {
			ids = append(ids, c.ID)
		}
		name = o.list(ids)
	} else if known, ok := p.Case(c.ID); ok {
		name += " " + known.Title
	}
	colour := map[result.ChangeKind]string{result.Regression: red, result.Fix: green, result.Changed: yellow}[c.Kind]
	var verdicts []string
	for _, v := range []result.Verdict{c.Old, c.New} {
		if v != "" {
			verdicts = append(verdicts, o.verdict(v))
		}
	}
	fmt.Fprintf(b, "  %s %s: %s\n", o.paint(colour, string(c.Kind)), name, strings.Join(verdicts, " -> "))
	if c.Reason != "" {
		fmt.Fprintf(b, "    %s\n", value(c.Reason))
	}
}
