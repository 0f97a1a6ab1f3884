package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/usptest/usptest/harness/result"
)

// caseLog writes the head of a run and then every finished case as one JSON line each, so that a crash of this process loses nothing that
// was measured; result.Recover reads it.
type caseLog struct {
	mu   sync.Mutex
	file *os.File
	old  int64 // what was in the file before, in bytes
	size int64 // of all whole lines
	err  error
}

// newCaseLog opens the file, and appends to one that is there.
func newCaseLog(path string) (*caseLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another folder with --out", err)
	}
	before, err := io.ReadAll(f)
	whole := int64(bytes.LastIndexByte(before, '\n') + 1)
	if err == nil && whole < int64(len(before)) { // a line that was cut short says nothing
		err = f.Truncate(whole)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &caseLog{file: f, old: whole, size: whole}, nil
}

// write keeps the first error, such as a full disk, for close: the run goes on. A line that could not be written whole is taken back, so
// that the next one begins as a line of its own.
func (l *caseLog) write(line result.Logged) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := json.Marshal(line)
	if err == nil {
		_, err = l.file.Write(append(text, '\n'))
	}
	if err == nil {
		l.size += int64(len(text)) + 1
	} else {
		err = errors.Join(err, l.file.Truncate(l.size))
	}
	if l.err == nil {
		l.err = err
	}
}

// begin writes the head of a run. The error says that it could not, and then the file is as it was.
func (l *caseLog) begin(run *result.Run) error {
	if l.write(result.Logged{Run: run}); l.err != nil {
		return fmt.Errorf("%w; make room, or choose another folder with --out", l.discard())
	}
	return nil
}

func (l *caseLog) close() error {
	return errors.Join(l.err, l.file.Close())
}

// discard takes back what was written for a run that has nothing to report, with what a worker has kept of a case that it had begun.
func (l *caseLog) discard() error {
	if l.old > 0 {
		return errors.Join(l.file.Truncate(l.old), l.close())
	}
	out := filepath.Dir(l.file.Name())
	return errors.Join(l.close(), os.Remove(l.file.Name()), os.RemoveAll(filepath.Join(out, "journal")),
		os.RemoveAll(filepath.Join(out, "capture")))
}
