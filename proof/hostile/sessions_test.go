package hostile

import (
	"bytes"
	"crypto/tls"
	"math"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/result"
	contexts "github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// withinSessions is the link of the modes whose Records are in the clear, withTLS the case of those that answer a TLS handshake.
const (
	withinSessions = "mqtt5+session"
	withTLS        = "3.4"
)

// sessionModes break session contexts.
func sessionModes() map[string]mode {
	const segment, begins = usppb.SessionContextRecord_INPROCESS, usppb.SessionContextRecord_BEGIN
	part := func(state usppb.SessionContextRecord_PayloadSARState, payload []byte) *usppb.SessionContextRecord {
		return &usppb.SessionContextRecord{Payload: [][]byte{payload}, PayloadSarState: state, PayloadrecSarState: state}
	}
	changed := func(change func(r *usppb.SessionContextRecord)) func(*session, packet, *usppb.Msg) bool {
		return func(s *session, p packet, _ *usppb.Msg) bool {
			r, err := usp.ParseRecord(p.record)
			if err != nil || r.GetSessionContext() == nil {
				panic("the agent answers without session context")
			}
			change(r.GetSessionContext())
			return s.records(p, r)
		}
	}
	// follow sends Records in place of the reply, numbered from its number on
	follow := func(count int, body func(n int) *usppb.SessionContextRecord) func(*session, packet, *usppb.Msg) bool {
		return func(s *session, p packet, _ *usppb.Msg) bool {
			was, _ := usp.ParseRecord(p.record)
			at := was.GetSessionContext()
			for n := range count {
				r := proto.Clone(was).(*usppb.Record)
				b := body(n)
				b.SessionId, b.ExpectedId = at.GetSessionId(), at.GetExpectedId()
				b.SequenceId += at.GetSequenceId() + uint64(n)
				r.RecordType = &usppb.Record_SessionContext{SessionContext: b}
				if !s.records(p, r) {
					return false
				}
			}
			return true
		}
	}
	all := map[string]mode{
		"a sequence_id at its end": {verdict: result.Fail, findings: "its sequence_id is within 10,000 of the greatest",
			act: changed(func(r *usppb.SessionContextRecord) { r.SequenceId = math.MaxUint64 })},
		"a sequence_id far ahead": {verdict: result.Fail, findings: noReply,
			act: changed(func(r *usppb.SessionContextRecord) { r.SequenceId = math.MaxUint64 / 2 })},
		"an expected_id at its end": {verdict: result.Fail, findings: "R-E2E.17",
			act: changed(func(r *usppb.SessionContextRecord) { r.ExpectedId = math.MaxUint64 })},
		"the session_id 0": {verdict: result.Fail, findings: "session_context.session_id",
			act: changed(func(r *usppb.SessionContextRecord) { r.SessionId = 0 })},
		"segments without end": {verdict: result.Fail, findings: "its segments make a payload of more than",
			act: follow(40, func(n int) *usppb.SessionContextRecord {
				if n == 0 {
					return part(begins, make([]byte, mib))
				}
				return part(segment, make([]byte, mib))
			})},
		"a segment that is never the last": {verdict: result.Fail, findings: noReply,
			act: follow(1, func(int) *usppb.SessionContextRecord { return part(begins, make([]byte, largest)) })},
		"overlapping segments": {verdict: result.Fail, findings: "before the payload begun earlier is COMPLETE",
			act: follow(100, func(int) *usppb.SessionContextRecord { return part(begins, []byte("x")) })},
		"Records that come too early": {verdict: result.Fail, findings: "Records that came before their turn take too much room",
			act: follow(2_000, func(int) *usppb.SessionContextRecord {
				r := part(usppb.SessionContextRecord_NONE, make([]byte, 64<<10))
				r.SequenceId = 1 // a gap before the first
				return r
			})},
		"gaps without end": {verdict: result.Fail, findings: "the other side acknowledges none of the Records",
			act: follow(10_000, func(n int) *usppb.SessionContextRecord { // each two in the wrong order
				return &usppb.SessionContextRecord{SequenceId: []uint64{1, math.MaxUint64}[n%2]}
			})},
		"asks for what never was": {verdict: result.Fail, findings: "it asks for a Record again that was never sent",
			act: follow(1_000, func(n int) *usppb.SessionContextRecord {
				return &usppb.SessionContextRecord{RetransmitId: math.MaxUint64 - uint64(n)}
			})},
		"another session_id in every Record": {verdict: result.Pass,
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				s.alter(func(r *usppb.Record) {
					if body := r.GetSessionContext(); body != nil {
						body.SessionId, body.SequenceId, body.ExpectedId = rand.Uint64()|2, 1, 1
					}
				})
				r, _ := usp.ParseRecord(p.record)
				return s.records(p, r)
			}},
		"two session_ids without end": {verdict: result.Fail, findings: noReply,
			act: func(s *session, p packet, m *usppb.Msg) bool {
				for n := range 2_000 {
					begin := func(r *usppb.SessionContextRecord) {
						r.SessionId, r.SequenceId, r.ExpectedId, r.Payload = 2+uint64(n%2), 1, 1, nil
					}
					if !changed(begin)(s, p, m) {
						return false
					}
				}
				return true
			}},
	}
	for name, m := range all {
		m.link = withinSessions
		all[name] = m
	}
	const cutShort = "payloadrec_sar_state is NONE, but the payload ends within a TLS record"
	for name, payload := range map[string][]byte{
		"a TLS record of 15 MiB":                append([]byte{22, 3, 3, 0xff, 0xff}, make([]byte, largest)...),
		"15 MiB of TLS records":                 bytes.Repeat(append([]byte{22, 3, 3, 0x3f, 0xff}, make([]byte, 0x3fff)...), 15*64),
		"15 MiB of warnings in a TLS handshake": bytes.Repeat([]byte{21, 3, 3, 0, 2, 1, 90}, largest/7),
		"an alert in a TLS handshake":           {21, 3, 3, 0, 2, 2, 80},
		"the end of TLS in its handshake":       {21, 3, 3, 0, 2, 1, 0},
		"a TLS record that is never whole":      {22, 3, 3, 0x3f, 0xff, 2},
		"no bytes of TLS":                       []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		// the Disconnect Record of the device may come before the failed handshake is noticed
		findings, instead := "the TLS handshake in a session context has failed", "the device refuses TLS in a session context"
		if name == "a TLS record that is never whole" || name == "no bytes of TLS" { // which are the beginning of one
			findings, instead = "no end of the TLS handshake", cutShort
		}
		all[name] = mode{in: withTLS, verdict: result.Fail, findings: findings, instead: instead,
			answers: func(r *usppb.Record) bool { return r.GetPayloadSecurity() == usppb.Record_TLS12 },
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				heard := s.lastHeard().GetSessionContext()
				r := &usppb.Record{Version: usp.Version, ToId: s.owner, FromId: s.agent, PayloadSecurity: usppb.Record_TLS12,
					RecordType: &usppb.Record_SessionContext{SessionContext: &usppb.SessionContextRecord{SessionId: heard.GetSessionId(),
						SequenceId: 1, ExpectedId: heard.GetSequenceId() + 1, Payload: [][]byte{payload}}}}
				if err := contexts.Sign(r, ownCertificate(s.agent), false); err != nil {
					panic(err)
				}
				return s.records(p, r)
			}}
	}
	const needsAnother = "a new session context is needed (R-E2E.21)"
	for name, after := range map[string]struct {
		payload  []byte
		findings string
	}{
		"an alert after the TLS handshake":           {[]byte{21, 3, 3, 0, 2, 2, 80}, needsAnother},
		"a TLS record of 15 MiB after the handshake": {append([]byte{23, 3, 3, 0xff, 0xff}, make([]byte, largest)...), "a TLS record of 65540 bytes"},
		"a TLS record that nobody has encrypted":     {append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...), needsAnother},
		"a TLS record cut short after the handshake": {[]byte{23, 3, 3, 0, 40, 1}, cutShort},
	} {
		// the MAC of the answer, which does not cover the payload, is right
		all[name] = mode{in: withTLS, secures: true, verdict: result.Fail, findings: after.findings,
			answers: func(r *usppb.Record) bool {
				return r.GetPayloadSecurity() == usppb.Record_TLS12 && len(r.GetSenderCert()) == 0
			},
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				r, err := usp.ParseRecord(p.record)
				if err != nil || r.GetSessionContext() == nil { // the answer to a request outside, which came beside
					return s.bytes(p.raw)
				}
				r.GetSessionContext().Payload = [][]byte{after.payload}
				return s.records(p, r)
			}}
	}
	return all
}

// ownCertificate is one of a device, by an authority that nobody knows.
func ownCertificate(id string) tls.Certificate {
	ca, err := pki.NewCA("hostile")
	if err != nil {
		panic(err)
	}
	c, err := ca.Issue(pki.Spec{CommonName: "hostile", EndpointIDs: []string{id}})
	if err != nil {
		panic(err)
	}
	return c
}

// records sends a Record in place of p's.
func (s *session) records(p packet, r *usppb.Record) bool {
	raw, err := usp.Marshal(r)
	if err != nil {
		panic(err)
	}
	return s.record(p, raw)
}

// alter changes every Record from now on.
func (s *session) alter(change func(*usppb.Record)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.altered = change
}

// lastHeard is the Record of the harness that the mode waited for.
func (s *session) lastHeard() *usppb.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}
