package main

import (
	"context"
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

// folder is the output folder of a run, locked against other processes.
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

// takeFolder makes the folder dir where there is none, and locks it. One with anything in it is refused, so that nothing is ever
// overwritten: no earlier run, and nothing of the user's.
func takeFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("--out: %w; choose a folder that can be written", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("--out: %w; choose a folder that can be read", err)
	}
	leftover := []string{reserveFile, lockFile, workersFile, turnFile} // of a run that was killed before it began
	ours := append([]string{runFile, junitFile, reportFile, sumsFile, journalDir, captureDir, attachmentDir, casesFile}, leftover...)
	for _, e := range entries {
		if !slices.Contains(ours, e.Name()) {
			return nil, fmt.Errorf("--out: %s holds %q, which does not belong to an earlier run; choose another folder", dir, e.Name())
		}
	}
	f, err := lockFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	for _, e := range entries {
		if !slices.Contains(leftover, e.Name()) {
			f.release()
			return nil, fmt.Errorf("--out: %s holds an earlier run, which is not overwritten; remove it, choose another folder, or "+
				"omit --out for a new one", dir)
		}
	}
	return f, nil
}

// lockFolder locks a folder that is there, and keeps room in it for the results.
func lockFolder(dir string) (*folder, error) {
	f := &folder{dir: dir, lock: flock.New(filepath.Join(dir, lockFile))}
	switch free, err := f.lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("%w; make room or choose another folder", err)
	case !free:
		return nil, fmt.Errorf("another usptest is writing into %s; wait until it has finished, or choose another folder", dir)
	}
	reserve := filepath.Join(dir, reserveFile)
	if err := os.WriteFile(reserve, make([]byte, reserved), 0o644); err != nil {
		f.release()
		return nil, fmt.Errorf("%w; make room or choose another folder", err)
	}
	return f, nil
}

// retakeFolder locks the folder of a run that goes on, by the name of the folder or of its run.json.
func retakeFolder(name string) (*folder, error) {
	dir := runFolder(name)
	if !exists(filepath.Join(dir, runFile)) && !exists(filepath.Join(dir, casesFile)) {
		return nil, fmt.Errorf("%s has neither %s nor %s; name the folder of a run, or start a new run", dir, runFile, casesFile)
	}
	return lockFolder(dir)
}

// awaitWorkers waits until no worker is left of a run whose supervisor was killed: they restore their devices. told is called when there
// are any.
func (f *folder) awaitWorkers(ctx context.Context, limit time.Duration, told func()) error {
	lock := flock.New(filepath.Join(f.dir, workersFile))
	defer lock.Unlock()
	free, err := lock.TryLock()
	if err != nil || free {
		return err
	}
	told()
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	const poll = 50 * time.Millisecond
	switch _, err := lock.TryLockContext(waiting, poll); {
	case ctx.Err() != nil:
		return ctx.Err()
	case waiting.Err() != nil:
		return fmt.Errorf("a worker of the run in %s has not ended within %s; end its process, usptest worker, and resume again", f.dir, limit)
	default:
		return err
	}
}

// unseal removes what was concluded before a run goes on; cases.jsonl has all of it by then.
func (f *folder) unseal() {
	for _, name := range []string{sumsFile, runFile, junitFile, reportFile} {
		os.Remove(filepath.Join(f.dir, name))
	}
}

// release lets others have the folder. One without a run is removed.
func (f *folder) release() {
	os.Remove(filepath.Join(f.dir, reserveFile)) // where no report took its place
	os.Remove(filepath.Join(f.dir, workersFile))
	os.Remove(filepath.Join(f.dir, turnFile))
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
