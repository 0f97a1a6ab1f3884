package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// Where runs go without --out: a folder for each, named by when it began, and a link to the newest that is over.
const (
	runsDir    = "usptest-runs"
	latestLink = "latest"
	runName    = "2006-01-02_150405" // of time, in UTC
)

// folder is the output folder of a run, which nobody else writes meanwhile.
type folder struct {
	dir  string
	lock *flock.Flock
}

// newFolder makes the folder of a run that began at a time, below runsDir.
func newFolder(began time.Time) (*folder, error) {
	if err := os.MkdirAll(runsDir, 0o755); err != nil {
		return nil, fmt.Errorf("%w; choose a folder that can be written with --out", err)
	}
	first := filepath.Join(runsDir, began.UTC().Format(runName))
	for n, dir := 2, first; ; n++ {
		err := os.Mkdir(dir, 0o755)
		switch {
		case err == nil:
			return takeFolder(dir)
		case !errors.Is(err, fs.ErrExist):
			return nil, fmt.Errorf("%w; choose a folder that can be written with --out", err)
		}
		dir = fmt.Sprintf("%s-%d", first, n)
	}
}

// takeFolder makes the folder dir where there is none, and locks it. One with anything in it is refused, so that nothing is ever overwritten: no
// earlier run, and nothing of the user's.
func takeFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("--out: %w; choose a folder that can be written", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("--out: %w; choose a folder that can be read", err)
	}
	ours := []string{runFile, junitFile, reportFile, sumsFile, journalDir, captureDir, casesFile, reserveFile, lockFile}
	for _, e := range entries {
		if !slices.Contains(ours, e.Name()) {
			return nil, fmt.Errorf("--out: %s holds %q, which is not of an earlier run; choose another folder", dir, e.Name())
		}
	}
	f := &folder{dir: dir, lock: flock.New(filepath.Join(dir, lockFile))}
	switch free, err := f.lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("--out: %w; make room or choose another folder", err)
	case !free:
		return nil, fmt.Errorf("--out: another usptest is writing into %s; choose another folder", dir)
	}
	for _, e := range entries {
		if e.Name() != lockFile {
			f.release()
			return nil, fmt.Errorf("--out: %s holds an earlier run, which is not overwritten; remove it, choose another folder, or leave --out out for a new one", dir)
		}
	}
	reserve := filepath.Join(dir, reserveFile)
	if err := os.WriteFile(reserve, make([]byte, reserved), 0o644); err != nil {
		f.release()
		return nil, fmt.Errorf("--out: %w; make room or choose another folder", err)
	}
	return f, nil
}

// release lets others have the folder. One without a run is removed.
func (f *folder) release() {
	os.Remove(filepath.Join(f.dir, reserveFile)) // where no report took its place
	f.lock.Unlock()
	os.Remove(filepath.Join(f.dir, lockFile))
}

// latest makes the link to the newest run point to the folder, where the system has links.
func (f *folder) latest() {
	next := filepath.Join(runsDir, "."+latestLink+"-"+filepath.Base(f.dir))
	if os.Symlink(filepath.Base(f.dir), next) == nil && os.Rename(next, filepath.Join(runsDir, latestLink)) != nil {
		os.Remove(next)
	}
}
