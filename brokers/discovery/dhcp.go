package discovery

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/usptest/usptest/harness/journal"
)

// Enterprise is the number of the Broadband Forum in vendor options.
const Enterprise = 3561

// The encapsulated options that tell an Agent of its Controller (TR-369, DHCP Options for Controller Discovery). They have the same
// numbers in DHCPv4 option 125 and DHCPv6 option 17.
const (
	OptionURL              = 25
	OptionProvisioningCode = 26
	OptionRetryWait        = 27
	OptionRetryMultiplier  = 28
	OptionEndpointID       = 29
)

// Option is one encapsulated option, its value as it is on the wire.
type Option struct {
	Code  uint8
	Value string
}

// VendorClass is what a client says of its vendor in DHCPv4 option 124 or DHCPv6 option 16.
type VendorClass struct {
	Enterprise uint32
	Data       []string // each instance of vendor-class-data
	Fault      string   // why the rest cannot be read; empty when it can
}

// DHCP is the Body of the journal's event for a message of DHCP.
type DHCP struct {
	Version int    // 4 or 6
	Type    string // DISCOVER, REQUEST, SOLICIT …
	// Client names the client of the device that sent the message, or that it is for: its hardware address and client identifier, or its
	// address and DUID. Exchange is the same, with the transaction instead of the identifier. A device can have several clients.
	Client, Exchange string
	Classes          []VendorClass
	text             string
}

// Describe shows the whole message.
func (d *DHCP) Describe() string { return d.text }

// allDHCPv6 is All_DHCP_Relay_Agents_and_Servers.
const allDHCPv6 = "ff02::1:2"

// maxClasses is how many vendor classes of a message are read, and how much vendor-class-data of each.
const maxClasses = 64

const (
	// leaseTime is how long an address is given for.
	leaseTime = time.Hour
	// firstLease is the first host number that is given, maxLeases how many are.
	firstLease = 100
	maxLeases  = 64
	// optionVendorClass is DHCPv6 option 16.
	optionVendorClass = 16
	optionHeader6     = 4 // code and length of a DHCPv6 option
	messageHeader6    = 4 // type and transaction of a DHCPv6 message
)

// Offer makes every answer of DHCP hold encapsulated options of the Broadband Forum, until the next Offer or Reset. None withholds them.
// The error says that they are too long for DHCPv4, where one octet says how long all of them are (RFC 3925, section 4).
func (s *Server) Offer(options ...Option) error {
	const most, header = 255, 2 // code and length before each value
	size := 0
	for _, o := range options {
		size += header + len(o.Value)
	}
	if size > most {
		return fmt.Errorf("DHCP: the options about the Controller take %d bytes, and %d can be offered; is the path of the link that long?", size, most)
	}
	s.mu.Lock()
	s.offers = options
	s.mu.Unlock()
	var parts []string
	for _, o := range options {
		parts = append(parts, fmt.Sprintf("%d=%q", o.Code, o.Value))
	}
	s.script("Offer", "DHCP offers "+strings.Join(parts, ", "))
	return nil
}

// lease is the host number of a client's address. When all are given, the one that was used least lately goes to another client: a device
// may make up a new DUID at every boot.
func (s *Server) lease(client string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, known := s.leases[client]
	switch {
	case known:
		s.lately = slices.DeleteFunc(s.lately, func(c string) bool { return c == client })
	case len(s.leases) < maxLeases:
		n = firstLease + len(s.leases)
	default:
		n = s.leases[s.lately[0]]
		delete(s.leases, s.lately[0])
		s.lately = s.lately[1:]
	}
	s.leases[client], s.lately = n, append(s.lately, client)
	return n
}

// host is the address with a host number in a network.
func host(network netip.Prefix, n int) net.IP {
	ip := network.Masked().Addr().AsSlice()
	ip[len(ip)-1] = byte(n)
	return ip
}

// encapsulated are the scripted options: a length of size bytes before each value, and likewise for the code.
func (s *Server) encapsulated(size int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []byte
	for _, o := range s.offers {
		if size == 1 {
			out = append(out, o.Code, byte(len(o.Value)))
		} else {
			out = binary.BigEndian.AppendUint16(out, uint16(o.Code))
			out = binary.BigEndian.AppendUint16(out, uint16(len(o.Value)))
		}
		out = append(out, o.Value...)
	}
	return out
}

