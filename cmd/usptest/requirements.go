package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/suites"
)

// listedRequirement is one element of "usptest requirements --format json", a contract that other tools rely on.
type listedRequirement struct {
	ID      string `json:"id"`
	Chapter string `json:"chapter"`
	Level   string `json:"level"`
	Binds   string `json:"binds"`
	Text    string `json:"text"`
	// Plan is how far TP-469 tests it: full, part, none; empty for one that does not bind Agents.
	Plan string `json:"plan,omitempty"`
	// Cases of TP-469 test it, Automated are those of them that usptest carries out. Everywhere: every case does.
	Cases      []string `json:"cases"`
	Automated  []string `json:"automated"`
	Everywhere bool     `json:"everywhere,omitempty"`
	// Seen is who could see it broken where the plan does not test it in full: controller, lab or nobody.
	Seen string `json:"seen,omitempty"`
	// Verdicts has the verdicts of its cases in a run, by the link and the case.
	Verdicts map[string]map[string]result.Verdict `json:"verdicts,omitempty"`
}

func requirementsCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "requirements [RUN]",
		Short: "List the requirements of TR-369, and which cases test them",
		Long: `requirements lists the live requirements of TR-369 1.4.1: whom each binds, and the cases of TP-469 that test it. With the
folder or the run.json of a run it shows the verdicts of these cases. A case that fails may fail for another requirement.`,
		Example: `  usptest requirements
  usptest requirements --format markdown
  usptest requirements usptest-run --format json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := plan.Load()
			if err != nil {
				return err
			}
			all, err := p.Requirements()
			if err != nil {
				return err
			}
			var run *result.Run
			if len(args) == 1 {
				if run, err = loadRun(runPath(args[0])); err != nil {
					return err
				}
			}
			bodies := suites.Bodies()
			var listed []listedRequirement
			for _, r := range all {
				l := listedRequirement{ID: r.ID, Chapter: r.Chapter, Level: r.Level, Binds: r.Binds, Text: r.Text, Plan: r.Coverage,
					Cases: append([]string{}, r.Cases...), Automated: []string{}, Everywhere: r.Everywhere, Seen: r.Seen}
				for _, id := range r.Cases {
					if bodies[id] != nil {
						l.Automated = append(l.Automated, id)
					}
				}
				l.Verdicts = verdictsOf(run, r.Cases)
				listed = append(listed, l)
			}
			return writeRequirements(cmd.OutOrStdout(), format, listed, run != nil)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "table, json or markdown")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(listFormats, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// verdictsOf returns the verdicts of cases in a run, by link and case; nil without a run.
func verdictsOf(run *result.Run, cases []string) map[string]map[string]result.Verdict {
	if run == nil {
		return nil
	}
	verdicts := map[string]map[string]result.Verdict{}
	for _, link := range run.Links {
		for _, c := range link.Cases {
			for _, id := range cases {
				if c.ID != id {
					continue
				}
				if verdicts[link.Link] == nil {
					verdicts[link.Link] = map[string]result.Verdict{}
				}
				verdicts[link.Link][id] = c.Verdict
			}
		}
	}
	return verdicts
}

func writeRequirements(w io.Writer, format string, listed []listedRequirement, run bool) error {
	head := []string{"ID", "LEVEL", "BINDS", "TESTED BY", "WHAT IT ASKS FOR"}
	if run {
		head = []string{"ID", "LEVEL", "BINDS", "TESTED BY", "IN THIS RUN", "WHAT IT ASKS FOR"}
	}
	row := func(l listedRequirement) []string {
		cells := []string{l.ID, l.Level, l.Binds, l.place()}
		if run {
			cells = append(cells, l.outcome())
		}
		return append(cells, l.Text)
	}
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(listed)
	case "markdown":
		fmt.Fprintf(w, "| %s |\n|%s\n", strings.ToLower(strings.Join(head, " | ")), strings.Repeat("---|", len(head)))
		for _, l := range listed {
			fmt.Fprintf(w, "| %s |\n", strings.Join(row(l), " | "))
		}
		return nil
	case "table":
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, strings.Join(head, "\t"))
		for _, l := range listed {
			fmt.Fprintln(t, strings.Join(row(l), "\t"))
		}
		return t.Flush()
	}
	return fmt.Errorf("--format %q: want one of %s", format, strings.Join(listFormats, ", "))
}

// place says where a requirement is tested, or who could see it broken.
func (l listedRequirement) place() string {
	if l.Binds != "agent" {
		return "-"
	}
	const most = 4 // cases that a row has room for
	var words []string
	switch {
	case len(l.Cases) > most:
		words = append(words, fmt.Sprintf("%s and %d more", strings.Join(l.Cases[:most], " "), len(l.Cases)-most))
	case len(l.Cases) > 0:
		words = append(words, strings.Join(l.Cases, " "))
	}
	if l.Everywhere {
		words = append(words, "every case")
	}
	switch l.Seen {
	case "controller":
		words = append(words, "not in full: a Controller could")
	case "lab":
		words = append(words, "not in full: a lab could")
	case "nobody":
		words = append(words, "not in full: not seen from outside")
	}
	return strings.Join(words, "; ")
}

// outcome counts the verdicts of a requirement's cases over all links.
func (l listedRequirement) outcome() string {
	counts := map[result.Verdict]int{}
	for _, cases := range l.Verdicts {
		for _, v := range cases {
			counts[v]++
		}
	}
	var words []string
	for _, v := range result.CaseVerdicts() {
		if counts[v] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[v], v))
		}
	}
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}
