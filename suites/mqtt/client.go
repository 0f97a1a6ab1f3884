package mqtt

import (
	"fmt"
	"strings"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// packet returns what an event says of one control packet from the device, or nil when it is none of that type.
func packet(e *journal.Event, packetType string) *mqtt.Packet {
	p, ok := e.Body.(*mqtt.Packet)
	if !ok || e.Dir != journal.In || p.Type != packetType {
		return nil
	}
	return p
}

// isPacket matches the packets of one type from the device.
func isPacket(packetType string) func(*journal.Event) error {
	return func(e *journal.Event) error {
		if packet(e, packetType) == nil {
			return journal.ErrSkip
		}
		return nil
	}
}

// askForResponseInformation makes the Agent set Request Response Information in its next CONNECT, where it has the parameter.
func askForResponseInformation(c *harness.Case) {
	if c.Strict("response-information-on-request") {
		return
	}
	row, name := c.BrokerRow(), "RequestResponseInfo"
	value, err := c.Read(row + name)
	if err != nil {
		c.Note("the Agent has no %s%s", row, name)
		return
	}
	if on, err := usp.ParseBool(value); err == nil && on {
		return
	}
	c.Restore(row, name)
	c.Set(row, usp.Params{name: "true"})
}

// connectsAnewInTheEnd makes the device start an ordinary session when everything else has been put back: a setting of the client that was
// restored may make it connect anew at any time, and the next case must not be the one to find out. Call it before any Restore.
func connectsAnewInTheEnd(c *harness.Case) {
	c.Cleanup("let the device connect anew", c.ConnectAnew)
}

// topic makes a topic that nobody else uses.
func topic(c *harness.Case, word string) string {
	return fmt.Sprintf("%s/%s-%s", c.AgentAddress, strings.ReplaceAll(c.Plan.ID, ".", "-"), word)
}
