// Package network makes the wire on which discovery is tested: a network of its own in which the harness is at one end and the device at
// the other. A process that Isolate has prepared begins in a network namespace where nothing else is; Open then makes a veth pair in it,
// one end of which is in a second namespace for the device, or takes a port of this computer that belongs to the bench. Only Linux has such
// namespaces.
package network

import (
	"errors"
	"net/netip"
)

// ErrUnavailable is wrapped by every error of a computer that lets nobody make a network of its own.
var ErrUnavailable = errors.New("a network of its own cannot be made here")

// Remedy says how a computer comes to allow it.
const Remedy = "run usptest on Linux as root, allow unprivileged user namespaces (sysctl user.max_user_namespaces=1000 and, on Ubuntu, " +
	"kernel.apparmor_restrict_unprivileged_userns=0), or start its container with --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add NET_RAW"

// DeviceInterface is the name of the device's end of the wire, where it is in a namespace.
const DeviceInterface = "eth0"

// harnessInterface is that of the other end.
const harnessInterface = "usptest0"

// IPv4 is the address of the harness's end with its network, from a range for private use, with numbers that no other network is likely to
// have.
func IPv4() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 69, 85, 1}), 24) }

// IPv6 is that of the harness's end likewise.
func IPv6() netip.Prefix {
	return netip.PrefixFrom(numbered([6]byte{0xfd, 0x75, 0x73, 0x70, 0x74, 0x74}), 64)
}

// LinkLocal is the link-local address of the harness's end.
func LinkLocal() netip.Prefix { return netip.PrefixFrom(numbered([6]byte{0xfe, 0x80}), 64) }

// numbered is host 1 of a network that begins so.
func numbered(begin [6]byte) netip.Addr {
	b := [16]byte{15: 1}
	copy(b[:], begin[:])
	return netip.AddrFrom16(b)
}
