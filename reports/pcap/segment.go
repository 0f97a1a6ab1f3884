package pcap

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// The flags of a TCP segment (RFC 9293) in use here.
const (
	fin byte = 1 << iota
	syn
	_
	psh
	ack
)

// segment is a TCP segment in an IP packet (RFC 791, RFC 8200), from one end to the other.
func segment(from, to *end, flags byte, payload []byte) []byte {
	const header, tcp = 20, 6 // the length of the header; the protocol number
	acknowledged := uint32(0)
	if flags&ack != 0 {
		acknowledged = to.seq
	}
	b := binary.BigEndian.AppendUint16(nil, from.port)
	b = binary.BigEndian.AppendUint16(b, to.port)
	b = binary.BigEndian.AppendUint32(b, from.seq)
	b = binary.BigEndian.AppendUint32(b, acknowledged)
	b = append(b, header/4<<4, flags, 0xff, 0xff, 0, 0, 0, 0) // the window, no checksum yet, nothing urgent
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[16:], checksum(pseudoHeader(from, to, tcp, len(b)), b))
	return packet(from, to, tcp, b)
}

// datagram is a UDP datagram (RFC 768) in an IP packet.
func datagram(from, to *end, payload []byte) []byte {
	const header, udp = 8, 17 // the length of the header; the protocol number
	b := binary.BigEndian.AppendUint16(nil, from.port)
	b = binary.BigEndian.AppendUint16(b, to.port)
	b = binary.BigEndian.AppendUint16(b, uint16(header+len(payload)))
	b = append(append(b, 0, 0), payload...)
	sum := checksum(pseudoHeader(from, to, udp, len(b)), b)
	if sum == 0 {
		sum = 0xffff // 0 says that there is none
	}
	binary.BigEndian.PutUint16(b[6:], sum)
	return packet(from, to, udp, b)
}

// icmpv6 is a message of ICMPv6 (RFC 4443) in an IP packet, with the checksum that the system adds.
func icmpv6(from, to *end, payload []byte) []byte {
	const protocol, sum = 58, 2 // the protocol number; where the checksum is
	b := append(slices.Clone(payload), make([]byte, max(0, sum+2-len(payload)))...)
	b[sum], b[sum+1] = 0, 0
	binary.BigEndian.PutUint16(b[sum:], checksum(pseudoHeader(from, to, protocol, len(b)), b))
	p := packet(from, to, protocol, b)
	if !from.addr.Is4() {
		p[7] = 255 // the hop limit, without which no neighbour takes it (RFC 4861)
	}
	return p
}

// pseudoHeader is what a checksum covers besides size bytes of a protocol.
func pseudoHeader(from, to *end, protocol byte, size int) []byte {
	pseudo := append(from.addr.AsSlice(), to.addr.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(size))
	return append(pseudo, 0, 0, 0, protocol)
}

// packet is an IP packet with b, which is of a protocol.
func packet(from, to *end, protocol byte, b []byte) []byte {
	const ipv4 = 20 // the length of the header
	addresses := append(from.addr.AsSlice(), to.addr.AsSlice()...)
	if !from.addr.Is4() {
		ip := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(b)))
		return append(append(append(ip, protocol, 64), addresses...), b...)
	}
	ip := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(ipv4+len(b)))
	ip = append(append(ip, 0, 0, 0, 0, 64, protocol, 0, 0), addresses...)
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	return append(ip, b...)
}

// messagePort is the UDP port that exported PDUs name: Wireshark's preference protobuf_udp_message_types says which schema the Messages on
// a port have.
const messagePort = 9369

// exportedTo begins an exported PDU of Wireshark (epan/exported_pdu.h): tags, each with its length, of which the first names the dissector.
func exportedTo(dissector string) []byte {
	const tagEnd, tagDissector, tagPortType, tagSourcePort, tagDestinationPort, portTypeUDP = 0, 12, 24, 25, 26, 3
	name := padded([]byte(dissector))
	b := binary.BigEndian.AppendUint16(nil, tagDissector)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(name))), name...)
	for _, number := range [][2]uint32{{tagPortType, portTypeUDP}, {tagSourcePort, messagePort}, {tagDestinationPort, messagePort}} {
		b = binary.BigEndian.AppendUint16(b, uint16(number[0]))
		b = binary.BigEndian.AppendUint16(b, 4)
		b = binary.BigEndian.AppendUint32(b, number[1])
	}
	return append(b, 0, tagEnd, 0, 0)
}

// checksum is the Internet checksum (RFC 1071) of parts one after the other, all but the last of even length.
func checksum(parts ...[]byte) uint16 {
	sum := uint32(0)
	for _, b := range parts {
		for ; len(b) > 1; b = b[2:] {
			sum += uint32(binary.BigEndian.Uint16(b))
		}
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// address reads host:port. What is none becomes this machine.
func address(s string) netip.AddrPort {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1)
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), max(a.Port(), 1))
}
