package runner

import (
	"bufio"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// writeJournal writes the events of one case as JSON lines, secrets masked, and returns the file's name relative to out.
func writeJournal(out, link, id string, began time.Time, events []*journal.Event, mask journal.Masker) (string, error) {
	name := path.Join("journal", link, id+".jsonl")
	file := filepath.Join(out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for _, e := range events {
		if err := lines.Encode(written(e, began, mask)); err != nil {
			return "", err
		}
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	return name, f.Close()
}

// maxDecoded bounds the readable text of one event in the journal file.
const maxDecoded = 256 << 10

func written(e *journal.Event, began time.Time, mask journal.Masker) result.Event {
	decoded := ""
	switch body := e.Body.(type) {
	case journal.Describer:
		decoded = body.Describe()
	case proto.Message:
		decoded = usp.Describe(body)
	}
	decoded = mask.Text(decoded) // before the cut, which may go through a secret
	if len(decoded) > maxDecoded {
		decoded = strings.ToValidUTF8(decoded[:maxDecoded], "") + "… (cut; the bytes are in raw)"
	}
	return result.Event{
		Seq: e.Seq, AtMS: float64(e.At.Sub(began).Microseconds()) / 1000, Layer: string(e.Layer), Dir: string(e.Dir), Type: e.Type,
		Conn: e.Conn, Local: e.Local, Remote: e.Remote, Text: mask.Text(e.Text), Decoded: decoded, Raw: mask.Bytes(e.Raw),
	}
}

// maskCase overwrites the secrets in what a case says: a device may repeat them wherever it likes.
func maskCase(c *result.Case, mask journal.Masker) {
	for i := range c.Metrics {
		m := &c.Metrics[i]
		m.Where, m.Want, m.Got, m.Note = mask.Text(m.Where), mask.Text(m.Want), mask.Text(m.Got), mask.Text(m.Note)
	}
	for i := range c.Steps {
		c.Steps[i].Text = mask.Text(c.Steps[i].Text)
	}
	for i := range c.Notes {
		c.Notes[i] = mask.Text(c.Notes[i])
	}
	for i := range c.CleanUp {
		c.CleanUp[i].Name, c.CleanUp[i].Error = mask.Text(c.CleanUp[i].Name), mask.Text(c.CleanUp[i].Error)
	}
	c.Reason = mask.Text(c.Reason)
}
