package runner

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/pki"
)

// security is what the two ends show and trust. Those of a Link without TLS are nil.
type security struct {
	server *tls.Config
	client *tls.Config // when the harness dials a device that is a WebSocket server
	device *tls.Certificate
	trust  []byte // PEM: what the device has to trust

	collector     *tls.Config // what a collector over HTTPS shows
	wrongName     *tls.Config // the same for another host; nil when the authority is not the harness's own
	unknownIssuer *tls.Config // the same from an authority that nobody trusts
}

func newSecurity(f *dut.File, spec dut.LinkSpec, vars dut.Vars) (security, error) {
	ca, err := f.Authority(time.Now())
	if err != nil {
		return security{}, fmt.Errorf("tls.authority: %w", err)
	}
	own, err := f.ServerCertificate()
	if err != nil {
		return security{}, fmt.Errorf("tls: %w", err)
	}
	ours := ca != nil || own == nil
	if ca == nil {
		if ca, err = pki.NewCA(pki.Name); err != nil {
			return security{}, err
		}
	}
	unknown, err := pki.NewCA(pki.Name)
	if err != nil {
		return security{}, err
	}
	name := named(vars.Host)
	name.EndpointID, name.Client = vars.ControllerID, true // it also dials a device that is a server
	var certs [3]tls.Certificate
	for i, issue := range []struct {
		ca   *pki.CA
		name pki.Spec
	}{{ca, name}, {ca, named("wrong.usptest.invalid")}, {unknown, named(vars.Host)}} {
		if certs[i], err = issue.ca.Issue(issue.name); err != nil {
			return security{}, err
		}
	}
	if own != nil {
		certs[0] = *own
	}
	s := security{trust: ca.PEM(), collector: shows(certs[0]), unknownIssuer: shows(certs[2])}
	if ours {
		s.wrongName = shows(certs[1])
	}
	if !spec.TLS {
		return s, nil
	}
	return s, s.protect(f, ca, certs[0], vars)
}

// named is a certificate for a host, by name or address.
func named(host string) pki.Spec {
	spec := pki.Spec{CommonName: host}
	if ip := net.ParseIP(host); ip != nil {
		spec.IPs = []net.IP{ip}
	} else {
		spec.DNS = []string{host}
	}
	return spec
}

// shows is the end of a server with a certificate.
func shows(c tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
}

// protect adds what a Link with TLS needs.
func (s *security) protect(f *dut.File, ca *pki.CA, server tls.Certificate, vars dut.Vars) error {
	device, err := ca.Issue(pki.Spec{CommonName: "usptest device", EndpointID: vars.AgentID, Client: true, DNS: []string{"localhost"}})
	if err != nil {
		return err
	}
	s.device, s.server = &device, shows(server)
	s.server.ClientAuth = tls.RequestClientCert
	if s.server.ClientCAs, err = f.ClientAuthorities(); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	if s.server.ClientCAs != nil {
		s.server.ClientAuth = tls.VerifyClientCertIfGiven
	}
	// a device that is a server shows what certificate it likes: who it is, the plan asks elsewhere
	s.client = &tls.Config{Certificates: []tls.Certificate{server}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	return nil
}
