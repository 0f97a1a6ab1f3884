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
			[]any{connect("user", "secret"), subscribe("agent/#"), publish("controller", "self::c")}, nil, listensElsewhere},
		"MQTT, no login":      {overMQTT, []any{&mqtt.Packet{Type: mqtt.Connect}}, nil, noSubscription},
		"MQTT, right at last": {overMQTT, []any{connect("other", "x"), connect("user", "secret"), subscribe("a"), subscribe("agent")}, nil, listensElsewhere},
		"MQTT, otherwise": {overMQTT, []any{connect("other", "x"), subscribe("a"), publish("c", "self::c")}, []string{
			`it logs in as "other", and the link's username is "user"`,
			`it logs in with another password than the link's`,
			`it subscribes to "a", and the link's agentTopic is "agent"`,
			`it sends its Records to "c", and the link's controllerTopic is "controller"`}, listensElsewhere},
		"MQTT, for another Controller": {overMQTT, []any{publish("c", "self::d")}, nil, ""},
		"STOMP, as it should": {overSTOMP,
			[]any{frame("STOMP", "login", "user", "passcode", "secret"), frame("SUBSCRIBE", "destination", "agent")}, nil, listensElsewhere},
		"STOMP, otherwise": {overSTOMP, []any{frame("CONNECT", "login", "other"), frame("SUBSCRIBE", "destination", "a")}, []string{
			`it logs in as "other", and the link's username is "user"`,
			`it subscribes to "a", and the link's agentTopic is "agent"`}, listensElsewhere},
		"WebSocket, nothing": {overWebSocket, nil, nil, ""},
		"WebSocket, no path": {overWebSocket, []any{nil}, nil, `the device has to ask for the path "/usp"`},
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
