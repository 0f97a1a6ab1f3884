package discovery

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/usptest/usptest/harness/journal"
)

// The groups of multicast DNS, and its port (RFC 6762).
const (
	mdnsGroup4 = "224.0.0.251"
	mdnsGroup6 = "ff02::fb"
	mdnsPort   = 5353
)

const (
	dnsPort = 53
	// maxUDP is the longest query that the DNS server takes over UDP, as it says where EDNS is spoken.
	maxUDP = 1232
	// maxDNS is how long a message of DNS can be.
	maxDNS = 1<<16 - 1
)

const (
	// topBit marks a question that wants a unicast answer, and a record that is the only one of its name and type.
	topBit = 1 << 15
	// legacyTTL is the longest TTL for those who ask from another port than that of multicast DNS, in seconds.
	legacyTTL = 10
)

// The types of events of multicast DNS.
const (
	EventQuery        = "query"
	EventProbe        = "probe"        // a query that names records which the sender wants to have for its own
	EventResponse     = "response"     // to a query, or of its own accord
	EventGoodbye      = "goodbye"      // a response whose records end with it
	EventAnswer       = "answer"       // of DNS
	eventUndetermined = "undetermined" // a message with another opcode
)

// DNS is the Body of the journal's event for a message of DNS or multicast DNS.
type DNS struct {
	*dns.Msg
	Multicast bool // it was sent to the group
	Hops      int  // TTL or hop limit as it arrived; 0 when it was not seen
	Port      int  // from which it was sent
}

// Describe shows the whole message.
func (d *DNS) Describe() string { return d.Msg.String() }

// Asks reports whether a question of the message is for the name, of one of the types; no types: of any.
func (d *DNS) Asks(name string, types ...uint16) bool {
	return slices.ContainsFunc(d.Question, func(q dns.Question) bool {
		return strings.EqualFold(q.Name, name) && (len(types) == 0 || slices.Contains(types, q.Qtype))
	})
}

// Records are those of the answer and of the additional section.
func (d *DNS) Records() []dns.RR { return slices.Concat(d.Answer, d.Extra) }

// Answer adds records to the zone of the DNS server. A name that has none does not exist. They stay until Forget.
func (s *Server) Answer(records ...dns.RR) {
	s.mu.Lock()
	for _, rr := range records {
		if !slices.ContainsFunc(s.zone, func(have dns.RR) bool { return dns.IsDuplicate(have, rr) }) {
			s.zone = append(s.zone, rr)
		}
	}
	s.mu.Unlock()
	s.script("Answer", "DNS answers with "+recordText(records))
}

// Forget takes the records of a name, and of what is below it, out of the zone of the DNS server.
func (s *Server) Forget(name string) {
	s.mu.Lock()
	s.zone = slices.DeleteFunc(s.zone, func(rr dns.RR) bool { return dns.IsSubDomain(dns.Fqdn(name), rr.Header().Name) })
	s.mu.Unlock()
	s.script("Forget", "DNS has no "+name)
}

// Respond makes these the records that multicast DNS answers with, until the next Respond or Reset. They are not announced: a Controller
// does not advertise itself.
func (s *Server) Respond(records ...dns.RR) {
	s.mu.Lock()
	s.local = records
	s.mu.Unlock()
	s.script("Respond", "mDNS responds with "+recordText(records))
}

