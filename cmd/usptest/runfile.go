package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/result"
)

// runPath is the run.json that the user named by itself or by its folder.
func runPath(name string) string {
	if at, err := os.Stat(name); err == nil && at.IsDir() {
		return filepath.Join(name, runFile)
	}
	return name
}

// runFolder is the folder of the run that the user named by it, or by its run.json.
func runFolder(name string) string {
	if filepath.Base(name) == runFile {
		return filepath.Dir(name)
	}
	return name
}

// loadRun reads a run.json that is as it was written.
func loadRun(path string) (*result.Run, error) {
	run, err := result.Load(path)
	if err != nil {
		return nil, err
	}
	return run, result.Unseal(run.Dir, func(name string) bool { return name == filepath.Base(path) })
}

// loadEvidence reads a run.json with everything it was concluded from; only what was rendered may have changed.
func loadEvidence(path string) (*result.Run, error) {
	run, err := result.Load(path)
	if err != nil {
		return nil, err
	}
	rendered := []string{junitFile, reportFile}
	return run, result.Unseal(run.Dir, func(name string) bool { return !slices.Contains(rendered, name) })
}

// loadAny reads the run in a folder, by its run.json or, where it did not come to its end, by what it wrote until then. A run.json is named
// by itself as well.
func loadAny(name string) (*result.Run, error) {
	path := runPath(name)
	if cases := filepath.Join(filepath.Dir(path), casesFile); filepath.Base(path) == runFile && !exists(path) && exists(cases) {
		return result.Recover(cases)
	}
	return loadEvidence(path)
}

// loadUnfinished reads the run in a folder as loadAny does; one that was killed while its files were written is read by what it wrote until
// then.
func loadUnfinished(name string) (*result.Run, error) {
	dir := runFolder(name)
	if cases := filepath.Join(dir, casesFile); exists(cases) && !exists(filepath.Join(dir, sumsFile)) {
		return result.Recover(cases)
	}
	return loadAny(name)
}

// completeRuns completes the names of run.json files and of folders.
func completeRuns(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
}

// The formats of a report.
const (
	formatHTML    = "html"
	formatJUnit   = "junit"
	formatConsole = "console"
)

// reportFormats are the values of --format of "usptest report".
func reportFormats() []string {
	return []string{formatHTML, formatJUnit, formatMarkdown, formatConsole}
}

// reportSign finds out whether the beginning of a file is that of a report in a format.
func reportSign(format string) *regexp.Regexp {
	switch format {
	case formatHTML:
		return regexp.MustCompile(`<meta name="generator" content="usptest `)
	case formatMarkdown:
		return regexp.MustCompile(`^## TP-\d+ `)
	case formatJSON, formatTable: // these are no reports: a file is not replaced
		return regexp.MustCompile(`$^`)
	case formatJUnit:
		return regexp.MustCompile(`^<\?xml[^>]*>\s*<testsuites[ >]`)
	}
	return regexp.MustCompile(`^usptest \S+, \S+ \S+: `)
}

// mayReplace says why a report must not be written to path: something else is there.
func mayReplace(path, format string) error {
	at, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !at.Mode().IsRegular():
		return fmt.Errorf("%s is not a file; choose another name", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	const enough = 8 << 10 // bytes in which a report has shown what it is
	head, err := io.ReadAll(io.LimitReader(f, enough))
	if err != nil {
		return err
	}
	if len(head) > 0 && !reportSign(format).Match(head) {
		return fmt.Errorf("%s exists and is not a report in the format %s; choose another name", path, format)
	}
	return nil
}
