package pki

import (
	"crypto/tls"
	"sync/atomic"
)

// Shown is the certificate that one end of TLS shows, which can be exchanged: the handshakes that begin later show the other one.
// It is safe for concurrent use.
type Shown struct {
	own    tls.Certificate
	now    atomic.Pointer[tls.Certificate]
	resume atomic.Bool
	newest atomic.Uint32
}

// Show shows a certificate.
func Show(own tls.Certificate) *Shown { return &Shown{own: own} }

// Set shows another certificate, nil the first one again.
func (s *Shown) Set(other *tls.Certificate) { s.now.Store(other) }

func (s *Shown) get() *tls.Certificate {
	if other := s.now.Load(); other != nil {
		return other
	}
	return &s.own
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
func (s *Shown) ToClient(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.get(), nil }

// ToServer is a GetClientCertificate of tls.Config.
func (s *Shown) ToServer(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.get(), nil }
