package session

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"testing"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// TestProtectedFields holds the bytes against vectors written by hand from R-E2E.32 and the field numbers of the Record.
func TestProtectedFields(t *testing.T) {
	plain := &usppb.Record{Version: "1.4", ToId: "t", FromId: "f", MacSignature: []byte("never"), SenderCert: []byte("C"),
		RecordType: &usppb.Record_NoSessionContext{NoSessionContext: &usppb.NoSessionContextRecord{Payload: []byte("never")}}}
	within := &usppb.Record{Version: "1.4", ToId: "t", FromId: "f", PayloadSecurity: usppb.Record_TLS12,
		RecordType: &usppb.Record_SessionContext{SessionContext: &usppb.SessionContextRecord{SessionId: 0x0102, SequenceId: 3, ExpectedId: 4,
			RetransmitId: 5, PayloadSarState: 1, PayloadrecSarState: 3, Payload: [][]byte{[]byte("never")}}}}
	for want, r := range map[string]*usppb.Record{
		"312e34" + "74" + "66" + "00000000" + "43": plain,
		"312e34" + "74" + "66" + "00000001" + "0000000000000102" + "0000000000000003" + "0000000000000004" + "0000000000000005" +
			"00000001" + "00000003": within,
	} {
		if got := hex.EncodeToString(Protected(r, false)); got != want {
			t.Errorf("\nwant %s\n got %s", want, got)
		}
	}
}

func TestASignatureCoversTheFields(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := &usppb.Record{Version: "1.4", ToId: "t", FromId: "f"}
	if err := Sign(r, tls.Certificate{Certificate: [][]byte{[]byte("leaf")}, PrivateKey: key}, false); err != nil {
		t.Fatal(err)
	}
	valid := func() bool {
		digest := sha256.Sum256(Protected(r, false))
		return ecdsa.VerifyASN1(&key.PublicKey, digest[:], r.MacSignature)
	}
	if !valid() {
		t.Error("the signature is not valid")
	}
	r.SenderCert = append(r.SenderCert, '\n')
	if valid() {
		t.Error("it is valid for another certificate")
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if Sign(r, tls.Certificate{PrivateKey: other}, false) == nil {
		t.Error("a key on another curve signs")
	}
}
