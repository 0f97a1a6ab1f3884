package harness

import (
	"fmt"
	"slices"

	"github.com/usptest/usptest/brokers/discovery"
	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/plan"
)

// Uses says that the case uses needs. Whatever gives a body such a thing says so. To use one that the plan's table does not list for the
// case is a bug of the body: who selects cases by what the lab can do relies on the table.
func (c *Case) Uses(needs ...string) {
	for _, need := range needs {
		if !slices.Contains(c.Plan.Needs, need) {
			panic(fmt.Sprintf("case %s: the body needs %s, which is not among its needs in the plan's table", c.Plan.ID, need))
		}
		c.used[need] = true
	}
}

// Used reports whether the case has used one of its needs.
func (c *Case) Used(need string) bool { return c.used[need] }

// MQTT is the broker of the Link, and its script. It is there over MQTT alone.
func (c *Case) MQTT() *mqtt.Server {
	c.Uses(plan.NeedMQTTBroker)
	return c.bench.MQTT
}

// STOMP is the server of the Link, and its script. It is there over STOMP alone.
func (c *Case) STOMP() *stomp.Server {
	c.Uses(plan.NeedSTOMPServer)
	return c.bench.STOMP
}

// WebSocket is the harness's end of the Link, and its script. It is there over WebSocket alone.
func (c *Case) WebSocket() *websocket.Server {
	c.Uses(plan.NeedWebSocketServer)
	return c.bench.WebSocket
}

// HTTP is the collector of bulk data over HTTP.
func (c *Case) HTTP() Collector {
	c.Uses(plan.NeedHTTPServer)
	return c.bench.Collectors.HTTP
}

// HTTPS is the collector of bulk data over HTTPS.
func (c *Case) HTTPS() Collector {
	c.Uses(plan.NeedHTTPSServer)
	return c.bench.Collectors.HTTPS
}

// Impostors are collectors over HTTPS that nothing may come to: one has a certificate for another host, one a certificate from an
// authority that no device trusts, and one a certificate that has expired, which counts for a device that knows the time. One that the
// harness cannot make is empty.
func (c *Case) Impostors() (wrongName, unknownIssuer, expired Collector) {
	c.Uses(plan.NeedHTTPSServer, plan.NeedBadCertificate)
	of := c.bench.Collectors
	return of.WrongName, of.UnknownIssuer, of.Expired
}

// DHCP is the server of the case's own network, for what it offers.
func (c *Case) DHCP() *discovery.Server { return c.network(plan.NeedDHCPServer) }

// DNS is the server of the case's own network, for its zone.
func (c *Case) DNS() *discovery.Server { return c.network(plan.NeedDNSServer) }

// MDNS is the server of the case's own network, for multicast DNS.
func (c *Case) MDNS() *discovery.Server { return c.network(plan.NeedMDNS) }

func (c *Case) network(need string) *discovery.Server {
	c.Uses(plan.NeedNetwork, need)
	return c.Discovery.Server
}
