package harness

import (
	"strings"

	"github.com/usptest/usptest/harness/dut"
)

// OverWebSocket says whether the Link is one over WebSocket, whoever dials.
func (b *Bench) OverWebSocket() bool { return strings.HasPrefix(b.Link, dut.WebSocket) }

// DropConnections cuts the device's connections with the broker of the Link, without a word.
func (b *Bench) DropConnections() {
	switch {
	case b.MQTT != nil:
		b.MQTT.DropAll()
	case b.STOMP != nil:
		b.STOMP.DropAll()
	case b.WebSocket != nil:
		b.WebSocket.DropAll()
	}
}
