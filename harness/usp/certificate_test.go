package usp

import (
	"crypto/x509"
	"net/url"
	"testing"
)

func TestNamesEndpoint(t *testing.T) {
	const oui, os, ops = "oui:00256D:box-1", "os::00256D-1", "ops::00256D-Box-1"
	for _, test := range []struct {
		id, uri, dns string
		want         bool
	}{
		{oui, "urn:bbf:usp:id:oui:00256D:box-1", "", true},
		{oui, "urn:bbf:usp:id:oui:00256D:box-2", "", false},
		{oui, "URN:BBF:usp:id:oui:00256D:box-1", "", true},
		{oui, "urn:bbf:USP:id:oui:00256D:box-1", "", false},
		{oui, "urn:BBF:usp:id:oui:00256D:*", "", true},
		{oui, "oui:00256D:box-1", "", false},
		{oui, "", "", false},
		{oui, "", "box-1", false},
		{"fqdn::agent.example.com", "", "agent.example.com", true},
		{"fqdn::agent.example.com", "", "Agent.Example.COM", true},
		{"fqdn::agent.example.com", "", "example.com", false},
		{"oui:00256D:box%2D1", "urn:bbf:usp:id:oui:00256D:box%252D1", "", true}, // escaped once more as a URI
		{oui, "urn:bbf:usp:id:oui:00256D:*", "", true},
		{oui, "urn:bbf:usp:id:oui:00256D:box-*", "", true},
		{oui, "urn:bbf:usp:id:oui:00256D:*-1", "", true},
		{oui, "urn:bbf:usp:id:oui:00256D:router-*", "", false},
		{oui, "urn:bbf:usp:id:oui:00256E:*", "", false},
		{oui, "urn:bbf:usp:id:oui:*:box-1", "", false},
		{oui, "urn:bbf:usp:id:*", "", false},
		{oui, "urn:bbf:usp:id:oui:00256D:[a-z]*", "", false},
		{os, "urn:bbf:usp:id:os::00256D-*", "", true},
		{os, "urn:bbf:usp:id:os::*", "", false},
		{os, "urn:bbf:usp:id:os::00256*-1", "", false},
		{ops, "urn:bbf:usp:id:ops::00256D-Box-*", "", true},
		{ops, "urn:bbf:usp:id:ops::*-Box-1", "", false},
		{"cid:3AA3F8:1", "urn:bbf:usp:id:cid:3AA3F8:*", "", true},
		{"pen:3561:1", "urn:bbf:usp:id:pen:3561:*", "", true},
		{"proto::1", "urn:bbf:usp:id:proto::*", "", false},
		{"self::1", "urn:bbf:usp:id:self::*", "", false},
	} {
		certificate := &x509.Certificate{}
		if test.uri != "" {
			uri, err := url.Parse(test.uri)
			if err != nil {
				t.Fatal(err)
			}
			certificate.URIs = []*url.URL{uri}
		}
		if test.dns != "" {
			certificate.DNSNames = []string{test.dns}
		}
		err := NamesEndpoint([]*x509.Certificate{certificate}, test.id)
		if (err == nil) != test.want {
			t.Errorf("%s in %q %q: want %v, got %v", test.id, test.uri, test.dns, test.want, err)
		}
	}
	if NamesEndpoint(nil, oui) == nil {
		t.Error("no certificate names an Endpoint")
	}
}
