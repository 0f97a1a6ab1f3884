package bulkdata

import (
	"errors"
	"fmt"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// posted carries reports over HTTP or HTTPS, to a path of their own on a collector.
type posted struct{ url, path string }

// overHTTP has reports go to the collector.
func overHTTP(c *harness.Case) posted { return postedTo(c, c.HTTP()) }

func postedTo(c *harness.Case, collector harness.Collector) posted {
	return posted{collector.URL, "/" + c.Fresh("report")}
}

func (t posted) settings() usp.Params {
	return usp.Params{"Protocol": "HTTP", "HTTP.URL": t.url + t.path}
}
func (posted) what() string       { return "transfers to the collector" }
func (posted) where(n int) string { return fmt.Sprintf("transfer %d", n) }

func (t posted) carries(e *journal.Event) bool {
	r, ok := e.Body.(*collector.Request)
	return ok && r.Path == t.path
}

func (posted) content(e *journal.Event) ([]byte, error) {
	r := e.Body.(*collector.Request)
	if r.Problem != "" {
		return nil, errors.New(r.Problem)
	}
	return r.Content()
}

// encoded are 10.1 to 10.4: reports come to the collector in an encoding.
func encoded(encodingType string, to func(*harness.Case) posted) harness.Body {
	return func(c *harness.Case) {
		what, by := upTimeAlone(c), to(c)
		p := addProfile(c, interval(c), encodingType, by, nil)
		what.add(p)
		var refused impostors
		var beside *neighbour
		if by.secure() {
			refused = addImpostors(c, p, what)
		} else {
			beside = addNeighbour(p, what)
		}
		p.enable(5)
		beside.run()
		if !p.twoReports(1, 6) {
			return
		}
		held := p.wellFormed(2) && what.judge(p, 3)
		if p.identified(4); held {
			what.finePrint(p)
			beside.judge()
			refused.judge(p)
			by.speaksTLS12(p)
		}
	}
}

// collected are 10.8 and 10.9: reports come to the collector with what a path of several parameters stands for.
func collected(collect func(*harness.Case) *collection) harness.Body {
	return func(c *harness.Case) {
		what := collect(c)
		p := addProfile(c, interval(c), encodingType(c), overHTTP(c), nil)
		what.add(p)
		beside := addNeighbour(p, what.besides(c, ""))
		p.enable(5)
		beside.run()
		if !p.twoReports(1, 6) {
			return
		}
		held := what.judge(p, 2)
		if p.identified(3); held {
			what.finePrint(p)
			beside.judge()
		}
	}
}

// identified judges in a metric that the requests name the device.
func (p *profile) identified(metric int) (passed bool) {
	device := identity(p.c)
	return p.c.Metric(metric, func(m *harness.Metric) {
		for n, e := range p.transfers {
			m.Must(identified(p.where(n+1), e.Body.(*collector.Request), device), e.Seq)
		}
	})
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
