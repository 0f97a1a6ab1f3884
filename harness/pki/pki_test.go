package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"
)

func newCA(t *testing.T) *CA {
	t.Helper()
	ca, err := NewCA("test CA")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func spec() Spec {
	return Spec{CommonName: "localhost", DNS: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
		EndpointIDs: []string{"self::controller"}}
}

func TestPresetsHaveExactlyTheirFlaw(t *testing.T) {
	ca := newCA(t)
	reason := func(want x509.InvalidReason) func(error) bool {
		return func(err error) bool {
			var e x509.CertificateInvalidError
			return errors.As(err, &e) && e.Reason == want
		}
	}
	hostname := func(err error) bool {
		var e x509.HostnameError
		return errors.As(err, &e)
	}
	tests := []struct {
		preset Preset
		want   func(error) bool
		// sound is a verification that leaves the flaw out of account and so must succeed.
		sound func(*x509.VerifyOptions)
	}{
		{Good, func(err error) bool { return err == nil }, func(*x509.VerifyOptions) {}},
		{Expired, reason(x509.Expired), func(o *x509.VerifyOptions) { o.CurrentTime = time.Now().Add(-36 * time.Hour) }},
		{NotYetValid, reason(x509.Expired), func(o *x509.VerifyOptions) { o.CurrentTime = time.Now().Add(lifetime + time.Hour) }},
		{WrongName, hostname, func(o *x509.VerifyOptions) { o.DNSName = "" }},
		{NoSAN, hostname, func(o *x509.VerifyOptions) { o.DNSName = "" }},
		{UnknownCA, func(err error) bool {
			var e x509.UnknownAuthorityError
			return errors.As(err, &e)
		}, nil},
	}
	if len(tests) != len(Presets()) {
		t.Fatalf("%d presets tested, want all %d", len(tests), len(Presets()))
	}
	for _, tc := range tests {
		t.Run(string(tc.preset), func(t *testing.T) {
			cert, err := ca.IssuePreset(tc.preset, spec())
			if err != nil {
				t.Fatal(err)
			}
			options := x509.VerifyOptions{Roots: ca.Pool(), DNSName: "localhost"}
			if _, err := cert.Leaf.Verify(options); !tc.want(err) {
				t.Errorf("verification gave %v", err)
			}
			if tc.sound == nil {
				return
			}
			tc.sound(&options)
			if _, err := cert.Leaf.Verify(options); err != nil {
				t.Errorf("apart from its flaw: %v", err)
			}
		})
	}
}

func TestUnknownPreset(t *testing.T) {
	if _, err := newCA(t).IssuePreset("rusty", spec()); err == nil {
		t.Error("an unknown preset was issued")
	}
}

func TestEndpointURN(t *testing.T) {
	tests := []struct{ id, want string }{
		{"self::controller", "urn:bbf:usp:id:self::controller"},
		{"os::012345-A1", "urn:bbf:usp:id:os::012345-A1"},
		{"doc::agent%21", "urn:bbf:usp:id:doc::agent%21"},
		{"oui:00256D:*", "urn:bbf:usp:id:oui:00256D:*"},
		{"self::a b\xff", "urn:bbf:usp:id:self::a%20b%FF"},
	}
	ca := newCA(t)
	for _, tc := range tests {
		t.Run(tc.id, func(t *testing.T) {
			if got := endpointURN(tc.id); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			cert, err := ca.Issue(Spec{CommonName: "x", EndpointIDs: []string{tc.id}})
			if err != nil {
				t.Fatal(err)
			}
			if len(cert.Leaf.URIs) != 1 || cert.Leaf.URIs[0].String() != tc.want {
				t.Errorf("certificate holds %v, want %q", cert.Leaf.URIs, tc.want)
			}
		})
	}
}

func TestClientUsage(t *testing.T) {
	ca := newCA(t)
	for _, client := range []bool{false, true} {
		s := spec()
		s.Client = client
		cert, err := ca.Issue(s)
		if err != nil {
			t.Fatal(err)
		}
		_, err = cert.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		if (err == nil) != client {
			t.Errorf("Client %v: verified as a client certificate: %v", client, err)
		}
	}
}

func TestValidityMustNotBeEmpty(t *testing.T) {
	s := spec()
	s.NotBefore, s.NotAfter = time.Now(), time.Now().Add(-time.Second)
	if _, err := newCA(t).Issue(s); err == nil {
		t.Error("a certificate that ends before it begins was issued")
	}
}

func TestPEMIsReadBack(t *testing.T) {
	ca := newCA(t)
	cert, err := ca.Issue(spec())
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := PEM(cert)
	if err != nil {
		t.Fatal(err)
	}
	back, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.PEM()) {
		t.Fatal("the root's PEM holds no certificate")
	}
	if _, err := back.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "localhost"}); err != nil {
		t.Error(err)
	}
}
