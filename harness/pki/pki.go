// Package pki is the bench's own certificate authority, made for a run or kept in a folder. It issues, at run time, the certificates that
// brokers show to a device, that a second Controller shows to prove who it is, and those with one deliberate flaw that a device must
// refuse.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

const (
	day = 24 * time.Hour
	// caAge is how long before its creation a CA becomes valid: longer than any leaf is old, so that an expired leaf has
	// that one flaw and no other, and a device whose clock is some days late still trusts the CA.
	caAge = 30 * day
	// leafAge forgives a device clock that is behind by up to a day.
	leafAge  = day
	lifetime = 365 * day
)

// Name is the common name of the project's own authorities.
const Name = "usptest CA"

// CA is a certificate authority with a root certificate and its key. It is immutable and safe for concurrent use.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// NewCA makes a CA whose self-signed P-256 root carries name as its common name. Two CAs never trust each other, even under one name.
func NewCA(name string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pki: key of CA %q: %w", name, err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-caAge),
		NotAfter:              now.Add(2 * lifetime), // outlives every leaf that Issue makes by default
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	cert, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("pki: CA %q: %w", name, err)
	}
	return &CA{cert: cert, key: key}, nil
}

// PEM returns the root certificate, the one a device has to trust.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// Pool returns a new pool that holds the root certificate alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Spec says what a leaf certificate is for.
type Spec struct {
	CommonName string
	DNS        []string // dNSName alternative names
	IPs        []net.IP // iPAddress alternative names
	// EndpointIDs become URI alternative names in their URN form (R-SEC.0a), but for empty ones.
	EndpointIDs []string
	// NotBefore and NotAfter bound the validity. Zero means from a day ago, for a year.
	NotBefore, NotAfter time.Time
	// Client adds the usage of authenticating a client to that of authenticating a server.
	Client bool
}

// Issue makes a leaf certificate with a new P-256 key. Leaf is set in the result.
func (ca *CA) Issue(spec Spec) (tls.Certificate, error) {
	template, err := spec.template(time.Now())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("pki: certificate %q: %w", spec.CommonName, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("pki: key of certificate %q: %w", spec.CommonName, err)
	}
	leaf, err := sign(template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("pki: certificate %q: %w", spec.CommonName, err)
	}
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// PEM encodes a certificate that Issue made: its chain, and its key in PKCS #8 form.
func PEM(c tls.Certificate) (cert, key []byte, err error) {
	for _, der := range c.Certificate {
		cert = append(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("pki: encode key: %w", err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// endpointURN returns the form in which an Endpoint ID is in a certificate, "urn:bbf:usp:id:" followed by the id. An
// Endpoint ID already escapes what its grammar reserves, so a percent character stays as it is; only bytes that no URI may
// hold are escaped, so that a deliberately bad id still gives a certificate.
func endpointURN(id string) string {
	var b strings.Builder
	b.WriteString("urn:bbf:usp:id:")
	for i := range len(id) {
		c := id[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\^{|}`+"`", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (s Spec) template(now time.Time) (*x509.Certificate, error) {
	t := &x509.Certificate{
		Subject:               pkix.Name{CommonName: s.CommonName},
		NotBefore:             s.NotBefore,
		NotAfter:              s.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              s.DNS,
		IPAddresses:           s.IPs,
	}
	if t.NotBefore.IsZero() {
		t.NotBefore = now.Add(-leafAge)
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = now.Add(lifetime)
	}
	if !t.NotAfter.After(t.NotBefore) {
		return nil, fmt.Errorf("validity ends at %s, before it begins at %s",
			t.NotAfter.Format(time.RFC3339), t.NotBefore.Format(time.RFC3339))
	}
	if s.Client {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, id := range s.EndpointIDs {
		if id != "" {
			// Opaque, because url.Parse would refuse a percent character that is not the start of an escape.
			t.URIs = append(t.URIs, &url.URL{Scheme: "urn", Opaque: strings.TrimPrefix(endpointURN(id), "urn:")})
		}
	}
	return t, nil
}

// sign gives template a random serial number, signs it and parses the result.
func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
