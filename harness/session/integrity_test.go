package session

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"net/url"
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
		"312e34" + "74" + "66" + "00000000" + "43":   plain,
		"312e34" + "74" + "66" + "00000000" + "6f64": {Version: "1.4", ToId: "t", FromId: "f", OriginatorId: "o", DestinationId: "d"},
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

func TestARecordIsSignedByItsSender(t *testing.T) {
	own := func(id string) tls.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), URIs: []*url.URL{{Scheme: "urn", Opaque: "bbf:usp:id:" + id}}}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	for name, test := range map[string]struct {
		change func(r *usppb.Record)
		good   bool
	}{
		"not signed":                             {func(r *usppb.Record) { r.SenderCert, r.MacSignature = nil, nil }, true},
		"as it was signed":                       {func(*usppb.Record) {}, true},
		"numbers left out":                       {func(r *usppb.Record) { resign(t, r, own("self::a"), true) }, true},
		"changed":                                {func(r *usppb.Record) { r.Version = "1.3" }, false},
		"another's":                              {func(r *usppb.Record) { resign(t, r, own("self::b"), false) }, false},
		"no certificate":                         {func(r *usppb.Record) { r.SenderCert = []byte("none") }, false},
		"another's, in TLS":                      {func(r *usppb.Record) { r.PayloadSecurity = usppb.Record_TLS12; resign(t, r, own("self::b"), false) }, false},
		"a MAC, in TLS":                          {func(r *usppb.Record) { r.PayloadSecurity = usppb.Record_TLS12 }, true},
		"a chain that begins with the authority": {func(r *usppb.Record) { resign(t, r, chained(own("self::ca"), own("self::a")), false) }, true},
		"a MAC by a key that is known otherwise": {func(r *usppb.Record) { r.SenderCert = nil }, true},
	} {
		r := &usppb.Record{Version: "1.4", ToId: "self::t", FromId: "self::a"}
		resign(t, r, own("self::a"), false)
		test.change(r)
		if err := Signed(r); (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// chained is a certificate whose chain is in the other order than that of TLS.
func chained(authority, own tls.Certificate) tls.Certificate {
	own.Certificate = append(authority.Certificate, own.Certificate...)
	return own
}

func resign(t *testing.T, r *usppb.Record, with tls.Certificate, omit bool) {
	t.Helper()
	if err := Sign(r, with, omit); err != nil {
		t.Fatal(err)
	}
}
