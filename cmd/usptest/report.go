package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/reports/console"
	"github.com/usptest/usptest/reports/html"
	"github.com/usptest/usptest/reports/junit"
)

func reportCommand() *cobra.Command {
	var format, out string
	cmd := &cobra.Command{
		Use:   "report RUN.json",
		Short: "Render a run again, without a device",
		Long: `report writes a run that is over as HTML, as JUnit or as text. It takes run.json or the folder that holds it; the
journals beside it are used.

A run.json of another schema or one that is cut short is refused, and so is a run whose SHA256SUMS tell that
run.json or a journal was changed. A file that is not a report is never overwritten.`,
		Example: `  usptest report usptest-runs/latest                              # read it on the terminal
  usptest report usptest-runs/latest/run.json --out report.html
  usptest report usptest-runs/latest --out junit.xml
  usptest report usptest-runs/latest --format html > report.html`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format == "" {
				format = formatOf(out)
			}
			if !slices.Contains(reportFormats(), format) {
				return fmt.Errorf("--format %q: want one of %s", format, strings.Join(reportFormats(), ", "))
			}
			p, err := plan.Load()
			if err != nil {
				return err
			}
			run, err := loadEvidence(runPath(args[0]))
			if err != nil {
				return err
			}
			if run.Plan.Hash != p.Hash() {
				fmt.Fprintf(cmd.ErrOrStderr(), "usptest: note: the run was judged by another version of the plan's data; its verdicts stay, texts are those of %s\n", version())
			}
			return writeReport(cmd.OutOrStdout(), out, format, run, p)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "html, junit or console (default: by the name of the file; console without one)")
	cmd.Flags().StringVar(&out, "out", "", "write to this `file` (default: standard output)")
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
		}
		return console.Render(w, run, p, view)
	}
	if out == "" {
		return render(stdout)
	}
	if err := mayReplace(out, format); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	err := writeFile(out, render)
	if sameFolder(filepath.Dir(out), run.Dir) {
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
