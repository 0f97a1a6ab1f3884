package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/runs"
	"github.com/usptest/usptest/harness/result"
)

// saved writes a run into dir/name.
func saved(t *testing.T, dir, name string, run *result.Run) string {
	t.Helper()
	folder := filepath.Join(dir, name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(folder, runFile), run.Write); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestHistoryOfAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	saved(t, dir, "b", runs.Example())
	later := saved(t, dir, "a", runs.Later())
	if err := os.Symlink("a", filepath.Join(dir, latestLink)); err != nil {
		t.Fatal(err)
	}
	usptest(t, "history", dir).Want(t, result.ExitPassed, "RUN 1", "4.2.1", "2026-03-02 09:30", "4.3.0", "2026-03-03 09:30", "not-conformant")
	var h result.History
	if err := json.Unmarshal(usptest(t, "history", dir, "--format", "json").Stdout.Bytes(), &h); err != nil {
		t.Fatal(err)
	}
	if h.Schema != result.HistorySchema || len(h.Devices) != 1 || len(h.Devices[0].Runs) != 2 ||
		h.Devices[0].Cases[0].Runs[1].Verdict != result.Pass {
		t.Errorf("want a device with two runs, the link to the newest not counted, got %+v", h.Devices)
	}
	page := filepath.Join(dir, "history.html")
	for range 2 { // the second time it replaces its own page
		usptest(t, "history", dir, "--out", page).Want(t, result.ExitPassed)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "4.3.0") {
		t.Errorf("want a page, got %v", err)
	}
	notes := filepath.Join(dir, "notes.html")
	if err := os.WriteFile(notes, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	usptest(t, "history", dir, "--out", notes).Want(t, result.ExitUsage, "is not a report")

	saved(t, dir, "c", &result.Run{Schema: "usptest/v0"})
	usptest(t, "history", dir).Want(t, result.ExitPassed, "left out", "usptest/v0", "4.3.0")
	usptest(t, "history", filepath.Join(dir, "c"), later).Want(t, result.ExitUsage, "usptest/v0")
	usptest(t, "history", t.TempDir()).Want(t, result.ExitUsage, "holds no run")
	usptest(t, "history", dir, "--format", "xml").Want(t, result.ExitUsage, "want one of table, json, markdown, html")
}

func TestDiffFormats(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	older, newer := saved(t, dir, "old", runs.Later()), saved(t, dir, "new", runs.Example())
	p := usptest(t, "diff", older, newer, "--format", "json")
	p.Want(t, result.ExitDeviceFault)
	var d result.Diff
	err := json.Unmarshal(p.Stdout.Bytes(), &d)
	if err != nil || d.Schema != result.DiffSchema || d.Counts[result.Regression] == 0 || d.Old.Device.Software != "4.3.0" {
		t.Errorf("want regressions, got %v %+v", err, d)
	}
	usptest(t, "diff", older, newer, "--format", "markdown").Want(t, result.ExitDeviceFault, "× regression", "| 1.1")
	page := filepath.Join(dir, "diff.html")
	usptest(t, "diff", older, newer, "--out", page).Want(t, result.ExitDeviceFault)
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "regression") {
		t.Errorf("want a page, got %v", err)
	}
	usptest(t, "diff", newer, newer, "--format", "markdown").Want(t, result.ExitPassed, "no regression")
	usptest(t, "diff", newer, newer, "--format", "junit").Want(t, result.ExitUsage, "want one of json, markdown, html, console")
}

func TestReportAsMarkdown(t *testing.T) {
	t.Parallel()
	dir := saved(t, t.TempDir(), "run", runs.Example())
	usptest(t, "report", dir, "--format", "markdown").Want(t, result.ExitPassed, "## TP-469 1.4.0", "### What went wrong")
	out := filepath.Join(dir, "summary.md")
	for range 2 {
		usptest(t, "report", dir, "--out", out).Want(t, result.ExitPassed)
	}
	if err := os.WriteFile(out, []byte("# mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	usptest(t, "report", dir, "--out", out).Want(t, result.ExitUsage, "is not a report")
}

// TestAQuietGreenRunIsShort counts the lines of a run in which nothing is wrong.
func TestAQuietGreenRunIsShort(t *testing.T) {
	t.Parallel()
	p := usptest(t, "run", "--quiet", "--link", "mqtt5", "--link", "stomp", "--out", filepath.Join(t.TempDir(), "out"), "1.1", "1.36", "6.2")
	p.Want(t, result.ExitPassed, "5 pass over mqtt5, stomp", "exit 0")
	const most = 6
	if lines := strings.Count(p.Stdout.String()+p.Stderr.String(), "\n"); lines > most {
		t.Errorf("want at most %d lines, got %d:\n%s%s", most, lines, &p.Stdout, &p.Stderr)
	}
}

// TestLimitedReports renders one of a run, and has a run write one.
func TestLimitedReports(t *testing.T) {
	t.Parallel()
	dir := saved(t, t.TempDir(), "run", runs.Example())
	out := filepath.Join(dir, "limited.html")
	usptest(t, "report", dir, "--limited", "--out", out).Want(t, result.ExitPassed)
	first := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "</style>")
		head, _, _ := strings.Cut(body, `<main id="main">`)
		return head
	}
	if !strings.Contains(first(out), result.LimitedNotice) {
		t.Error("the first page does not say that the report is limited")
	}
	folder := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--link", "mqtt5", "--limited=true", "--defect", "partial-add-ignores-enable", "--out", folder, "1.1", "1.2").
		Want(t, result.ExitDeviceFault, "fail 1.2")
	if head := first(filepath.Join(folder, reportFile)); !strings.Contains(head, result.LimitedNotice) || strings.Contains(head, "pass") {
		t.Errorf("want a limited report, got\n%.2000s", head)
	}
	if r := runIn(t, folder); r.Counts()[result.Pass] != 1 {
		t.Errorf("run.json is to stay complete, got %v", r.Counts())
	}
	usptest(t, "report", folder).Want(t, result.ExitPassed, "pass 1.1") // the seals fit, and the terminal shows all
	// rendered again, it is what the run wrote
	was, again := read(t, folder, reportFile), filepath.Join(folder, reportFile)
	for _, limited := range []bool{true, false, true} {
		args := []string{"report", folder, "--out", again}
		if !limited {
			args = append(args, "--limited=false")
		}
		usptest(t, args...).Want(t, result.ExitPassed)
		if same := bytes.Equal(read(t, folder, reportFile), was); same != limited {
			t.Errorf("%q: it is as the run wrote it: %v", args, same)
		}
	}
}
