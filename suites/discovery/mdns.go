package discovery

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/usptest/usptest/brokers/discovery"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// resolvesLocal is 8.4.
func resolvesLocal(c *harness.Case) {
	name := c.Discovery.LocalName
	way := dials(c)
	_, subscription := c.Subscribe(usp.Params{"NotifType": "Event", "ReferenceList": "Device.Boot!", "Persistent": "true"})
	way.keep(c)
	c.DNS().Forget(name) // which an earlier round let DNS answer for
	// a device that cannot resolve the name any other way comes back by DNS, to be put back
	c.Cleanup("let DNS answer for the name too", func(ctx context.Context) error {
		c.DNS().Answer(discovery.Addresses(name, c.Discovery.IPv4, c.Discovery.IPv6)...)
		return nil
	})
	c.MDNS().Respond(discovery.Addresses(name, c.Discovery.IPv4, c.Discovery.IPv6)...)
	mark := c.Journal.Mark()
	c.Set(way.object, usp.Params{way.host: name})
	c.SettleSubscription()
	resolved := func(m *harness.Metric) {
		query, err := c.Await("mDNS query for "+name, c.ReconnectWait(), mark, about(journal.LayerMDNS, name))
		m.Must(err)
		for _, e := range c.Journal.Since(mark) {
			if about(journal.LayerDNS, name)(e) == nil {
				m.Note("the device has asked the DNS server for %s, too (event %d), as RFC 6762 allows", name, e.Seq)
				break
			}
		}
		m.Saw(query.Seq)
	}
	if err := c.Reachable(c); err != nil {
		c.Metric(1, func(m *harness.Metric) {
			resolved(m)
			m.Must(err)
		})
		return
	}
	c.Step(1, "reboot the device")
	mark = c.Reboot()
	c.Step(2, "wait for its mDNS query")
	c.Step(3, "answer it")
	c.Metric(1, func(m *harness.Metric) {
		resolved(m)
		boot, err := c.AwaitNotify("Boot! from the device that has resolved "+name, c.ReconnectWait(), mark, func(n *usppb.Notify) error {
			if n.GetSubscriptionId() != subscription || n.GetEvent().GetEventName() != "Boot!" {
				return journal.ErrSkip
			}
			return nil
		})
		m.Must(err)
		m.Saw(boot.Seq)
	})
}

// mtp is one that the device has to advertise.
type mtp struct {
	row      string
	service  string // with the underscores and the transport
	port     string // where it is reached; "" when the device does not say
	path     string
	brokered bool // it is reached at the server
	secure   bool
}

