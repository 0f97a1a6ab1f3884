package runner

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// described is a body that shows itself.
type described string

func (d described) Describe() string { return string(d) }

const secret = "hunter22"

// kept writes events to a file and reads them back.
func kept(t *testing.T, events ...journal.Event) []result.Event {
	t.Helper()
	j, began := journal.New(), time.Now()
	j.Secret(secret)
	for _, e := range events {
		e.At = began.Add(1500 * time.Microsecond)
		j.Append(e)
	}
	out := t.TempDir()
	name, err := writeJournal(out, "stomp+tls", "1.1", began, j.Since(0), j.Masker())
	if err != nil || name != "journal/stomp+tls/1.1.jsonl" {
		t.Fatalf("got %q, %v", name, err)
	}
	data, err := os.ReadFile(filepath.Join(out, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	var found []result.Event
	for line := range bytes.Lines(data) {
		var e result.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		found = append(found, e)
	}
	return found
}

func TestTheJournalFileHoldsEveryEvent(t *testing.T) {
	got := kept(t,
		journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "open", Conn: 3, Local: "a:1", Remote: "b:2", Text: "<script>\n"},
		journal.Event{Layer: journal.LayerRecord, Dir: journal.Out, Raw: []byte{0, 255}, Body: usp.NewGet("5", "Device.")},
		journal.Event{Layer: journal.LayerMessage, Body: described("in words")},
	)
	if len(got) != 3 {
		t.Fatalf("want 3 events, got %d", len(got))
	}
	first := result.Event{Seq: 1, AtMS: 1.5, Layer: "tcp", Dir: "in", Type: "open", Conn: 3, Local: "a:1", Remote: "b:2", Text: "<script>\n"}
	if text, _ := json.Marshal(got[0]); !bytes.Equal(text, must(json.Marshal(first))) {
		t.Errorf("got %s", text)
	}
	if !bytes.Equal(got[1].Raw, []byte{0, 255}) || !strings.Contains(got[1].Decoded, "Device.") {
		t.Errorf("got %+v", got[1])
	}
	if got[2].Decoded != "in words" {
		t.Errorf("got %+v", got[2])
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestSecretsAreInNoFile(t *testing.T) {
	atTheCut := strings.Repeat("x", maxDecoded-len(secret)/2)
	got := kept(t,
		journal.Event{Text: "password " + secret, Raw: []byte("a" + secret + "b"), Body: described("its " + secret)},
		journal.Event{Body: described(atTheCut + secret)},
	)
	if want := "password ********"; got[0].Text != want || string(got[0].Raw) != "a********b" || got[0].Decoded != "its ********" {
		t.Errorf("got %+v", got[0])
	}
	if strings.Contains(got[1].Decoded, secret[:4]) {
		t.Errorf("half of the secret stands before the cut: …%q", got[1].Decoded[maxDecoded-10:])
	}
}

func TestLongDescriptionsAreCut(t *testing.T) {
	got := kept(t, journal.Event{Body: described("x" + strings.Repeat("ä", maxDecoded))})
	if text := got[0].Decoded; len(text) > maxDecoded+40 || !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError) || !strings.HasSuffix(text, "(cut; the bytes are in raw)") {
		t.Errorf("got %d bytes, …%q", len(text), text[len(text)-40:])
	}
}

func TestAJournalThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if name, err := writeJournal(file, "mqtt5", "1.1", time.Now(), nil, journal.Masker{}); err == nil || name != "" {
		t.Errorf("got %q, %v", name, err)
	}
}

func TestSecretsAreInNoResult(t *testing.T) {
	told := "it is " + secret
	c := result.Case{
		Reason: told, Metrics: []result.Metric{{Where: told, Want: told, Got: told, Note: told}}, Steps: []result.Step{{Text: told}},
		Notes: []string{told}, CleanUp: []result.CleanUp{{Name: told, Error: told}},
	}
	boundCase(&c, journal.NewMasker(secret))
	text := string(must(json.Marshal(c)))
	if strings.Contains(text, secret) || strings.Count(text, "it is ********") != 9 {
		t.Errorf("got %s", text)
	}
}
