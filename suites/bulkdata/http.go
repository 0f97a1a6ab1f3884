package bulkdata

import (
	"fmt"
	"mime"
	"strings"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// overHTTP is 10.1: reports come to the collector as JSON over HTTP.
func overHTTP(c *harness.Case) {
	every, device := interval(c), identity(c)
	path := "/" + c.Fresh("report")
	profile := addProfile(c, every, usp.Params{"Protocol": "HTTP", "EncodingType": "JSON", "HTTP.URL": c.CollectorURL + path})
	c.Step(5, "enable bulk data and the profile")
	mark := enable(c, profile)
	c.Step(6, "wait for two transfers")
	var transfers []*journal.Event
	if !c.Metric(1, func(m *harness.Metric) {
		var err error
		transfers, err = twoReports(c, "transfers to the collector", every, mark, func(e *journal.Event) bool {
			r, ok := e.Body.(*collector.Request)
			return ok && r.Path == path
		})
		for _, e := range transfers {
			m.Must(nil, e.Seq)
		}
		m.Must(err)
	}) {
		return
	}
	where, format := func(i int) string { return fmt.Sprintf("transfer %d", i+1) }, jsonEncoding{byLetter: c.Strict("report-envelope")}
	if c.Metric(2, func(m *harness.Metric) {
		for i, e := range transfers {
			judgeEncoding(m, where(i), format, content(m, where(i), e), e.Seq)
		}
	}) {
		c.Metric(3, func(m *harness.Metric) {
			for i, e := range transfers {
				judgeReport(m, where(i), format, content(m, where(i), e), e.Seq)
			}
		})
	}
	c.Metric(4, func(m *harness.Metric) {
		for i, e := range transfers {
			m.Must(identified(where(i), e.Body.(*collector.Request), device), e.Seq)
		}
	})
	noteHeaders(c, transfers[0].Body.(*collector.Request))
}

// content returns the body of a transfer, decompressed.
func content(m *harness.Metric, where string, e *journal.Event) []byte {
	r := e.Body.(*collector.Request)
	if r.Problem != "" {
		m.Must(fmt.Errorf("%s: %s", where, r.Problem), e.Seq)
	}
	data, err := r.Content()
	if err != nil {
		err = fmt.Errorf("%s: %w", where, err)
	}
	m.Must(err, e.Seq)
	return data
}

// identity is what the device says of itself, by the names that R-BULK.1 gives to it in a URI. What it does not tell is left out.
func identity(c *harness.Case) usp.Params {
	device := usp.Params{"eid": c.Agent.AgentID()}
	for name, param := range map[string]string{"oui": "ManufacturerOUI", "pc": "ProductClass", "sn": "SerialNumber"} {
		if text, err := c.Read("Device.DeviceInfo." + param); err == nil {
			device[name] = text
		}
	}
	return device
}

// identified wants oui, pc and sn, or eid, in the URI of a transfer, with the values that the device has.
func identified(where string, r *collector.Request, device usp.Params) error {
	names := []string{"oui", "pc", "sn"}
	if r.Query.Has("eid") && !(r.Query.Has("oui") && r.Query.Has("pc") && r.Query.Has("sn")) {
		names = []string{"eid"}
	}
	for _, name := range names {
		if !r.Query.Has(name) {
			return &usp.Mismatch{Where: where + ": query of the URI", Want: "oui, pc and sn, or eid", Got: usp.Quote(r.RawQuery)}
		}
		want, known := device[name]
		if err := expect.Equal(where+": "+name+" in the URI", want, r.Query.Get(name)); known && err != nil {
			return err
		}
	}
	return nil
}

// noteHeaders remarks on headers that TR-369 demands and no metric judges.
func noteHeaders(c *harness.Case, r *collector.Request) {
	kind := r.Header.Get("Content-Type")
	if media, params, err := mime.ParseMediaType(kind); err != nil || !strings.Contains(media, "json") || params["charset"] == "" {
		c.Note("the Content-Type of the transfers is %.100q; R-BULK.7 demands a media type and a charset", kind)
	}
	if r.Header.Get("BBF-Report-Format") == "" {
		c.Note("the transfers have no BBF-Report-Format header, which R-BULK.8 demands")
	}
}