// advertised are the MTPs of the device that it has to advertise: those that are enabled and Up, and that of the link. Their EnableMDNS is
// set where it is not, unless TR-181 forbids that because several rows have the same Protocol.
func advertised(c *harness.Case) (found []mtp) {
	c.Uses(plan.NeedNetwork, plan.NeedMDNS)
	const table = "Device.LocalAgent.MTP."
	values, err := c.ReadAll(table)
	c.DeviceMust(err)
	rows := expect.Snapshot(values).Rows()
	changed := false
	ofProtocol := map[string]int{}
	for _, row := range rows {
		ofProtocol[values[row+"Protocol"]]++
	}
	for _, row := range rows {
		if on, err := usp.ParseBool(values[row+"Enable"]); err != nil || !on {
			continue
		}
		protocol := values[row+"Protocol"]
		short, known := map[string]string{"MQTT": "mqtt", "STOMP": "stomp", "WebSocket": "ws"}[protocol]
		if !known {
			continue
		}
		if status := values[row+"Status"]; status != "" && status != "Up" && protocol != c.MTP.Name {
			c.Note("%s has Status %s, so that it may be advertised or not: it is not judged", row, usp.Quote(status))
			continue
		}
		if on, err := usp.ParseBool(values[row+"EnableMDNS"]); err == nil && !on {
			if ofProtocol[protocol] > 1 {
				c.Note("%s is not advertised: EnableMDNS cannot be true, as %d rows have Protocol %s", row, ofProtocol[protocol], protocol)
				continue
			}
			c.Restore(row, "EnableMDNS")
			c.Set(row, usp.Params{"EnableMDNS": "true"})
			changed = true
		}
		m := mtp{row: row, service: "_usp-agt-" + short + "._tcp", brokered: protocol != "WebSocket"}
		carrier := expect.WithoutDot(values[row+protocol+".Reference"]) + "."
		server := usp.Params{}
		if m.brokered {
			server, err = c.ReadAll(carrier)
			c.DeviceMust(err)
		}
		switch protocol {
		case "MQTT":
			m.port, m.path = server[carrier+"BrokerPort"], values[row+"MQTT.ResponseTopicConfigured"]
			if discovered := values[row+"MQTT.ResponseTopicDiscovered"]; discovered != "" {
				m.path = discovered
			}
			m.secure = server[carrier+"TransportProtocol"] == "TLS"
		case "STOMP":
			m.port, m.path = server[carrier+"Port"], values[row+"STOMP.Destination"]
			if given := values[row+"STOMP.DestinationFromServer"]; given != "" {
				m.path = given
			}
			m.secure, _ = usp.ParseBool(server[carrier+"EnableEncryption"])
		case "WebSocket":
			m.port, m.path = values[row+"WebSocket.Port"], values[row+"WebSocket.Path"]
			m.secure, _ = usp.ParseBool(values[row+"WebSocket.EnableEncryption"])
		}
		found = append(found, m)
	}
	if len(found) == 0 {
		c.Unsupported("the device has no MTP that it has to advertise: no row of " + table + " with Enable true, Status Up, " +
			"and EnableMDNS true or settable")
	}
	if changed {
		settle(c, "mDNS response", isResponse) // what is announced for that must not be taken for what is announced after the reboot
	}
	return found
}

// heard are records and the events that brought them, and why other responses were ignored.
type heard struct {
	records []dns.RR
	seqs    []journal.Mark
	ignored []string
}

// multicasts are the records that the device has multicast of its own accord since mark, or unicast to nobody.
func multicasts(c *harness.Case, mark journal.Mark) (h heard) {
	for _, e := range came(c, mark, journal.LayerMDNS) {
		if m, ok := e.Body.(*discovery.DNS); ok && e.Type == discovery.EventResponse && m.Multicast {
			h.add(m, e.Seq)
		}
	}
	return h
}

// port is that of multicast DNS, and cacheFlush the bit in the class of a record that is the only one of its name and type.
const port, cacheFlush = 5353, 1 << 15

// add adds the records of a message but those that it takes back (RFC 6762, section 10.1), and those that are not of the internet. It
// reports whether others take the response (sections 6 and 18.11).
func (h *heard) add(m *discovery.DNS, seq journal.Mark) bool {
	switch {
	case m.Port != port:
		h.ignored = append(h.ignored, fmt.Sprintf("event %d comes from port %d, not %d", seq, m.Port, port))
		return false
	case m.Rcode != dns.RcodeSuccess:
		h.ignored = append(h.ignored, fmt.Sprintf("event %d has the error code %s", seq, dns.RcodeToString[m.Rcode]))
		return false
	}
	for _, rr := range m.Records() {
		if rr.Header().Ttl > 0 && rr.Header().Class&^cacheFlush == dns.ClassINET {
			h.records = append(h.records, rr)
		}
	}
	h.seqs = append(h.seqs, seq)
	return true
}

// note tells the reader that responses were ignored.
func (h heard) note(c *harness.Case) {
	if len(h.ignored) > 0 {
		c.Note("ignored %d responses of multicast DNS (RFC 6762, sections 6 and 18.11): %s", len(h.ignored), h.ignored[0])
	}
}

// until repeats a check of what was heard until it passes, or the patience for a Notify is over, and returns what was heard last.
func until(c *harness.Case, mark journal.Mark, check func(heard) error) (h heard, err error) {
	deadline := time.Now().Add(c.Waits().Notify)
	for {
		h = multicasts(c, mark)
		last := c.Journal.Mark()
		if err = check(h); err == nil {
			return h, nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			h.note(c)
			return h, err
		}
		_, _ = c.Await("mDNS response", harness.Wait{D: left}, last, func(e *journal.Event) error {
			if e.Layer != journal.LayerMDNS || e.Dir != journal.In {
				return journal.ErrSkip
			}
			return nil
		})
	}
}

