package runner

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
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
	name := reachable(f.Bind, vars.Host)
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

// reachable is the certificate of the brokers: with every name and address by which the device may reach them.
func reachable(bind, host string) pki.Spec {
	hosts := []string{host, bind}
	if ip := net.ParseIP(bind); ip.IsLoopback() || ip.IsUnspecified() {
		hosts = append(hosts, "localhost")
	}
	return named(hosts...)
}

// names are the names and addresses in the brokers' certificate, as a reader sees them.
func (s security) names() string {
	if s.server == nil {
		return ""
	}
	cert, err := x509.ParseCertificate(s.server.Certificates[0].Certificate[0])
	if err != nil {
		return ""
	}
	all := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	return strings.Join(all, ", ")
}

// named is a certificate for hosts, by name or address. The first is its common name.
func named(hosts ...string) pki.Spec {
	spec := pki.Spec{CommonName: hosts[0]}
	for _, host := range hosts {
		switch ip := net.ParseIP(host); {
		case ip == nil && !slices.Contains(spec.DNS, host):
			spec.DNS = append(spec.DNS, host)
		case ip != nil && !ip.IsUnspecified() && !slices.ContainsFunc(spec.IPs, ip.Equal):
			spec.IPs = append(spec.IPs, ip)
		}
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
