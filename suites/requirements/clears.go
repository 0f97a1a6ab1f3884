package requirements

import (
	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// clearsSessions is R-SEC.21, as far as the other end of TLS sees it: a session of TLS from before a reboot is not resumed.
func clearsSessions(c *harness.Case) {
	got := c.Agent.Get(c, endpointID)
	c.DeviceMust(expect.Type(got, usp.GetResp))
	if c.Dialled(got.Conn) {
		c.Unsupported("usptest opens the connection to this device, and resumes nothing")
	}
	c.Step(1, "let the device connect again, and resume sessions of TLS")
	c.LetResume()
	again, err := c.NewSession()
	c.DeviceMust(err)
	if resumed, err := resumes(c, again.Conn); err == nil && resumed {
		c.Note("without a reboot, the device resumes its session of TLS")
	}
	c.DeviceMust(c.Reachable(c))
	c.Step(2, "reboot the device")
	back := c.BackAfter(c.Reboot())
	c.Metric(1, func(m *harness.Metric) {
		resumed, err := resumes(c, back.Conn)
		m.Must(err, back.Seq)
		if resumed {
			m.Must(&usp.Mismatch{Where: "TLS after the reboot", Want: "a new session", Got: "one from before it"}, c.TLSOf(back.Conn).Seq)
		}
		m.Must(nil, c.TLSOf(back.Conn).Seq)
	})
}

// resumes reports whether a connection began with a session of TLS that was there before.
func resumes(c *harness.Case, conn uint64) (bool, error) {
	e := c.TLSOf(conn)
	if e == nil {
		return false, &usp.Mismatch{Where: "the connection", Want: "a TLS handshake", Got: "none"}
	}
	return e.Body.(*gate.TLS).Resumed, nil
}
