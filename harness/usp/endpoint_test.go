package usp

import (
	"strings"
	"testing"
)

func TestParseEndpointID(t *testing.T) {
	fifty := strings.Repeat("a", 50)
	for _, good := range []string{
		"oui:00256D:my-unique-bbf-id-42", "oui:00256D1:x", "oui:00256d123:x",
		"cid:3AA3F8:my-unique-usp-id-42", "pen:3561:my-unique-bbf-id-42",
		"self::my-Agent", "self:a.b_-1:x", "user::x", "user:abcdef:x", "doc::x", "proto::my-Agent", "proto:a-b_1:x",
		"os::00256D-0123456789", "os::00256D-01-23", "ops::00256D-STB-0123456789", "ops::00256D-A%2DB-1",
		"uuid::f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "imei::990000862471854", "fqdn::www.example.org",
		"self::a%2Fb", "self::" + fifty,
	} {
		id, err := ParseEndpointID(good)
		if err != nil {
			t.Errorf("%s: %v", good, err)
		}
		if back := id.Scheme() + ":" + id.Authority() + ":" + id.Instance(); back != good {
			t.Errorf("%s: parts make %s", good, back)
		}
	}
}

func TestParseEndpointIDRefuses(t *testing.T) {
	for _, c := range []struct{ id, where, want string }{
		{"", "endpoint id", "authority-scheme:"},
		{"os:00256D-1", "endpoint id", "authority-scheme:"},
		{"OS::00256D-1", "authority-scheme", "one of oui, cid"},
		{"mac::1", "authority-scheme", "one of oui"},
		{"oui::x", "authority-id", "an OUI"},
		{"oui:00256:x", "authority-id", "an OUI"},
		{"oui:00256G:x", "authority-id", "an OUI"},
		{"oui:00256D12:x", "authority-id", "6, 7 or 9"},
		{"cid:3AA3F81:x", "authority-id", "6 hex"},
		{"pen:35x:x", "authority-id", "decimal"},
		{"pen::x", "authority-id", "decimal"},
		{"self:abcdefg:x", "authority-id", "at most 6"},
		{"user:a%20:x", "authority-id", "letters"},
		{"proto:a.b:x", "authority-id", "at most 6"},
		{"os:00256D:00256D-1", "authority-id", "it empty for scheme os"},
		{"ops:1:00256D-a-1", "authority-id", "empty"},
		{"uuid:1:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "authority-id", "empty"},
		{"imei:1:990000862471854", "authority-id", "empty"},
		{"fqdn:a:example.org", "authority-id", "empty"},
		{"self::", "instance-id", "at least one"},
		{"self::" + strings.Repeat("a", 51), "instance-id", "at most 50"},
		{"self::a b", "instance-id", "percent-encoded"},
		{"self::a:b", "instance-id", "percent-encoded"},
		{"self::a%2", "instance-id", "percent-encoded"},
		{"self::a%zz", "instance-id", "percent-encoded"},
		{"self::\xff", "instance-id", "percent-encoded"},
		{"os::00256D", "instance-id", "<OUI>-<SerialNumber>"},
		{"os::0025-1", "instance-id", "<OUI>-<SerialNumber>"},
		{"os::00256D-", "instance-id", "<OUI>-<SerialNumber>"},
		{"ops::00256D-1", "instance-id", "<ProductClass>"},
		{"ops::00256D--1", "instance-id", "<ProductClass>"},
		{"uuid::f81d4fae7dec11d0a76500a0c91e6bf6", "instance-id", "a UUID"},
		{"uuid::f81d4fae-7dec-11d0-a765-00a0c91e6bfg", "instance-id", "a UUID"},
		{"imei::99000086247185", "instance-id", "15 digits"},
		{"fqdn::*.example.org", "instance-id", "percent-encoded"},
		{"fqdn::localhost", "instance-id", "domain name"},
		{"fqdn::-a.example", "instance-id", "domain name"},
		{"fqdn::a..b", "instance-id", "domain name"},
	} {
		_, err := ParseEndpointID(c.id)
		wantMismatch(t, c.id, err, c.where, c.want)
	}
}

func TestPartsOfNonsense(t *testing.T) {
	if id := EndpointID("nonsense"); id.Scheme()+id.Authority()+id.Instance() != "" {
		t.Error("an id without parts has parts")
	}
}

// wantMismatch checks that err is a Mismatch at this place, about this rule, on one line.
func wantMismatch(t *testing.T, input string, err error, where, want string) {
	t.Helper()
	m, ok := err.(*Mismatch)
	switch {
	case !ok:
		t.Errorf("%q: want a Mismatch at %s about %s, got %v", input, where, want, err)
	case !strings.Contains(m.Where, where) || !strings.Contains(m.Want, want):
		t.Errorf("%q: want a Mismatch at %s about %s, got %v", input, where, want, m)
	case strings.ContainsAny(m.Error(), "\n\r\x00"):
		t.Errorf("%q: the error is more than a line: %q", input, m.Error())
	case m.Error() != m.Where+": want "+m.Want+", got "+m.Got:
		t.Errorf("%q: the error reads %q", input, m.Error())
	}
}
