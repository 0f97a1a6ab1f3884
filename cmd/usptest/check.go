package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
)

// loadDUT reads a DUT file. Its error names every problem with line, key, value and remedy.
func loadDUT(path string, p *plan.Plan) (*dut.File, error) { return dut.Load(path, p, time.Now()) }

func checkCommand() *cobra.Command {
	var file string
	var links []string
	cmd := &cobra.Command{
		Use:   "check --dut FILE",
		Short: "Validate a DUT file and try the first contact over every link",
		Long: `check reads the DUT file and names every problem in it; then it listens on every link, launches the device where the
file says how, waits for it and asks who it is. Nothing on the device is changed.`,
		Example: "  usptest check --dut lab.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := plan.Load()
			if err != nil {
				return err
			}
			d, err := loadDUT(file, p)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: no problems\n", file)
			f := runFlags{links: links}
			names, err := f.chosenLinks(d, false)
			if err != nil {
				return err
			}
			failed := false
			for _, missing := range d.MissingPrograms() {
				failed = true
				fmt.Fprintln(cmd.OutOrStdout(), result.VisibleLine(missing.Error()))
			}
			for _, name := range names {
				found, err := runner.Preflight(cmd.Context(), d, name)
				if errors.Is(err, cmd.Context().Err()) && cmd.Context().Err() != nil {
					return &exitError{result.ExitInterrupted, nil}
				}
				if err != nil {
					failed = true
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", name, result.VisibleLine(err.Error()))
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", name, result.VisibleLine(found))
			}
			if failed {
				return &exitError{result.ExitError, nil}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "dut", "", "DUT `file` that describes the device")
	cmd.Flags().StringArrayVar(&links, "link", nil, "try this `link` only; repeatable")
	must(cmd.MarkFlagRequired("dut"))
	return cmd
}
