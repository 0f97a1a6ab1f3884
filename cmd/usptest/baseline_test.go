package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

func TestDiffTellsWhatChanged(t *testing.T) {
	t.Parallel()
	bad, good := brokenRun(t), filepath.Join(t.TempDir(), "good")
	usptest(t, "run", "--link", "mqtt5", "--link", "stomp", "--instances=1", "--out", good, "1.1", "1.37").Want(t, result.ExitPassed)
	usptest(t, "diff", good, bad).Want(t, result.ExitDeviceFault, "regression 1.1", "pass -> fail", "metric 3", "new 1.36", "vanished 1.37",
		"stomp\n  vanished 1.1 1.37: pass", "regression 1, fix 0, changed 0, new 1, vanished 3")
	usptest(t, "diff", filepath.Join(bad, runFile), filepath.Join(good, runFile)).Want(t, result.ExitPassed, "fix 1.1", "fail -> pass")
	usptest(t, "diff", bad, bad).Want(t, result.ExitPassed, "mqtt5: no difference")
}

func TestDiffRefusesOtherDevices(t *testing.T) {
	t.Parallel()
	dir := brokenRun(t)
	other := filepath.Join(t.TempDir(), "other.json")
	write(t, bytes.Replace(read(t, dir, runFile), []byte(`"model": "reference agent"`), []byte(`"model": "X1"`), 1), other)
	usptest(t, "diff", dir, other).Want(t, result.ExitUsage, `model: "reference agent" and "X1"`, "--force")
	usptest(t, "diff", dir, other, "--force").Want(t, result.ExitPassed, "no difference")
	write(t, append(read(t, dir, runFile), '\n'), dir, runFile)
	usptest(t, "diff", dir, other, "--force").Want(t, result.ExitUsage, "run.json: want SHA-256")
	usptest(t, "diff", dir).Want(t, result.ExitUsage, "2 arg")
}

func TestABaselineKnowsFailures(t *testing.T) {
	t.Parallel()
	bad := brokenRun(t)
	known := filepath.Join(t.TempDir(), "known.json")
	write(t, read(t, bad, runFile), known)
	gated := func(exit int, args ...string) (dir string, p *program.Program) {
		t.Helper()
		dir = filepath.Join(t.TempDir(), "out")
		p = usptest(t, append([]string{"run", "--link", "mqtt5", "--instances=1", "--out", dir, "--baseline", known}, args...)...)
		p.Want(t, exit)
		return dir, p
	}
	// as known: the gate is open, the verdict stays
	dir, p := gated(result.ExitPassed, "--defect", "add-creates-nothing", "1.1", "1.36")
	p.Want(t, result.ExitPassed, "  known   metric 3", "failures 1 known, 0 new, 0 stale",
		"no failures except known ones", "not-conformant")
	run := runIn(t, dir)
	if c := run.Links[0].Cases[0]; c.Verdict != result.Fail || c.Baseline != result.Known || run.Baseline.File != known {
		t.Errorf("want a known failure, got %+v of %+v", c, run.Baseline)
	}
	if junit := string(read(t, dir, junitFile)); strings.Contains(junit, "<failure") || !strings.Contains(junit, `<skipped message="known failure: metric 3`) {
		t.Errorf("junit.xml does not agree with the gate:\n%s", junit)
	}
	usptest(t, "report", dir).Want(t, result.ExitPassed, "  known   metric 3", "failures 1 known")
	// a new one beside it
	dir, p = gated(result.ExitDeviceFault, "--defect", "add-creates-nothing", "1.1", "1.38")
	p.Want(t, result.ExitDeviceFault, "1 known, 1 new, 0 stale", "  new mqtt5 1.38", "a device fault")
	if junit := string(read(t, dir, junitFile)); strings.Count(junit, "<failure") != 1 || strings.Count(junit, `type="known"`) != 1 {
		t.Errorf("want one failure and one known one in junit.xml:\n%s", junit)
	}
	// known, and it passes
	dir, p = gated(result.ExitDeviceFault, "1.1", "1.36")
	p.Want(t, result.ExitDeviceFault, "  stale mqtt5 1.1", "the baseline is stale", "replace the baseline with")
	const stale = `<failure message="it failed in the baseline, and it passes now`
	if junit := string(read(t, dir, junitFile)); strings.Count(junit, stale) != 1 {
		t.Errorf("junit.xml does not agree with the gate:\n%s", junit)
	}
	// known until a day that is over, and until one that is not
	bound := func(until string) []byte {
		return bytes.Replace(withoutJournals(read(t, bad, runFile)), []byte(`"id": "1.1"`), []byte(`"Until": "`+until+`", "id": "1.1"`), 1)
	}
	write(t, bound("2020-01-01"), known)
	_, p = gated(result.ExitDeviceFault, "--defect", "add-creates-nothing", "1.1", "1.36")
	over := fmt.Sprintf("known.json:%d: until: 2020-01-01: the baseline excuses this no longer", lineOf(bound(""), `"Until"`))
	p.Want(t, result.ExitDeviceFault, "  new mqtt5 1.1", over)
	write(t, bound("2099-12-31"), known)
	dir2, _ := gated(result.ExitPassed, "--defect", "add-creates-nothing", "1.1", "1.36")
	if c := runIn(t, dir2).Links[0].Cases[0]; c.Until != "2099-12-31" {
		t.Errorf("a baseline that is made of this run knows its failure until %q", c.Until)
	}
	// until the baseline is updated
	write(t, read(t, dir, runFile), known)
	gated(result.ExitPassed, "1.1", "1.36")
}

func TestABadBaselineStopsBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	dir := brokenRun(t)
	good := withoutJournals(read(t, dir, runFile)) // a baseline is a run.json alone
	known := filepath.Join(t.TempDir(), "known.json")
	for name, test := range map[string]struct {
		from, to string
		texts    []string
	}{
		"unknown id":    {`"id": "1.36"`, `"id": "1.361"`, []string{fmt.Sprintf("known.json:%d: ", lineOf(good, `"id": "1.36"`)), `case "1.361" matches nothing; did you mean 1.31, 1.36`}},
		"unknown link":  {`"link": "mqtt5"`, `"link": "mqtt4"`, []string{`link "mqtt4" matches nothing; did you mean mqtt5`}},
		"other device":  {`"vendor": "usptest"`, `"vendor": "ACME"`, []string{"of a different device", `vendor: "ACME" and "usptest"`}},
		"other schema":  {result.Schema, "usptest/v0", []string{`want "usptest/v1"`}},
		"made up words": {`"verdict": "fail"`, `"verdict": "failed"`, []string{"mqtt5 1.1: verdict: want one of"}},
		"no day": {`"links": [`, `"until": "31.12.2027", "links": [`,
			[]string{"known.json:", `until: got "31.12.2027"; allowed: a day as year-month-day`}},
		"no day of one": {`"id": "1.36"`, `"until": "", "id": "1.36"`,
			[]string{fmt.Sprintf("known.json:%d: ", lineOf(good, `"id": "1.36"`)), `links.cases.until: got ""`}},
	} {
		out := filepath.Join(t.TempDir(), "out")
		write(t, bytes.Replace(good, []byte(test.from), []byte(test.to), 1), known)
		p := usptest(t, "run", "--link", "mqtt5", "--baseline", known, "--out", out, "1.1")
		p.Want(t, result.ExitUsage, append(test.texts, "--baseline")...)
		if exists(out) {
			t.Errorf("%s: the run was begun", name)
		}
	}
	both := strings.NewReplacer(`"id": "1.1"`, `"id": "1.999"`, `"id": "1.36"`, `"id": "x"`).Replace(string(good))
	write(t, []byte(both), known)
	p := usptest(t, "run", "--baseline", known, "--out", filepath.Join(t.TempDir(), "out"), "1.1")
	p.Want(t, result.ExitUsage, "1.999", `case "x"`)
	if got := strings.Count(p.Stderr.String(), "known.json:"); got != 2 {
		t.Errorf("want a line for each of 2 ids, got %d:\n%s", got, &p.Stderr)
	}
	usptest(t, "run", "--baseline", "nowhere.json", "--out", filepath.Join(t.TempDir(), "out"), "1.1").Want(t, result.ExitUsage, "nowhere.json")
}

// withoutJournals empties the names of the journals in a run.json.
func withoutJournals(run []byte) []byte {
	return regexp.MustCompile(`"journal/[^"]*"`).ReplaceAll(run, []byte(`""`))
}

// lineOf is the number of the line that has a text first.
func lineOf(data []byte, text string) int {
	return 1 + bytes.Count(data[:bytes.Index(data, []byte(text))], []byte("\n"))
}
