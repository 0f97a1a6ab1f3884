package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxRunJSON bounds the size of a run.json that Load accepts.
const maxRunJSON = 256 << 20

// Write writes r as run.json.
func (r *Run) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Load reads a run.json and the journals beside it. A journal that is missing leaves its timeline empty; a file of another schema,
// or one cut short, is refused.
func Load(path string) (*Run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRunJSON+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(data) > maxRunJSON {
		return nil, fmt.Errorf("%s: larger than %d MiB", path, maxRunJSON>>20)
	}
	var r Run
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s: not a run.json, or cut short: %w", path, err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("%s: schema: want %q, got %q; render it with the usptest version that wrote it", path, Schema, r.Schema)
	}
	dir := filepath.Dir(path)
	for l := range r.Links {
		for c := range r.Links[l].Cases {
			k := &r.Links[l].Cases[c]
			if k.Journal == "" {
				continue
			}
			if k.Timeline, err = ReadJournal(dir, k.Journal); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("%s: %w", k.Journal, err)
			}
		}
	}
	return &r, nil
}

// ReadJournal reads one journal file, named relative to dir. A name that leads out of dir is refused.
func ReadJournal(dir, name string) ([]Event, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var events []Event
	s := bufio.NewScanner(f)
	s.Buffer(make([]byte, 64<<10), 64<<20)
	for line := 1; s.Scan(); line++ {
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		var e Event
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		events = append(events, e)
	}
	return events, s.Err()
}
