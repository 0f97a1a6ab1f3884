package session

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"errors"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// Protected returns the non-payload fields of a Record as a signature or MAC covers them: by their numbers, those of the Record before
// those of its session context, without mac_signature (R-E2E.32, R-E2E.32.1). TR-369 does not say whether numbers that are not set count
// as zeros; here they do, since all fields are to be appended.
func Protected(r *usppb.Record) []byte {
	out := []byte(r.GetVersion() + r.GetToId() + r.GetFromId())
	out = binary.BigEndian.AppendUint32(out, uint32(r.GetPayloadSecurity()))
	out = append(out, r.GetSenderCert()...)
	if s := r.GetSessionContext(); s != nil {
		for _, n := range []uint64{s.GetSessionId(), s.GetSequenceId(), s.GetExpectedId(), s.GetRetransmitId()} {
			out = binary.BigEndian.AppendUint64(out, n)
		}
		out = binary.BigEndian.AppendUint32(out, uint32(s.GetPayloadSarState()))
		out = binary.BigEndian.AppendUint32(out, uint32(s.GetPayloadrecSarState()))
	}
	return out
}

// Sign puts a certificate and its signature over the non-payload fields into a Record: ECDSA with P-256 and SHA-256, in ASN.1
// (R-E2E.31).
func Sign(r *usppb.Record, with tls.Certificate) error {
	key, ok := with.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return errors.New("a Record is signed with a key on P-256 (R-E2E.31)")
	}
	r.SenderCert = nil
	for _, der := range with.Certificate {
		r.SenderCert = append(r.SenderCert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	digest := sha256.Sum256(Protected(r))
	var err error
	r.MacSignature, err = ecdsa.SignASN1(rand.Reader, key, digest[:])
	return err
}
