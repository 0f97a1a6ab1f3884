package session

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// identity is a certificate with a key on a curve.
func identity(t testing.TB, curve elliptic.Curve) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// securePair are the two ends of a session context with TLS.
func securePair(t testing.TB, version uint16) (a, b *Context) {
	t.Helper()
	a, b = pair()
	certificate := identity(t, elliptic.P256())
	a.TLS = &TLS{Certificate: certificate, Version: version, Unprotected: true}
	b.TLS = &TLS{Certificate: certificate, Version: version, Unprotected: true}
	return a, b
}

// exchange lets the two ends talk until neither has more to say, and returns what comes to b, and the Records of both.
func exchange(t testing.TB, a, b *Context, records []*usppb.Record) (msgs []string, alerts []Alert, all []*usppb.Record, err error) {
	t.Helper()
	from, to := a, b
	for len(records) > 0 && len(all) < 100 {
		var reply []*usppb.Record
		for _, r := range records {
			all = append(all, r)
			taken, bad := to.In(proto.Clone(r).(*usppb.Record))
			if bad != nil && err == nil {
				err = bad
			}
			if taken.Broken != nil {
				t.Logf("%s: %v", numbers(r), taken.Broken)
			}
			reply, alerts = append(reply, taken.Reply...), append(alerts, taken.Alerts...)
			if to == b {
				for _, m := range taken.Msgs {
					msgs = append(msgs, string(m))
				}
			}
		}
		records, from, to = reply, to, from
	}
	return msgs, alerts, all, err
}

// TestKeysOfTLS12 holds the keys of MACs against those that crypto/tls exports where it does: with the extended master secret.
func TestKeysOfTLS12(t *testing.T) {
	a, b := securePair(t, tls.VersionTLS12)
	first, err := a.Out([]byte("first"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := exchange(t, a, b, first); err != nil || !a.Secured() {
		t.Fatal(err)
	}
	state := a.tunnel.conn.ConnectionState()
	want, err := state.ExportKeyingMaterial(exporterLabel, []byte{}, exporterLength)
	if err != nil || !bytes.Equal(a.tunnel.keys, want) {
		t.Errorf("want %x, got %x, %v", want, a.tunnel.keys, err)
	}
}

func versions(t *testing.T, test func(t *testing.T, version uint16)) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) { test(t, version) })
	}
}

// TestMessagesThroughTLS: two Messages wait for the handshake and come in order, and one the other way; Records are signed
// until the handshake is complete, and have a MAC then.
func TestMessagesThroughTLS(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		for _, most := range []int{0, 1200, 2000} {
			a, b := securePair(t, version)
			a.MaxRecord, b.MaxRecord = most, most
			first, err := a.Out([]byte("first"))
			if err != nil {
				t.Fatal(err)
			}
			second, err := a.Out([]byte(strings.Repeat("second", 1000)))
			if err != nil || len(second) != 0 {
				t.Fatalf("the second Message does not wait: %v, %v", second, err)
			}
			msgs, _, records, err := exchange(t, a, b, first)
			if err != nil || len(msgs) != 2 || msgs[0] != "first" || len(msgs[1]) != 6000 || !a.Secured() || !b.Secured() {
				t.Fatalf("got %d Messages, %v", len(msgs), err)
			}
			back, err := b.Out([]byte("back"))
			if err != nil {
				t.Fatal(err)
			}
			msgs, _, more, err := exchange(t, b, a, back)
			if err != nil || !slices.Equal(msgs, []string{"back"}) {
				t.Fatalf("got %q, %v", msgs, err)
			}
			signed := 0
			for i, r := range append(records, more...) {
				if most > 0 && proto.Size(r) > most {
					t.Errorf("Record %d has %d bytes, want %d at most", i, proto.Size(r), most)
				}
				if len(r.SenderCert) > 0 {
					signed++
				} else if len(r.MacSignature) != sha256.Size {
					t.Errorf("Record %d has a mac_signature of %d bytes", i, len(r.MacSignature))
				}
				if bytes.Contains(slices.Concat(r.GetSessionContext().GetPayload()...), []byte("second")) {
					t.Errorf("Record %d has the Message in the clear", i)
				}
			}
			if end := a.tunnel.shaken; len(end.Certificates) != 1 || !end.Asked || signed < 3 || end.Version != version {
				t.Errorf("the handshake is %+v; %d Records signed", end, signed)
			}
		}
	})
}

