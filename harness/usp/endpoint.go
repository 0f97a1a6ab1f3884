package usp

import (
	"fmt"
	"slices"
	"strings"
)

// EndpointID identifies an Agent or Controller: "scheme:authority:instance" (TR-369, section "Endpoint Identifier").
// Conversion from a string does not check it; ParseEndpointID does.
type EndpointID string

// urnPrefix precedes an Endpoint ID in a certificate.
const urnPrefix = "urn:bbf:usp:id:"

// maxInstanceID is the most characters an instance-id may have (TR-369 R-ARC.6).
const maxInstanceID = 50

// Schemes lists the authority schemes of TR-369 R-ARC.2a.
func Schemes() []string {
	return []string{"oui", "cid", "pen", "self", "user", "os", "ops", "uuid", "imei", "proto", "doc", "fqdn"}
}

// ParseEndpointID checks s against the rules of its authority scheme (TR-369 R-ARC.2a, R-ARC.5, R-ARC.6). The error is a
// Mismatch that says which part breaks which rule.
func ParseEndpointID(s string) (EndpointID, error) {
	parts := strings.SplitN(s, ":", 3)
	if len(parts) < 3 {
		return "", Differs("endpoint id", Quote(s), "authority-scheme:authority-id:instance-id")
	}
	scheme, authority, instance := parts[0], parts[1], parts[2]
	if !slices.Contains(Schemes(), scheme) {
		return "", Differs("authority-scheme of "+Quote(s), Quote(scheme), "one of %s", strings.Join(Schemes(), ", "))
	}
	if want := authorityRule(scheme, authority); want != "" {
		return "", Differs("authority-id of "+Quote(s), Quote(authority), "%s", want)
	}
	if want := instanceRule(scheme, instance); want != "" {
		return "", Differs("instance-id of "+Quote(s), Quote(instance), "%s", want)
	}
	return EndpointID(s), nil
}

// Scheme is the authority-scheme: "oui".
func (id EndpointID) Scheme() string { return id.part(0) }

// Authority is the authority-id, which some schemes leave empty.
func (id EndpointID) Authority() string { return id.part(1) }

// Instance is the instance-id as it is on the wire, percent-encoded.
func (id EndpointID) Instance() string { return id.part(2) }

// URN is the form for a certificate's subjectAltName.
func (id EndpointID) URN() string { return urnPrefix + string(id) }

func (id EndpointID) part(n int) string {
	if parts := strings.SplitN(string(id), ":", 3); len(parts) == 3 {
		return parts[n]
	}
	return ""
}

// authorityRule returns the rule that the authority-id breaks, or nothing.
func authorityRule(scheme, authority string) string {
	switch scheme {
	case "oui":
		if !isOUI(authority) {
			return "an OUI of 6, 7 or 9 hex digits"
		}
	case "cid":
		if len(authority) != 6 || !all(authority, isHex) {
			return "a CID of 6 hex digits"
		}
	case "pen":
		if len(authority) == 0 || len(authority) > 10 || !all(authority, isDigit) {
			return "a Private Enterprise Number in decimal digits"
		}
	case "self", "user", "doc":
		if len(authority) > 6 || !all(authority, isUnreserved) {
			return "at most 6 letters, digits, '-', '.' or '_'"
		}
	case "proto":
		if len(authority) > 6 || !all(authority, isUnreserved) || strings.Contains(authority, ".") {
			return "at most 6 letters, digits, '-' or '_'"
		}
	default: // os, ops, uuid, imei, fqdn
		if authority != "" {
			return "it empty for scheme " + scheme
		}
	}
	return ""
}

// instanceRule returns the rule that the instance-id breaks, or nothing.
func instanceRule(scheme, instance string) string {
	if instance == "" {
		return "at least one character"
	}
	if len(instance) > maxInstanceID {
		return fmt.Sprintf("at most %d characters", maxInstanceID)
	}
	if !isInstanceText(instance) {
		return "only letters, digits, '-', '.', '_' and percent-encoded bytes"
	}
	switch scheme {
	case "os":
		if p := strings.SplitN(instance, "-", 2); len(p) < 2 || !isOUI(p[0]) || p[1] == "" {
			return "<OUI>-<SerialNumber>, the OUI in 6, 7 or 9 hex digits"
		}
	case "ops":
		p := strings.SplitN(instance, "-", 3)
		if len(p) < 3 || !isOUI(p[0]) || p[1] == "" || p[2] == "" {
			return "<OUI>-<ProductClass>-<SerialNumber>, the OUI in 6, 7 or 9 hex digits"
		}
	case "uuid":
		if !isUUID(instance) {
			return "a UUID such as f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
		}
	case "imei":
		if len(instance) != 15 || !all(instance, isDigit) {
			return "an IMEI of 15 digits"
		}
	case "fqdn":
		if !isFQDN(instance) {
			return "a fully qualified domain name without wildcard"
		}
	}
	return ""
}

func isInstanceText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			i += 2
		} else if !isUnreserved(s[i]) {
			return false
		}
	}
	return true
}

// isOUI: 24, 28 or 36 bits in hex.
func isOUI(s string) bool {
	return (len(s) == 6 || len(s) == 7 || len(s) == 9) && all(s, isHex)
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && !isHex(s[i]) {
			return false
		}
	}
	return true
}

// isFQDN: at least two labels of letters, digits and inner hyphens (RFC 1123); no final dot.
func isFQDN(s string) bool {
	labels := strings.Split(s, ".")
	for _, label := range labels {
		ok := len(label) > 0 && all(label, func(c byte) bool { return isAlphaNum(c) || c == '-' }) &&
			label[0] != '-' && label[len(label)-1] != '-'
		if !ok {
			return false
		}
	}
	return len(labels) > 1
}

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
func isAlphaNum(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
func isUnreserved(c byte) bool { return isAlphaNum(c) || c == '-' || c == '.' || c == '_' }
