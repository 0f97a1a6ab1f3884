package proof

import (
	"testing"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/plan"
)

// unused are needs, or those of one case, that the clean agent does not bring about where it passes, and why the plan's table lists them
// nevertheless.
func unused() map[string]string {
	return map[string]string{
		plan.NeedLargeMessage: "the device decides how large its responses are",
		plan.NeedRecovery:     "the lab helps only a device that does not come back by itself",

		"2.18 " + plan.NeedReboot:     "the device restarts only if it runs the command that is denied to it",
		"9.2 " + plan.NeedReboot:      "only a device that trusts as before until it restarts is rebooted",
		"9.6 " + plan.NeedReboot:      "only a device that runs the image is rebooted, to have its own one again",
		"R-UDS.24 " + plan.NeedOutage: "only a device that connects to usptest tries again",
		"R-UDS.24 " + plan.NeedTiming: "only a device that connects to usptest tries again",
	}
}

// usesItsNeeds wants a case that has passed to have used each need that the plan's table lists for it, but for those that are known not to
// show. That it uses no other is seen to by Case.Uses whenever it runs.
func usesItsNeeds(t *testing.T, c *harness.Case) {
	t.Helper()
	for _, need := range c.Plan.Needs {
		why, of := unused()[need], unused()[c.Plan.ID+" "+need]
		switch excepted := why+of != ""; {
		case !excepted && !c.Used(need):
			t.Errorf("the plan's table lists the need %s, which the body does not use: take it out, "+
				"or have what provides it call Case.Uses", need)
		case excepted && c.Used(need):
			t.Errorf("the need %s is used: take it out of the list of those that are not (%s%s)", need, why, of)
		}
	}
}
