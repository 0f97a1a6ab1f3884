package harness

import (
	"testing"

	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// withSession carries out a body with a session context that has TLS and begins with the next request.
func withSession(t *testing.T, body func(c *Case, s *Session)) {
	t.Helper()
	b, _ := newBench(t, nil)
	p := planned(1)
	p.Needs = append(p.Needs, plan.NeedBadCertificate, plan.NeedSignature, plan.NeedInvalidRecord)
	r, _ := b.Run(t.Context(), p, func(c *Case) {
		s := &Session{c: c, tls: &session.TLS{}}
		s.Reopen()
		body(c, s)
		c.Metric(1, pass)
	})
	if r.Verdict != result.Pass {
		t.Errorf("%s %s", r.Verdict, r.Reason)
	}
}

// TestSignAsFollowsTheDevice: how it signs follows what comes from the device, at any time. The race detector sees whether that is safe.
func TestSignAsFollowsTheDevice(t *testing.T) {
	ca, err := pki.NewCA("test")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Issue(pki.Spec{CommonName: "test"})
	if err != nil {
		t.Fatal(err)
	}
	withSession(t, func(c *Case, s *Session) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Agent.InContext(func(x *session.Context) { x.TLS.Omit = true })
		}()
		s.SignAs(&certificate, &usppb.Record{})
		<-done
	})
}
