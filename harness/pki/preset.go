package pki

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// Preset names a kind of certificate: a good one, or one with exactly one flaw.
type Preset string

// The presets. What a device must do with each is for the cases to say.
const (
	Good        Preset = "good"          // nothing wrong with it
	Expired     Preset = "expired"       // ended a day ago
	NotYetValid Preset = "not-yet-valid" // begins in a year
	WrongName   Preset = "wrong-name"    // made out to another host; the Endpoint ID is right
	UnknownCA   Preset = "unknown-ca"    // signed by an authority of the same name that nobody trusts
	NoSAN       Preset = "no-san"        // no alternative name at all, only the common name
)

// Presets returns every preset, the good one first.
func Presets() []Preset {
	return []Preset{Good, Expired, NotYetValid, WrongName, UnknownCA, NoSAN}
}

// IssuePreset makes the certificate that spec describes with the flaw that preset names. Where the flaw and the spec
// speak of the same field, the flaw wins.
func (ca *CA) IssuePreset(preset Preset, spec Spec) (tls.Certificate, error) {
	now := time.Now()
	signer := ca
	switch preset {
	case Good:
	case Expired:
		spec.NotBefore, spec.NotAfter = now.Add(-2*day), now.Add(-day)
	case NotYetValid:
		spec.NotBefore, spec.NotAfter = now.Add(lifetime), now.Add(lifetime+day)
	case WrongName:
		spec.CommonName = "elsewhere.invalid"
		spec.DNS, spec.IPs = []string{spec.CommonName}, []net.IP{}
	case UnknownCA:
		stranger, err := NewCA(ca.cert.Subject.CommonName)
		if err != nil {
			return tls.Certificate{}, err
		}
		signer = stranger
	case NoSAN:
		spec.DNS, spec.IPs, spec.EndpointIDs = nil, nil, nil
	default:
		return tls.Certificate{}, fmt.Errorf("pki: unknown preset %q, want one of %q", preset, Presets())
	}
	return signer.Issue(spec)
}
