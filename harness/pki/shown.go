package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Shown is the certificate that one end of TLS shows, which can be exchanged: the handshakes that begin later show the other one. It names
// the Controllers that the end stands for. It is safe for concurrent use.
type Shown struct {
	own      tls.Certificate
	endpoint string // Endpoint ID of the first Controller
	ca       *CA
	now      atomic.Pointer[tls.Certificate]
	resume   atomic.Bool
	newest   atomic.Uint32

	mu      sync.Mutex
	further []string         // Endpoint IDs of the Controllers that have joined, the newest first
	all     *tls.Certificate // names them and the first one; nil before it is needed
}

// Show shows a certificate, which names the Controller with this Endpoint ID. ca issues those of further Controllers; where it is nil, they
// show the same.
func Show(own tls.Certificate, endpoint string, ca *CA) *Shown {
	return &Shown{own: own, endpoint: endpoint, ca: ca}
}

// Issues reports whether further Controllers have certificates of their own.
func (s *Shown) Issues() bool { return s.ca != nil }

// Set shows another certificate, nil the first one again.
func (s *Shown) Set(other *tls.Certificate) { s.now.Store(other) }

// Join has clients see a certificate that also names a further Controller, until it leaves. A client says which Controller it wants only
// after the handshake. The newest one is named first: the client is about to connect to it, and may look at one name alone.
func (s *Shown) Join(endpoint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.further, s.all = append([]string{endpoint}, s.further...), nil
}

// Leave ends Join.
func (s *Shown) Leave(endpoint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.further = slices.DeleteFunc(s.further, func(id string) bool { return id == endpoint })
	s.all = nil
}

// As is how a further Controller is a TLS client: like the first one, but with a certificate that names itself alone.
func (s *Shown) As(endpoint string, client *tls.Config) *tls.Config {
	own, err := s.naming(endpoint) // once: the device may be dialled several times
	as := client.Clone()
	as.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if other := s.now.Load(); other != nil {
			return other, nil
		}
		return own, err
	}
	return as
}

// naming returns a certificate like the first one, but with the names of these Controllers.
func (s *Shown) naming(endpoints ...string) (*tls.Certificate, error) {
	if s.ca == nil {
		return &s.own, nil
	}
	leaf, err := x509.ParseCertificate(s.own.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	issued, err := s.ca.Issue(Spec{CommonName: leaf.Subject.CommonName, DNS: leaf.DNSNames, IPs: leaf.IPAddresses,
		EndpointIDs: endpoints, Client: true})
	return &issued, err
}

// Resume reports whether clients may resume sessions of TLS from now on. At first they may not: a session that is resumed shows no
// certificate.
func (s *Shown) Resume(may bool) { s.resume.Store(may) }

// Newest is the latest version of TLS that a server speaks from now on; 0 is the latest that there is, as at first.
func (s *Shown) Newest(version uint16) { s.newest.Store(uint32(version)) }

// Protects makes a server show the certificate.
func (s *Shown) Protects(server *tls.Config) {
	server.GetCertificate = s.ToClient
	alone := server.Clone()
	alone.SessionTicketsDisabled = true
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		switch newest := s.newest.Load(); {
		case newest != 0:
			limited := alone.Clone()
			limited.MaxVersion = uint16(newest)
			return limited, nil
		case s.resume.Load():
			return nil, nil
		}
		return alone, nil
	}
}

// ToClient is a GetCertificate of tls.Config.
func (s *Shown) ToClient(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if other := s.now.Load(); other != nil {
		return other, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.further) == 0 {
		return &s.own, nil
	}
	if s.all == nil {
		all, err := s.naming(append(slices.Clone(s.further), s.endpoint)...)
		if err != nil {
			return nil, err
		}
		s.all = all
	}
	return s.all, nil
}

// ToServer is a GetClientCertificate of tls.Config, for the first Controller.
func (s *Shown) ToServer(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if other := s.now.Load(); other != nil {
		return other, nil
	}
	return &s.own, nil
}
