package harness

import (
	"net/netip"
	"strconv"

	"github.com/usptest/usptest/brokers/discovery"
)

// Discovery is the network of a case that has one of its own, and what the device finds in it.
type Discovery struct {
	Server *discovery.Server // for bodies: DHCP, DNS and MDNS of Case
	// Name and LocalName are host names that no device has seen before this run. The brokers' certificate holds both. Name is for DNS,
	// LocalName for multicast DNS; neither is answered for until a script says so.
	Name, LocalName string
	// IPv4 and IPv6 are the harness's own addresses, at which all brokers listen.
	IPv4, IPv6 netip.Addr
	// Device4 and Device6 are the networks in which the device has its addresses.
	Device4, Device6 netip.Prefix
}

// Reached is where the device reaches the Controller besides its address: the port and, over WebSocket, the path.
func (c *Case) Reached() (port int, path string) {
	spec, _ := c.DUT.Link(c.Link)
	port, _ = strconv.Atoi(c.bench.brokerPort())
	return port, spec.Path
}
