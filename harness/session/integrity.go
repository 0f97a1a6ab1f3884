package session

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Protected returns the non-payload fields of a Record as a signature or MAC covers them: by their numbers, those of the Record before
// those of its session context, without mac_signature (R-E2E.32, R-E2E.32.1). TR-369 does not say whether numbers that are not set count
// as zeros; with omit they do not.
func Protected(r *usppb.Record, omit bool) []byte {
	out := []byte(r.GetVersion() + r.GetToId() + r.GetFromId())
	short := func(n int32) {
		if n != 0 || !omit {
			out = binary.BigEndian.AppendUint32(out, uint32(n))
		}
	}
	short(int32(r.GetPayloadSecurity()))
	out = append(out, r.GetSenderCert()...)
	out = append(out, r.GetOriginatorId()+r.GetDestinationId()...)
	if s := r.GetSessionContext(); s != nil {
		for _, n := range []uint64{s.GetSessionId(), s.GetSequenceId(), s.GetExpectedId(), s.GetRetransmitId()} {
			if n != 0 || !omit {
				out = binary.BigEndian.AppendUint64(out, n)
			}
		}
		short(int32(s.GetPayloadSarState()))
		short(int32(s.GetPayloadrecSarState()))
	}
	return out
}

// Sign puts a certificate and its signature over the non-payload fields into a Record: ECDSA with P-256 and SHA-256, in ASN.1
// (R-E2E.31). omit leaves out numbers that are 0.
func Sign(r *usppb.Record, with tls.Certificate, omit bool) error {
	key, ok := with.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return errors.New("a Record is signed with a key on P-256 (R-E2E.31)")
	}
	r.SenderCert = nil
	for _, der := range with.Certificate {
		r.SenderCert = append(r.SenderCert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	digest := sha256.Sum256(Protected(r, omit))
	var err error
	r.MacSignature, err = ecdsa.SignASN1(rand.Reader, key, digest[:])
	return err
}

// either calls valid for both readings of R-E2E.32, the one at hand first, and returns the one for which it says yes.
func either(omit bool, valid func(omit bool) bool) (reading, ok bool) {
	switch {
	case valid(omit):
		return omit, true
	case valid(!omit):
		return !omit, true
	}
	return omit, false
}

// Signed wants the certificate in a Record, where there is one, to be its sender's (R-E2E.31, R-SEC.0a), and the signature of a Record in
// the clear to be valid. One with TLS in its payload is for its session context to judge.
func Signed(r *usppb.Record) error {
	if len(r.GetSenderCert()) == 0 {
		return nil
	}
	cert, err := senderOf(r)
	if err == nil {
		err = usp.NamesEndpoint([]*x509.Certificate{cert}, r.GetFromId())
	}
	if len(r.GetMacSignature()) > 0 && r.GetPayloadSecurity() == usppb.Record_PLAINTEXT {
		_, bad := verifySignature(r, false)
		err = cmp.Or(bad, err)
	}
	return err
}

// senderOf is the certificate of a Record's sender: of a chain, whose order TR-369 leaves open, the one that names it, or else the first.
func senderOf(r *usppb.Record) (first *x509.Certificate, err error) {
	for block, rest := pem.Decode(r.GetSenderCert()); block != nil; block, rest = pem.Decode(rest) {
		cert, bad := x509.ParseCertificate(block.Bytes)
		switch {
		case bad != nil:
			err = cmp.Or(err, fmt.Errorf("sender_cert: %w", bad))
		case usp.NamesEndpoint([]*x509.Certificate{cert}, r.GetFromId()) == nil:
			return cert, nil
		case first == nil:
			first = cert
		}
	}
	if first == nil {
		return nil, cmp.Or(err, errors.New("sender_cert holds no certificate in PEM"))
	}
	return first, nil
}

// verifySignature checks a Record that is signed (R-E2E.31). It returns the reading of R-E2E.32 that the sender has.
func verifySignature(r *usppb.Record, omit bool) (reading bool, err error) {
	cert, err := senderOf(r)
	if err != nil {
		return omit, err
	}
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return omit, errors.New("the key in sender_cert is not on P-256 (R-E2E.31)")
	}
	reading, ok = either(omit, func(omit bool) bool {
		digest := sha256.Sum256(Protected(r, omit))
		return ecdsa.VerifyASN1(key, digest[:], r.GetMacSignature())
	})
	if !ok {
		return omit, errors.New("mac_signature is not the signature of the Record by the key in sender_cert (R-E2E.31)")
	}
	return reading, nil
}

// mac is that of a Record: HMAC with SHA-256 (R-E2E.33, R-E2E.34).
func mac(r *usppb.Record, key []byte, omit bool) []byte {
	return hmac256(key, Protected(r, omit))
}

// protect puts a signature or a MAC into a Record of this side: a signature until the handshake is complete, and into what
// was signed the first time. Without TLS it does nothing.
func (c *Context) protect(r *usppb.Record) error {
	switch {
	case c.TLS == nil:
		return nil
	case c.tunnel == nil || !c.tunnel.done || c.finishing || len(r.GetSenderCert()) > 0:
		return Sign(r, c.TLS.Certificate, c.TLS.Omit)
	}
	r.MacSignature = mac(r, c.tunnel.key(c.tunnel.client), c.TLS.Omit)
	return nil
}

// macTooEarly reports whether a Record has a MAC that cannot be verified yet, since the handshake is complete with its payload.
func (c *Context) macTooEarly(r *usppb.Record) bool {
	return !c.tunnel.done && len(r.GetSenderCert()) == 0 && len(r.GetMacSignature()) > 0
}

// verify checks how the other side has protected a Record (R-E2E.29, R-E2E.30). It may sign, even when this side has seen the end of the
// handshake, until it has sent a MAC.
func (c *Context) verify(r *usppb.Record) (err error) {
	signed := len(r.GetSenderCert()) > 0
	switch {
	case len(r.GetMacSignature()) == 0 && !c.TLS.Unprotected:
		return nil
	case len(r.GetMacSignature()) == 0:
		return errors.New("mac_signature is missing, but the MTP does not protect the Record (R-E2E.29)")
	case c.tunnel.done && c.hasMAC(r):
		c.maced = true
		return nil
	case signed && c.maced:
		return errors.New("the Record is signed, but after the TLS handshake it must have a MAC (R-E2E.33)")
	case signed:
		c.TLS.Omit, err = verifySignature(r, c.TLS.Omit)
		return err
	case !c.tunnel.done:
		return errors.New("the Record has no sender_cert, but before the end of the TLS handshake it must be signed (R-E2E.30)")
	}
	return fmt.Errorf("mac_signature is not the MAC of the Record%s (R-E2E.33)", c.otherKey(r))
}

// hasMAC reports whether a Record has the MAC of the other side, in either reading.
func (c *Context) hasMAC(r *usppb.Record) (ok bool) {
	c.TLS.Omit, ok = either(c.TLS.Omit, func(omit bool) bool {
		return hmac.Equal(r.GetMacSignature(), mac(r, c.tunnel.key(!c.tunnel.client), omit))
	})
	return ok
}

// otherKey reports whether a wrong MAC is right with the key of the wrong side.
func (c *Context) otherKey(r *usppb.Record) string {
	if _, ok := either(false, func(omit bool) bool {
		return bytes.Equal(r.GetMacSignature(), mac(r, c.tunnel.key(c.tunnel.client), omit))
	}); ok {
		return ", but one with the key of the other side (R-E2E.39)"
	}
	return ""
}
