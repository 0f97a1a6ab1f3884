package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/reports/console"
	"github.com/usptest/usptest/reports/html"
	"github.com/usptest/usptest/reports/junit"
	"github.com/usptest/usptest/reports/markdown"
)

func reportCommand() *cobra.Command {
	var format, out string
	var limited bool
	cmd := &cobra.Command{
		Use:   "report RUN.json",
		Short: "Render a run again, without a device",
		Long: `report writes a finished run as HTML, as JUnit, as text, or as Markdown for the step summary of a pipeline. It takes
run.json or the folder that holds it; the journals beside it are used.

If a run was killed and has no run.json, report renders what cases.jsonl has.

--limited writes a limited report: the cases that failed with their evidence, and nothing about the others. The plan's
terms of use let a member of the Broadband Forum that tests independently hand out no more than that. The HTML of
a run with --limited is limited again, unless you pass --limited=false.

A run.json of another schema or one that is cut short is refused, and so is a run whose SHA256SUMS show that
run.json or a journal was changed. A file that is not a report is never overwritten.`,
		Example: `  usptest report usptest-runs/latest                              # read it on the terminal
  usptest report usptest-runs/latest/run.json --out report.html
  usptest report usptest-runs/latest --out junit.xml
  usptest report usptest-runs/latest --limited --out limited.html   # only the failed cases
  usptest report usptest-runs/latest --format markdown >> "$GITHUB_STEP_SUMMARY"
  usptest report usptest-runs/latest --format html > report.html`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format == "" {
				format = formatOf(out)
			}
			if err := knownFormat(format, reportFormats()); err != nil {
				return err
			}
			p, err := plan.Load()
			if err != nil {
				return err
			}
			run, err := loadAny(args[0])
			if err != nil {
				return err
			}
			if run.Plan.Hash != p.Hash() {
				fmt.Fprintf(cmd.ErrOrStderr(), "usptest: note: the run was judged by another version of the plan's data; its verdicts stay, texts are those of %s\n", version())
			}
			if begun, _, _ := begunBy(run); begun.limited && format == formatHTML && !cmd.Flags().Changed(limitedFlag) {
				limited = true
			}
			if limited {
				run = run.OnlyFailures()
			}
			return writeReport(cmd.OutOrStdout(), out, format, run, p)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "html, junit, markdown or console (default: by the name of the file; console without one)")
	cmd.Flags().StringVar(&out, "out", "", "write to this `file` (default: standard output)")
	cmd.Flags().BoolVar(&limited, limitedFlag, false,
		"show only the failed cases with their evidence (default for HTML: as in the run); see docs/plan-terms.md")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(reportFormats(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// formatOf is the format that the name of a file asks for.
func formatOf(file string) string {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".html", ".htm":
		return formatHTML
	case ".xml":
		return formatJUnit
	case ".md":
		return formatMarkdown
	}
	return formatConsole
}

// writeReport renders run into the file out, or to stdout when there is none.
func writeReport(stdout io.Writer, out, format string, run *result.Run, p *plan.Plan) error {
	var view console.Options
	if out == "" {
		view = console.Detect(os.Stdout, os.Getenv)
		view.Terminal = false // nothing runs that a status line could follow
	}
	if report := filepath.Join(run.Dir, reportFile); exists(report) {
		view.Report = report
	}
	render := func(w io.Writer) error {
		switch format {
		case formatHTML:
			return html.Render(w, run, p)
		case formatJUnit:
			return junit.Render(w, run, p)
		case formatMarkdown:
			return markdown.Render(w, run, p)
		}
		return console.Render(w, run, p, view)
	}
	err := writeOut(stdout, out, format, render)
	if out != "" && sameFolder(filepath.Dir(out), run.Dir) {
		err = errors.Join(err, result.Reseal(run.Dir, filepath.Base(out)))
	}
	return err
}

func sameFolder(a, b string) bool {
	one, errA := os.Stat(a)
	other, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(one, other)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
