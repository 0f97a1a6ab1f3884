package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

func TestAStrictRunSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/out"
	p := usptest(t, "run", "--strict-plan", "--link", "mqtt5", "--out", dir, "1.91", "1.25")
	p.Want(t, result.ExitDeviceFault, "Verdicts are by the letter of the plan, also where", "in spite of erratum command-without-its-path", "usptest run --link mqtt5 --strict-plan 1.91")
	r := runIn(t, dir)
	i := slices.IndexFunc(r.Links[0].Cases, func(c result.Case) bool { return c.ID == "1.91" })
	if c := r.Links[0].Cases[i]; !r.StrictPlan || !slices.Equal(c.ByLetter, []string{"command-without-its-path"}) || slices.Contains(c.Errata, "command-without-its-path") {
		t.Errorf("run.json: strictPlan %v, errata %v, byLetter %v", r.StrictPlan, c.Errata, c.ByLetter)
	}
	report, err := os.ReadFile(dir + "/" + reportFile)
	if err != nil || !strings.Contains(string(report), "the letter of the plan, also where") {
		t.Errorf("report.html does not say that the run was strict: %v", err)
	}
	usptest(t, "show", "1.91").Want(t, result.ExitPassed, "with --strict-plan: The full path fails.")
	usptest(t, "show", "1.58").Want(t, result.ExitPassed, "with --strict-plan: the same. By the letter: No Agent can pass.")
}
