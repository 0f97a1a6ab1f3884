package discovery

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/usptest/usptest/brokers/discovery"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// response is how a device answers for one MTP.
type response struct {
	mtp
	instance        string
	browse, details heard
}

// answersQueries is 8.7.
func answersQueries(c *harness.Case) {
	mtps := advertised(c)
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.BackAfter(mark)
	_, _ = until(c, mark, all(c, mtps, false)) // what it says of its own accord is for 8.5 to judge
	settle(c, "mDNS response", isResponse)     // announcements are a second apart at first (section 8.3)
	c.Step(2, "ask for its services, and for each of them")
	c.Step(3, "wait for its responses")
	var responses []response
	if !c.Metric(1, func(m *harness.Metric) {
		for _, one := range mtps {
			r := response{mtp: one, browse: ask(c, one.service+".local.", false, dns.TypePTR)}
			var err error
			r.instance, err = one.instance(r.browse.records, c.Agent.AgentID())
			m.Must(err, r.browse.seqs...)
			r.details = ask(c, r.instance, true, dns.TypeSRV, dns.TypeTXT)
			srv, err := one.server(r.details.records, r.instance)
			m.Must(err, r.details.seqs...)
			found := texts(r.details.records, r.instance)
			if len(found) == 0 {
				m.Must(&usp.Mismatch{Where: "response to a query for TXT " + r.instance, Want: "the record", Got: "none"}, r.details.seqs...)
			}
			for _, t := range found {
				for _, key := range []string{"path", "name"} {
					if _, has := attribute(t, key); !has {
						m.Must(&usp.Mismatch{Where: "TXT " + r.instance, Want: "the attributes path and name (R-DIS.9)",
							Got: usp.Quote(strings.Join(t.Txt, " "))}, r.details.seqs...)
					}
				}
			}
			if some, err := one.located(c, r.details.records, srv.Target); err != nil || !some {
				m.Must(err, r.details.seqs...)
				addresses := ask(c, srv.Target, false, dns.TypeA, dns.TypeAAAA)
				some, err := one.located(c, addresses.records, srv.Target)
				m.Must(err, addresses.seqs...)
				if !some {
					m.Must(&usp.Mismatch{Where: "response to a query for A and AAAA " + srv.Target, Want: "an address", Got: "none"}, addresses.seqs...)
				}
			}
			responses = append(responses, r)
		}
	}) {
		return
	}
	friendly, err := c.Read(friendlyName)
	hasName := err == nil
	c.Beyond(contents, func(m *harness.Metric) {
		for _, r := range responses {
			for _, t := range texts(r.details.records, r.instance) {
				m.Must(r.describes(t, friendly, hasName, c.Agent.Speaks()), r.details.seqs...)
			}
		}
	})
	first := responses[0]
	c.Beyond("RFC 6762, section 16 (TR-369 R-DIS.3)", func(m *harness.Metric) {
		name := strings.ToUpper(first.service + ".local.")
		capitals := ask(c, name, false, dns.TypePTR)
		if _, err := first.mtp.instance(capitals.records, c.Agent.AgentID()); err != nil {
			m.Must(&usp.Mismatch{Where: "query for PTR " + name, Want: "the same answer as in small letters", Got: "none"}, capitals.seqs...)
		}
	})
	c.Beyond("RFC 6762, section 7.1 (TR-369 R-DIS.3)", func(m *harness.Metric) {
		m.Must(first.suppressed(c, m))
	})
}

