package pki

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"
)

func TestShownCertificateCanBeExchanged(t *testing.T) {
	ca := newCA(t)
	own, err := ca.Issue(spec())
	if err != nil {
		t.Fatal(err)
	}
	other, err := ca.IssuePreset(Expired, spec())
	if err != nil {
		t.Fatal(err)
	}
	s := Show(own, "self::controller", ca)
	for _, step := range []struct {
		set  bool
		want string
	}{{false, own.Leaf.SerialNumber.String()}, {true, other.Leaf.SerialNumber.String()}, {false, own.Leaf.SerialNumber.String()}} {
		s.Set(nil)
		if step.set {
			s.Set(&other)
		}
		toClient, _ := s.ToClient(nil)
		toServer, _ := s.ToServer(nil)
		if toClient.Leaf.SerialNumber.String() != step.want || toServer != toClient {
			t.Errorf("another one set: %t, shows %s and %s, want %s", step.set, toClient.Leaf.SerialNumber, toServer.Leaf.SerialNumber, step.want)
		}
	}
}

func TestNewest(t *testing.T) {
	own, err := newCA(t).Issue(spec())
	if err != nil {
		t.Fatal(err)
	}
	s, server := Show(own, "self::controller", nil), &tls.Config{}
	s.Protects(server)
	for _, want := range []uint16{0, tls.VersionTLS12, 0} {
		s.Newest(want)
		config, err := server.GetConfigForClient(nil)
		if err != nil || config.MaxVersion != want || !config.SessionTicketsDisabled {
			t.Errorf("want TLS up to %d, got %+v, %v", want, config, err)
		}
	}
}

// TestShownCertificateNamesThoseWhoHaveJoined: to clients all of them, the newest first, and to a server the one that is its client.
func TestShownCertificateNamesThoseWhoHaveJoined(t *testing.T) {
	ca := newCA(t)
	own, err := ca.Issue(spec())
	if err != nil {
		t.Fatal(err)
	}
	other, err := ca.IssuePreset(Expired, spec())
	if err != nil {
		t.Fatal(err)
	}
	const first, second, third = "urn:bbf:usp:id:self::controller", "urn:bbf:usp:id:self::second", "urn:bbf:usp:id:self::third"
	for _, test := range []struct {
		ca                 *CA
		all, second, newer string
	}{
		{ca, fmt.Sprint([]string{third, second, first}), fmt.Sprint([]string{second}), fmt.Sprint([]string{third, first})},
		{nil, fmt.Sprint([]string{first}), fmt.Sprint([]string{first}), fmt.Sprint([]string{first})},
	} {
		s := Show(own, "self::controller", test.ca)
		as := s.As("self::second", &tls.Config{MinVersion: tls.VersionTLS13})
		names := func(shown *tls.Certificate, err error) string {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			if err := shown.Leaf.VerifyHostname(net.IPv4(127, 0, 0, 1).String()); err != nil {
				t.Error(err)
			}
			return fmt.Sprint(shown.Leaf.URIs)
		}
		want := func(what, want string, shown *tls.Certificate, err error) {
			t.Helper()
			if got := names(shown, err); got != want {
				t.Errorf("%s: want %s, got %s", what, want, got)
			}
		}
		s.Join("self::second")
		s.Join("self::third")
		shown, err := s.ToClient(nil)
		want("two have joined", test.all, shown, err)
		if again, _ := s.ToClient(nil); again != shown {
			t.Error("each client sees another certificate")
		}
		shown, err = s.ToServer(nil)
		want("the first as a client", fmt.Sprint([]string{first}), shown, err)
		shown, err = as.GetClientCertificate(nil)
		want("the second as a client", test.second, shown, err)
		if again, _ := as.GetClientCertificate(nil); again != shown {
			t.Error("the second shows another certificate each time")
		}
		if as.MinVersion != tls.VersionTLS13 {
			t.Error("the second is another client than the first")
		}
		s.Set(&other)
		for what, f := range map[string]func() (*tls.Certificate, error){
			"to a client": func() (*tls.Certificate, error) { return s.ToClient(nil) },
			"as a client": func() (*tls.Certificate, error) { return as.GetClientCertificate(nil) },
		} {
			if shown, _ := f(); shown != &other {
				t.Errorf("%s: the certificate that was set is not shown", what)
			}
		}
		s.Set(nil)
		s.Leave("self::second")
		shown, err = s.ToClient(nil)
		want("the second has left", test.newer, shown, err)
		s.Leave("self::third")
		shown, err = s.ToClient(nil)
		want("all have left", fmt.Sprint([]string{first}), shown, err)
	}
}
