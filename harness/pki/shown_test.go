package pki

import (
	"crypto/tls"
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
	s := Show(own)
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
	s, server := Show(own), &tls.Config{}
	s.Protects(server)
	for _, want := range []uint16{0, tls.VersionTLS12, 0} {
		s.Newest(want)
		config, err := server.GetConfigForClient(nil)
		if err != nil || config.MaxVersion != want || !config.SessionTicketsDisabled {
			t.Errorf("want TLS up to %d, got %+v, %v", want, config, err)
		}
	}
}
