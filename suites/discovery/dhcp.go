package discovery

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/usptest/usptest/brokers/discovery"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// vendorClass is what a device says to a DHCP server that wants a Controller (R-DIS.1), cwmpClass what one says that wants an ACS, under
// the same enterprise number (TR-069, section 3.1).
const vendorClass, cwmpClass = "usp", "dslforum.org"

// requests are the messages of DHCP that must hold it: those in which a client asks for something.
func requests() []string {
	return []string{"DISCOVER", "REQUEST", "INFORM", "SOLICIT", "RENEW", "REBIND", "INFORMATION-REQUEST"}
}

// requestsController is 8.1.
func requestsController(c *harness.Case) {
	c.Uses(plan.NeedNetwork, plan.NeedDHCPServer)
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait for its DHCP requests")
	c.BackAfter(mark)
	// the client of the other version of IP may not have begun when the device is back
	_, _ = c.Await("DHCP request", harness.Wait{D: c.Waits().Notify}, mark, func(e *journal.Event) error {
		if !isRequest(e) {
			return journal.ErrSkip
		}
		return nil
	})
	settle(c, "DHCP request", isRequest)
	c.Metric(1, func(m *harness.Metric) {
		all := asked(c, mark)
		if len(all) == 0 {
			m.Must(&usp.Mismatch{Where: "DHCP after the reboot", Want: "a request for an address", Got: "none"}, mark)
		}
		judged, others := looking(all)
		if len(others) > 0 {
			m.Note("clients that look for no Controller, as they never send enterprise number %d, or only with the class %q "+
				"of CWMP: %d, such as DHCPv%d of %s", discovery.Enterprise, cwmpClass, len(others), others[0].Version, others[0].Client)
		}
		for _, e := range judged {
			m.Must(classed(e.Body.(*discovery.DHCP)), e.Seq)
		}
	})
}

// asked are the requests of DHCP since mark.
func asked(c *harness.Case, mark journal.Mark) []*journal.Event {
	return slices.DeleteFunc(came(c, mark, journal.LayerDHCP), func(e *journal.Event) bool { return !isRequest(e) })
}

// isRequest is about a message of the device in which it asks for something.
func isRequest(e *journal.Event) bool {
	d, ok := e.Body.(*discovery.DHCP)
	return ok && e.Dir == journal.In && slices.Contains(requests(), d.Type)
}

// looking are the requests of the clients that look for a Controller, in that they name the Broadband Forum at least once, and not for CWMP
// alone, and one request of each of the other clients. A device has a client for each version of IP and each interface, and may have some
// that are not USP's. Where none looks for a Controller, all are judged.
func looking(all []*journal.Event) (judged []*journal.Event, others []*discovery.DHCP) {
	looks := map[string]bool{}
	for _, e := range all {
		if d := e.Body.(*discovery.DHCP); slices.ContainsFunc(ofForum(d), beyondCWMP) {
			looks[d.Client], looks[d.Exchange] = true, true
		}
	}
	if len(looks) == 0 {
		return all, nil
	}
	for _, e := range all {
		d := e.Body.(*discovery.DHCP)
		switch {
		case looks[d.Client] || looks[d.Exchange]:
			judged = append(judged, e)
		case !slices.ContainsFunc(others, func(o *discovery.DHCP) bool { return o.Client == d.Client }):
			others = append(others, d)
		}
	}
	return judged, others
}

// ofForum are the vendor classes with the enterprise number of the Broadband Forum.
func ofForum(d *discovery.DHCP) []discovery.VendorClass {
	return slices.DeleteFunc(slices.Clone(d.Classes), func(v discovery.VendorClass) bool { return v.Enterprise != discovery.Enterprise })
}

// beyondCWMP is about a vendor class that is not that of a CWMP client.
func beyondCWMP(v discovery.VendorClass) bool { return len(v.Data) != 1 || v.Data[0] != cwmpClass }

// classed wants a message to hold the vendor class.
func classed(d *discovery.DHCP) error {
	option := 124
	if d.Version == 6 {
		option = 16
	}
	differs := &usp.Mismatch{Where: fmt.Sprintf("DHCPv%d %s, vendor class (option %d)", d.Version, d.Type, option),
		Want: fmt.Sprintf("enterprise number %d with vendor-class-data %q", discovery.Enterprise, vendorClass)}
	classes := ofForum(d)
	switch {
	case len(d.Classes) == 0:
		differs.Got = "no such option"
	case len(classes) == 0:
		differs.Got = fmt.Sprintf("enterprise number %d with %q %s", d.Classes[0].Enterprise, d.Classes[0].Data, d.Classes[0].Fault)
	case slices.ContainsFunc(classes, func(v discovery.VendorClass) bool { return slices.Contains(v.Data, vendorClass) }):
		broken := slices.IndexFunc(d.Classes, func(v discovery.VendorClass) bool { return v.Fault != "" })
		if broken < 0 {
			return nil
		}
		differs.Got = "it, in an option that cannot be read to its end: " + d.Classes[broken].Fault
	default:
		differs.Got = strings.TrimSpace(fmt.Sprintf("enterprise number %d with %q %s", discovery.Enterprise, classes[0].Data, classes[0].Fault))
	}
	return differs
}