// instance finds the Service Instance Name of the device for an MTP among PTR records.
func (m mtp) instance(records []dns.RR, endpointID string) (string, error) {
	differs := &usp.Mismatch{Where: "PTR " + m.service + ".local", Want: fmt.Sprintf("the Service Instance %q of it (R-DIS.8)", endpointID), Got: "no such record"}
	for _, rr := range records {
		ptr, ok := rr.(*dns.PTR)
		if !ok || !strings.EqualFold(ptr.Hdr.Name, m.service+".local.") {
			continue
		}
		labels := discovery.Labels(ptr.Ptr)
		if len(labels) == 4 && labels[0] == endpointID && strings.EqualFold(strings.Join(labels[1:], "."), m.service+".local") {
			return ptr.Ptr, nil
		}
		differs.Got = usp.Quote(ptr.Ptr)
	}
	return "", differs
}

// server finds the SRV record of an instance, with the right port.
func (m mtp) server(records []dns.RR, instance string) (*dns.SRV, error) {
	differs := &usp.Mismatch{Where: "SRV " + instance, Want: "a record with port " + m.port, Got: "no such record"}
	for _, rr := range records {
		srv, ok := rr.(*dns.SRV)
		if !ok || !strings.EqualFold(srv.Hdr.Name, instance) {
			continue
		}
		if port := strconv.Itoa(int(srv.Port)); m.port != "" && port != m.port {
			differs.Got = "port " + port
			continue
		}
		return srv, nil
	}
	return nil, differs
}

// texts are the TXT records of an instance.
func texts(records []dns.RR, instance string) (found []*dns.TXT) {
	for _, rr := range records {
		if txt, ok := rr.(*dns.TXT); ok && strings.EqualFold(txt.Hdr.Name, instance) {
			found = append(found, txt)
		}
	}
	return found
}

// located wants the addresses that records give to a target to be those of who is reached there: the server of MQTT and STOMP (R-MQTT.38,
// R-STOMP.32), or the device, which may have others besides. None at all are none that is wrong: they can be asked for.
func (m mtp) located(c *harness.Case, records []dns.RR, target string) (some bool, err error) {
	var outside netip.Addr
	for _, rr := range records {
		addr, ok := address(rr)
		if !ok || !strings.EqualFold(rr.Header().Name, target) {
			continue
		}
		ours := addr == c.Discovery.IPv4 || addr == c.Discovery.IPv6
		inside := c.Discovery.Device4.Contains(addr) || c.Discovery.Device6.Contains(addr) || addr.IsLinkLocalUnicast()
		switch {
		case m.brokered && !ours:
			return true, &usp.Mismatch{Where: "address of " + target, Want: "that of the server (R-MQTT.38, R-STOMP.32): " + c.Discovery.IPv4.String() +
				" or " + c.Discovery.IPv6.String(), Got: addr.String()}
		case !m.brokered && ours:
			return true, &usp.Mismatch{Where: "address of " + target, Want: "one of the device", Got: addr.String()}
		case !m.brokered && !inside:
			outside = addr
			continue
		}
		some = true
	}
	if !some && outside.IsValid() {
		return true, &usp.Mismatch{Where: "address of " + target, Want: "one of the device in this network", Got: outside.String()}
	}
	return some, nil
}

// complete wants records to advertise an MTP: PTR, SRV with a target of the right address, and TXT. addresses says whether they must be
// there.
func (m mtp) complete(c *harness.Case, records []dns.RR, addresses bool) error {
	instance, err := m.instance(records, c.Agent.AgentID())
	if err != nil {
		return err
	}
	srv, err := m.server(records, instance)
	if err != nil {
		return err
	}
	if len(texts(records, instance)) == 0 {
		return &usp.Mismatch{Where: "TXT " + instance, Want: "a record", Got: "none"}
	}
	some, err := m.located(c, records, srv.Target)
	if err == nil && !some && addresses {
		err = &usp.Mismatch{Where: "A and AAAA " + srv.Target, Want: "an address for the target of the SRV record", Got: "none"}
	}
	return err
}

