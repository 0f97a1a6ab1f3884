package mqtt

import (
	"net"
	"slices"
	"testing"

	paho5 "github.com/eclipse/paho.golang/paho"
	paho3 "github.com/eclipse/paho.mqtt.golang"
)

// The clients of these tests come from another workshop than the broker's library.

func TestForeignClientOfMQTT5(t *testing.T) {
	published := make(chan Publication, 1)
	s, _ := startBroker(t, Options{OnPublish: func(p Publication) { published <- p }})
	s.AssignClientID("assigned")
	s.SubscribeTopics("usp/agent/1", "usp/agent/2")
	s.ResponseInfo("usp/reply")
	s.ServerKeepAlive(77)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan *paho5.Publish, 1)
	client := paho5.NewClient(paho5.ClientConfig{Conn: conn, OnPublishReceived: []func(paho5.PublishReceived) (bool, error){
		func(r paho5.PublishReceived) (bool, error) { received <- r.Packet; return true, nil },
	}})
	ctx := testContext(t)
	ack, err := client.Connect(ctx, &paho5.Connect{CleanStart: true, KeepAlive: 30, Properties: &paho5.ConnectProperties{RequestResponseInfo: true}})
	if err != nil {
		t.Fatal(err)
	}
	topics := ack.Properties.User.GetAll("subscribe-topic")
	if ack.Properties.AssignedClientID != "assigned" || ack.Properties.ResponseInfo != "usp/reply" || *ack.Properties.ServerKeepAlive != 77 ||
		!slices.Equal(topics, []string{"usp/agent/1", "usp/agent/2"}) {
		t.Errorf("CONNACK: %+v", ack.Properties)
	}
	s.RejectSubscribe(0x97, "forbidden")
	suback, err := client.Subscribe(ctx, &paho5.Subscribe{Subscriptions: []paho5.SubscribeOptions{{Topic: "usp/agent/1", QoS: 1}, {Topic: "forbidden"}}})
	if suback == nil || !slices.Equal(suback.Reasons, []byte{1, 0x97}) {
		t.Fatalf("SUBACK: %+v, %v", suback, err)
	}
	awaitSubscriber(t, s, "usp/agent/1", V5)
	if _, err := s.Publish("usp/agent/1", []byte("to you"), PublishOpts{QoS: 1, ContentType: "usp.msg", ResponseTopic: "usp/controller"}); err != nil {
		t.Fatal(err)
	}
	p := <-received
	if string(p.Payload) != "to you" || p.Properties.ContentType != "usp.msg" || p.Properties.ResponseTopic != "usp/controller" || p.QoS != 1 {
		t.Errorf("received %+v", p)
	}
	for qos := range byte(3) {
		_, err = client.Publish(ctx, &paho5.Publish{Topic: "usp/controller", QoS: qos, Payload: []byte("to them"),
			Properties: &paho5.PublishProperties{ContentType: "usp.msg", ResponseTopic: "usp/reply"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := <-published; string(got.Payload) != "to them" || got.ResponseTopic != "usp/reply" || got.QoS != qos {
			t.Errorf("published %s", got.Describe())
		}
	}
	if err := client.Disconnect(&paho5.Disconnect{}); err != nil {
		t.Error(err)
	}
}

func TestForeignClientOfMQTT311(t *testing.T) {
	published := make(chan Publication, 1)
	s, _ := startBroker(t, Options{OnPublish: func(p Publication) { published <- p }})
	options := paho3.NewClientOptions().AddBroker("tcp://" + s.Addr()).SetClientID("me").SetUsername("user").SetPassword("secret").SetProtocolVersion(4)
	client := paho3.NewClient(options)
	done := func(token paho3.Token) {
		t.Helper()
		if !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	done(client.Connect())
	received := make(chan paho3.Message, 1)
	done(client.Subscribe("usp/agent/#", 1, func(_ paho3.Client, m paho3.Message) { received <- m }))
	awaitSubscriber(t, s, "usp/agent", V311)
	if _, err := s.Publish("usp/agent/reply-to=usp%2Fcontroller", []byte("to you"), PublishOpts{QoS: 1}); err != nil {
		t.Fatal(err)
	}
	if m := <-received; string(m.Payload()) != "to you" || m.Topic() != "usp/agent/reply-to=usp%2Fcontroller" || m.Qos() != 1 {
		t.Errorf("received %q on %q", m.Payload(), m.Topic())
	}
	for qos := range byte(3) {
		done(client.Publish("usp/controller", qos, false, "to them"))
		if got := <-published; string(got.Payload) != "to them" || got.QoS != qos || got.Version != V311 {
			t.Errorf("published %s", got.Describe())
		}
	}
	done(client.Unsubscribe("usp/agent/#"))
	client.Disconnect(0)
}
