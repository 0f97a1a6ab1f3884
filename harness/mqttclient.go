package harness

import (
	"context"
	"net"
	"strings"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// MQTTClient returns the row of an MQTT client of the device, such as "Device.MQTT.Client.1.", whose broker records what it publishes: that
// of the Link or, over another MTP, one that is added as a fixture for a broker of its own. It is deleted at the end, and the broker is
// closed.
func (c *Case) MQTTClient() (row string) {
	c.Uses(plan.NeedMQTTBroker)
	if c.bench.MQTT != nil {
		return c.BrokerRow()
	}
	const table, versions = "Device.MQTT.Client.", "Device.MQTT.Capabilities.ProtocolVersionsSupported"
	broker, err := mqtt.Start(context.WithoutCancel(c), c.Journal, mqtt.Options{Addr: net.JoinHostPort(c.DUT.Bind, "0")})
	c.LabMust(err)
	c.Cleanup("close the MQTT broker of the case", func(context.Context) error { return broker.Close() })
	_, port, err := net.SplitHostPort(broker.Addr())
	c.LabMust(err)
	version := "5.0"
	if offered, err := c.Read(versions); err == nil && !strings.Contains(offered, version) {
		version = "3.1.1"
	}
	row = c.Add(table, usp.Params{"BrokerAddress": c.bench.brokerHost(), "BrokerPort": port, "ProtocolVersion": version},
		usp.Params{"Alias": c.Fresh("client"), "TransportProtocol": "TCP/IP", "ClientID": c.Fresh("client")}).Path
	// some Agents end a connection without a subscription, which of one that carries USP is right (R-MQTT.16)
	c.AddBesides(row+"Subscription.", usp.Params{"Topic": c.Fresh("topic"), "Enable": "true"}, nil)
	c.Set(row, usp.Params{"Enable": "true"})
	return row
}
