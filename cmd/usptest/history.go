package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/reports/html"
)

// historyFormats are the values of --format of "usptest history".
var historyFormats = []string{formatTable, formatJSON, formatMarkdown, formatHTML}

func historyCommand() *cobra.Command {
	var format, out string
	cmd := &cobra.Command{
		Use:   "history FOLDER...",
		Short: "Show how cases changed from run to run, by software version and date",
		Long: `history shows a matrix of cases and runs, the oldest run first, each with the version of the device's software and its date. A
folder is that of a run, or one that holds folders of runs, such as usptest-runs. Runs of several devices get a matrix each.

A cell has the most serious verdict, and its links where they do not all agree. Cases that no run judged are left out. A run that was
killed is shown with its finished cases. One that cannot be read, or was changed, is an error when it is named, and left out with a
message when it is found in a folder.`,
		Example: `  usptest history usptest-runs
  usptest history release-4.1 release-4.2 --format json
  usptest history usptest-runs --out history.html`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format == "" {
				if format = formatTable; formatOf(out) == formatHTML {
					format = formatHTML
				}
			}
			if err := knownFormat(format, historyFormats); err != nil {
				return err
			}
			runs, names, err := loadRuns(cmd.ErrOrStderr(), args)
			if err != nil {
				return err
			}
			h := result.NewHistory(runs, names, plan.Compare)
			return writeOut(cmd.OutOrStdout(), out, format, func(w io.Writer) error {
				switch format {
				case formatJSON:
					return writeJSON(w, h)
				case formatHTML:
					return html.History(w, h, thisTool())
				}
				return writeHistory(w, format, h)
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "table, json, markdown or html (default: by the name of the file; table without one)")
	cmd.Flags().StringVar(&out, "out", "", "write to this `file` (default: standard output)")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(historyFormats, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// thisTool is this program.
func thisTool() result.Tool { return result.Tool{Name: "usptest", Version: version()} }

// loadRuns reads the runs in folders, each once, with the names of their files.
func loadRuns(warn io.Writer, folders []string) (runs []*result.Run, names []string, err error) {
	seen := map[string]bool{}
	load := func(dir string) error {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil || seen[real] {
			return err
		}
		seen[real] = true
		run, err := loadAny(dir)
		if err == nil {
			runs, names = append(runs, run), append(names, dir)
		}
		return err
	}
	for _, folder := range folders {
		if holdsRun(folder) {
			if err := load(folder); err != nil {
				return nil, nil, err
			}
			continue
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, nil, err
		}
		found := len(seen)
		for _, e := range entries {
			dir := filepath.Join(folder, e.Name())
			if e.Name() == latestLink || !holdsRun(dir) { // the link leads to a folder beside it
				continue
			}
			if err := load(dir); err != nil {
				fmt.Fprintf(warn, "usptest: left out: %s\n", result.VisibleLine(strings.Join(strings.Fields(err.Error()), " ")))
			}
		}
		if len(seen) == found {
			return nil, nil, fmt.Errorf("%s holds no run; name the folder of a run, or one with folders of runs in it", folder)
		}
	}
	if len(runs) == 0 {
		return nil, nil, errors.New("no run can be read")
	}
	return runs, names, nil
}

// holdsRun reports whether a folder is that of a run, or a file one of its results.
func holdsRun(name string) bool {
	at, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err != nil:
		return false
	case !at.IsDir():
		return filepath.Base(name) == runFile
	}
	return exists(filepath.Join(name, runFile)) || exists(filepath.Join(name, casesFile))
}

// writeHistory writes the matrix of each device as a table of text or Markdown: software, date and
// conclusion of each run, then the cases.
func writeHistory(w io.Writer, format string, h *result.History) error {
	for i, d := range h.Devices {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if len(h.Devices) > 1 {
			fmt.Fprintf(w, "%s\n\n", result.VisibleLine(strings.TrimSpace(d.Vendor+" "+d.Model)))
		}
		head := []string{"case"}
		software, dates, conclusions := []string{""}, []string{""}, []string{""}
		for i, r := range d.Runs {
			head = append(head, fmt.Sprintf("run %d", i+1))
			software = append(software, r.Device.Software)
			dates = append(dates, r.Started.UTC().Format("2006-01-02 15:04"))
			conclusions = append(conclusions, r.Conclusion)
		}
		rows := [][]string{append(software, ""), append(dates, ""), append(conclusions, "")}
		for _, c := range d.Cases {
			row := []string{c.ID}
			for _, o := range c.Runs {
				cell := string(o.Verdict)
				if over := o.Over(); len(over) > 0 {
					cell += " (" + strings.Join(over, ", ") + ")"
				}
				if cell == "" {
					cell = "-"
				}
				row = append(row, cell)
			}
			rows = append(rows, append(row, c.Title))
		}
		if err := writeTable(w, format, append(head, "title"), rows); err != nil {
			return err
		}
	}
	return nil
}

// writeOut writes to the file out, or to stdout when there is none. A file that is not a report is never replaced.
func writeOut(stdout io.Writer, out, format string, render func(io.Writer) error) error {
	if out == "" {
		return render(stdout)
	}
	if err := mayReplace(out, format); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return writeFile(out, render)
}