func recordText(records []dns.RR) string {
	var parts []string
	for _, rr := range records {
		parts = append(parts, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	return strings.Join(parts, "; ")
}

// Ask multicasts a query with one question for each type, over IPv4 and IPv6. unicast asks for answers to this port alone.
func (s *Server) Ask(name string, unicast bool, types ...uint16) error {
	m := new(dns.Msg)
	for _, t := range types {
		q := dns.Question{Name: name, Qtype: t, Qclass: dns.ClassINET}
		if unicast {
			q.Qclass |= topBit
		}
		m.Question = append(m.Question, q)
	}
	return s.Query(m)
}

// Query multicasts a query over IPv4 and IPv6.
func (s *Server) Query(m *dns.Msg) error {
	for _, socket := range s.mdns {
		if err := s.sendMDNS(socket, m, socket.group()); err != nil {
			return err
		}
	}
	return nil
}

// group is where the other ends of multicast DNS listen.
func (s *socket) group() netip.AddrPort {
	if s.v4 != nil {
		return netip.AddrPortFrom(netip.MustParseAddr(mdnsGroup4), mdnsPort)
	}
	return netip.AddrPortFrom(netip.MustParseAddr(mdnsGroup6).WithZone(s.nic.Name), mdnsPort)
}

// takeDNS records and answers a query to the DNS server over UDP.
func (s *Server) takeDNS(socket *socket, p packet) {
	s.answer(p, dns.MinMsgSize, func(raw []byte) error { return socket.write(raw, p.from) })
}

// answer records and answers a query. An answer of more than size bytes, or of what the query says that fits (RFC 6891), is cut and says
// so.
func (s *Server) answer(p packet, size int, write func(raw []byte) error) {
	if !s.admits(journal.LayerDNS) {
		return
	}
	m := new(dns.Msg)
	err := m.Unpack(p.data)
	if err == nil && m.Response {
		err = fmt.Errorf("a response where a query is due")
	}
	if err != nil {
		s.broken(journal.LayerDNS, p, err)
		return
	}
	s.recordDNS(journal.LayerDNS, journal.In, EventQuery, m, p, p.data)
	reply := new(dns.Msg).SetReply(m)
	reply.Authoritative, reply.RecursionAvailable = true, true
	s.mu.Lock()
	reply.Answer, _ = found(s.zone, m.Question) // nothing besides, so that the device has to ask for it (RFC 6763, section 12)
	known := slices.ContainsFunc(s.zone, func(rr dns.RR) bool {
		return slices.ContainsFunc(m.Question, func(q dns.Question) bool { return dns.IsSubDomain(q.Name, rr.Header().Name) })
	})
	s.mu.Unlock()
	if !known {
		reply.Rcode = dns.RcodeNameError
	}
	if edns := m.IsEdns0(); edns != nil {
		size = max(size, min(int(edns.UDPSize()), maxDNS))
		reply.SetEdns0(maxUDP, false)
	}
	reply.Truncate(size)
	if raw, err := reply.Pack(); err == nil && write(raw) == nil {
		s.recordDNS(journal.LayerDNS, journal.Out, EventAnswer, reply, packet{from: p.from, to: p.to}, raw)
	}
}

// found are the records that answer questions, and those that who asks will want next: SRV and TXT of a PTR, the addresses of a SRV.
func found(records []dns.RR, questions []dns.Question) (answers, extra []dns.RR) {
	has := func(list []dns.RR, rr dns.RR) bool {
		return slices.ContainsFunc(list, func(have dns.RR) bool { return dns.IsDuplicate(have, rr) })
	}
	for _, q := range questions {
		for _, rr := range records {
			if h := rr.Header(); strings.EqualFold(h.Name, q.Name) && (q.Qtype == h.Rrtype || q.Qtype == dns.TypeANY) && !has(answers, rr) {
				answers = append(answers, rr)
			}
		}
	}
	for i := 0; i < len(answers)+len(extra) && i < len(records)*2; i++ {
		from := slices.Concat(answers, extra)[i]
		var next string
		switch rr := from.(type) {
		case *dns.PTR:
			next = rr.Ptr
		case *dns.SRV:
			next = rr.Target
		default:
			continue
		}
		for _, rr := range records {
			if strings.EqualFold(rr.Header().Name, next) && !has(answers, rr) && !has(extra, rr) {
				extra = append(extra, rr)
			}
		}
	}
	return answers, extra
}

// takeMDNS records a message of multicast DNS, and answers a query for what the script says.
func (s *Server) takeMDNS(socket *socket, p packet) {
	if !s.admits(journal.LayerMDNS) {
		return
	}
	m := new(dns.Msg)
	if err := m.Unpack(p.data); err != nil {
		s.broken(journal.LayerMDNS, p, err)
		return
	}
	s.recordDNS(journal.LayerMDNS, journal.In, typeOf(m), m, p, p.data)
	if m.Response || m.Opcode != dns.OpcodeQuery || len(m.Ns) > 0 {
		return
	}
	s.mu.Lock()
	records := slices.Clone(s.local)
	s.mu.Unlock()
	var asked []dns.Question
	unicast := true
	for _, q := range m.Question {
		unicast = unicast && q.Qclass&topBit != 0
		q.Qclass &^= topBit
		asked = append(asked, q)
	}
	reply := new(dns.Msg)
	reply.Response, reply.Authoritative = true, true
	reply.Answer, reply.Extra = found(records, asked)
	reply.Answer = slices.DeleteFunc(reply.Answer, func(rr dns.RR) bool { // what the querier knows already, and will for some time
		return slices.ContainsFunc(m.Answer, func(known dns.RR) bool {
			known = dns.Copy(known)
			known.Header().Class &^= topBit
			return dns.IsDuplicate(known, rr) && known.Header().Ttl >= rr.Header().Ttl/2
		})
	})
	if len(reply.Answer) == 0 {
		return
	}
	to := socket.group()
	legacy := p.from.Port() != mdnsPort
	if legacy {
		reply.Id, reply.Question = m.Id, m.Question
	}
	if legacy || unicast {
		to = p.from
	}
	for _, section := range []*[]dns.RR{&reply.Answer, &reply.Extra} {
		for i, rr := range *section {
			rr = dns.Copy(rr)
			if legacy {
				rr.Header().Ttl = min(rr.Header().Ttl, legacyTTL)
			} else if rr.Header().Rrtype != dns.TypePTR {
				rr.Header().Class |= topBit
			}
			(*section)[i] = rr
		}
	}
	_ = s.sendMDNS(socket, reply, to) // a peer that is gone gets no answer
}

func (s *Server) sendMDNS(socket *socket, m *dns.Msg, to netip.AddrPort) error {
	raw, err := m.Pack()
	if err != nil {
		return err
	}
	if err := socket.write(raw, to); err != nil {
		return err
	}
	own := s.options.IPv4.Addr()
	if socket.v6 != nil {
		own = s.options.IPv6.Addr()
	}
	s.recordDNS(journal.LayerMDNS, journal.Out, typeOf(m), m, packet{from: to, to: netip.AddrPortFrom(own, mdnsPort)}, raw)
	return nil
}

// typeOf is the type of the event for a message of multicast DNS.
func typeOf(m *dns.Msg) string {
	switch {
	case m.Opcode != dns.OpcodeQuery:
		return eventUndetermined
	case !m.Response && len(m.Ns) > 0:
		return EventProbe
	case !m.Response:
		return EventQuery
	case len(m.Answer) > 0 && !slices.ContainsFunc(m.Answer, func(rr dns.RR) bool { return rr.Header().Ttl > 0 }):
		return EventGoodbye
	}
	return EventResponse
}

// recordDNS records a message; p.from is the device's end.
func (s *Server) recordDNS(layer journal.Layer, dir journal.Dir, typ string, m *dns.Msg, p packet, raw []byte) {
	body := &DNS{Msg: m, Multicast: p.to.Addr().IsMulticast() || p.from.Addr().IsMulticast(), Hops: p.hops, Port: int(p.from.Port())}
	var parts []string
	for _, q := range m.Question {
		parts = append(parts, q.Name+" "+dns.TypeToString[q.Qtype])
	}
	if records := body.Records(); len(records) > 0 {
		parts = append(parts, recordText(records))
	}
	s.record(layer, dir, typ, strings.Join(parts, "; "), p.to, p.from, raw, body)
}

// defaultTTL is that of the harness's own records, in seconds: no longer than a case.
const defaultTTL = 10

// Addresses are the A and AAAA records of a host.
func Addresses(name string, addrs ...netip.Addr) (records []dns.RR) {
	for _, addr := range addrs {
		header := dns.RR_Header{Name: dns.Fqdn(name), Class: dns.ClassINET, Ttl: defaultTTL, Rrtype: dns.TypeAAAA}
		if addr.Is4() {
			header.Rrtype = dns.TypeA
			records = append(records, &dns.A{Hdr: header, A: addr.AsSlice()})
		} else {
			records = append(records, &dns.AAAA{Hdr: header, AAAA: addr.AsSlice()})
		}
	}
	return records
}

// Service are the records of a Controller's MTP at a host (TR-369, DNS-SD Records): service is such as "usp-ctr-mqtt".
func Service(host, service, endpointID string, port int, attributes ...string) []dns.RR {
	parent := "_" + service + "._tcp." + dns.Fqdn(host)
	instance := escaped(endpointID) + "." + parent
	header := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: defaultTTL}
	}
	return []dns.RR{
		&dns.PTR{Hdr: header(parent, dns.TypePTR), Ptr: instance},
		&dns.SRV{Hdr: header(instance, dns.TypeSRV), Priority: 0, Weight: 1, Port: uint16(port), Target: dns.Fqdn(host)},
		&dns.TXT{Hdr: header(instance, dns.TypeTXT), Txt: attributes},
	}
}

// escaped is text as one label in the presentation of names.
func escaped(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c == '.' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Labels are those of a name as they are on the wire, without escapes; nil for what is no name.
func Labels(name string) (labels []string) {
	wire := make([]byte, 256)
	end, err := dns.PackDomainName(dns.Fqdn(name), wire, 0, nil, false)
	if err != nil {
		return nil
	}
	for at := 0; at < end && wire[at] > 0; at += 1 + int(wire[at]) {
		labels = append(labels, string(wire[at+1:at+1+int(wire[at])]))
	}
	return labels
}

// Unescaped is a string of a TXT record as it is on the wire: in its presentation, octets that are not printable are \DDD.
func Unescaped(text string) string {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:min(i+4, len(text))], 10, 8); err == nil && i+3 < len(text) {
				out, i = append(out, byte(n)), i+3
				continue
			}
			i++
		}
		out = append(out, text[i])
	}
	return string(out)
}
