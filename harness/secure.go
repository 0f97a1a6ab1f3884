package harness

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// SecuresPayloads reports whether the DUT file declares TLS in USP Records.
func (c *Case) SecuresPayloads() bool {
	return slices.Contains(c.DUT.Features, plan.FeatureTLSInRecords)
}

// Protected reports whether the MTP protects Records, so that they need no signature or MAC (R-E2E.28).
func (c *Case) Protected() bool {
	carrier, _ := plan.CutSession(c.Link)
	return strings.HasSuffix(carrier, "+tls")
}

// OpenSecureSession is OpenSession with TLS in payloads, of a version such as tls.VersionTLS12, 0 for any. The device and
// the Controller are each other's TLS client or server, as they begin the session context.
func (c *Case) OpenSecureSession(version uint16) *Session {
	c.Uses(plan.NeedTLSInRecords)
	return c.openSession(&session.TLS{Certificate: c.bench.Identity.Certificate, Version: version, Unprotected: !c.Protected()})
}

// Certificate issues a certificate of the Controller that change makes another. Where the DUT file gives the certificate, it cannot.
func (c *Case) Certificate(preset pki.Preset, change func(*pki.Spec)) *tls.Certificate {
	ca := c.bench.Identity.Authority
	if ca == nil {
		c.LabMust(fmt.Errorf("the case needs certificates of the device's authority; give it to usptest as tls.authority (usptest certs makes one)"))
	}
	return c.issue(ca, preset, change)
}

// issue is Certificate by any authority.
func (c *Case) issue(ca *pki.CA, preset pki.Preset, change func(*pki.Spec)) *tls.Certificate {
	spec := pki.Spec{CommonName: "usptest Controller", EndpointIDs: []string{c.Agent.ID()}, Client: true}
	if change != nil {
		change(&spec)
	}
	certificate, err := ca.IssuePreset(preset, spec)
	c.LabMust(err)
	return &certificate
}

// Show has the Controller show another certificate in the TLS handshakes that begin from now on, nil for its own, with
// which it signs Records in any case.
func (s *Session) Show(certificate *tls.Certificate) {
	s.c.Uses(plan.NeedBadCertificate)
	s.script("Show", certificate != nil, "the Controller shows another certificate in the TLS handshakes that begin now")
	s.change(func(t *session.TLS) { t.Shows = certificate })
}

// SignAs signs Records as the Endpoint that a certificate is of: a lie.
func (s *Session) SignAs(certificate *tls.Certificate, records ...*usppb.Record) {
	s.c.Uses(plan.NeedSignature, plan.NeedInvalidRecord)
	omit := false
	s.c.Agent.InContext(func(x *session.Context) { omit = x.TLS.Omit }) // which follows what the device sends
	for _, r := range records {
		s.c.LabMust(session.Sign(r, *certificate, omit))
	}
}

// Forge signs Records as the Controller, and spoils the signatures: a lie.
func (s *Session) Forge(records ...*usppb.Record) {
	s.c.Uses(plan.NeedSignature, plan.NeedInvalidRecord)
	for _, r := range records {
		s.c.LabMust(session.Sign(r, s.c.bench.Identity.Certificate, false))
		r.MacSignature[len(r.MacSignature)-1] ^= 1
	}
}

// Refuse has the Controller end each handshake that the device begins with an alert, or ends that.
func (s *Session) Refuse(on bool) {
	s.script("Refuse", on, "the Controller ends each TLS handshake that the device begins with an alert")
	s.change(func(t *session.TLS) { t.Refuse = on })
}

// change gives the session contexts that begin from now on another TLS.
func (s *Session) change(by func(*session.TLS)) {
	s.c.Agent.InContext(func(x *session.Context) {
		changed := *s.tls
		by(&changed)
		s.tls, x.TLS = &changed, &changed
	})
}

// Shake begins a new session context with a TLS handshake, and returns how it has ended and the number of the event that
// says so. A device that does not answer in TLS may read R-E2E.32 otherwise, and is tried so too. The error says what was seen.
func (s *Session) Shake() (*session.Handshake, journal.Mark, error) {
	mark := s.c.Journal.Mark()
	h, seq, tried, err := s.shake()
	if err == nil && h.Err == nil || len(s.Alerts(mark)) > 0 {
		return h, seq, err
	}
	otherwise := false
	s.change(func(t *session.TLS) { t.Omit = !tried })
	defer func() {
		if !otherwise { // also when the case is interrupted
			s.change(func(t *session.TLS) { t.Omit = tried })
		}
	}()
	if other, at, _, bad := s.shake(); bad == nil && other.Err == nil {
		otherwise = true
		return other, at, nil
	}
	return h, seq, err
}