// all wants every MTP to be complete.
func all(c *harness.Case, mtps []mtp, addresses bool) func(heard) error {
	return func(h heard) error {
		for _, m := range mtps {
			if err := m.complete(c, h.records, addresses); err != nil {
				return err
			}
		}
		return nil
	}
}

// listens wants a connection to be accepted at one of the addresses that records give, in this network, to a device that is a server.
func (m mtp) listens(c *harness.Case, records []dns.RR) error {
	instance, err := m.instance(records, c.Agent.AgentID())
	if err != nil {
		return err
	}
	srv, err := m.server(records, instance)
	if err != nil {
		return err
	}
	return c.Eventually(c.Waits().Notify, func() (err error) {
		for _, rr := range records {
			addr, ok := address(rr)
			if !ok || !strings.EqualFold(rr.Header().Name, srv.Target) || !c.Discovery.Device4.Contains(addr) && !c.Discovery.Device6.Contains(addr) {
				continue
			}
			at := netip.AddrPortFrom(addr, srv.Port)
			dialer := net.Dialer{Timeout: time.Second}
			conn, refused := dialer.DialContext(c, "tcp", at.String())
			if refused == nil {
				conn.Close()
				return nil
			}
			err = &usp.Mismatch{Where: "TCP to " + at.String() + ", where " + m.service + " is advertised", Want: "a connection", Got: refused.Error()}
		}
		return err // nil where all addresses are of another link than this program can name
	})
}

// address is that of an A or AAAA record.
func address(rr dns.RR) (addr netip.Addr, ok bool) {
	switch rr := rr.(type) {
	case *dns.A:
		return netip.AddrFromSlice(rr.A.To4())
	case *dns.AAAA:
		return netip.AddrFromSlice(rr.AAAA)
	}
	return addr, false
}

// advertises is 8.5.
func advertises(c *harness.Case) {
	mtps := advertised(c)
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait until it has an address")
	c.BackAfter(mark)
	c.Step(3, "wait for its unsolicited mDNS responses")
	var h heard
	if !c.Metric(1, func(m *harness.Metric) {
		var err error
		h, err = until(c, mark, all(c, mtps, false))
		m.Must(err, h.seqs...)
		for _, one := range mtps { // addresses that were not in them
			instance, _ := one.instance(h.records, c.Agent.AgentID())
			srv, _ := one.server(h.records, instance)
			if some, _ := one.located(c, h.records, srv.Target); !some {
				h.records = append(h.records, ask(c, srv.Target, false, dns.TypeA, dns.TypeAAAA).records...)
			}
		}
		m.Must(all(c, mtps, true)(h), h.seqs...)
	}) {
		return
	}
	c.Beyond("TR-369 R-DIS.4", func(m *harness.Metric) {
		for _, one := range mtps {
			if !one.brokered {
				m.Must(one.listens(c, h.records), h.seqs...)
			}
		}
	})
	c.Beyond("RFC 6762, section 10.2 (TR-369 R-DIS.3)", func(m *harness.Metric) {
		for _, rr := range h.records {
			if ptr, ok := rr.(*dns.PTR); ok && ptr.Hdr.Class&cacheFlush != 0 && slices.ContainsFunc(mtps, func(one mtp) bool {
				return strings.EqualFold(ptr.Hdr.Name, one.service+".local.")
			}) {
				m.Must(&usp.Mismatch{Where: "PTR " + ptr.Hdr.Name, Want: "no cache-flush bit: with it, others forget every other Agent",
					Got: "the bit"}, h.seqs...)
			}
		}
	})
}

