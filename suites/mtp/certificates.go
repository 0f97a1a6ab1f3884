package mtp

import (
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// certificates is 4.1: the device accepts the certificate of the broker, or shows its own as a server, and what it answers comes over the
// connection that was secured so.
func certificates(c *harness.Case) {
	probe := c.Agent.Get(c, harness.EndpointID)
	c.DeviceMust(expect.Type(probe, usp.GetResp))
	if c.TLSOf(probe.Conn) == nil {
		// the session is older than the case, so that its handshake is in the journal of an earlier one: let there be another
		_, err := c.NewSession()
		c.DeviceMust(err)
	}
	c.Step(1, "send GetSupportedProtocol with the versions %s", usp.Version)
	got := c.Agent.GetSupportedProtocol(c, usp.Version)
	c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetSupportedProtocolResp), got.Evidence())
		secured := c.TLSOf(got.Conn)
		if secured == nil {
			m.Must(&usp.Mismatch{Where: fmt.Sprintf("connection %d, over which the answer came", got.Conn), Want: "a TLS handshake", Got: "none"})
		}
		m.Saw(secured.Seq)
		m.Note("%s", secured.Text)
	})
}
