package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/suites"
)

func showCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "show ID",
		Short:             "Show a case: labels, purpose, steps, metrics, errata, TR-369 requirements",
		Example:           "  usptest show 1.1",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeCases,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := plan.Load()
			if err != nil {
				return err
			}
			cases, err := p.Select(args)
			if err != nil {
				return err
			}
			if len(cases) != 1 {
				return fmt.Errorf("show wants the id of one case, and %q selects %d; usptest list %s names them", args[0], len(cases), args[0])
			}
			showCase(cmd.OutOrStdout(), p, cases[0])
			return nil
		},
	}
}

func showCase(w io.Writer, p *plan.Plan, c plan.Case) {
	fmt.Fprintf(w, "%s %s\n%s, %s\n", c.ID, c.Title, c.Status, c.Obligation)
	for _, group := range []struct {
		word    string
		numbers []int
	}{{"any", c.Requires.Any}, {"all", c.Requires.All}} {
		for _, number := range group.numbers {
			f, _ := p.Feature(number)
			fmt.Fprintf(w, "requires (%s of) feature %d, %s\n", group.word, number, f.Name)
		}
	}
	if len(c.MTPs) > 0 {
		fmt.Fprintf(w, "over %s\n", strings.Join(c.MTPs, ", "))
	}
	if c.TLS != plan.TLSEither {
		fmt.Fprintf(w, "TLS %s\n", c.TLS)
	}
	if len(c.Needs) > 0 {
		fmt.Fprintf(w, "needs %s\n", strings.Join(c.Needs, ", "))
	}
	fmt.Fprintf(w, "labels %s\n", strings.Join(c.Labels(), ", "))
	if suites.Bodies()[c.ID] == nil && c.Status == plan.Active {
		fmt.Fprintln(w, "not automated in this version")
	}
	if c.Purpose != "" {
		fmt.Fprintf(w, "\nPurpose\n  %s\n", c.Purpose)
	}
	if len(c.Steps) > 0 {
		fmt.Fprintln(w, "\nSteps")
		for i, s := range c.Steps {
			fmt.Fprintf(w, "  %d. %s\n", i+1, s)
		}
	}
	fmt.Fprintf(w, "\nMetrics (%d)\n", len(c.Metrics))
	for _, m := range c.Metrics {
		text := m.Text
		if text == "" {
			text = "(see the plan)"
		}
		fmt.Fprintf(w, "  %d. %s\n", m.N, text)
		for _, d := range defects.Defects() {
			if d.Case == c.ID && d.Metric == m.N {
				fmt.Fprintf(w, "     caught: --defect %s (%s)\n", d.Name, d.Text)
			}
		}
	}
	if len(c.Requirements) > 0 {
		fmt.Fprintf(w, "\nTR-369: %s\n", strings.Join(c.Requirements, ", "))
	}
	for _, e := range p.ErrataFor(c.ID, 0) {
		fmt.Fprintf(w, "\nErratum %s\n  %s\n  accepted: %s\n", e.ID, e.Wrong, e.Accept)
		switch {
		case e.ByLetter():
			fmt.Fprintf(w, "  with --strict-plan: %s\n", e.Strict)
		case e.Kept != "":
			fmt.Fprintf(w, "  with --strict-plan: the same. By the letter: %s %s\n", e.Strict, e.Kept)
		}
	}
}