// takeDHCPv4 records and answers a message of a DHCPv4 client.
func (s *Server) takeDHCPv4(socket *socket, p packet) {
	if !s.admits(journal.LayerDHCP) {
		return
	}
	m, err := dhcpv4.FromBytes(p.data)
	if err == nil && m.OpCode != dhcpv4.OpcodeBootRequest {
		err = fmt.Errorf("opcode %d is none of a client", m.OpCode)
	}
	if err != nil {
		s.broken(journal.LayerDHCP, p, err)
		return
	}
	s.recordDHCPv4(journal.In, m, p.to, p.from, p.data)
	n := s.lease(client4(m))
	address, own := host(s.options.IPv4, n), net.IP(s.options.IPv4.Addr().AsSlice())
	// many devices are not online before they have a router, though nothing is behind this one
	modifiers := []dhcpv4.Modifier{
		dhcpv4.WithServerIP(own), dhcpv4.WithOption(dhcpv4.OptServerIdentifier(own)), dhcpv4.WithDNS(own), dhcpv4.WithRouter(own),
		dhcpv4.WithNetmask(net.CIDRMask(s.options.IPv4.Bits(), 32)),
	}
	lease := append(modifiers, dhcpv4.WithYourIP(address), dhcpv4.WithLeaseTime(uint32(leaseTime.Seconds())))
	if data := s.encapsulated(1); len(data) > 0 {
		value := append(binary.BigEndian.AppendUint32(nil, Enterprise), byte(len(data)))
		vendor := dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionVendorIdentifyingVendorSpecific, append(value, data...)))
		modifiers, lease = append(modifiers, vendor), append(lease, vendor)
	}
	toAll := m.ClientIPAddr == nil || m.ClientIPAddr.IsUnspecified()
	switch m.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		lease = append(lease, dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer))
	case dhcpv4.MessageTypeInform:
		lease = append(modifiers, dhcpv4.WithMessageType(dhcpv4.MessageTypeAck))
	case dhcpv4.MessageTypeRequest:
		wanted := m.RequestedIPAddress()
		if wanted == nil {
			wanted = m.ClientIPAddr
		}
		if chosen := m.ServerIdentifier(); chosen != nil && !chosen.Equal(own) {
			return // the offer of another server
		}
		if !wanted.Equal(address) {
			lease = []dhcpv4.Modifier{dhcpv4.WithOption(dhcpv4.OptServerIdentifier(own)), dhcpv4.WithMessageType(dhcpv4.MessageTypeNak)}
			toAll = true // also a client that has an address, which may be of another network (RFC 2131, section 4.1)
			break
		}
		lease = append(lease, dhcpv4.WithMessageType(dhcpv4.MessageTypeAck))
	default:
		return
	}
	reply, err := dhcpv4.NewReplyFromRequest(m, lease...)
	if err != nil {
		return
	}
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), dhcpv4.ClientPort)
	if addr, ok := netip.AddrFromSlice(m.ClientIPAddr.To4()); ok && !toAll {
		to = netip.AddrPortFrom(addr, dhcpv4.ClientPort)
	}
	raw := reply.ToBytes()
	if socket.write(raw, to) == nil {
		s.recordDHCPv4(journal.Out, reply, netip.AddrPortFrom(s.options.IPv4.Addr(), dhcpv4.ServerPort), to, raw)
	}
}

func (s *Server) recordDHCPv4(dir journal.Dir, m *dhcpv4.DHCPv4, local, remote netip.AddrPort, raw []byte) {
	body := &DHCP{Version: 4, Type: m.MessageType().String(), text: m.Summary(),
		Client: client4(m), Exchange: fmt.Sprintf("%s %x", m.ClientHWAddr, m.TransactionID),
		Classes: classesOf4(m.Options.Get(dhcpv4.OptionVendorIdentifyingVendorClass))}
	s.record(journal.LayerDHCP, dir, body.Type, strings.TrimSpace(fmt.Sprintf("DHCPv4 of %s %s", m.ClientHWAddr, classText(body.Classes))), local, remote, raw, body)
}

