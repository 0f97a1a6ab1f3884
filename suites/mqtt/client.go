package mqtt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
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

// awaitConnect returns the CONNECT of the first connection after mark that shows itself to be for USP, or the first CONNECT when none does.
// A device may have other MQTT clients at the same broker, for bulk data say, and theirs prove nothing.
func awaitConnect(c *harness.Case, mark journal.Mark) (*journal.Event, error) {
	connects := map[uint64]*journal.Event{} // by connection
	var first *journal.Event
	shown, err := c.Await("CONNECT packet", c.ReconnectWait(), mark, func(e *journal.Event) error {
		if packet(e, mqtt.Connect) != nil {
			connects[e.Conn], first = e, cmp.Or(first, e)
		}
		if connects[e.Conn] == nil || !isForUSP(c, e) {
			return journal.ErrSkip
		}
		return nil
	})
	switch {
	case err == nil:
		return connects[shown.Conn], nil
	case first != nil && c.Err() == nil:
		return first, nil
	}
	return nil, err
}

// isForUSP reports whether a packet from the device shows that its connection is for USP: a CONNECT that tells an Endpoint ID, whichever,
// or what is subscribed to or published on a topic of the Link.
func isForUSP(c *harness.Case, e *journal.Event) bool {
	p, ok := e.Body.(*mqtt.Packet)
	if !ok || e.Dir != journal.In {
		return false
	}
	switch p.Type {
	case mqtt.Connect:
		return len(p.UserProp("usp-endpoint-id")) > 0
	case mqtt.Subscribe:
		return slices.ContainsFunc(p.Filters, func(f mqtt.Filter) bool {
			return link.Within(f.Topic, c.AgentAddress) || mqtt.Covers(f.Topic, c.AgentAddress)
		})
	case mqtt.Publish:
		return link.Within(p.Topic, c.ControllerAddress)
	}
	return false
}

// askForResponseInformation makes the Agent set Request Response Information in its next CONNECT, where it has the parameter.
func askForResponseInformation(c *harness.Case) {
	c.Uses(plan.NeedReconfiguration)
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
// restored may make it reconnect at any time, and the next case must not be the one to find out. Call it before any Restore.
func connectsAnewInTheEnd(c *harness.Case) {
	c.Cleanup("let the device reconnect", c.ConnectAnew)
}

// isMQTT5 reports whether the Link is MQTT 5.0, with or without TLS.
func isMQTT5(c *harness.Case) bool { return c.MTP.Version == "5.0" }

// topic makes a topic that nobody else uses.
func topic(c *harness.Case, word string) string {
	return fmt.Sprintf("%s/%s-%s", c.AgentAddress, strings.ReplaceAll(c.Plan.ID, ".", "-"), word)
}
