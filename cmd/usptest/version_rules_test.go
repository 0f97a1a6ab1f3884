package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestARuleOfALaterVersionDoesNotFailADevice: Connect Records came with USP 1.2. The report says which version the device speaks.
func TestARuleOfALaterVersionDoesNotFailADevice(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--link", "mqtt5", "--defect", "speaks-usp-1.0", "--out", dir, "1.36", "11.17").
		Want(t, result.ExitPassed, "what it tests came with USP 1.2; the device speaks USP 1.0")
	run := runIn(t, dir)
	if run.Device.USP != "1.0" {
		t.Errorf("want USP 1.0, got %q", run.Device.USP)
	}
	want := map[string]result.Verdict{"1.36": result.Pass, "11.17": result.Unsupported}
	for _, c := range run.Links[0].Cases {
		if c.Verdict != want[c.ID] {
			t.Errorf("%s: want %s, got %s %s", c.ID, want[c.ID], c.Verdict, c.Reason)
		}
	}
}

// TestAFaultOfTheFirstContactIsNotLost: it is the first case's, with its evidence, also where no case opens a session.
func TestAFaultOfTheFirstContactIsNotLost(t *testing.T) {
	t.Parallel()
	for defect, test := range map[string]struct{ link, says, rule string }{
		"websocket-without-eid":        {"websocket", `eid in the query of the device's opening request: "proto::usptest-agent-1"`, "R-WS.10b"},
		"stomp-endpoint-id-of-another": {"stomp", `endpoint-id of the STOMP frame: "proto::usptest-agent-1"`, "R-STOMP.4"},
	} {
		t.Run(defect, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "out")
			usptest(t, "run", "--link", test.link, "--instances", "1", "--defect", defect, "--out", dir, "1.1", "1.36").Want(t, result.ExitDeviceFault, test.says)
			run := runIn(t, dir)
			if c := run.Links[0].Cases[0]; c.ID != "1.1" || c.Verdict != result.Fail || c.Journal == "" {
				t.Errorf("want the first case to fail, got %+v", c)
			}
			of := func(m result.Metric) bool { return m.N == 0 && slices.Equal(m.Requirements, []string{test.rule}) }
			if c := run.Links[0].Cases[0]; !slices.ContainsFunc(c.Metrics, of) {
				t.Errorf("want a metric 0 about %s, got %+v", test.rule, c.Metrics)
			}
			if c := run.Links[0].Cases[1]; c.Verdict != result.Pass {
				t.Errorf("want the second one to pass, got %s %s", c.Verdict, c.Reason)
			}
		})
	}
}
