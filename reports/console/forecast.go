package console

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// Forecast writes what a run would do: each case with its links and about how long it takes, what is not carried out and why, and the sums.
// Quiet leaves only the sums.
func Forecast(w io.Writer, f *result.Forecast, o Options) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\ndry run: nothing is carried out\n\n", heading(f.Run))
	if !o.Quiet {
		planned(&b, f.ToRun)
		o.Verbose = true // names every case
		o.groups(&b, f.Run)
		b.WriteString("\n")
	}
	sums(&b, f)
	for _, note := range f.Notes {
		fmt.Fprintln(&b, value(note))
	}
	of := ""
	if f.AtOnce > 1 {
		of = fmt.Sprintf(", with %d devices at once", f.AtOnce)
	}
	fmt.Fprintf(&b, "%s to run, about %s%s\n", cases(len(f.ToRun)), about(f.Takes), of)
	_, err := io.WriteString(w, b.String())
	return err
}

// planned has a line for each case, with all its links; its time is that over one of them.
func planned(b *strings.Builder, all []result.Planned) {
	links := map[string][]string{}
	var once []result.Planned
	for _, c := range all {
		if links[c.ID] == nil {
			once = append(once, c)
		}
		links[c.ID] = append(links[c.ID], c.Link)
	}
	slices.SortStableFunc(once, func(a, b result.Planned) int { return plan.Compare(a.ID, b.ID) })
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CASE\tABOUT\tLINKS\tTITLE")
	for _, c := range once {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.ID, about(c.Takes), strings.Join(links[c.ID], " "), c.Title)
	}
	t.Flush()
	b.WriteString("\n")
}

// sums has a line for each link.
func sums(b *strings.Builder, f *result.Forecast) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "LINK\tTO RUN\tNOT RUN\tABOUT")
	for _, l := range f.Links {
		count, takes := 0, time.Duration(0)
		for _, c := range f.ToRun {
			if c.Link == l.Link {
				count, takes = count+1, takes+c.Takes
			}
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", l.Link, count, len(l.Cases), about(takes))
	}
	t.Flush()
	b.WriteString("\n")
}

// about is an estimate, which has no tenths of seconds.
func about(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", max(1, int(d.Round(time.Second).Seconds())))
	}
	if d < time.Hour {
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%d h %02d min", int(d.Round(time.Minute).Hours()), int(d.Round(time.Minute).Minutes())%60)
}
