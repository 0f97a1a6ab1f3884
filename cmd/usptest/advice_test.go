package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestExpectedAdvice runs a device whose check gives advice, with and without the DUT file that expects it.
func TestExpectedAdvice(t *testing.T) {
	t.Parallel()
	run := func(more string, args ...string) (string, func(exit int, texts ...string)) {
		dir := filepath.Join(t.TempDir(), "out")
		file := agentFile(t, "message-type-outranks-body", more)
		p := usptest(t, append([]string{"run", "--dut", file, "--out", dir, "--advice-fails"}, args...)...)
		return dir, func(exit int, texts ...string) { t.Helper(); p.Want(t, exit, texts...) }
	}
	entry := func(metrics, until string) string {
		return fmt.Sprintf("advice: [{check: R-MSG.1, metrics: %s, reason: by design, until: %s}]\n", metrics, until)
	}
	known, want := run("", "R-MSG.10")
	want(result.ExitDeviceFault, "advice R-MSG.1", "advice, which --advice-fails makes a failure")

	dir, want := run(entry("[4]", "2099-12-31"), "R-MSG.10")
	want(result.ExitPassed, "advice R-MSG.1", "  expected metric 4", "1 of the advice is expected",
		"The DUT file expects the advice of 1 check")
	if r := runIn(t, dir); !r.Links[0].Cases[0].Expected || len(r.ExpectedAdvice) != 1 || r.ExpectedAdvice[0].Until != "2099-12-31" {
		t.Errorf("run.json does not say what was expected: %+v", r.ExpectedAdvice)
	}
	junit := string(read(t, dir, junitFile))
	if strings.Contains(junit, "<failure") || !strings.Contains(junit, `<skipped message="expected advice: metric 4`) ||
		!strings.Contains(junit, "the DUT file expects this advice: by design, until 2099-12-31") {
		t.Errorf("junit.xml does not agree with the gate:\n%s", junit)
	}
	if report := string(read(t, dir, reportFile)); !strings.Contains(report, "the DUT file expects this advice: by design") {
		t.Error("report.html does not say that the advice is expected")
	}

	_, want = run(entry("[2]", "2099-12-31"), "R-MSG.10")
	want(result.ExitDeviceFault, "the DUT file does not expect the advice of metric 4")

	_, want = run("", "--baseline", known, "R-MSG.10")
	want(result.ExitPassed, "  known   metric 4", "1 of the advice is expected")

	_, want = run(entry("[4]", "2020-01-01"), "R-MSG.10")
	want(result.ExitUsage, "lab.yaml:", "advice[0].until: got 2020-01-01", "the expectation has expired")
}

// TestAFloodIsAdvice runs a device that opens too many connections, with and without the DUT file that expects it.
func TestAFloodIsAdvice(t *testing.T) {
	t.Parallel()
	run := func(more string, args ...string) (dir string, want func(exit int, texts ...string)) {
		dir = filepath.Join(t.TempDir(), "out")
		p := usptest(t, append([]string{"run", "--dut", agentFile(t, "mqtt-connections-flood", more), "--out", dir, "1.57"}, args...)...)
		return dir, func(exit int, texts ...string) { t.Helper(); p.Want(t, exit, texts...) }
	}
	said := "advice of any case: flood of connections in 1 case"
	_, want := run("")
	want(result.ExitPassed, "advice  connections of the device: want waits of a second or more", said)

	dir, want := run("", "--advice-fails")
	want(result.ExitDeviceFault, said, "advice, which --advice-fails makes a failure")
	if junit := string(read(t, dir, junitFile)); !strings.Contains(junit, `<failure message="flood of connections: connections of the device`) {
		t.Errorf("junit.xml does not agree with the gate:\n%s", junit)
	}
	if report := string(read(t, dir, reportFile)); !strings.Contains(report, "flood of connections") {
		t.Error("report.html does not tell the flood")
	}

	_, want = run("advice: [{check: flood of connections, reason: by design}]\n", "--advice-fails")
	want(result.ExitPassed, said+", as expected", "The DUT file expects the advice about 1 flood")
}
