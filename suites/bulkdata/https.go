package bulkdata

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// overHTTPS has reports go to the collector over HTTPS.
func overHTTPS(c *harness.Case) posted { return postedTo(c, c.HTTPS()) }

// secure reports whether reports go over HTTPS.
func (t posted) secure() bool { return strings.HasPrefix(t.url, "https:") }

// distrust ends the case where nothing came over HTTPS because the device does not know the authority of the collector: which authorities
// it has, is no matter of TR-369 (R-BULK.6), but of the lab.
func (t posted) distrust(c *harness.Case, since journal.Mark) {
	for _, e := range c.Journal.Since(since) {
		if t.secure() && e.Layer == journal.LayerTLS && e.Type == "alert" && strings.HasSuffix(t.url, e.Local[strings.LastIndexByte(e.Local, ':'):]) &&
			strings.Contains(e.Text, "unknown certificate authority") {
			c.LabMust(errors.New("the device does not know the authority that signs the certificate of the collector over HTTPS; let it trust that of tls.authority " +
				"in the DUT file, or {{.CA}} when usptest launches it"))
		}
	}
}

// impostors are collectors that a device must not send to, by the paths of the profiles that lead there.
type impostors []impostor

type impostor struct{ why, path string }

// addImpostors adds profiles for impostors, like that of the case but for their URL. It is done before that is enabled.
func addImpostors(c *harness.Case, p *profile, what *collection) (added impostors) {
	wrongName, unknownIssuer, expired := c.Impostors()
	if expired.Server != nil && (p.clock == nil || !c.Clock().Right) {
		expired = harness.Collector{} // R-BULK.6 has a device without the time ignore dates
		c.Note("the device does not know the time: no collector shows it a certificate that has expired")
	}
	for _, of := range []struct {
		why string
		harness.Collector
	}{
		{"that shows a certificate for another host", wrongName},
		{"whose certificate is from an unknown authority", unknownIssuer},
		{"whose certificate has expired", expired},
	} {
		if of.Server == nil {
			continue
		}
		to := postedTo(c, of.Collector)
		settings := to.settings()
		for _, name := range []string{"EncodingType", "ReportingInterval"} {
			settings[name] = p.set[name]
		}
		if row := c.AddBesides(profiles, settings, nil); row != "" {
			entry := usp.Params{"Name": what.name, "Reference": what.reference}
			c.DeviceMust(expect.Type(c.Agent.Add(c, false, usp.Create(row+"Parameter.", entry, nil)), usp.AddResp))
			c.Set(row, usp.Params{"Enable": "true"})
			added = append(added, impostor{of.why, to.path})
		}
	}
	return added
}

// judge wants that nothing has come to the impostors (R-BULK.6).
func (list impostors) judge(p *profile) {
	p.c.Beyond("R-BULK.6", func(m *harness.Metric) {
		for _, e := range p.c.Journal.Since(p.created) {
			for _, i := range list {
				if (posted{path: i.path}).carries(e) {
					m.Must(expect.Nothing("transfers to a collector "+i.why, e.Text), e.Seq)
				}
			}
		}
	})
}

// speaksTLS12 wants a device that offers a newer version of TLS to the collector to offer TLS 1.2, too (R-BULK.6).
func (t posted) speaksTLS12(p *profile) {
	u, err := url.Parse(t.url)
	if err != nil || !t.secure() {
		return
	}
	var without []*journal.Event
	for _, e := range p.c.Journal.Since(p.created) {
		hello, ok := e.Body.(*gate.ClientHello)
		if !ok || !strings.HasSuffix(e.Local, ":"+u.Port()) {
			continue
		}
		if slices.Contains(hello.Versions, tls.VersionTLS12) {
			return
		}
		without = append(without, e)
	}
	if len(without) == 0 {
		return
	}
	p.c.Beyond("R-BULK.6", func(m *harness.Metric) {
		offers := without[0].Body.(*gate.ClientHello).Offers()
		m.Must(&usp.Mismatch{Where: "versions in the ClientHello to the collector", Want: "TLS 1.2 among them", Got: offers}, without[0].Seq)
	})
}

// noteServerName remarks on a device that does not say in its ClientHello which host it wants.
func (t posted) noteServerName(c *harness.Case, since journal.Mark) {
	u, err := url.Parse(t.url)
	if err != nil || !t.secure() || net.ParseIP(u.Hostname()) != nil {
		return // an address is no server name
	}
	for _, e := range c.Journal.Since(since) {
		if e.Layer == journal.LayerTLS && e.Type == "ClientHello" && strings.HasSuffix(e.Local, ":"+u.Port()) && strings.HasPrefix(e.Text, `server name ""`) {
			c.Note("the ClientHello names no server, which R-BULK.6 recommends")
			return
		}
	}
}
