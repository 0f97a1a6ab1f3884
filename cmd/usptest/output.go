package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/reports/html"
	"github.com/usptest/usptest/reports/junit"
	"github.com/usptest/usptest/reports/pcap"
)

// The files of a run.
const (
	runFile       = result.RunFile
	junitFile     = "junit.xml"
	reportFile    = "report.html"
	sumsFile      = result.SumsFile
	journalDir    = "journal"
	captureDir    = "capture"
	attachmentDir = result.AttachmentDir
	casesFile     = result.CasesFile

	// reserveFile holds room for the results while the run goes on: journals may fill the disk.
	reserveFile = ".reserve"
	reserved    = 1 << 20 // bytes

	workersFile = result.WorkersFile
	turnFile    = result.TurnFile

	// lockFile is held while a run is written.
	lockFile = ".lock"
)

// writeReports writes run.json, the reports and the checksums of everything, and returns the names of the files for the summary.
// report.html is a limited one where the command line of the run asked for that. It writes what it can: an error for one file does not cost
// the others.
func writeReports(dir, extraJUnit string, run *result.Run, p *plan.Plan) (files []string, err error) {
	write := func(path string, render func(io.Writer) error) {
		if e := writeFile(path, render); e != nil {
			err = errors.Join(err, e)
			return
		}
		files = append(files, path)
	}
	err = os.Remove(filepath.Join(dir, reserveFile))
	write(filepath.Join(dir, runFile), run.Write)
	run.Dir = dir
	junitTo := func(w io.Writer) error { return junit.Render(w, run, p) }
	write(filepath.Join(dir, junitFile), junitTo)
	if extraJUnit != "" {
		write(extraJUnit, junitTo)
	}
	shown := run
	if begun, _, _ := begunBy(run); begun.limited {
		shown = run.OnlyFailures()
	}
	captures := make(chan error, 1)
	go func() { captures <- writeCaptures(dir, run) }()
	write(filepath.Join(dir, reportFile), func(w io.Writer) error { return html.Render(w, shown, p) })
	if e := <-captures; e != nil {
		// there is room for the seals then
		err = errors.Join(err, e, os.RemoveAll(filepath.Join(dir, captureDir)))
	}
	write(filepath.Join(dir, sumsFile), func(w io.Writer) error { return result.Seal(w, dir) })
	if err != nil {
		err = fmt.Errorf("%w\nmake room, or choose another folder with --out; %s has the result of every case", err, filepath.Join(dir, casesFile))
	}
	return files, err
}

// writeCaptures writes a capture for every journal below dir: capture/<link>/<case>.pcapng.
func writeCaptures(dir string, run *result.Run) error {
	for _, l := range run.Links {
		for _, c := range l.Cases {
			if c.Journal == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(c.Journal))); errors.Is(err, fs.ErrNotExist) {
				continue // a full disk can cost a journal, which is reported elsewhere
			}
			path := filepath.Join(dir, captureDir, l.Link, c.ID+".pcapng")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			err := writeFile(path, func(w io.Writer) error { return pcap.Render(w, l.Link, c.Started, result.WholeJournal(dir, c.Journal)) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// writeFile writes a file whole or leaves the old one.
func writeFile(path string, render func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = errors.Join(render(f), f.Chmod(0o644), f.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
