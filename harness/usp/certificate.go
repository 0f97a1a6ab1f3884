package usp

import (
	"cmp"
	"crypto/x509"
	"net/url"
	"path"
	"slices"
	"strings"
)

// NamesEndpoint wants a chain of certificates to begin with one that names an Endpoint: by its URN, in which a wildcard may stand for a part
// of the instance-id, or by the domain name in an Endpoint ID of the scheme fqdn (R-SEC.0a, R-SEC.12).
func NamesEndpoint(chain []*x509.Certificate, id string) error {
	if len(chain) == 0 {
		return &Mismatch{Where: "TLS handshake", Want: "a certificate of the device", Got: "none"}
	}
	of := EndpointID(id)
	if of.Scheme() == "fqdn" && slices.ContainsFunc(chain[0].DNSNames, func(name string) bool {
		return strings.EqualFold(name, of.Instance()) // RFC 5280, section 7.2
	}) {
		return nil
	}
	var got []string
	for _, uri := range chain[0].URIs {
		text := uri.String()
		if len(text) >= len(bbf) && strings.EqualFold(text[:len(bbf)], bbf) { // RFC 8141, section 3.1
			text = bbf + text[len(bbf):]
		}
		decoded, err := url.PathUnescape(text)
		if text == of.URN() || err == nil && decoded == of.URN() || covers(text, of) {
			return nil
		}
		got = append(got, text)
	}
	return &Mismatch{Where: "subjectAltName of the device's certificate", Want: of.URN(), Got: cmp.Or(strings.Join(got, ", "), "no URI")}
}

// bbf begins the URN of an Endpoint ID: the scheme and the namespace, in which case does not matter.
const bbf = "urn:bbf:"

// covers reports whether a URN has a wildcard in its instance-id, where the authority-scheme allows that, and covers an Endpoint ID so.
func covers(urn string, id EndpointID) bool {
	text, isURN := strings.CutPrefix(urn, EndpointID("").URN())
	wild := EndpointID(text)
	instance := wild.Instance()
	if !isURN || !strings.Contains(instance, "*") {
		return false
	}
	switch wild.Scheme() {
	case "oui", "cid", "pen":
	case "os", "ops": // the assigning entity is before the first hyphen
		if entity, _, _ := strings.Cut(instance, "-"); strings.Contains(entity, "*") {
			return false
		}
	default:
		return false
	}
	matches, err := path.Match(strings.NewReplacer("[", `\[`, "?", `\?`, `\`, `\\`).Replace(instance), id.Instance())
	return err == nil && matches && wild.Scheme() == id.Scheme() && wild.Authority() == id.Authority()
}
