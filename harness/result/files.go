package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// maxRunJSON and maxObjects bound the size of a run.json that Load accepts; an object of 3 bytes can take hundreds once it is read.
const (
	maxRunJSON = 256 << 20
	maxObjects = 500_000
)

// Write writes r as run.json.
func (r *Run) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// RunFile is the name under which a run is written.
const RunFile = "run.json"

// Load reads a run.json; the journals beside it are read by Events. A file of another schema, one cut short, one that names a journal
// elsewhere, and one that no run can have written are refused.
func Load(path string) (*Run, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	var head struct{ Schema string }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, unreadable(path, data, err)
	}
	if head.Schema != Schema {
		return nil, fmt.Errorf("%s: schema: want %q, got %q; use the version of usptest that wrote it", path, Schema, VisibleLine(head.Schema))
	}
	var r Run
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, unreadable(path, data, err)
	}
	r.Dir = filepath.Dir(path)
	r.Causes = r.causes() // whoever wrote the file
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}

// read returns the bytes of a file that may hold a run, and refuses one that is larger than a run can be.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRunJSON+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case len(data) > maxRunJSON:
		return nil, fmt.Errorf("%s: larger than %d MiB", path, maxRunJSON>>20)
	case objects(data) > maxObjects:
		return nil, fmt.Errorf("%s: want a run, got more than %d objects in it", path, maxObjects)
	}
	return data, nil
}

// unreadable says where a run.json cannot be read.
func unreadable(path string, data []byte, err error) error {
	at := -1
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = int(syntax.Offset)
	case errors.As(err, &kind):
		at = int(kind.Offset)
		got, _ := Cut(kind.Value, maxBare)
		err = fmt.Errorf("%s: want %s, got %s", kind.Field, kind.Type, got)
	}
	line := 1 + bytes.Count(data[:min(max(at, 0), len(data))], []byte("\n"))
	switch {
	case at < 0:
		return fmt.Errorf("%s: not a run.json: %w", path, err)
	case at >= len(data):
		return fmt.Errorf("%s:%d: cut short after %d bytes, or no run.json: %w; take the file that usptest wrote, or run again",
			path, line, len(data), err)
	}
	return fmt.Errorf("%s:%d: not a run.json: %w", path, line, err)
}

// objects counts the objects in JSON, and may count anything in what is none.
func objects(data []byte) (n int) {
	text := false
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			text = !text
		case '\\':
			i++
		case '{':
			if !text {
				n++
			}
		}
	}
	return n
}

// Events returns what happened in a case: its Timeline, or else what its journal file says, read again each time. A journal that is missing
// has no events.
func (r *Run) Events(c Case) ([]Event, error) {
	if c.Timeline != nil || c.Journal == "" || r.Dir == "" {
		return c.Timeline, nil
	}
	events, err := ReadJournal(r.Dir, c.Journal)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return events, fmt.Errorf("%s: %w", c.Journal, err)
	}
	return events, nil
}

// What ReadJournal keeps of a journal file, in bytes. It is more than a report shows of a case; the file has the rest.
const (
	maxLine    = 8 << 20
	maxDecoded = 16 << 10 // of one event
	maxRaw     = 1 << 10  // of one event
	maxBulk    = 32 << 20 // of texts of all kinds and of raw bytes, of all events
	maxBare    = 256      // of one event's text when there is no more room
)

// ReadJournal reads one journal file, named relative to dir. A name that leads out of dir is refused. Long readable texts and raw bytes are
// cut. With an error it returns the events before the fault.
func ReadJournal(dir, name string) ([]Event, error) {
	var events []Event
	room := maxBulk
	for e, err := range WholeJournal(dir, name) {
		if err != nil {
			return events, err
		}
		room -= e.cut(room)
		events = append(events, e)
	}
	return events, nil
}

// WholeJournal reads one journal file as ReadJournal does, event by event, and cuts nothing. An error is the last it yields.
func WholeJournal(dir, name string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer root.Close()
		f, err := root.Open(filepath.FromSlash(name))
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer f.Close()
		s := bufio.NewScanner(f)
		s.Buffer(make([]byte, 64<<10), maxLine)
		for line := 1; s.Scan(); line++ {
			if len(bytes.TrimSpace(s.Bytes())) == 0 {
				continue
			}
			var e Event
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				yield(Event{}, fmt.Errorf("line %d: %w", line, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(Event{}, err)
		}
	}
}

// cut shortens what is long in e, and all of it when there is no room. It returns how many bytes are left.
func (e *Event) cut(room int) int {
	text, decoded, raw := len(e.Text), maxDecoded, maxRaw
	if room < text+decoded+raw {
		text, decoded, raw = maxBare, 0, 0
	}
	e.Text, _ = Cut(e.Text, text)
	e.Decoded, e.DecodedLeft = Cut(e.Decoded, decoded)
	if e.RawLeft = max(0, len(e.Raw)-raw); e.RawLeft > 0 {
		e.Raw = bytes.Clone(e.Raw[:raw])
	}
	e.Text, e.Decoded = strings.Clone(e.Text), strings.Clone(e.Decoded) // what was cut off is free
	return len(e.Text) + len(e.Decoded) + len(e.Raw)
}
