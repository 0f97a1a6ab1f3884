package proof

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/usptest/usptest/fixtures/isolated"
	"github.com/usptest/usptest/harness/network"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// builtProgram is the variable of an isolated test with the program that the reference agent is started from.
const builtProgram = "USPTEST_PROOF_PROGRAM"

// elsewhere runs a test of cases that need a network in a process of its own, and reports whether it did.
func elsewhere(t *testing.T, cases ...plan.Case) bool {
	t.Helper()
	wired := slices.ContainsFunc(cases, func(c plan.Case) bool { return slices.Contains(c.Needs, plan.NeedNetwork) })
	if !wired {
		return false
	}
	path, err := usptest()
	if err != nil {
		t.Fatal(err)
	}
	return !isolated.Run(t, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, builtProgram+"="+path)
		network.Isolate(cmd)
	}, "-full")
}

// TestRoundsOfACaseAreAlike carries out 8.4 twice with an agent that DNS alone would bring back: what puts it back after the first round
// must not help it in the second.
func TestRoundsOfACaseAreAlike(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	c, _ := p.Case("8.4")
	if elsewhere(t, c) {
		return
	}
	d := device(t, "mdns-response-ignored")
	d.Waits.Reconnect = 3 * time.Second // it does not come back
	s := open(t.Context(), t, runner.SessionOptions{DUT: d, Link: "mqtt5"})
	defer s.Close()
	for round := range 2 {
		r, err := s.Run(t.Context(), c, suites.Bodies()[c.ID])
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != result.Fail {
			t.Errorf("round %d: want a fail, got %s %s", round+1, r.Verdict, r.Reason)
		}
	}
}
