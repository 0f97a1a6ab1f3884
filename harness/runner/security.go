package runner

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/pki"
)

// security is what the two ends show and trust. server is nil for a Link without TLS.
type security struct {
	server *tls.Config
	client *tls.Config      // when the harness dials a device that is a WebSocket server, which may want TLS over any Link
	device *tls.Certificate // on any Link, since TLS may be in payloads too
	own    harness.Identity // what the Controller shows in payloads
	trust  []byte           // PEM: what the device has to trust

	collector     *tls.Config // what a collector over HTTPS shows
	wrongName     *tls.Config // the same for another host; nil when the authority is not the harness's own
	unknownIssuer *tls.Config // the same from an authority that no device trusts
	expired       *tls.Config // the same, ended a day ago; nil when the authority is not the harness's own
}

func newSecurity(f *dut.File, spec dut.LinkSpec, vars dut.Vars, also ...string) (security, error) {
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
	name := reachable(f.Bind, vars.Host, also...)
	name.EndpointIDs, name.Client = []string{vars.ControllerID}, true // it also dials a device that is a server
	var certs [4]tls.Certificate
	for i, issue := range []struct {
		ca     *pki.CA
		preset pki.Preset
		name   pki.Spec
	}{{ca, pki.Good, name}, {ca, pki.Good, named("wrong.usptest.invalid")}, {unknown, pki.Good, named(vars.Host)}, {ca, pki.Expired, named(vars.Host)}} {
		if certs[i], err = issue.ca.IssuePreset(issue.preset, issue.name); err != nil {
			return security{}, err
		}
	}
	if own != nil {
		certs[0] = *own
	}
	authority := ca // nil where it is none that the device trusts
	if !ours {
		authority = nil
	}
	// a device that is a server may show any certificate: other cases are about its identity
	shown := pki.Show(certs[0], vars.ControllerID, authority)
	client := &tls.Config{GetClientCertificate: shown.ToServer, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	s := security{client: client, trust: ca.PEM(), collector: shows(certs[0]), unknownIssuer: shows(certs[2]),
		own: harness.Identity{Certificate: certs[0], Shown: shown, Authority: authority}}
	if ours {
		s.wrongName, s.expired = shows(certs[1]), shows(certs[3])
	}
	device, err := ca.Issue(pki.Spec{CommonName: "usptest device", EndpointIDs: []string{vars.AgentID}, Client: true, DNS: []string{"localhost"}})
	if err != nil {
		return security{}, err
	}
	s.device = &device
	return s.of(f, spec)
}

// of is the same for another link of the device.
func (s security) of(f *dut.File, spec dut.LinkSpec) (security, error) {
	s.server = nil
	if !spec.TLS {
		return s, nil
	}
	return s, s.protect(f)
}

// reachable is the certificate of the brokers: with every name and address by which the device may reach them.
func reachable(bind, host string, also ...string) pki.Spec {
	hosts := append([]string{host, bind}, also...)
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
	cert, err := x509.ParseCertificate(s.own.Certificate.Certificate[0])
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
func (s *security) protect(f *dut.File) (err error) {
	s.server = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	if s.server.ClientCAs, err = f.ClientAuthorities(); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	if s.server.ClientCAs != nil {
		s.server.ClientAuth = tls.VerifyClientCertIfGiven
	}
	s.own.Shown.Protects(s.server)
	return nil
}