// client4 is the key of a DHCPv4 client (RFC 2131, section 4.2, and RFC 2132, section 9.14).
func client4(m *dhcpv4.DHCPv4) string {
	return strings.TrimSpace(fmt.Sprintf("%s %x", m.ClientHWAddr, m.Options.Get(dhcpv4.OptionClientIdentifier)))
}

// client6 is the key of a DHCPv6 client. All clients of a device may have the same DUID (RFC 8415, section 11), but each interface has a
// link-local address of its own.
func client6(m *dhcpv6.Message, peer netip.Addr) string {
	key := peer.WithZone("").String()
	if id := m.Options.ClientID(); id != nil {
		key += fmt.Sprintf(" %x", id.ToBytes())
	}
	return key
}

func classText(classes []VendorClass) string {
	var parts []string
	for _, c := range classes {
		parts = append(parts, fmt.Sprintf("vendor class %d %q%s", c.Enterprise, c.Data, c.Fault))
	}
	return strings.Join(parts, ", ")
}

// classesOf4 reads DHCPv4 option 124 (RFC 3925, section 3).
func classesOf4(b []byte) (classes []VendorClass) {
	for len(b) > 0 {
		if len(classes) == maxClasses {
			return append(classes, VendorClass{Fault: fmt.Sprintf("more than %d", maxClasses)})
		}
		if len(b) < 5 || len(b) < 5+int(b[4]) {
			return append(classes, VendorClass{Fault: fmt.Sprintf("%d bytes are cut short", len(b))})
		}
		c := VendorClass{Enterprise: binary.BigEndian.Uint32(b)}
		data := b[5 : 5+int(b[4])]
		for len(data) > 0 && c.Fault == "" {
			n := int(data[0])
			if len(data) < 1+n {
				c.Fault = fmt.Sprintf("vendor-class-data of length %d in %d bytes", n, len(data)-1)
				break
			}
			c.Data, data = append(c.Data, string(data[1:1+n])), data[1+n:]
		}
		classes, b = append(classes, c), b[5+int(b[4]):]
	}
	return classes
}

// classOf6 reads one DHCPv6 option 16 (RFC 8415, section 21.16).
func classOf6(b []byte) VendorClass {
	if len(b) < 4 {
		return VendorClass{Fault: fmt.Sprintf("%d bytes are cut short", len(b))}
	}
	c := VendorClass{Enterprise: binary.BigEndian.Uint32(b)}
	for b = b[4:]; len(b) > 0; {
		if len(c.Data) == maxClasses {
			c.Fault = fmt.Sprintf("more than %d instances of vendor-class-data", maxClasses)
			return c
		}
		if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
			c.Fault = fmt.Sprintf("vendor-class-data is cut short: %q", b[:min(len(b), 64)])
			return c
		}
		n := int(binary.BigEndian.Uint16(b))
		c.Data, b = append(c.Data, string(b[2:2+n])), b[2+n:]
	}
	return c
}

// withoutClasses takes the vendor classes out of a DHCPv6 message, so that one that is wrong does not keep the rest from being read.
func withoutClasses(raw []byte) (rest []byte, classes []VendorClass) {
	if len(raw) < messageHeader6 {
		return raw, nil
	}
	rest = append(rest, raw[:messageHeader6]...)
	for b := raw[messageHeader6:]; len(b) > 0; {
		if len(b) < optionHeader6 || len(b) < optionHeader6+int(binary.BigEndian.Uint16(b[2:])) {
			return append(rest, b...), classes
		}
		n := optionHeader6 + int(binary.BigEndian.Uint16(b[2:]))
		if binary.BigEndian.Uint16(b) == optionVendorClass && len(classes) <= maxClasses {
			classes = append(classes, classOf6(b[optionHeader6:n]))
		} else {
			rest = append(rest, b[:n]...)
		}
		b = b[n:]
	}
	return rest, classes
}

