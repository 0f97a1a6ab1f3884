package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// workerCommand is the process that carries out the cases of one Link for "usptest run". Signals are the supervisor's affair: it closes
// the worker's input when it wants it to stop.
func workerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "worker",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := plan.Load()
			if err != nil {
				return err
			}
			return runner.Worker(context.WithoutCancel(cmd.Context()), p, suites.Bodies())
		},
	}
}
