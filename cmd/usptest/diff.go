package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/reports/console"
)

func diffCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "diff OLD.json NEW.json",
		Short: "Compare two runs of a device; exit 1 on a regression",
		Long: `diff tells for each link what changed between two runs: regressions (a case fails and did not, another of its
metrics fails, or it passed and nothing is proven any more), fixes, cases that are new and cases that vanished. It
takes run.json files or the folders that hold them.

Runs of different devices are refused without --force. The software of a device may differ: that is what diff is for.

Exit codes: 0 no regression; 1 a regression; 2 the runs cannot be compared.`,
		Example: `  usptest diff release/run.json usptest-runs/latest/run.json
  usptest diff x1-lab-a x1-lab-b --force   # two units of one model`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
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
				return fmt.Errorf("the runs are of different devices, %s; compare them nevertheless with --force", list(unlike))
			}
			if err := console.Diff(cmd.OutOrStdout(), older, newer, p, console.Detect(os.Stdout, os.Getenv)); err != nil {
				return err
			}
			if regressed(result.Compare(older, newer)) {
				return &exitError{result.ExitDeviceFault, nil}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "compare runs of different devices")
	return cmd
}

func regressed(links []result.LinkDiff) bool {
	for _, l := range links {
		for _, c := range l.Changes {
			if c.Kind == result.Regression {
				return true
			}
		}
	}
	return false
}

// list joins differences for a sentence.
func list(all []result.Difference) string {
	var words []string
	for _, d := range all {
		words = append(words, d.String())
	}
	return strings.Join(words, ", ")
}
