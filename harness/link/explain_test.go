package link

import (
	"slices"
	"testing"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// connected is the Connect Record of a device, for a Controller.
func connected(t *testing.T, to string) []byte {
	t.Helper()
	raw, err := usp.Marshal(&usppb.Record{Version: usp.Version, ToId: to, FromId: "proto::agent",
		RecordType: &usppb.Record_MqttConnect{MqttConnect: &usppb.MQTTConnectRecord{SubscribedTopic: "agent"}}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestExplain(t *testing.T) {
	j := journal.New()
	login := Login{Username: "user", Password: "secret"}
	overMQTT := NewMQTT(j, MQTTOptions{Version: mqtt.V5, AgentTopic: "agent",
		ControllerTopic: "controller", ControllerID: "self::c", Login: login})
	overSTOMP := NewSTOMP(j, STOMPOptions{AgentDestination: "agent",
		ControllerDestination: "controller", ControllerID: "self::c", Login: login})
	overWebSocket := NewWebSocket(j, WebSocketOptions{Broker: websocket.Options{Path: "/usp"}})

	dialled := NewWebSocket(j, WebSocketOptions{Dial: &websocket.DialOptions{URL: "ws://device/usp"}})

	connect := func(user, password string) any {
		return &mqtt.Packet{Type: mqtt.Connect, HasUsername: true, Username: user, HasPassword: true, Password: password}
	}
	subscribe := func(topic string) any {
		return &mqtt.Packet{Type: mqtt.Subscribe, Filters: []mqtt.Filter{{Topic: topic}}}
	}
	publish := func(topic, to string) any {
		return &mqtt.Packet{Type: mqtt.Publish, Topic: topic, Payload: connected(t, to)}
	}
	frame := func(command string, headers ...string) *stomp.Frame {
		f := &stomp.Frame{Command: command}
		for pair := range slices.Chunk(headers, 2) {
			f.Headers = append(f.Headers, stomp.Pair{Name: pair[0], Value: pair[1]})
		}
		return f
	}
	const (
		noSubscription = "the device connects but does not subscribe: look at the login (username, password) and the topic or " +
			"destination on the device"
		listensElsewhere = `the device listens elsewhere: agentTopic must be what it subscribes to, here "agent"`
	)
	for name, test := range map[string]struct {
		link       Link
		did        []any
		mismatches []string
		remedy     string
	}{
		"MQTT, nothing": {overMQTT, nil, nil, ""},
		"MQTT, as it should": {overMQTT,
			[]any{connect("user", "secret"), subscribe("agent/#"), publish("controller", "self::c")}, nil, ""},
		"MQTT, no login":      {overMQTT, []any{&mqtt.Packet{Type: mqtt.Connect}}, nil, noSubscription},
		"MQTT, right at last": {overMQTT, []any{connect("other", "x"), connect("user", "secret"), subscribe("a"), subscribe("agent")}, nil, ""},
		"MQTT, otherwise": {overMQTT, []any{connect("other", "x"), subscribe("a"), publish("c", "self::c")}, []string{
			`it logs in as "other", and the link's username is "user"`,
			`its password is not the link's`,
			`it subscribes to "a", and the link's agentTopic is "agent"`,
			`it sends its Records to "c", and the link's controllerTopic is "controller"`}, listensElsewhere},
		"MQTT, for another Controller": {overMQTT, []any{publish("c", "self::d")}, nil, ""},
		"STOMP, as it should": {overSTOMP,
			[]any{frame("STOMP", "login", "user", "passcode", "secret"), frame("SUBSCRIBE", "destination", "agent")}, nil, ""},
		"STOMP, otherwise": {overSTOMP, []any{frame("CONNECT", "login", "other"), frame("SUBSCRIBE", "destination", "a")}, []string{
			`it logs in as "other", and the link's username is "user"`,
			`it subscribes to "a", and the link's agentTopic is "agent"`}, listensElsewhere},
		"WebSocket, nothing": {overWebSocket, nil, nil, ""},
		"WebSocket, another path": {overWebSocket, []any{&websocket.Handshake{Path: "/else"}, &websocket.Handshake{Path: "/else"}},
			[]string{`it asks for the path "/else", and the link's path is "/usp"`}, ""},
		"WebSocket, an answer": {dialled, []any{&websocket.Handshake{Status: 404}},
			[]string{`its WebSocket server answers the opening request with 404 Not Found, and the link's url is "ws://device/usp"`}, ""},
	} {
		var events []*journal.Event
		for _, body := range test.did {
			events = append(events,
				&journal.Event{Layer: journal.LayerWebSocket, Type: websocket.HandshakeEvent, Dir: journal.In, Body: body},
				&journal.Event{Dir: journal.Out, Body: subscribe("what the harness sends")})
		}
		got := test.link.Explain(events)
		if !slices.Equal(got.Mismatches, test.mismatches) || got.Remedy != test.remedy {
			t.Errorf("%s: got %q, %q", name, got.Mismatches, got.Remedy)
		}
	}
}

// TestBreaches are devices that no other set-up would let in.
func TestBreaches(t *testing.T) {
	j := journal.New()
	mqtt5 := NewMQTT(j, MQTTOptions{Version: mqtt.V5, AgentTopic: "agent", ControllerTopic: "controller", ControllerID: "self::c"})
	mqtt3 := NewMQTT(j, MQTTOptions{Version: mqtt.V311, AgentTopic: "agent", ControllerTopic: "controller", ControllerID: "self::c"})
	overSTOMP := NewSTOMP(j, STOMPOptions{AgentDestination: "agent", ControllerDestination: "controller", ControllerID: "self::c"})
	overWebSocket := NewWebSocket(j, WebSocketOptions{Broker: websocket.Options{Path: "/usp"}})
	in := func(layer journal.Layer, kind string, body any) *journal.Event {
		return &journal.Event{Seq: 7, Layer: layer, Dir: journal.In, Type: kind, Body: body, Text: "too short"}
	}
	out := func(body any) *journal.Event {
		return &journal.Event{Layer: journal.LayerWebSocket, Dir: journal.Out, Body: body}
	}
	frame := func(command string, headers ...stomp.Pair) *stomp.Frame {
		return &stomp.Frame{Command: command, Headers: headers}
	}
	opening := func(status int, protocols ...string) *websocket.Handshake {
		return &websocket.Handshake{Path: "/usp", Status: status, Header: map[string][]string{"Sec-Websocket-Protocol": protocols}}
	}
	stompIn := func(command string, headers ...stomp.Pair) *journal.Event {
		return in(journal.LayerSTOMP, command, frame(command, headers...))
	}
	subscribes := func(topic string) *journal.Event {
		return in(journal.LayerMQTT, mqtt.Subscribe, &mqtt.Packet{Type: mqtt.Subscribe, Filters: []mqtt.Filter{{Topic: topic}}})
	}
	greeted, refused := out(frame("CONNECTED")), out(frame("ERROR"))
	connect := in(journal.LayerMQTT, mqtt.Connect, &mqtt.Packet{Type: mqtt.Connect, Version: mqtt.V5})
	for name, test := range map[string]struct {
		link   Link
		events []*journal.Event
		want   string
	}{
		"a packet that is none":     {mqtt5, []*journal.Event{connect, in(journal.LayerMQTT, mqtt.Malformed, nil)}, "MQTT 5.0"},
		"bytes of another protocol": {mqtt5, []*journal.Event{in(journal.LayerMQTT, mqtt.Malformed, nil)}, ""},
		"another version":           {mqtt3, []*journal.Event{connect, in(journal.LayerMQTT, mqtt.Malformed, nil)}, ""},
		"no reply-to":               {mqtt3, []*journal.Event{subscribes("agent")}, "R-MQTT.24"},
		"a reply-to":                {mqtt3, []*journal.Event{subscribes("agent/#")}, ""},
		"another version of STOMP": {overSTOMP,
			[]*journal.Event{stompIn("STOMP", stomp.Pair{Name: "accept-version", Value: "1.0"}), refused}, "R-STOMP.2"},
		"SUBSCRIBE without an id":        {overSTOMP, []*journal.Event{greeted, stompIn("SUBSCRIBE"), refused}, "R-STOMP.13"},
		"SEND without a destination":     {overSTOMP, []*journal.Event{greeted, stompIn("SEND"), refused}, "R-STOMP.18"},
		"SUBSCRIBE at first":             {overSTOMP, []*journal.Event{stompIn("SUBSCRIBE"), refused}, "R-STOMP.2"},
		"no frame of STOMP":              {overSTOMP, []*journal.Event{out(frame("ERROR"))}, ""},
		"a server without a subprotocol": {overWebSocket, []*journal.Event{in(journal.LayerWebSocket, "HANDSHAKE", opening(101))}, "R-WS.11"},
		"a client without a subprotocol": {overWebSocket, []*journal.Event{in(journal.LayerWebSocket, "HANDSHAKE", opening(0)), out(opening(400))}, "R-WS.10"},
		"another fault of a client":      {overWebSocket, []*journal.Event{in(journal.LayerWebSocket, "HANDSHAKE", opening(0, "v1.usp")), out(opening(400))}, "R-WS.7"},
		"a text message":                 {overWebSocket, []*journal.Event{out(&websocket.Frame{Opcode: websocket.OpClose, Payload: []byte{0x03, 0xeb}})}, "R-WS.14"},
		"a frame that is none":           {overWebSocket, []*journal.Event{out(&websocket.Frame{Opcode: websocket.OpClose, Payload: []byte{0x03, 0xea}})}, "RFC 6455"},
		"the end":                        {overWebSocket, []*journal.Event{out(&websocket.Frame{Opcode: websocket.OpClose, Payload: []byte{0x03, 0xe8}})}, ""},
	} {
		got := ""
		for _, b := range test.link.Explain(test.events).Breaches {
			got += b.Rule
		}
		if got != test.want {
			t.Errorf("%s: want %q, got %q", name, test.want, got)
		}
	}
}
