package requirements

import (
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// hasProfiles is a check whose metrics each want a profile of TR-181.
func hasProfiles(profiles ...string) func(*harness.Case) {
	return func(c *harness.Case) {
		c.Step(1, "get the supported data model of Device.")
		all := &usppb.GetSupportedDM{ObjPaths: []string{"Device."}, ReturnParams: true, ReturnCommands: true, ReturnEvents: true}
		got := c.Agent.GetSupportedDM(c, all)
		c.DeviceMust(expect.Type(got, usp.GetSupportedDMResp))
		for i, profile := range profiles {
			c.Metric(i+1, func(m *harness.Metric) { m.Must(hasProfile(c, got, profile), got.Evidence()) })
		}
	}
}

// hasProfile wants a supported data model to have a profile of TR-181, in the version of TR-181 that it claims, and with it what that
// extends: UDSAgent:1 extends LocalAgent:1. 11.1 does without MQTTClientBase:1, since MQTTClientSubscribe:1 does not extend it: it has it
// as its base, which is for an earlier version of the same profile.
func hasProfile(c *harness.Case, got *controller.Reply, profile string) error {
	reply := got.Body().GetResponse().GetGetSupportedDmResp()
	device, err := model.FromReply(reply)
	c.DeviceMust(err)
	facts, err := model.Facts()
	c.LabMust(err)
	for _, q := range reply.GetReqObjResults() {
		facts = facts.For(q.GetDataModelInstUri())
	}
	report, err := model.Compare(device, facts, profile)
	c.LabMust(err)
	if n := report.Faults(); n > 0 {
		for _, f := range report.Findings {
			if f.Profile != "" && !f.Advice {
				return &usp.Mismatch{Where: f.Path, Want: f.Want + " (" + profile + ")", Got: fmt.Sprintf("%s; %d such in all", f.Got, n)}
			}
		}
	}
	return nil
}
