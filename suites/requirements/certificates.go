package requirements

import (
	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// namesItself is R-SEC.10 with R-SEC.12. Over WebSocket, the device shows its certificate to the Controller and to no broker.
func namesItself(c *harness.Case) {
	c.Step(1, "end the session, and get %s over the next one", endpointID)
	_, err := c.NewSession()
	c.DeviceMust(err)
	got := c.Agent.Get(c, endpointID)
	c.DeviceMust(expect.Type(got, usp.GetResp))
	c.Step(2, "look at the certificate that the device has shown")
	secured := c.TLSOf(got.Conn)
	if secured == nil {
		c.DeviceMust(&usp.Mismatch{Where: "the connection", Want: "a TLS handshake", Got: "none"})
	}
	shown := secured.Body.(*gate.TLS).Peer
	if len(shown) == 0 {
		c.Unsupported("the device shows no certificate, which is a matter between it and its Controllers")
	}
	c.Metric(1, func(m *harness.Metric) { m.Must(usp.NamesEndpoint(shown, c.Agent.AgentID()), secured.Seq) })
}