// TestMAC holds a MAC against one that is computed here from the standards alone: RFC 5705 with the master secret, R-E2E.32 and R-E2E.39.
func TestMAC(t *testing.T) {
	a, b := securePair(t, tls.VersionTLS12)
	first, err := a.Out([]byte("first"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, records, err := exchange(t, a, b, first)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(a.tunnel.keyLog.String())
	random, _ := hex.DecodeString(fields[1])
	master, _ := hex.DecodeString(fields[2])
	hello := records[1].GetSessionContext().GetPayload()[0] // ServerHello: its random is after 5 + 4 + 2 bytes
	seed := slices.Concat([]byte("EXPORTER-BBF-USP-Record"), random, hello[11:43], []byte{0, 0})
	hash := func(key []byte, data ...[]byte) []byte {
		h := hmac.New(sha256.New, key)
		for _, d := range data {
			h.Write(d)
		}
		return h.Sum(nil)
	}
	a1 := hash(master, seed)
	client := hash(master, a1, seed)               // the first 32 octets
	server := hash(master, hash(master, a1), seed) // the others
	last := records[len(records)-1]
	s := last.GetSessionContext()
	var covered []byte
	covered = append(covered, "1.4"+here.To+here.From...)
	covered = binary.BigEndian.AppendUint32(covered, 1)
	for _, n := range []uint64{s.SessionId, s.SequenceId, s.ExpectedId, 0} {
		covered = binary.BigEndian.AppendUint64(covered, n)
	}
	covered = append(covered, 0, 0, 0, 0, 0, 0, 0, 0)
	if want := hash(client, covered); last.FromId != here.From || !bytes.Equal(want, last.MacSignature) {
		t.Errorf("want %x, got %x", want, last.MacSignature)
	}
	back, err := b.Out([]byte("back"))
	if err != nil {
		t.Fatal(err)
	}
	if got := mac(back[0], server, false); !bytes.Equal(got, back[0].MacSignature) {
		t.Error("the server's MAC is not one with the server's key")
	}
}

// TestIntegrity: a Record whose fields were changed on the way is not taken, neither in the handshake nor after it, and one
// reading of numbers that are not set is as good as the other.
func TestIntegrity(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		for name, change := range map[string]func(*usppb.Record){
			"version":         func(r *usppb.Record) { r.Version = "1.3" },
			"expected_id":     func(r *usppb.Record) { r.GetSessionContext().ExpectedId = 0 },
			"retransmit_id":   func(r *usppb.Record) { r.GetSessionContext().RetransmitId = 1 },
			"mac_signature":   func(r *usppb.Record) { r.MacSignature[len(r.MacSignature)-1] ^= 1 },
			"no integrity":    func(r *usppb.Record) { r.MacSignature = nil },
			"another key":     func(r *usppb.Record) { _ = Sign(r, identity(t, elliptic.P256()), false); r.SenderCert = nil },
			"another curve":   func(r *usppb.Record) { r.SenderCert = certificatePEM(identity(t, elliptic.P384())) },
			"no certificate":  func(r *usppb.Record) { r.SenderCert = []byte("certificate") },
			"payload_sar":     func(r *usppb.Record) { r.GetSessionContext().PayloadrecSarState = usppb.SessionContextRecord_BEGIN },
			"TLS of its own":  func(r *usppb.Record) { r.GetSessionContext().Payload = [][]byte{{23, 3, 3, 0xff, 0xff}} },
			"TLS in disorder": func(r *usppb.Record) { r.GetSessionContext().Payload = [][]byte{{23, 3, 3, 0, 1, 0}} },
		} {
			t.Run(name, func(t *testing.T) {
				a, b := securePair(t, version)
				first, _ := a.Out([]byte("first"))
				spoilt := proto.Clone(first[0]).(*usppb.Record)
				change(spoilt)
				if taken, err := b.In(spoilt); err == nil || b.Secured() || len(taken.Msgs) > 0 {
					t.Errorf("the first Record is taken: %v", err)
				}
				a, b = securePair(t, version)
				b.TLS.Omit = name == "version"
				first, _ = a.Out([]byte("first"))
				if msgs, _, _, err := exchange(t, a, b, first); err != nil || len(msgs) != 1 {
					t.Fatal(msgs, err)
				}
				then, _ := a.Out([]byte("then"))
				change(then[0])
				if taken, err := b.In(then[0]); err == nil || len(taken.Msgs) > 0 {
					t.Errorf("a Record after the handshake is taken: %v", err)
				}
			})
		}
	})
}

func certificatePEM(c tls.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
}

// TestRefusal: a handshake that is refused ends the session context, and both sides see the alert.
func TestRefusal(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		a, b := securePair(t, version)
		b.TLS.Refuse = true
		first, _ := a.Out([]byte("first"))
		id := a.ID()
		msgs, alerts, _, err := exchange(t, a, b, first)
		if err == nil || len(msgs) > 0 || a.ID() == id || len(alerts) != 2 || !alerts[0].Sent || alerts[1].Sent || alerts[1].Code != 80 {
			t.Errorf("got %q, alerts %+v, %v", msgs, alerts, err)
		}
	})
}

// TestRenegotiation: who is asked for one goes on, and what follows is decrypted.
func TestRenegotiation(t *testing.T) {
	a, b := securePair(t, tls.VersionTLS12)
	if _, err := a.Renegotiate(); err == nil {
		t.Error("a renegotiation before the handshake")
	}
	first, _ := a.Out([]byte("first"))
	if _, _, _, err := exchange(t, a, b, first); err != nil {
		t.Fatal(err)
	}
	ask, err := a.Renegotiate()
	if err != nil {
		t.Fatal(err)
	}
	then, _ := a.Out([]byte("then"))
	msgs, alerts, _, err := exchange(t, a, b, append([]*usppb.Record{ask}, then...))
	if err != nil || len(alerts) != 1 || !slices.Equal(msgs, []string{"then"}) {
		t.Errorf("got %q, alerts %+v, %v", msgs, alerts, err)
	}
}

