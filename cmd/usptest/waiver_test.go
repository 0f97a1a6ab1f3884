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
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "lab.yaml")
	write(t, fmt.Appendf(nil, `device: {vendor: ACME, model: X1, software: "1.0", endpoint: "proto::x1"}
links: [{mtp: mqtt, version: "5.0"}]
lab:
  launch:
    exec: [%q, agent, "--link={{.Link}}", "--host={{.Host}}", "--port={{.Port}}", "--endpoint={{.AgentID}}", "--controller={{.ControllerID}}",
      "--agent-topic={{.AgentTopic}}", "--controller-topic={{.ControllerTopic}}", "--state={{.Dir}}/state.json", --defect=%s]
waits: {connect: 20s, response: 10s}
%s`, self, defect, more), path)
	return path
}

// TestAWaiverChangesTheVerdict excuses the case in which a broken device fails.
func TestAWaiverChangesTheVerdict(t *testing.T) {
	t.Parallel()
	waiver := func(until string) string {
		return "waivers: [{case: \"1.1\", reason: adds nothing, issue: \"https://tracker.example/17\", until: " + until + "}]\n"
	}
	out := func() string { return filepath.Join(t.TempDir(), "out") }
	usptest(t, "run", "--dut", agentFile(t, "add-creates-nothing", ""), "--out", out(), "1.1", "1.36").want(t, result.ExitDeviceFault, "fail 1.1")
	dir := out()
	usptest(t, "run", "--dut", agentFile(t, "add-creates-nothing", waiver("2099-12-31")), "--out", dir, "1.1", "1.36").
		want(t, result.ExitPassed, "waived 1.1: adds nothing (https://tracker.example/17), waived until 2099-12-31", "pass 1.36", "partial: no case failed, but 1 case is waived")
	run := runIn(t, dir)
	if len(run.Waivers) != 1 || run.Links[0].Cases[0].Verdict != result.Waived || run.Links[0].Cases[0].Metrics != nil {
		t.Errorf("want the waiver and a case that was not judged, got %+v, %+v", run.Waivers, run.Links[0].Cases[0])
	}
	if junit := string(read(t, dir, junitFile)); !strings.Contains(junit, `<skipped message="adds nothing (https://tracker.example/17), waived until`) {
		t.Errorf("junit.xml does not show the waiver:\n%s", junit)
	}
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	dir = out()
	usptest(t, "run", "--dut", agentFile(t, "add-creates-nothing", waiver(yesterday)), "--out", dir, "1.36").
		want(t, result.ExitUsage, "lab.yaml:", "waivers[0].until: got "+yesterday, "the waiver has expired")
	if exists(dir) {
		t.Error("the run was begun with an expired waiver")
	}
}
