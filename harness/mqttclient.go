package harness

import (
	"context"
	"net"
	"strings"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// MQTTClient returns the row of an MQTT client of the device, such as "Device.MQTT.Client.1.", whose broker records what it publishes: that
// of the Link or, over another MTP, one that is added as a fixture for a broker of its own. Only the latter is returned. The row is deleted
// at the end, and the broker is closed.
func (c *Case) MQTTClient() (row string, own *mqtt.Server) {
	c.Uses(plan.NeedMQTTBroker)
	if c.bench.MQTT != nil {
		return c.BrokerRow(), nil
	}
	own, required, optional := c.mqttBroker()
	row = c.Add(mqttClients, required, optional).Path
	c.subscribes(row)
	c.Set(row, usp.Params{"Enable": "true"})
	return row, own
}

// MQTTClientBesides adds a client of the device for a broker of its own beside that of the Link. The row is empty where the device has no
// room for one, or does not enable it.
func (c *Case) MQTTClientBesides() (row string, own *mqtt.Server) {
	own, required, optional := c.mqttBroker()
	if row = c.AddBesides(mqttClients, required, optional); row == "" {
		return "", own
	}
	c.subscribes(row)
	if err := expect.Type(c.Agent.Set(c, false, usp.Update(row, usp.Params{"Enable": "true"}, nil)), usp.SetResp); err != nil {
		c.Note("the device does not enable a further MQTT client: %v", err)
		return "", own
	}
	return row, own
}

const mqttClients = "Device.MQTT.Client."

// mqttBroker starts a broker that is closed at the end, and returns what a client of it is set to. It tries again soon where a device lets
// it.
func (c *Case) mqttBroker() (own *mqtt.Server, required, optional usp.Params) {
	const versions = "Device.MQTT.Capabilities.ProtocolVersionsSupported"
	own, err := mqtt.Start(context.WithoutCancel(c), c.Journal, mqtt.Options{Addr: net.JoinHostPort(c.DUT.Bind, "0")})
	c.LabMust(err)
	c.Cleanup("close the MQTT broker of the case", func(context.Context) error { return own.Close() })
	_, port, err := net.SplitHostPort(own.Addr())
	c.LabMust(err)
	version := "5.0"
	if offered, err := c.Read(versions); err == nil && !strings.Contains(offered, version) {
		version = "3.1.1"
	}
	return own, usp.Params{"BrokerAddress": c.bench.brokerHost(), "BrokerPort": port, "ProtocolVersion": version},
		usp.Params{"Alias": c.Fresh("client"), "TransportProtocol": "TCP/IP", "ClientID": c.Fresh("client"),
			"ConnectRetryTime": "1", "ConnectRetryIntervalMultiplier": "1000", "ConnectRetryMaxInterval": "1"}
}

// subscribes gives a client a topic: some Agents end a connection without a subscription, which of one that carries USP is right
// (R-MQTT.16).
func (c *Case) subscribes(row string) {
	c.AddBesides(row+"Subscription.", usp.Params{"Topic": c.Fresh("topic"), "Enable": "true"}, nil)
}