// TestClearRecord: a Record in the clear is not taken in a session context with TLS, however right its MAC is.
func TestClearRecord(t *testing.T) {
	a, b := securePair(t, tls.VersionTLS13)
	first, _ := a.Out([]byte("first"))
	if _, _, _, err := exchange(t, a, b, first); err != nil {
		t.Fatal(err)
	}
	clear, err := a.Clear([]byte("clear"))
	if err != nil {
		t.Fatal(err)
	}
	id := b.ID()
	if taken, err := b.In(clear); err == nil || taken.Broken == nil || len(taken.Msgs) > 0 || b.ID() == id {
		t.Errorf("got %+v, %v", taken, err)
	}
}

// FuzzTLS feeds bytes to both ends of a handshake.
func FuzzTLS(f *testing.F) {
	a, b := securePair(f, tls.VersionTLS12)
	f.Add(true, []byte{22, 3, 1, 0, 2, 1, 0})
	f.Add(false, []byte{21, 3, 3, 0, 2, 2, 40})
	f.Fuzz(func(t *testing.T, client bool, data []byte) {
		end := map[bool]*Context{true: a, false: b}[client]
		u := end.TLS.open(client)
		defer u.close()
		u.feed(data)
		if len(u.partial)+len(u.plain) > len(data) {
			t.Errorf("%d bytes are kept of %d", len(u.partial)+len(u.plain), len(data))
		}
	})
}

// FuzzSecureContext has one end of a session context with TLS change its Records before they are sent, after the handshake and, when it has
// failed, within the next one.
func FuzzSecureContext(f *testing.F) {
	f.Add(true, []byte{0, 0, 0, 0, 1, 0, 0, 0})
	f.Add(false, []byte{2, 1, 0, 0, 3, 1, 7, 0, 4, 2, 9, 1, 5, 3, 1, 1})
	certificate := identity(f, elliptic.P256())
	f.Fuzz(func(t *testing.T, twelve bool, data []byte) {
		version := map[bool]uint16{true: tls.VersionTLS12, false: tls.VersionTLS13}[twelve]
		a, b := pair()
		a.TLS = &TLS{Certificate: certificate, Version: version, Unprotected: true}
		b.TLS = &TLS{Certificate: certificate, Version: version, Unprotected: true}
		defer a.End()
		defer b.End()
		first, err := a.Out([]byte("first"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := exchange(t, a, b, first); err != nil {
			t.Fatal(err)
		}
		for len(data) >= 4 {
			d := data[:4]
			data = data[4:]
			records, err := a.Out(d)
			if err != nil {
				records = nil
			}
			for _, r := range records {
				spoilt := proto.Clone(r).(*usppb.Record)
				body := spoilt.GetSessionContext()
				switch d[0] % 8 {
				case 0:
				case 1:
					body.SequenceId += uint64(d[1])
				case 2:
					body.RetransmitId = uint64(d[1])
				case 3:
					body.SessionId += uint64(d[1])
				case 4:
					body.Payload = append(body.Payload, d)
				case 5:
					body.PayloadrecSarState = usppb.SessionContextRecord_PayloadSARState(d[1] % 5)
				case 6:
					body.Payload = [][]byte{{d[1], 3, 3, 0, 1, d[2]}}
				case 7:
					spoilt.PayloadSecurity = usppb.Record_PayloadSecurity(d[1] % 3)
				}
				if d[3]%2 == 0 && b.Secured() && a.Secured() { // what is spoilt is intact
					spoilt.MacSignature = mac(spoilt, b.tunnel.key(!b.tunnel.client), false)
				}
				got, _ := b.In(spoilt)
				if d[3]%4 == 0 {
					for _, r := range got.Reply {
						_, _ = a.In(r)
					}
				}
				if b.next == 0 || b.expected == 0 {
					t.Fatalf("next %d, expected %d", b.next, b.expected)
				}
				bounded(t, a)
				bounded(t, b)
			}
		}
	})
}

// This side asks again with TLS in payloads, and then the answer comes that the other side gives without.
func TestALateAnswerInTheClearDoesNotEndTheContextWithTLS(t *testing.T) {
	c, other := pair()
	asked, _ := c.Out([]byte("asked"))
	if _, err := other.In(asked[0]); err != nil {
		t.Fatal(err)
	}
	late, _ := other.Out([]byte("answer"))
	c.TLS = &TLS{Certificate: identity(t, elliptic.P256()), Unprotected: true}
	c.Restart()
	if _, err := c.Out([]byte("again")); err != nil {
		t.Fatal(err)
	}
	id := c.ID()
	got, err := c.In(late[0])
	if err != nil || got.Broken != nil || got.Note == "" || len(got.Lost) != 0 || c.ID() != id {
		t.Errorf("got %+v, %v, session context %d, want %d", got, err, c.ID(), id)
	}
}
