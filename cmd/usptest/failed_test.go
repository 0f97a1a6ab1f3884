package main

import (
	"path/filepath"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestFailedRunsOnlyWhatFailed repeats what failed in a run of an agent that has been mended since.
func TestFailedRunsOnlyWhatFailed(t *testing.T) {
	t.Parallel()
	before, after := filepath.Join(t.TempDir(), "before"), filepath.Join(t.TempDir(), "after")
	usptest(t, "run", "--link", "mqtt5", "--link", "stomp", "--instances=1", "--out", before,
		"--defect", "add-creates-nothing", "1.1", "1.36").Want(t, result.ExitDeviceFault)
	usptest(t, "run", "--link", "stomp", "--failed", before, "--out", after).
		Want(t, result.ExitPassed, "pass 1.1", "the run was limited to what failed or could not be judged in "+filepath.Join(before, runFile))
	run := runIn(t, after)
	if len(run.Links) != 1 || run.Links[0].Link != "stomp" || len(run.Links[0].Cases) != 1 || run.Links[0].Cases[0].ID != "1.1" || run.FailedOf == "" {
		t.Errorf("want 1.1 over stomp alone, got %+v", run.Links)
	}
	out := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--failed", filepath.Join(after, runFile), "--out", out).Want(t, result.ExitUsage, "--failed", "nothing to repeat")
	usptest(t, "run", "--failed", before, "--dut", agentFile(t, "none", ""), "--out", out).
		Want(t, result.ExitUsage, "--failed", "different device")
	usptest(t, "run", "--failed", out, "--out", out).Want(t, result.ExitUsage, "--failed")
}
