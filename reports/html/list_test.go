package html

import (
	"bytes"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/runs"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

var tool = result.Tool{Name: "usptest", Version: "0.1.0"}

func TestHistoryPage(t *testing.T) {
	older, newer := runs.Example(), runs.Later()
	h := result.NewHistory([]*result.Run{newer, older}, []string{"b", "a"}, plan.Compare)
	var b bytes.Buffer
	if err := History(&b, h, tool); err != nil {
		t.Fatal(err)
	}
	d := parse(t, b.Bytes())
	d.inert(t)
	at := func(text string) int { return strings.Index(d.text, text) }
	if at("4.2.1") < 0 || at("4.2.1") > at("4.3.0") || !strings.Contains(d.text, "2026-03-03") {
		t.Errorf("want the runs by their time with software and date, got\n%.600s", d.text)
	}
	same := strings.Count(b.String(), `<tr class="same">`)
	if same == 0 || !strings.Contains(b.String(), `<tr><th scope="row" class="id">1.1</th>`) {
		t.Errorf("want 1.1 as a case whose verdict changed beside %d whose verdict did not", same)
	}
}

func TestDiffPage(t *testing.T) {
	older, newer := runs.Example(), runs.Later()
	var b bytes.Buffer
	if err := Diff(&b, result.NewDiff(newer, older, "new", "old"), runs.Plan(), tool); err != nil {
		t.Fatal(err)
	}
	d := parse(t, b.Bytes())
	d.inert(t)
	for _, want := range []string{"regression", "1.1", "✓ pass", "✕ fail", "No difference", "4.3.0"} {
		if !strings.Contains(d.text, want) {
			t.Errorf("want %q in\n%.900s", want, d.text)
		}
	}
}

// TestHostileListings renders what a hostile device says of itself.
func TestHostileListings(t *testing.T) {
	run := runs.Hostile(100)
	var b bytes.Buffer
	if err := History(&b, result.NewHistory([]*result.Run{run}, []string{"<script>"}, plan.Compare), tool); err != nil {
		t.Fatal(err)
	}
	parse(t, b.Bytes()).inert(t)
	b.Reset()
	if err := Diff(&b, result.NewDiff(runs.Example(), run, "<script>", "</title>"), runs.Plan(), tool); err != nil {
		t.Fatal(err)
	}
	parse(t, b.Bytes()).inert(t)
}
