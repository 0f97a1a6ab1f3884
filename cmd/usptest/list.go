package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/suites"
)

// listedCase is one element of "usptest list --format json", a contract that other tools rely on.
type listedCase struct {
	Plan       string `json:"plan"`
	ID         string `json:"id"`
	Title      string `json:"title"`
	Status     string `json:"status"`
	Obligation string `json:"obligation"`
	Features   []int  `json:"features"`
	Metrics    int    `json:"metrics"`
	Automated  bool   `json:"automated"`
}

func listCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "list [SELECTOR...]",
		Short: "List the cases of the plan",
		Example: `  usptest list
  usptest list '1.*' 11.2
  usptest list --format json`,
		ValidArgsFunction: completeCases,
		RunE: func(cmd *cobra.Command, selectors []string) error {
			p, err := plan.Load()
			if err != nil {
				return err
			}
			cases, err := p.Select(selectors)
			if err != nil {
				return err
			}
			bodies := suites.Bodies()
			var listed []listedCase
			for _, c := range cases {
				listed = append(listed, listedCase{
					Plan: p.ID, ID: c.ID, Title: c.Title, Status: string(c.Status), Obligation: string(c.Obligation),
					Features: append([]int{}, c.Features()...), Metrics: len(c.Metrics), Automated: bodies[c.ID] != nil,
				})
			}
			return writeList(cmd.OutOrStdout(), format, listed)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "table, json or markdown")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(listFormats, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

var listFormats = []string{"table", "json", "markdown"}

func writeList(w io.Writer, format string, cases []listedCase) error {
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(cases)
	case "markdown":
		fmt.Fprintln(w, "| id | obligation | features | metrics | automated | title |\n|---|---|---|---|---|---|")
		for _, c := range cases {
			fmt.Fprintf(w, "| %s | %s | %s | %d | %s | %s |\n", c.ID, c.kind(), c.featureList(), c.Metrics, yesNo(c.Automated), strings.ReplaceAll(c.Title, "|", `\|`))
		}
		return nil
	case "table":
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tOBLIGATION\tFEATURES\tMETRICS\tAUTOMATED\tTITLE")
		for _, c := range cases {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", c.ID, c.kind(), c.featureList(), c.Metrics, yesNo(c.Automated), c.Title)
		}
		return t.Flush()
	}
	return fmt.Errorf("--format %q: want one of %s", format, strings.Join(listFormats, ", "))
}

// kind is the obligation of a case, or its status when the plan no longer runs it.
func (c listedCase) kind() string {
	if c.Status != string(plan.Active) {
		return c.Status
	}
	return c.Obligation
}

func (c listedCase) featureList() string {
	if len(c.Features) == 0 {
		return "-"
	}
	var words []string
	for _, f := range slices.Sorted(slices.Values(c.Features)) {
		words = append(words, fmt.Sprint(f))
	}
	return strings.Join(words, ",")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
