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
	switch {
	case c.MQTT != nil:
		c.MQTT.DropAll()
	case c.STOMP != nil:
		c.STOMP.DropAll()
	case c.WebSocket != nil:
		c.WebSocket.DropAll()
	default:
		mark = c.Reboot()
	}
	return c.Reconnected(mark)
}
