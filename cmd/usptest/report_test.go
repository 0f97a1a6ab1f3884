package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// brokenRun is a finished run of a device with one fault, made once for each test that changes it.
func brokenRun(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--link", "mqtt5", "--instances=1", "--defect", "add-creates-nothing", "--out", dir, "1.1", "1.36").
		Want(t, result.ExitDeviceFault)
	return dir
}

func read(t *testing.T, elements ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, data []byte, elements ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(elements...), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestARunIsRenderedAgain(t *testing.T) {
	t.Parallel()
	dir := brokenRun(t)
	for file, flags := range map[string][]string{reportFile: nil, junitFile: nil, "console.txt": {"--format", "console"}} {
		out := filepath.Join(t.TempDir(), file)
		usptest(t, append([]string{"report", dir, "--out", out}, flags...)...).Want(t, result.ExitPassed)
		again := usptest(t, append([]string{"report", filepath.Join(dir, runFile), "--out", out}, flags...)...) // over a report
		again.Want(t, result.ExitPassed)
		if got := read(t, out); file != "console.txt" && !bytes.Equal(got, read(t, dir, file)) {
			t.Errorf("%s is not the one that the run wrote", file)
		}
	}
	usptest(t, "report", dir).Want(t, result.ExitPassed, "fail 1.1", "metric 3", "in GetResp, event", "not-conformant: 1 case failed")
	usptest(t, "report", dir, "--format", "junit").Want(t, result.ExitPassed, "<testsuites", "<failure")
}

func TestAReportIsWrittenOverReportsAlone(t *testing.T) {
	t.Parallel()
	dir := brokenRun(t)
	thesis := filepath.Join(t.TempDir(), "thesis.html")
	write(t, []byte("<html>years of work"), thesis)
	usptest(t, "report", dir, "--out", thesis).Want(t, result.ExitUsage, "thesis.html", "not a report", "choose another name")
	usptest(t, "report", dir, "--out", filepath.Join(dir, reportFile), "--format", "junit").Want(t, result.ExitUsage, "not a report in the format junit")
	usptest(t, "report", dir, "--out", dir).Want(t, result.ExitUsage, "is not a file")
	usptest(t, "run", "--junit", thesis, "--out", filepath.Join(t.TempDir(), "out"), "1.1").Want(t, result.ExitUsage, "--junit", "not a report")
	if got := read(t, thesis); string(got) != "<html>years of work" {
		t.Errorf("the thesis is %q now", got)
	}
	empty := filepath.Join(t.TempDir(), "empty.xml")
	write(t, nil, empty)
	usptest(t, "report", dir, "--out", empty).Want(t, result.ExitPassed)
}

func TestAReportInTheFolderOfItsRunStaysSealed(t *testing.T) {
	t.Parallel()
	dir := brokenRun(t)
	write(t, append(read(t, dir, reportFile), "<!-- added -->"...), dir, reportFile)
	if err := result.Unseal(dir, func(string) bool { return true }); err == nil {
		t.Fatal("the report was not sealed")
	}
	usptest(t, "report", dir, "--out", filepath.Join(dir, reportFile)).Want(t, result.ExitPassed)
	if err := result.Unseal(dir, func(string) bool { return true }); err != nil {
		t.Error(err)
	}
}

func TestARunThatIsNotAsItWasWrittenIsRefused(t *testing.T) {
	t.Parallel()
	dir := brokenRun(t)
	run, journal := read(t, dir, runFile), filepath.Join("journal", "mqtt5", "1.1.jsonl")
	evidence := read(t, dir, journal)
	change := func(from, to string) { write(t, bytes.Replace(run, []byte(from), []byte(to), 1), dir, runFile) }
	refused := func(texts ...string) {
		t.Helper()
		usptest(t, "report", dir).Want(t, result.ExitUsage, texts...)
		write(t, run, dir, runFile)
		write(t, evidence, dir, journal)
	}
	change(`"verdict": "fail"`, `"verdict": "pass"`)
	refused("SHA256SUMS", "run.json: want SHA-256 ", "take the files that usptest wrote")
	write(t, evidence[:len(evidence)/2], dir, journal)
	refused("journal/mqtt5/1.1.jsonl: want SHA-256 ")
	change(result.Schema, "usptest/v9")
	refused(`schema: want "usptest/v1", got "usptest/v9"`)
	write(t, run[:len(run)/2], dir, runFile)
	refused("run.json:", "cut short after")
	change(`"verdict": "fail"`, `"verdict": "good"`)
	refused(`mqtt5 1.1: verdict: want one of`, `got "good"`)
	write(t, []byte("{\n \"schema\": \"usptest/v1\",\n \"links\": 7\n}"), dir, runFile)
	refused("run.json:3:", "links", "got number")
	usptest(t, "report", filepath.Join(dir, "nowhere")).Want(t, result.ExitUsage, "nowhere")
	usptest(t, "report", dir, "--format", "pdf").Want(t, result.ExitUsage, "html, junit, markdown, console")
	if text := usptest(t, "report", dir).Stdout.String(); !strings.Contains(text, "fail 1.1") {
		t.Error("the untouched run is refused too")
	}
}
