package main

import (
	"path/filepath"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestARunWithALimitKeepsWhatWasJudged ends a run in cases that watch the agent for longer than it may take, and goes on without a limit.
func TestARunWithALimitKeepsWhatWasJudged(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--link", "mqtt5", "--instances=1", "--out", dir, "--timeout", "1500ms", "1.36", "1.54", "1.55").
		Want(t, result.ExitError, "the run reached its --timeout of 1.5s: restoring the device", "could not be judged")
	limited := runIn(t, dir)
	for _, c := range limited.Links[0].Cases {
		if c.Verdict != result.Pass && (c.Verdict != result.Aborted || c.Reason != "the run reached its --timeout of 1.5s") {
			t.Errorf("%s: got %s: %s", c.ID, c.Verdict, c.Reason)
		}
	}
	if n := limited.Counts()[result.Aborted]; n == 0 {
		t.Error("no case was aborted")
	}
	usptest(t, "run", "--resume", dir, "--timeout", "0").Want(t, result.ExitPassed, "exit 0")
	wantWhole(t, dir)
	for i, c := range runIn(t, dir).Links[0].Cases {
		if was := limited.Links[0].Cases[i]; was.Verdict == result.Pass && !was.Started.Equal(c.Started) {
			t.Errorf("%s was carried out again", c.ID)
		}
	}
	usptest(t, "run", "--timeout=-1m").Want(t, result.ExitUsage, "--timeout -1m0s: want a duration such as 45m")
}
