package runner

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/pki"
)

// security is what the two ends of a Link with TLS show and trust; all empty without TLS.
type security struct {
	server *tls.Config
	client *tls.Config // when the harness dials a device that is a WebSocket server
	trust  []byte      // PEM: what the device has to trust
	device *tls.Certificate
}

func newSecurity(f *dut.File, spec dut.LinkSpec, vars dut.Vars) (security, error) {
	if !spec.TLS {
		return security{}, nil
	}
	ca, err := f.Authority(time.Now())
	if err != nil {
		return security{}, fmt.Errorf("tls.authority: %w", err)
	}
	if ca == nil {
		if ca, err = pki.NewCA(pki.Name); err != nil {
			return security{}, err
		}
	}
	name := pki.Spec{CommonName: vars.Host, EndpointID: vars.ControllerID, Client: true} // it also dials a device that is a server
	if ip := net.ParseIP(vars.Host); ip != nil {
		name.IPs = []net.IP{ip}
	} else {
		name.DNS = []string{vars.Host}
	}
	server, err := ca.Issue(name)
	if err != nil {
		return security{}, err
	}
	device, err := ca.Issue(pki.Spec{CommonName: "usptest device", EndpointID: vars.AgentID, Client: true, DNS: []string{"localhost"}})
	if err != nil {
		return security{}, err
	}
	s := security{trust: ca.PEM(), device: &device}
	own, err := f.ServerCertificate()
	if err != nil {
		return security{}, fmt.Errorf("tls: %w", err)
	}
	if own != nil {
		server = *own
	}
	s.server = &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	if s.server.ClientCAs, err = f.ClientAuthorities(); err != nil {
		return security{}, fmt.Errorf("tls: %w", err)
	}
	if s.server.ClientCAs != nil {
		s.server.ClientAuth = tls.VerifyClientCertIfGiven
	}
	// a device that is a server shows what certificate it likes: who it is, the plan asks elsewhere
	s.client = &tls.Config{Certificates: []tls.Certificate{server}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	return s, nil
}
