package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/result"
)

// agentFile writes a DUT file of the reference agent with a defect, in real time and described like any other device, and more lines.
func agentFile(t *testing.T, defect, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab.yaml")
	write(t, fmt.Appendf(nil, `device: {vendor: ACME, model: X1, software: "1.0", endpoint: "proto::x1"}
links: [{mtp: mqtt, version: "5.0"}]
lab:
  launch:
    exec: [%q, agent, "--link={{.Link}}", "--host={{.Host}}", "--port={{.Port}}", "--endpoint={{.AgentID}}", "--controller={{.ControllerID}}",
      "--agent-topic={{.AgentTopic}}", "--controller-topic={{.ControllerTopic}}", "--state={{.Dir}}/state.json", --defect=%s]
waits: {connect: 20s, response: 10s}
%s`, self(t), defect, more), path)
	return path
}

// TestAWaiverChangesTheVerdict excuses the case in which a broken device fails.
func TestAWaiverChangesTheVerdict(t *testing.T) {
	t.Parallel()
	const excuse = "adds nothing (https://tracker.example/17), waived until 2099-12-31"
	waiver := func(id, until string) string {
		return fmt.Sprintf("waivers: [{case: %q, reason: adds nothing, issue: \"https://tracker.example/17\", until: %s}]\n", id, until)
	}
	out := func() string { return filepath.Join(t.TempDir(), "out") }
	failed := out()
	usptest(t, "run", "--dut", agentFile(t, "add-creates-nothing", ""), "--out", failed, "1.1", "1.36").Want(t, result.ExitDeviceFault, "fail 1.1")

	dir := out()
	p := usptest(t, "run", "--dut", agentFile(t, "add-creates-nothing", waiver("1.1", "2099-12-31")), "--out", dir, "--baseline", failed, "1.1", "1.36")
	p.Want(t, result.ExitPassed, "waived 1.1", "excuse  "+excuse, "metric 3", "(fail)", "pass 1.36", "waived 1.1: "+excuse+"; metric 3: ",
		"partial: 1 case failed and is waived", "the run was limited to 1.1 1.36", "no failures except waived ones")
	p.Lacks(t, "1 stale", "no longer needed")
	run := runIn(t, dir)
	c := run.Links[0].Cases[0]
	if len(run.Waivers) != 1 || run.Waivers[0].Until != "2099-12-31" || c.Verdict != result.Waived || !strings.HasPrefix(c.Reason, excuse) || c.Metrics[2].Verdict != result.Fail || c.Journal == "" {
		t.Errorf("want the waiver and a case that failed and is waived, got %+v, %+v", run.Waivers, c)
	}
	if junit := string(read(t, dir, junitFile)); !strings.Contains(junit, `<skipped message="`+excuse+`; metric 3: `) || !strings.Contains(junit, `type="waived"><![CDATA[metric 3 (`) {
		t.Errorf("junit.xml does not show the waiver and what was found:\n%s", junit)
	}
	if report := string(read(t, dir, reportFile)); !strings.Contains(report, "failed, and is excused, over") || !strings.Contains(report, excuse) {
		t.Error("report.html does not show the waiver")
	}
	usptest(t, "diff", failed, dir).Want(t, result.ExitPassed, "changed 1.1", "fail -> waived")
	usptest(t, "diff", dir, failed).Want(t, result.ExitDeviceFault, "regression 1.1", "waived -> fail")

	dir = out()
	p = usptest(t, "run", "--dut", agentFile(t, "add-creates-nothing", waiver("1.36", "2099-12-31")), "--out", dir, "1.1", "1.36")
	p.Want(t, result.ExitDeviceFault, "fail 1.1", "pass 1.36", "waiver 1.36 is no longer needed: the case passes")
	p.Lacks(t, "waived 1.36")
	if report := string(read(t, dir, reportFile)); !strings.Contains(report, "the waiver is not needed any more") {
		t.Error("report.html does not say that the waiver is needless")
	}

	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	dir = out()
	usptest(t, "run", "--dut", agentFile(t, "add-creates-nothing", waiver("1.1", yesterday)), "--out", dir, "1.36").
		Want(t, result.ExitUsage, "lab.yaml:", "waivers[0].until: got "+yesterday, "the waiver has expired")
	if exists(dir) {
		t.Error("the run was begun with an expired waiver")
	}
}

// TestAnErrorIsNotWaived: a lab that fails says nothing of the device, whatever is waived.
func TestAnErrorIsNotWaived(t *testing.T) {
	t.Parallel()
	file := agentFile(t, "add-creates-nothing", "waivers: [{case: \"6.2\", reason: r, until: 2099-12-31}]\nfeatures: [17]\n")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, []byte(strings.Replace(string(content), `[{mtp: mqtt, version: "5.0"}]`, "[{mtp: stomp}]", 1)), file)
	usptest(t, "run", "--dut", file, "--out", filepath.Join(t.TempDir(), "out"), "6.2", "1.36").
		Want(t, result.ExitError, "error 6.2", "needs reboot", "1 case could not be judged")
}
