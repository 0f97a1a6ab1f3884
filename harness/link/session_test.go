package link

import (
	"testing"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/journal"
)

func TestWhatStartsASession(t *testing.T) {
	j := journal.New()
	overMQTT, overSTOMP := NewMQTT(j, MQTTOptions{Version: mqtt.V5}), NewSTOMP(j, STOMPOptions{})
	overWebSocket := NewWebSocket(j, WebSocketOptions{})
	for _, test := range []struct {
		link  Link
		event journal.Event
		want  bool
	}{
		{overMQTT, journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: "CONNECT"}, true},
		{overMQTT, journal.Event{Layer: journal.LayerMQTT, Dir: journal.Out, Type: "CONNECT"}, false},
		{overMQTT, journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: "SUBSCRIBE"}, false},
		{overMQTT, journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "CONNECT"}, false},
		{overSTOMP, journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Type: "STOMP"}, true},
		{overSTOMP, journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Type: "CONNECT"}, true},
		{overSTOMP, journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Type: "SEND"}, false},
		{overWebSocket, journal.Event{Layer: journal.LayerWebSocket, Dir: journal.In, Type: websocket.HandshakeEvent}, true},
		{overWebSocket, journal.Event{Layer: journal.LayerWebSocket, Dir: journal.Out, Type: websocket.HandshakeEvent}, false},
		{overWebSocket, journal.Event{Layer: journal.LayerWebSocket, Dir: journal.In, Type: "PING"}, false},
	} {
		if got := test.link.StartsSession(&test.event); got != test.want {
			t.Errorf("%s, %+v: got %v", test.link.MTP().Name, test.event, got)
		}
	}
}