// takeDHCPv6 records and answers a message of a DHCPv6 client.
func (s *Server) takeDHCPv6(socket *socket, p packet) {
	if !s.admits(journal.LayerDHCP) {
		return
	}
	rest, classes := withoutClasses(p.data)
	m, err := dhcpv6.MessageFromBytes(rest)
	if err != nil {
		s.broken(journal.LayerDHCP, p, err)
		return
	}
	s.recordDHCPv6(journal.In, m, classes, p.to, p.from, p.data)
	if m.Options.ClientID() == nil && m.MessageType != dhcpv6.MessageTypeInformationRequest {
		return
	}
	if server := m.Options.ServerID(); server != nil && !server.Equal(s.duid) {
		return // for another server
	}
	reply := s.reply6(m, p.from.Addr())
	if reply == nil {
		return
	}
	raw := reply.ToBytes()
	if socket.write(raw, p.from) == nil {
		s.recordDHCPv6(journal.Out, reply, nil, netip.AddrPortFrom(s.options.IPv6.Addr(), dhcpv6.DefaultServerPort), p.from, raw)
	}
}

// reply6 answers a message of a DHCPv6 client; nil: it gets no answer.
func (s *Server) reply6(m *dhcpv6.Message, peer netip.Addr) *dhcpv6.Message {
	reply := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeReply, TransactionID: m.TransactionID}
	if id := m.Options.ClientID(); id != nil { // who only asks for information may say nothing of itself (RFC 8415, section 18.2.6)
		reply.AddOption(dhcpv6.OptClientID(id))
	}
	reply.AddOption(dhcpv6.OptServerID(s.duid))
	switch m.MessageType {
	case dhcpv6.MessageTypeSolicit:
		reply.MessageType = dhcpv6.MessageTypeAdvertise
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind, dhcpv6.MessageTypeInformationRequest:
	case dhcpv6.MessageTypeConfirm:
		// the device has to ask for an address again, and with it for everything else
		reply.AddOption(status(iana.StatusNotOnLink))
		return reply
	case dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		reply.AddOption(status(iana.StatusSuccess))
		return reply
	default:
		return nil
	}
	reply.AddOption(dhcpv6.OptDNS(s.options.IPv6.Addr().AsSlice()))
	if m.MessageType != dhcpv6.MessageTypeInformationRequest {
		s.assign6(m, reply, peer)
	}
	if data := s.encapsulated(2); len(data) > 0 {
		var vendor dhcpv6.OptVendorOpts
		if err := vendor.FromBytes(append(binary.BigEndian.AppendUint32(nil, Enterprise), data...)); err != nil {
			return nil
		}
		reply.AddOption(&vendor)
	}
	return reply
}

// assign6 gives the client an address in its first identity association, and says of each other one that there is nothing for it: a router
// asks for a prefix, too (RFC 8415, section 18.3.9).
func (s *Server) assign6(m, reply *dhcpv6.Message, peer netip.Addr) {
	given := false
	for _, o := range m.Options.Options {
		switch ia := o.(type) {
		case *dhcpv6.OptIANA:
			answer := &dhcpv6.OptIANA{IaId: ia.IaId}
			if given {
				answer.Options.Add(status(iana.StatusNoAddrsAvail))
			} else {
				answer.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: host(s.options.IPv6, s.lease(client6(m, peer))),
					PreferredLifetime: leaseTime, ValidLifetime: leaseTime})
			}
			given = true
			reply.AddOption(answer)
		case *dhcpv6.OptIATA:
			answer := &dhcpv6.OptIATA{IaId: ia.IaId}
			answer.Options.Add(status(iana.StatusNoAddrsAvail))
			reply.AddOption(answer)
		case *dhcpv6.OptIAPD:
			answer := &dhcpv6.OptIAPD{IaId: ia.IaId}
			answer.Options.Add(status(iana.StatusNoPrefixAvail))
			reply.AddOption(answer)
		}
	}
}

func status(code iana.StatusCode) *dhcpv6.OptStatusCode {
	return &dhcpv6.OptStatusCode{StatusCode: code}
}

func (s *Server) recordDHCPv6(dir journal.Dir, m *dhcpv6.Message, classes []VendorClass, local, remote netip.AddrPort, raw []byte) {
	peer := remote.Addr()
	body := &DHCP{Version: 6, Type: m.MessageType.String(), Classes: classes, Client: client6(m, peer),
		Exchange: fmt.Sprintf("%s %x", peer.WithZone(""), m.TransactionID), text: m.Summary() + "\n" + classText(classes)}
	s.record(journal.LayerDHCP, dir, body.Type, strings.TrimSpace("DHCPv6 "+classText(classes)), local, remote, raw, body)
}
