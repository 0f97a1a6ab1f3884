package runner

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// writeJournal writes the events of one case as JSON lines, secrets masked, and returns the file's name relative to out. A file that could
// not be written whole is removed: a full disk has room again for the results.
func writeJournal(out, link, id string, began time.Time, events []*journal.Event, mask journal.Masker) (string, error) {
	name := result.JournalName(link, id)
	file := filepath.Join(out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	if err := errors.Join(writeEvents(f, began, events, mask), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file))
	}
	return name, nil
}

func writeEvents(to io.Writer, began time.Time, events []*journal.Event, mask journal.Masker) error {
	w := bufio.NewWriter(to)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	room := maxAllDecoded
	for _, e := range events {
		line := written(e, began, mask, min(room, maxDecoded))
		if err := lines.Encode(line); err != nil {
			return err
		}
		room -= len(line.Decoded)
	}
	return w.Flush()
}

// What a journal file has of readable text, in bytes: for one event, and for all of a case.
const (
	maxDecoded    = 256 << 10
	maxAllDecoded = 32 << 20
)

// written is an event as the file has it, with no more of its readable text than there is room for.
func written(e *journal.Event, began time.Time, mask journal.Masker, room int) result.Event {
	decoded := ""
	switch body := e.Body.(type) {
	case journal.Describer:
		decoded = body.Describe()
	case proto.Message:
		decoded = usp.Describe(body)
	}
	decoded = mask.Text(decoded) // before the cut, which may go through a secret
	if len(decoded) > room {
		decoded = strings.ToValidUTF8(decoded[:max(room, 0)], "") + "… (cut; the bytes are in raw)"
	}
	return result.Event{
		Seq: uint64(e.Seq), AtMS: float64(e.At.Sub(began).Microseconds()) / 1000, Layer: string(e.Layer), Dir: string(e.Dir), Type: e.Type,
		Link: e.Link, Conn: e.Conn, Local: e.Local, Remote: e.Remote, Text: mask.Text(e.Text), Decoded: decoded, Raw: mask.Bytes(e.Raw),
	}
}

// What a result has of a text, in bytes, and of a list: a device can make both long.
const (
	maxText = 8 << 10
	maxList = 1000
)

// boundTexts overwrites the secrets in texts and cuts what is too long.
func boundTexts(mask journal.Masker, texts ...*string) {
	for _, text := range texts {
		head, left := result.Cut(mask.Text(*text), maxText)
		if *text = head; left > 0 {
			*text += fmt.Sprintf("… (%d bytes more)", left)
		}
	}
}

// boundCase overwrites the secrets in what a case says, since a device may repeat them wherever it likes, and cuts what is too long.
func boundCase(c *result.Case, mask journal.Masker) {
	bound := func(texts ...*string) { boundTexts(mask, texts...) }
	c.Steps, c.Notes, c.CleanUp = first(c.Steps), first(c.Notes), first(c.CleanUp)
	for i := range c.Metrics {
		m := &c.Metrics[i]
		m.Evidence = first(m.Evidence)
		bound(&m.Where, &m.Want, &m.Got, &m.Note)
	}
	for i := range c.Steps {
		bound(&c.Steps[i].Text)
	}
	for i := range c.Notes {
		bound(&c.Notes[i])
	}
	for i := range c.CleanUp {
		bound(&c.CleanUp[i].Name, &c.CleanUp[i].Error)
	}
	for i := range c.Rounds {
		bound(&c.Rounds[i].Reason)
	}
	bound(&c.Reason)
}

func first[T any](list []T) []T { return list[:min(len(list), maxList)] }