// suppressed wants the device not to tell what the query already says. The same query asks for another record, so that it is answered. What
// the device says of its own accord may come between, but not every time.
func (r response) suppressed(c *harness.Case, m *harness.Metric) error {
	query := new(dns.Msg)
	query.Question = []dns.Question{{Name: r.service + ".local.", Qtype: dns.TypePTR, Qclass: dns.ClassINET},
		{Name: r.instance, Qtype: dns.TypeSRV, Qclass: dns.ClassINET}}
	for _, rr := range r.browse.records {
		if _, ok := rr.(*dns.PTR); ok && strings.EqualFold(rr.Header().Name, r.service+".local.") {
			rr = dns.Copy(rr)
			rr.Header().Class = dns.ClassINET
			query.Answer = append(query.Answer, rr)
		}
	}
	const tries = 3
	answered, repeated := 0, 0
	for range tries {
		c.Pause(c.Scaled(1500 * time.Millisecond)) // a record is multicast once a second at most (section 6)
		mark := c.Journal.Mark()
		told := func(is func(dns.RR) bool) func(*journal.Event) error {
			return func(e *journal.Event) error {
				if m, ok := e.Body.(*discovery.DNS); !ok || !isResponse(e) || !slices.ContainsFunc(m.Answer, is) {
					return journal.ErrSkip
				}
				return nil
			}
		}
		c.LabMust(c.MDNS().Query(query))
		if _, err := c.Await("SRV "+r.instance, harness.Wait{D: time.Second}, mark, told(r.isServer)); err != nil {
			continue
		}
		answered++
		// the answer to another question may come later, by itself (section 6)
		_, err := c.Await("PTR "+r.service, harness.Wait{D: c.Scaled(500*time.Millisecond) + c.Lag()}, mark, told(r.isKnown))
		if err != nil {
			return nil
		}
		repeated++
	}
	if repeated < tries { // it has not been seen often enough
		if answered == 0 {
			m.Note("no query for PTR and SRV records at once was answered, so that it is not judged whether known answers are left out")
		}
		return nil
	}
	return &usp.Mismatch{Where: "query for PTR " + r.service + ".local. that names the record as known", Want: "no such record in the answer",
		Got: "the record, each of " + strconv.Itoa(tries) + " times"}
}

// isServer reports whether a record is the one that suppressed asks for.
func (r response) isServer(rr dns.RR) bool {
	srv, ok := rr.(*dns.SRV)
	return ok && strings.EqualFold(srv.Hdr.Name, r.instance)
}

// isKnown reports whether a record is the one that suppressed names as known. Others of its name are of other Agents.
func (r response) isKnown(rr dns.RR) bool {
	ptr, ok := rr.(*dns.PTR)
	return ok && strings.EqualFold(ptr.Hdr.Name, r.service+".local.") && strings.EqualFold(ptr.Ptr, r.instance)
}

// isResponse is about a response of the device by multicast DNS.
func isResponse(e *journal.Event) bool {
	return e.Layer == journal.LayerMDNS && e.Dir == journal.In && e.Type == discovery.EventResponse
}

// ask queries for a name until each of the types is answered, or the patience for a Notify is over, and returns what came in response.
func ask(c *harness.Case, name string, unicast bool, kinds ...uint16) (h heard) {
	deadline := time.Now().Add(c.Waits().Notify)
	mark := c.Journal.Mark()
	for {
		c.LabMust(c.MDNS().Ask(name, unicast, kinds...))
		_, err := c.Await("mDNS response", harness.Wait{D: min(time.Second, time.Until(deadline))}, mark, func(e *journal.Event) error {
			m, ok := e.Body.(*discovery.DNS)
			if !ok || !isResponse(e) {
				return journal.ErrSkip
			}
			if !slices.ContainsFunc(m.Answer, func(rr dns.RR) bool { // else it answers another query
				return strings.EqualFold(rr.Header().Name, name) && slices.Contains(kinds, rr.Header().Rrtype)
			}) {
				return journal.ErrSkip
			}
			if !unicast && !m.Multicast {
				h.ignored = append(h.ignored, fmt.Sprintf("event %d was sent to this end alone, which asked for an answer to all", e.Seq))
				return journal.ErrSkip
			}
			if !h.add(m, e.Seq) {
				return journal.ErrSkip
			}
			answered := func(kind uint16) bool {
				return slices.ContainsFunc(h.records, func(rr dns.RR) bool { return rr.Header().Rrtype == kind && strings.EqualFold(rr.Header().Name, name) })
			}
			isAddress := slices.Contains(kinds, dns.TypeA)
			for _, kind := range kinds {
				if !answered(kind) && !(isAddress && (answered(dns.TypeA) || answered(dns.TypeAAAA))) {
					return journal.ErrSkip
				}
			}
			return nil
		})
		if err == nil {
			return h
		}
		if !time.Now().Before(deadline) {
			h.note(c)
			return h
		}
		mark = c.Journal.Mark()
	}
}
