package harness

import (
	"strings"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
)

// OverWebSocket says whether the Link is one over WebSocket, whoever dials.
func (b *Bench) OverWebSocket() bool { return strings.HasPrefix(b.Link, dut.WebSocket) }

// NewSession makes the device open another session and waits for it: the broker cuts the one there is. Where the harness dials there is no
// broker, and the device is rebooted.
func (c *Case) NewSession() (*journal.Event, error) {
	mark := c.Journal.Mark()
	if !c.drop() {
		mark = c.Reboot()
	}
	return c.Reconnected(mark)
}

// ResetBrokers ends every script of the broker and the collector.
func (b *Bench) ResetBrokers() {
	switch {
	case b.MQTT != nil:
		b.MQTT.Reset()
	case b.STOMP != nil:
		b.STOMP.Reset()
	case b.WebSocket != nil:
		b.WebSocket.Reset()
	}
	if b.Collector != nil {
		b.Collector.Reset()
	}
}

// drop cuts the device's connections to the broker. It says whether there is one.
func (b *Bench) drop() bool {
	switch {
	case b.MQTT != nil:
		b.MQTT.DropAll()
	case b.STOMP != nil:
		b.STOMP.DropAll()
	case b.WebSocket != nil:
		b.WebSocket.DropAll()
	default:
		return false
	}
	return true
}
