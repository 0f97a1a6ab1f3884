package access

import (
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// invalidSignatures is 2.7: a Record whose mac_signature is not valid is ignored, however well-formed it is (R-E2E.23, R-E2E.30). Gets
// without signature and one with a valid signature show that nothing else is wrong.
func invalidSignatures(c *harness.Case) {
	const param = harness.EndpointID
	c.GoOutside()
	c.DeviceMust(expect.Type(c.Agent.Get(c, param), usp.GetResp))
	forgeries := harness.Forgeries()
	forged := c.SendForged(param, forgeries)
	c.Step(len(forgeries)+1, "send Gets without signature")
	// the second one gives time to an Agent that works on several requests at once
	first, second := c.Agent.Get(c, param), c.Agent.Get(c, param)
	c.Metric(1, func(m *harness.Metric) {
		m.Saw(forged.Evidence...)
		m.Must(expect.Type(first, usp.GetResp), first.Evidence())
		m.Must(expect.Type(second, usp.GetResp), second.Evidence())
		forged.MustBeIgnored(m, second.Evidence(), !c.Strict("error-for-a-bad-signature"))
		c.GetSigned(m, param)
	})
}
