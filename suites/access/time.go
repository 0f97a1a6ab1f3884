package access

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/usp"
)

const (
	localAgent = harness.LocalAgent
	endpointID = localAgent + "EndpointID"
	// what the two certificates with a wrong date are called
	expired, notYetValid = "an expired certificate", "a certificate that is not valid yet"
)

// withoutTime is 2.6: a device that cannot learn the time leaves the dates of certificates out of account (R-MTP.2).
func withoutTime(c *harness.Case) {
	mark := c.BootWithoutTime(c.LinkCertificate(pki.Expired), expired)
	c.Step(1, "get %s from the device, which has no time, over TLS with %s", localAgent, expired)
	came := false
	if !c.Metric(1, func(m *harness.Metric) {
		if came = accepts(c, m, mark, expired); !came {
			mustAwaitTime(c, m, mark)
			return
		}
		got := c.Agent.Get(c, localAgent)
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
	}) || !came {
		return
	}
	if clock := c.Clock(); clock.Right {
		c.LabMust(fmt.Errorf("the device knows the time although lab.time.block was carried out: %s", clock))
	}
	c.Beyond("R-MTP.2", func(m *harness.Metric) {
		if !accepts(c, m, c.Present(c.LinkCertificate(pki.NotYetValid), notYetValid), notYetValid) {
			m.Must(&usp.Mismatch{Where: "device without the time", Want: "to connect again", Got: "no attempt within waits.reconnect"})
		}
		m.Must(expect.Type(c.Agent.Get(c, endpointID), usp.GetResp))
	})
}

// accepts wants the device, which has no time, to open a session after mark, in five attempts, since the first may come too early after a
// boot. It returns false for a device that has not tried.
func accepts(c *harness.Case, m *harness.Metric, mark journal.Mark, what string) (tried bool) {
	last, err := c.Attempts(mark, 5)
	switch {
	case err != nil:
		return false
	case last.Session != nil:
		_, err := c.Reconnected(last.Session.Seq - 1)
		m.Must(err, last.Seq)
		return true
	}
	_, err = c.Reconnected(c.Present(nil, "its own certificate"))
	m.Must(err, last.Seq)
	if clock := c.Clock(); clock.Right {
		c.LabMust(fmt.Errorf("the device refuses %s, and knows the time although lab.time.block was carried out: %s", what, clock))
	}
	m.Must(&usp.Mismatch{Where: "TLS with " + what + " while the device has no time", Want: "a session (R-MTP.2)", Got: last.Text}, last.Seq)
	return true
}

// mustAwaitTime is for a device that has not tried to connect: it may wait until it has the time, and has to connect then.
func mustAwaitTime(c *harness.Case, m *harness.Metric, mark journal.Mark) {
	nothing := &usp.Mismatch{Where: "device without the time", Want: "a connection within waits.reconnect", Got: "none"}
	if c.Strict("time-is-awaited") {
		m.Must(nothing, mark)
	}
	if err := c.GiveTimeBack(c); err != nil {
		m.Must(errors.Join(nothing, fmt.Errorf("and with the time: %w", err)), mark)
	}
	got := c.Agent.Get(c, localAgent)
	m.Must(expect.Type(got, usp.GetResp), got.Evidence())
	m.Note("the device has waited until it had the time, as R-MTP.2 advises")
}

// badDates is 2.8: a device that knows the time refuses a certificate whose dates are wrong (R-MTP.3).
func badDates(c *harness.Case) {
	switch clock := c.Clock(); {
	case clock.Right:
	case clock.Own:
		c.LabMust(fmt.Errorf("the device does not know the time: %s; let it learn the time, so that it can judge dates", clock))
	default:
		c.Unsupported("the device does not know the time, and has nothing in Device.Time. that it can learn it by: " + clock.String())
	}
	c.Cleanup("show the device the certificate that it trusts", c.ConnectAnew)
	_, err := c.NewSession()
	c.DeviceMust(err)
	var opened *journal.Event
	c.Step(1, "get %s over TLS with %s", endpointID, expired)
	if !c.Metric(1, func(m *harness.Metric) { opened = refuses(c, m, c.LinkCertificate(pki.Expired), expired) }) {
		return
	}
	mustHaveNoSession := func(m *harness.Metric, what string) {
		if opened != nil {
			m.Must(expect.Nothing("session over TLS with "+what, opened.Type+": "+opened.Text), opened.Seq)
		}
	}
	c.Beyond("R-MTP.3", func(m *harness.Metric) { mustHaveNoSession(m, expired) })
	c.Beyond("R-MTP.3", func(m *harness.Metric) {
		opened = refuses(c, m, c.LinkCertificate(pki.NotYetValid), notYetValid)
		mustHaveNoSession(m, notYetValid)
	})
}

// refuses wants the device to answer no Get over TLS with a certificate, in two attempts, and one with the Link's own certificate
// afterwards. It returns the session that the device has opened nevertheless.
func refuses(c *harness.Case, m *harness.Metric, certificate *tls.Certificate, what string) (opened *journal.Event) {
	attempt, err := c.Attempts(c.Present(certificate, what), 2) // a device may fall back to less after the first
	c.DeviceMust(err)
	m.Saw(attempt.Seq)
	if attempt.Session != nil {
		ctx, cancel := context.WithTimeout(c, c.Waits().Response)
		_ = c.Device.WaitFor(ctx, c.Agent.Connected) // which it need not come to
		cancel()
		if got := c.Agent.Get(c, endpointID); got.Message != nil {
			m.Must(expect.Nothing("answer to a Get over TLS with "+what, controller.Summary(got.Msg)), got.Evidence())
		}
	}
	_, err = c.Reconnected(c.Present(nil, "its own certificate"))
	m.Must(err)
	got := c.Agent.Get(c, endpointID)
	m.Must(expect.Type(got, usp.GetResp), got.Evidence())
	return attempt.Session
}
