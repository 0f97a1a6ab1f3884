package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/matrix"
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
	// Checks of our own test it, too.
	Checks []plan.Place `json:"checks"`
	// Seen is who could see it broken where the plan does not test it in full: controller, lab or nobody.
	Seen string `json:"seen,omitempty"`
	// Untested says why no check of ours tests what the plan does not, or what a check leaves out and why.
	Untested string `json:"untested,omitempty"`
	// Verdicts has the verdicts of its cases and checks in a run, by the link and the case; of a check, that of the metrics about it. A case
	// that broke it as a universal metric is there, too, and "every case" stands for all of them where none did.
	Verdicts map[string]map[string]result.Verdict `json:"verdicts,omitempty"`
	// Verdict is the one of them that counts most; empty where nothing judged it.
	Verdict result.Verdict `json:"verdict,omitempty"`
}

func requirementsCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "requirements [RUN]",
		Short: "List the requirements of TR-369, and what tests them",
		Long: `requirements lists the live requirements of TR-369 1.4.1: whom each binds, the cases of TP-469 that test it, and the checks
beyond the plan, each with its metrics. Markdown and JSON say why a requirement is not tested. With the folder or the run.json of a
run it shows the verdicts: of the cases and checks that test a requirement, of cases that broke it beside what they are about, and, for
what every case judges, one for each link. A case may fail because of another requirement.`,
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
			var run *result.Run
			if len(args) == 1 {
				if run, err = loadRun(runPath(args[0])); err != nil {
					return err
				}
			}
			if err := knownFormat(format, listFormats); err != nil {
				return err
			}
			bodies := suites.Bodies()
			var listed []listedRequirement
			for _, r := range matrix.Rows(p, run) {
				l := listedRequirement{ID: r.ID, Chapter: r.Chapter, Level: r.Level, Binds: r.Binds, Text: r.Text, Plan: r.Coverage,
					Cases: append([]string{}, r.Cases...), Automated: []string{}, Everywhere: r.Everywhere,
					Seen: r.Seen, Untested: r.Untested, Checks: append([]plan.Place{}, r.Checks...),
					Verdicts: r.Verdicts, Verdict: r.Verdict}
				for _, id := range r.Cases {
					if bodies[id] != nil {
						l.Automated = append(l.Automated, id)
					}
				}
				listed = append(listed, l)
			}
			return writeRequirements(cmd.OutOrStdout(), format, listed, run != nil)
		},
	}
	cmd.Flags().StringVar(&format, "format", formatTable, "table, json or markdown")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(listFormats, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

func writeRequirements(w io.Writer, format string, listed []listedRequirement, run bool) error {
	if format == formatJSON {
		return writeJSON(w, listed)
	}
	head := []string{"id", "level", "binds", "tested by", "what it asks for"}
	if run {
		head = slices.Insert(head, 4, "in this run")
	}
	var rows [][]string
	for _, l := range listed {
		row := []string{l.ID, l.Level, l.Binds, l.place(format != formatTable), l.Text}
		if run {
			row = slices.Insert(row, 4, l.outcome())
		}
		rows = append(rows, row)
	}
	return writeTable(w, format, head, rows)
}

// place says where a requirement is tested, or who could see it broken; why says why it is not tested instead.
func (l listedRequirement) place(why bool) string {
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
	for _, check := range l.Checks {
		numbers := strings.ReplaceAll(strings.Trim(fmt.Sprint(check.Metrics), "[]"), " ", ",")
		words = append(words, "our check "+check.ID+"/"+numbers)
	}
	if l.Everywhere {
		words = append(words, "every case")
	}
	switch {
	case l.Untested == "":
	case why:
		words = append(words, "not in full: "+l.Untested)
	case l.Seen == "nobody":
		words = append(words, "not in full: not seen from outside")
	default:
		words = append(words, "not in full: a "+l.Seen+" could")
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
	for _, v := range append(result.CaseVerdicts(), result.NotApplicable) {
		if counts[v] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[v], v))
		}
	}
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}
