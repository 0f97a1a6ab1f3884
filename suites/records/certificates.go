package records

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"math"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// certificates is 3.7: the device shows who it is, asks the Controller for the same, and refuses a certificate that does not name it. That
// it looks at dates and authority, too, insists on a certificate, and does so as the client of TLS, is beyond the plan.
func certificates(c *harness.Case) {
	clock := c.Clock()
	s := c.OpenSecureSession(0)
	s.Secure()
	c.Step(1, "begin session contexts with certificates that do not name the Controller")
	bad := []struct {
		what string
		show *tls.Certificate
	}{
		{"the certificate of another Endpoint", c.Certificate(pki.Good, func(s *pki.Spec) { s.EndpointIDs = []string{"self::usptest-stranger"} })},
		{"a certificate without the Endpoint ID", c.Certificate(pki.Good, func(s *pki.Spec) { s.EndpointIDs = nil })},
	}
	var all []attempt
	for i, b := range bad {
		c.Step(i+2, "get %s with %s", deviceInfo, b.what)
		all = append(all, attemptWith(s, c, b.show, b.what))
	}
	first := all[0]
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(usp.NamesEndpoint(first.shaken.Certificates, c.Agent.AgentID()), first.seq)
	}) {
		return
	}
	c.Beyond("TR-369 R-E2E.40b", func(m *harness.Metric) { m.Must(onP256(first.shaken.Certificates[0]), first.seq) })
	if !c.Metric(2, func(m *harness.Metric) {
		if !first.shaken.Asked {
			m.Must(&usp.Mismatch{Where: "TLS handshake", Want: "a CertificateRequest of the device", Got: "none"}, first.seq)
		}
		m.Saw(first.seq)
	}) {
		return
	}
	if !c.Metric(3, func(m *harness.Metric) { mustHaveRefused(m, s, c, all...) }) {
		return
	}
	if clock.Right { // else they do not count (R-SEC.19)
		for _, flaw := range []pki.Preset{pki.Expired, pki.NotYetValid} {
			outdated := attemptWith(s, c, c.Certificate(flaw, nil), "a certificate that is "+string(flaw))
			c.Beyond("TR-369 R-SEC.20", func(m *harness.Metric) { mustHaveRefused(m, s, c, outdated) })
		}
	} else {
		c.Note("the device does not know the time, so that the dates of a certificate are not tried: %s", clock)
	}
	// a Controller that the device knows is not trusted on first use (TR-369, figure "Checking a Certificate")
	unknown := attemptWith(s, c, c.Certificate(pki.UnknownCA, nil), "a certificate of another authority")
	c.Beyond("TR-369 R-SEC.24, R-E2E.43", func(m *harness.Metric) { mustHaveRefused(m, s, c, unknown) })
	none := attemptWith(s, c, &tls.Certificate{}, "no certificate")
	c.Beyond("TR-369 R-E2E.43", func(m *harness.Metric) { mustHaveRefused(m, s, c, none) })
	c.Beyond("TR-369 R-E2E.43", func(m *harness.Metric) { mustVerifyServer(m, s, c, bad[0].show, bad[0].what) })
}

// mustVerifyServer wants the device to refuse a certificate also in a session context that it begins itself, as the client of TLS. It is
// made to begin one by asking for a Record that it has never sent. 3.13 judges whether it begins one.
func mustVerifyServer(m *harness.Metric, s *harness.Session, c *harness.Case, show *tls.Certificate, what string) {
	s.Require()
	succeedAtLast(s, c)
	wait := s.RestartWait()
	ask := s.Empty(math.MaxUint32)
	s.Show(show)
	mark := c.Journal.Mark()
	s.Send(ask)
	h, seq, err := s.Handshake(wait, mark, func(h *session.Handshake) bool { return !h.Client })
	defer s.Show(nil)
	if err != nil {
		m.Note("the device has begun no session context itself: %v", err)
		return
	}
	m.Saw(seq)
	if h.Err != nil {
		return
	}
	// it may look at the certificate when the handshake is over
	get := usp.NewGet(c.Agent.NewMsgID(), deviceInfo)
	mark = c.Journal.Mark()
	s.Send(s.Records(get)...)
	awaitRefusal(s, c, mark, get)
	mustNotAnswer(m, c, mark, get, "a Get in a session context that the device has begun with "+what)
}

// attempt is a session context with TLS that the Controller has begun with a certificate, and a Get in it.
type attempt struct {
	what   string
	mark   journal.Mark // before it
	get    *usppb.Msg
	shaken *session.Handshake
	seq    journal.Mark // of the end of the handshake
}

// attemptWith begins a session context with a Get and a certificate that the device should refuse, and waits until it has made something of
// them. The device may begin one at the same time, after which another one is tried.
func attemptWith(s *harness.Session, c *harness.Case, show *tls.Certificate, what string) attempt {
	const tries = 3
	a := attempt{what: what, mark: c.Journal.Mark()}
	s.Show(show)
	var err error
	for range tries {
		s.Reopen()
		a.get = usp.NewGet(c.Agent.NewMsgID(), deviceInfo)
		from := c.Journal.Mark()
		s.Send(s.Records(a.get)...)
		id := s.ID()
		a.shaken, a.seq, err = s.Handshake(c.ResponseWait(), from, func(h *session.Handshake) bool { return h.SessionID == id })
		if err == nil {
			break
		}
	}
	c.DeviceMust(err)
	awaitRefusal(s, c, a.seq, a.get)
	s.Show(nil)
	return a
}

// mustHaveRefused wants no answer to the Gets of attempts, and one to a Get with the Controller's own certificate.
func mustHaveRefused(m *harness.Metric, s *harness.Session, c *harness.Case, all ...attempt) {
	for _, a := range all {
		m.Saw(a.seq)
	}
	mustAnswerAfterwards(m, s, c)
	for _, a := range all {
		mustNotAnswer(m, c, a.mark, a.get, "the Get with "+a.what)
	}
}

// awaitRefusal waits until the device has made something of a request that it must refuse, by its MAC or by the Controller's certificate:
// with TLS 1.3 the Controller's handshake is complete before. An answer is taken only while the session context is the current one.
func awaitRefusal(s *harness.Session, c *harness.Case, mark journal.Mark, get *usppb.Msg) {
	id := s.ID()
	_, _ = c.Await("refusal", c.ResponseWait(), mark-1, func(e *journal.Event) error {
		a, alert := e.Body.(*session.Alert)
		r, record := e.Body.(*usppb.Record)
		h, handshake := e.Body.(*session.Handshake)
		if alert && !a.Sent || answerTo(get)(e) == nil || handshake && h.Err != nil ||
			record && e.Dir == journal.In && r.GetSessionContext() != nil && r.GetSessionContext().GetSessionId() != id {
			return nil
		}
		return journal.ErrSkip
	})
}

// onP256 wants the key of a certificate to be one for ECDSA on P-256.
func onP256(certificate *x509.Certificate) error {
	got := certificate.PublicKeyAlgorithm.String()
	if key, ok := certificate.PublicKey.(*ecdsa.PublicKey); ok {
		if key.Curve == elliptic.P256() {
			return nil
		}
		got += " on " + key.Curve.Params().Name
	}
	return &usp.Mismatch{Where: "key of the device's certificate in TLS", Want: "ECDSA on P-256", Got: got}
}