// adoptsOptions is 8.2.
func adoptsOptions(c *harness.Case) {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	before, err := c.ReadAll(row)
	c.DeviceMust(err)
	const wait, multiplier = "USPNotifRetryMinimumWaitInterval", "USPNotifRetryIntervalMultiplier"
	const newWait, newMultiplier = "17", "3000"
	for _, name := range []string{"ProvisioningCode", wait, multiplier} {
		if _, has := before[row+name]; has {
			c.Restore(row, name)
		}
	}
	dials(c).keep(c)
	code := "usptest-" + rand.Text()[:12]
	c.Step(1, "offer the provisioning code %s and the retry minimum wait interval %s, each with NUL at its end", code, newWait)
	c.LabMust(c.DHCP().Offer(append(offered(c), discovery.Option{Code: discovery.OptionProvisioningCode, Value: code + "\x00"},
		discovery.Option{Code: discovery.OptionRetryWait, Value: newWait + "\x00"},
		discovery.Option{Code: discovery.OptionRetryMultiplier, Value: newMultiplier})...))
	c.Step(2, "reboot the device")
	mark := c.Reboot()
	c.Step(3, "wait for its DHCP request")
	c.BackAfter(mark)
	c.Step(4, "get %s", row)
	c.Step(5, "wait for the GetResp")
	shows := func(name, want string) func() error { // a device may adopt what came by DHCP when it is connected already
		return func() error {
			values, err := c.ReadAll(row)
			if err != nil {
				return err
			}
			return expect.Equal(row+name, want, values[row+name])
		}
	}
	c.Metric(1, func(m *harness.Metric) {
		m.Must(c.Eventually(c.Waits().Notify, shows("ProvisioningCode", code)), c.Journal.Mark())
	})
	for _, p := range []struct{ name, want string }{{wait, newWait}, {multiplier, newMultiplier}} {
		if _, has := before[row+p.name]; has {
			c.Beyond("TR-369 R-DIS.1a, R-DIS.1c", func(m *harness.Metric) {
				m.Must(c.Eventually(c.Waits().Notify, shows(p.name, p.want)), c.Journal.Mark())
			})
		}
	}
}

// asksDNS is 8.3.
func asksDNS(c *harness.Case) {
	dials(c).keep(c)
	c.Step(1, "offer the Controller's name %s", c.Discovery.Name)
	c.LabMust(c.DHCP().Offer(offered(c)...))
	c.Step(2, "reboot the device")
	mark := c.Reboot()
	c.Step(3, "wait for its DHCP request")
	_, err := c.Await("DHCP request", c.ReconnectWait(), mark, func(e *journal.Event) error {
		if e.Layer == journal.LayerDHCP && e.Dir == journal.In {
			return nil
		}
		return journal.ErrSkip
	})
	c.DeviceMust(err)
	c.Step(4, "wait for its DNS query")
	var query *journal.Event
	c.Metric(1, func(m *harness.Metric) {
		query, err = c.Await("DNS query for "+c.Discovery.Name, c.ReconnectWait(), mark, about(journal.LayerDNS, c.Discovery.Name))
		m.Must(err)
		m.Saw(query.Seq)
	})
	if query == nil {
		return
	}
	c.Step(5, "wait for its connection")
	c.BackAfter(mark)
	if c.MTP.BrokerHost == "" {
		return // the URL names MTP and path
	}
	if knowsPath(c) {
		c.Note("the device has MTP and path of the Controller in its data model, so that it may need the address alone (R-DIS.7)")
		return
	}
	c.Beyond("TR-369 R-DIS.7", func(m *harness.Metric) {
		for _, kind := range []uint16{dns.TypePTR, dns.TypeSRV, dns.TypeTXT} {
			_, err := c.Await("DNS query of type "+dns.TypeToString[kind], harness.Wait{D: time.Second}, mark, func(e *journal.Event) error {
				q, ok := e.Body.(*discovery.DNS)
				if err := about(journal.LayerDNS, c.Discovery.Name)(e); err != nil || !ok {
					return journal.ErrSkip
				}
				if asked := q.Question[0].Qtype; asked != kind && asked != dns.TypeANY {
					return journal.ErrSkip
				}
				return nil
			})
			if err != nil {
				m.Must(&usp.Mismatch{Where: "resolution of " + c.Discovery.Name + ", which says neither MTP nor path",
					Want: "queries for PTR, SRV and TXT", Got: "none for " + dns.TypeToString[kind]}, query.Seq)
			}
		}
	})
}

// knowsPath reports whether the device shows the topic or destination of the Controller.
func knowsPath(c *harness.Case) bool {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	values, err := c.ReadAll(row + "MTP.")
	if err != nil {
		return false
	}
	return slices.ContainsFunc(values.Names(), func(path string) bool {
		names := strings.HasSuffix(path, "."+c.MTP.Name+".Topic") || strings.HasSuffix(path, "."+c.MTP.Name+".Destination")
		return names && values[path] != ""
	})
}
