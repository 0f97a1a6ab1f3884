package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/reports/console"
	"github.com/usptest/usptest/reports/html"
	"github.com/usptest/usptest/reports/markdown"
)

// diffFormats are the values of --format of "usptest diff".
var diffFormats = []string{formatJSON, formatMarkdown, formatHTML, formatConsole}

func diffCommand() *cobra.Command {
	var force bool
	var format, out string
	cmd := &cobra.Command{
		Use:   "diff OLD.json NEW.json",
		Short: "Compare two runs of a device; exit 1 on a regression",
		Long: `diff shows for each link what changed between two runs: regressions (a case that did not fail fails now, a case
fails in another metric, or one that passed could not be judged now), fixes, new cases and cases that vanished. It
takes run.json files or the folders that hold them.

Runs of different devices are refused without --force. The software of a device may differ: that is what diff is for.

Exit codes: 0 no regression; 1 a regression; 2 the runs cannot be compared.`,
		Example: `  usptest diff release/run.json usptest-runs/latest/run.json
  usptest diff release usptest-runs/latest --format markdown >> "$GITHUB_STEP_SUMMARY"
  usptest diff x1-lab-a x1-lab-b --force   # two units of one model`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format == "" {
				format = formatOf(out)
			}
			if err := knownFormat(format, diffFormats); err != nil {
				return err
			}
			p, err := plan.Load()
			if err != nil {
				return err
			}
			older, err := loadRun(runPath(args[0]))
			if err != nil {
				return err
			}
			newer, err := loadRun(runPath(args[1]))
			if err != nil {
				return err
			}
			unlike := older.Device.Differences(newer.Device, result.FieldVendor, result.FieldModel, result.FieldEndpoint, result.FieldReference)
			if len(unlike) > 0 && !force {
				return fmt.Errorf("the runs are of different devices, %s; compare them anyway with --force", list(unlike))
			}
			d := result.NewDiff(older, newer, args[0], args[1])
			err = writeOut(cmd.OutOrStdout(), out, format, func(w io.Writer) error {
				switch format {
				case formatJSON:
					return writeJSON(w, d)
				case formatMarkdown:
					return markdown.Diff(w, d, p)
				case formatHTML:
					return html.Diff(w, d, p, thisTool())
				}
				return console.Diff(w, older, newer, p, console.Detect(os.Stdout, os.Getenv))
			})
			if err != nil {
				return err
			}
			if d.Counts[result.Regression] > 0 {
				return &exitError{result.ExitDeviceFault, nil}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "json, markdown, html or console (default: by the name of the file; console without one)")
	cmd.Flags().StringVar(&out, "out", "", "write to this `file` (default: standard output)")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(diffFormats, cobra.ShellCompDirectiveNoFileComp)))
	cmd.Flags().BoolVar(&force, "force", false, "compare runs of different devices")
	return cmd
}

// list joins differences for a sentence.
func list(all []result.Difference) string {
	var words []string
	for _, d := range all {
		words = append(words, d.String())
	}
	return strings.Join(words, ", ")
}