func (s *Session) shake() (h *session.Handshake, seq journal.Mark, omit bool, err error) {
	mark := s.c.Journal.Mark()
	var hello []*usppb.Record
	var id uint64
	s.c.Agent.InContext(func(x *session.Context) {
		hello, err = x.Hello()
		id, omit = x.ID(), x.TLS.Omit
	})
	s.c.LabMust(err)
	s.Send(hello...)
	e, err := s.c.Await("end of the TLS handshake", s.c.ResponseWait(), mark, func(e *journal.Event) error {
		switch body := e.Body.(type) {
		case *session.Handshake:
			if body.SessionID == id {
				return nil
			}
		case *usppb.Record:
			code := usp.ErrCode(body.GetDisconnect().GetReasonCode())
			if e.Dir == journal.In && (code == usp.CodeSecureSessionNotSupported || code == usp.CodeSessionContextNotAllowed) {
				return nil
			}
		}
		return journal.ErrSkip
	})
	if err != nil {
		return nil, 0, omit, err
	}
	h, shaken := e.Body.(*session.Handshake)
	if !shaken {
		return nil, e.Seq, omit, fmt.Errorf("the device refuses TLS in a session context: %s", e.Text)
	}
	return h, e.Seq, omit, nil
}

// Handshake awaits the end of a TLS handshake after mark that which is true for.
func (s *Session) Handshake(wait Wait, mark journal.Mark, which func(*session.Handshake) bool) (*session.Handshake, journal.Mark, error) {
	e, err := s.c.Await("end of the TLS handshake", wait, mark, func(e *journal.Event) error {
		if h, ok := e.Body.(*session.Handshake); !ok || !which(h) {
			return journal.ErrSkip
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return e.Body.(*session.Handshake), e.Seq, nil
}

// HearOut lets the TLS handshake in a session context that the device has begun come to its end, and has a Get answered in it: what the
// device has to send there came before. Without such a session context it does nothing.
func (s *Session) HearOut() {
	s.c.Agent.CatchUp() // with a Record that has just come
	var id uint64
	theirs := false
	s.c.Agent.InContext(func(x *session.Context) { id, theirs = x.ID(), x.ID() != 0 && !x.Own() })
	if !theirs {
		return
	}
	h, _, err := s.Handshake(s.c.ResponseWait(), 0, func(h *session.Handshake) bool { return h.SessionID == id })
	if err == nil && h.Err == nil {
		s.c.Agent.Get(s.c, EndpointID)
	}
}

// Secure begins a session context with TLS, in which the device and the Controller can ask each other. The device may begin one at the
// same time, after which another one is tried. A device that does not complete a handshake blocks the procedure.
func (s *Session) Secure() {
	const tries = 3
	var err error
	for range tries {
		var h *session.Handshake
		if h, _, err = s.Shake(); err == nil && h.Err == nil {
			return
		}
		if err == nil {
			err = fmt.Errorf("the TLS handshake in a session context has failed: %w", h.Err)
		}
	}
	s.c.DeviceMust(err)
}

// Alerts returns the TLS alerts that the device has sent after mark, by the numbers of their events.
func (s *Session) Alerts(mark journal.Mark) map[journal.Mark]*session.Alert {
	found := map[journal.Mark]*session.Alert{}
	for _, e := range s.c.Journal.Since(mark) {
		if a, ok := e.Body.(*session.Alert); ok && !a.Sent {
			found[e.Seq] = a
		}
	}
	return found
}

// Clear makes the next Record of a session context with TLS, but with a Message that is not encrypted and says so.
func (s *Session) Clear(msg *usppb.Msg) *usppb.Record {
	s.c.Uses(plan.NeedInvalidRecord)
	payload, err := usp.Marshal(msg)
	s.c.LabMust(err)
	return s.made(func(x *session.Context) (*usppb.Record, error) { return x.Clear(payload) })
}

// Renegotiate makes a Record that asks to renegotiate the TLS 1.2 of the session context.
func (s *Session) Renegotiate() *usppb.Record {
	s.c.Uses(plan.NeedRenegotiation)
	return s.made((*session.Context).Renegotiate)
}
