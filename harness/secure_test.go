package harness

import (
	"crypto/tls"
	"testing"

	"github.com/usptest/usptest/harness/journal"
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

// TestTheScriptOfASessionContextIsInTheJournal: a reader must see why the Controller does not do as it should, and when that ends.
func TestTheScriptOfASessionContextIsInTheJournal(t *testing.T) {
	withSession(t, func(c *Case, s *Session) {
		for _, verb := range []struct {
			name    string
			on, off func()
		}{
			{"Hold", func() { s.Hold(true) }, func() { s.Hold(false) }},
			{"Spare", func() { s.Spare(3) }, func() { s.Spare(0) }},
			{"Show", func() { s.Show(&tls.Certificate{}) }, func() { s.Show(nil) }},
			{"Refuse", func() { s.Refuse(true) }, func() { s.Refuse(false) }},
		} {
			mark := c.Journal.Mark()
			verb.on()
			verb.off()
			written := c.Journal.Since(mark)
			if len(written) != 2 || written[0].Text == written[1].Text {
				t.Fatalf("%s: got %d events", verb.name, len(written))
			}
			for _, e := range written {
				if e.Layer != journal.LayerScript || e.Dir != journal.Own || e.Type != verb.name {
					t.Errorf("%s: got %s %s: %s", verb.name, e.Layer, e.Type, e.Text)
				}
			}
		}
	})
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
