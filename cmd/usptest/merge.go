package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/reports/console"
)

func mergeCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "merge PART... --out DIR",
		Short: "Join the shards of a run into one run and one report",
		Long: `merge joins what usptest run --shard 1/N to N/N left on N machines: one run.json, one junit.xml, one report.html and
all journals, as one run would have written them. It takes the folders of the parts, in any order.

Parts of a different plan, tool, device or selection are refused, and so are missing or duplicate shards.

Exit codes: those of the whole run; 2 when the parts cannot be joined.`,
		Example: `  usptest merge part1 part2 part3 --out usptest-run
  usptest merge parts/* --out usptest-run`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := plan.Load()
			if err != nil {
				return err
			}
			parts, err := loadParts(args)
			if err != nil {
				return err
			}
			run, err := result.Merge(parts, plan.Compare)
			if err != nil {
				return fmt.Errorf("the parts are not one run:\n%w", err)
			}
			for _, part := range parts {
				if sameFolder(part.Dir, out) {
					return fmt.Errorf("--out: %s is the folder of a part; choose another", out)
				}
			}
			folder, err := takeFolder(out)
			if err != nil {
				return err
			}
			defer folder.release()
			for _, part := range parts {
				if err := copyEvidence(out, part); err != nil {
					return fmt.Errorf("--out: %w; make room or choose another folder", err)
				}
			}
			files, err := writeReports(out, "", run, p)
			code := run.ExitCode()
			if err != nil && code == result.ExitPassed {
				code = result.ExitError
			}
			tellRun(cmd.OutOrStdout(), run, p, code, files)
			if code == result.ExitPassed {
				return nil
			}
			return &exitError{code, err}
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "output `folder`")
	must(cmd.MarkFlagRequired("out"))
	must(cmd.MarkFlagDirname("out"))
	return cmd
}

// loadParts reads the parts. The error has all of those that cannot be read.
func loadParts(names []string) ([]result.Part, error) {
	var parts []result.Part
	var problems []error
	for _, name := range names {
		path := runPath(name)
		run, err := loadEvidence(path)
		problems = append(problems, err)
		parts = append(parts, result.Part{Path: path, Run: run})
	}
	return parts, errors.Join(problems...)
}

// copyEvidence puts the journals and attachments of a part into the folder out. One that a part does not have is left out.
func copyEvidence(out string, part result.Part) error {
	from, err := os.OpenRoot(part.Dir)
	if err != nil {
		return err
	}
	defer from.Close()
	for _, l := range part.Links {
		for _, c := range l.Cases {
			names := []string{c.Journal}
			for _, h := range c.ByHand {
				names = append(names, h.Attachment)
			}
			for _, name := range names {
				if name = filepath.FromSlash(name); name == "" {
					continue
				}
				if err := copyFile(filepath.Join(out, name), from, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		}
	}
	return nil
}

func copyFile(to string, from *os.Root, name string) error {
	source, err := from.Open(name)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return writeFile(to, func(w io.Writer) error {
		_, err := io.Copy(w, source)
		return err
	})
}

// tellRun shows the failures and the summary of a run that is over, as the run itself would have.
func tellRun(w io.Writer, run *result.Run, p *plan.Plan, code int, files []string) {
	view := console.Detect(os.Stdout, os.Getenv)
	view.Quiet, view.Report = true, filepath.Join(run.Dir, reportFile)
	progress := console.New(w, p, view)
	var links []console.Total
	for _, l := range run.Links {
		var ids []string
		for _, c := range l.Cases {
			ids = append(ids, c.ID)
		}
		links = append(links, console.Total{Link: l.Link, Cases: ids})
	}
	progress.Start(run, links)
	for _, l := range run.Links {
		for _, c := range l.Cases {
			if c.Failed() {
				c.Timeline, _ = run.Events(c) // without it there are numbers of events alone
			}
			progress.CaseDone(l.Link, c)
		}
	}
	progress.Done(run, code, files)
}