// describes is 8.6.
func describes(c *harness.Case) {
	mtps := advertised(c)
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait until it has an address")
	c.BackAfter(mark)
	c.Step(3, "wait for its mDNS advertisement")
	var found heard
	each := func(h heard, check func(m mtp, instance string, txt []*dns.TXT) error) error {
		for _, m := range mtps {
			instance := m.texted(h.records, c.Agent.AgentID())
			if err := check(m, instance, texts(h.records, instance)); err != nil {
				return err
			}
		}
		return nil
	}
	if !c.Metric(1, func(m *harness.Metric) {
		var err error
		found, err = until(c, mark, func(h heard) error {
			return each(h, func(m mtp, instance string, txt []*dns.TXT) error {
				if len(txt) == 0 {
					return &usp.Mismatch{Where: "TXT of a Service Instance of " + m.service + ".local", Want: "a record", Got: "none"}
				}
				return nil
			})
		})
		m.Must(err, found.seqs...)
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		m.Must(each(found, func(_ mtp, instance string, txt []*dns.TXT) error {
			for _, t := range txt {
				for _, key := range []string{"path", "name"} {
					if _, has := attribute(t, key); !has {
						return &usp.Mismatch{Where: "TXT " + instance, Want: "the attributes path and name (R-DIS.9)", Got: usp.Quote(strings.Join(t.Txt, " "))}
					}
				}
			}
			return nil
		}), found.seqs...)
	})
	friendly, err := c.Read(friendlyName)
	hasName := err == nil
	c.Beyond(contents, func(m *harness.Metric) {
		// what is not known when it is announced first, such as a topic that the server assigns, follows (RFC 6762, section 8.4)
		h, err := until(c, mark, func(h heard) error {
			return each(h, func(one mtp, instance string, txt []*dns.TXT) error {
				if len(txt) == 0 {
					return nil // which metric 1 judges
				}
				return one.describes(txt[len(txt)-1], friendly, hasName, c.Agent.Speaks())
			})
		})
		m.Must(err, h.seqs...)
	})
}

// friendlyName is what the attribute name shows, and contents the requirements on what is in a TXT record.
const (
	friendlyName = "Device.DeviceInfo.FriendlyName"
	contents     = "TR-369 R-DIS.10, R-DIS.11a, and R-MQTT.36, R-STOMP.31, R-WS.3"
)

// describes wants the attributes of a TXT record to be those of the MTP, and of the device where that has a FriendlyName. encrypt came with
// USP 1.2.
func (m mtp) describes(t *dns.TXT, friendly string, hasName bool, speaks string) error {
	where := "TXT " + t.Hdr.Name
	if name, has := attribute(t, "name"); has && hasName && name != friendly {
		return &usp.Mismatch{Where: where + ", name", Want: "DeviceInfo.FriendlyName " + usp.Quote(friendly), Got: usp.Quote(name)}
	}
	if path, has := attribute(t, "path"); has && strings.Trim(path, "/") != strings.Trim(m.path, "/") {
		return &usp.Mismatch{Where: where + ", path", Want: usp.Quote(m.path), Got: usp.Quote(path)}
	}
	if _, has := attribute(t, "encrypt"); m.secure && !has && !usp.EarlierVersion(speaks, "1.2") {
		return &usp.Mismatch{Where: where, Want: "the attribute encrypt, as the MTP has TLS", Got: usp.Quote(strings.Join(t.Txt, " "))}
	}
	return nil
}

// texted is the name of a TXT record of the MTP's service; "" when there is none. A device may advertise other Agents too, so that of its
// own Endpoint ID counts, where there is one: 8.5 judges the name.
func (m mtp) texted(records []dns.RR, endpointID string) (name string) {
	for _, rr := range records {
		_, ok := rr.(*dns.TXT)
		labels := discovery.Labels(rr.Header().Name)
		if !ok || len(labels) != 4 || !strings.EqualFold(strings.Join(labels[1:], "."), m.service+".local") {
			continue
		}
		if labels[0] == endpointID {
			return rr.Header().Name
		}
		name = cmp.Or(name, rr.Header().Name)
	}
	return name
}

// attribute is one of a TXT record; its name is not case sensitive, and of several the first counts (RFC 6763, section 6.4).
func attribute(t *dns.TXT, key string) (value string, has bool) {
	for _, text := range t.Txt {
		if name, value, _ := strings.Cut(text, "="); strings.EqualFold(name, key) {
			return discovery.Unescaped(value), true
		}
	}
	return "", false
}
