package markdown

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/runs"
	"github.com/usptest/usptest/harness/result"
)

func rendered(t *testing.T, run *result.Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, run, runs.Plan()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRender(t *testing.T) {
	run := runs.Example()
	text := rendered(t, run)
	for _, want := range []string{
		"## TP-469 1.4.0 ACME X1 4.2.1: ❌ not-conformant\n", "### What went wrong\n", "| link | ✅ pass | ❌ fail |",
		"| mqtt5+tls |", "⚠️ websocket: the device went away",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	for _, c := range run.Causes {
		if !strings.Contains(text, cell(c.Headline)) {
			t.Errorf("the cause %q is missing", c.Headline)
		}
	}
	if limited := rendered(t, run.OnlyFailures()); strings.Contains(limited, "pass |") || !strings.Contains(limited, result.TermsURL) {
		t.Errorf("a limited report speaks of passes, or not of the terms:\n%s", limited)
	}
}

func TestDiff(t *testing.T) {
	var b bytes.Buffer
	if err := Diff(&b, result.NewDiff(runs.Later(), runs.Example(), "old", "new"), runs.Plan()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"× regression\n", "| regression | mqtt5 | 1.1 ", "| pass | fail |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in\n%s", want, &b)
		}
	}
}

// TestHostile makes sure that nothing that a device sends is read as Markdown or HTML.
func TestHostile(t *testing.T) {
	text := rendered(t, runs.Hostile(100))
	read := regexp.MustCompile(`<[^b]|(^|[^\\])\[[^T]|[\x00-\x08\x1b]|@`)
	if found := read.FindAllString(strings.ReplaceAll(text, "<br>", ""), 5); found != nil {
		t.Errorf("%q is read in\n%s", found, text)
	}
	for in, want := range map[string]string{`a|b`: `a\|b`, `a\|b`: `a\\\|b`, "<b>": "&lt;b>", "@org": "&#64;org", "&lt;": "&amp;lt;"} {
		if got := Cell(in); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}
