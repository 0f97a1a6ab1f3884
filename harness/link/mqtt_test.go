package link

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	paho5 "github.com/eclipse/paho.golang/paho"
	paho3 "github.com/eclipse/paho.mqtt.golang"
	"github.com/onsi/gomega"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

const (
	agentTopic      = "usptest/1/agent"
	controllerTopic = "usptest/1/controller"
	mqttPatience    = time.Minute
)

// mqttMessage is what went over the wire, with the reply-to topic taken from where its version puts it.
type mqttMessage struct{ topic, replyTo, contentType, payload string }

// mqttAgent is the other end of an MQTT link, on a foreign client.
type mqttAgent struct {
	t         *testing.T
	received  chan mqttMessage
	subscribe func(filter string)
	publish   func(mqttMessage)
	leave     func()
}

func startMQTT(t *testing.T, version byte) (*MQTT, chan Inbound, *journal.Journal) {
	t.Helper()
	j := journal.New()
	l := NewMQTT(j, MQTTOptions{Name: "mqtt", Version: version, AgentTopic: agentTopic, ControllerTopic: controllerTopic})
	arrivals := make(chan Inbound, 10)
	l.OnRecord(func(in Inbound) { arrivals <- in })
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, arrivals, j
}

// dialMQTT connects an agent of that version.
func dialMQTT(t *testing.T, l *MQTT, version byte) *mqttAgent {
	t.Helper()
	if version == mqtt.V5 {
		return dialMQTT5(t, l)
	}
	return dialMQTT311(t, l)
}

func dialMQTT5(t *testing.T, l *MQTT) *mqttAgent {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	conn, err := net.Dial("tcp", l.Broker().Addr())
	must(err)
	a := &mqttAgent{t: t, received: make(chan mqttMessage, 10)}
	client := paho5.NewClient(paho5.ClientConfig{Conn: conn, OnPublishReceived: []func(paho5.PublishReceived) (bool, error){
		func(r paho5.PublishReceived) (bool, error) {
			p := r.Packet
			a.received <- mqttMessage{p.Topic, p.Properties.ResponseTopic, p.Properties.ContentType, string(p.Payload)}
			return true, nil
		},
	}})
	ctx := t.Context()
	_, err = client.Connect(ctx, &paho5.Connect{CleanStart: true, KeepAlive: 30})
	must(err)
	a.subscribe = func(filter string) {
		t.Helper()
		_, err := client.Subscribe(ctx, &paho5.Subscribe{Subscriptions: []paho5.SubscribeOptions{{Topic: filter, QoS: 1}}})
		must(err)
	}
	a.publish = func(m mqttMessage) {
		t.Helper()
		_, err := client.Publish(ctx, &paho5.Publish{Topic: m.topic, QoS: 1, Payload: []byte(m.payload),
			Properties: &paho5.PublishProperties{ContentType: m.contentType, ResponseTopic: m.replyTo}})
		must(err)
	}
	a.leave = func() { conn.Close() }
	return a
}

func dialMQTT311(t *testing.T, l *MQTT) *mqttAgent {
	t.Helper()
	done := func(token paho3.Token) {
		t.Helper()
		if !token.WaitTimeout(mqttPatience) || token.Error() != nil {
			t.Fatalf("paho: %v", token.Error())
		}
	}
	a := &mqttAgent{t: t, received: make(chan mqttMessage, 10)}
	client := paho3.NewClient(paho3.NewClientOptions().AddBroker("tcp://" + l.Broker().Addr()).SetClientID("agent").SetProtocolVersion(4).
		SetAutoReconnect(false))
	done(client.Connect())
	a.subscribe = func(filter string) {
		t.Helper()
		done(client.Subscribe(filter+"/#", 1, func(_ paho3.Client, m paho3.Message) {
			topic, replyTo, _ := strings.Cut(m.Topic(), "/reply-to=")
			a.received <- mqttMessage{topic: topic, replyTo: strings.ReplaceAll(replyTo, "%2F", "/"), payload: string(m.Payload())}
		}))
	}
	a.publish = func(m mqttMessage) {
		t.Helper()
		topic := m.topic
		if m.replyTo != "" {
			topic += "/reply-to=" + strings.ReplaceAll(m.replyTo, "/", "%2F")
		}
		done(client.Publish(topic, 1, false, m.payload))
	}
	a.leave = func() { client.Disconnect(0) }
	t.Cleanup(a.leave)
	return a
}

func (a *mqttAgent) expect(want mqttMessage) {
	a.t.Helper()
	events.Eventually(a.t, a.received).Should(gomega.Receive(gomega.Equal(want)))
}

func expectInbound(t *testing.T, arrivals chan Inbound, payload, to, replyTo string) Inbound {
	t.Helper()
	var in Inbound
	events.Eventually(t, arrivals).Should(gomega.Receive(&in), "no Record came, want %q", payload)
	if string(in.Raw) != payload || in.To != to || in.ReplyTo != replyTo {
		t.Errorf("got %q to %q, reply to %q; want %q, %q, %q", in.Raw, in.To, in.ReplyTo, payload, to, replyTo)
	}
	return in
}

func awaitMQTT(t *testing.T, l *MQTT) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), mqttPatience)
	defer cancel()
	if err := l.Connected(ctx); err != nil {
		t.Fatal(err)
	}
}

func mustSend(t *testing.T, l *MQTT, record string) journal.Mark {
	t.Helper()
	seq, err := l.Send(t.Context(), []byte(record))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func eachMQTT(t *testing.T, test func(t *testing.T, version byte)) {
	for _, version := range []byte{mqtt.V5, mqtt.V311} {
		t.Run(mqtt.VersionName(version), func(t *testing.T) { test(t, version) })
	}
}

// contentOf is the content type that a version carries.
func contentOf(version byte) string {
	if version == mqtt.V5 {
		return "usp.msg"
	}
	return ""
}

func TestMQTTCarriesRecords(t *testing.T) {
	eachMQTT(t, func(t *testing.T, version byte) {
		l, arrivals, j := startMQTT(t, version)
		if _, err := l.Send(t.Context(), nil); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), agentTopic) {
			t.Errorf("want ErrUnreachable on %s, got %v", agentTopic, err)
		}
		a := dialMQTT(t, l, version)
		a.subscribe(agentTopic)
		awaitMQTT(t, l)
		seq := mustSend(t, l, "request")
		a.expect(mqttMessage{agentTopic, controllerTopic, contentOf(version), "request"})
		if e := j.Since(seq - 1)[0]; e.Seq != seq || e.Type != mqtt.Publish || e.Dir != journal.Out {
			t.Errorf("Send returned %d, which is %s %s", seq, e.Dir, e.Type)
		}

		a.publish(mqttMessage{controllerTopic, agentTopic, "usp.msg", "response"})
		in := expectInbound(t, arrivals, "response", controllerTopic, agentTopic)
		if e := j.Since(in.Seq - 1)[0]; e.Type != mqtt.Publish || e.Dir != journal.In || e.Conn != in.Conn {
			t.Errorf("the Record came in event %d, which is %s %s", in.Seq, e.Dir, e.Type)
		}
		a.publish(mqttMessage{"somebody/else", agentTopic, "usp.msg", "not for us"})
		a.publish(mqttMessage{controllerTopic + "s", agentTopic, "usp.msg", "not for us"})
		a.publish(mqttMessage{topic: controllerTopic + "/2", payload: "below"})
		expectInbound(t, arrivals, "below", controllerTopic+"/2", "")
	})
}

func TestMQTTFollowsTheAgent(t *testing.T) {
	eachMQTT(t, func(t *testing.T, version byte) {
		l, arrivals, _ := startMQTT(t, version)
		a := dialMQTT(t, l, version)
		a.subscribe(agentTopic)
		a.subscribe("by/packet")
		a.subscribe("by/record")
		awaitMQTT(t, l)

		a.publish(mqttMessage{controllerTopic, "by/packet", "", "hello"})
		expectInbound(t, arrivals, "hello", controllerTopic, "by/packet")
		mustSend(t, l, "1")
		a.expect(mqttMessage{"by/packet", controllerTopic, contentOf(version), "1"})

		l.SetAgentTopic("by/record")
		mustSend(t, l, "2")
		a.expect(mqttMessage{"by/record", controllerTopic, contentOf(version), "2"})

		a.publish(mqttMessage{controllerTopic, "not/yet", "", "moving"})
		expectInbound(t, arrivals, "moving", controllerTopic, "not/yet")
		mustSend(t, l, "3") // it listens there no sooner than it has subscribed
		a.expect(mqttMessage{agentTopic, controllerTopic, contentOf(version), "3"})
		a.subscribe("not/yet")
		a.publish(mqttMessage{controllerTopic, "not/yet", "", "moved"})
		expectInbound(t, arrivals, "moved", controllerTopic, "not/yet")
		mustSend(t, l, "4")
		a.expect(mqttMessage{"not/yet", controllerTopic, contentOf(version), "4"})
	})
}

// TestMQTTForgetsAfterReconnect connects an agent again that listens elsewhere now, on a broader filter.
func TestMQTTForgetsAfterReconnect(t *testing.T) {
	eachMQTT(t, func(t *testing.T, version byte) {
		l, arrivals, _ := startMQTT(t, version)
		a := dialMQTT(t, l, version)
		a.subscribe("before")
		a.publish(mqttMessage{controllerTopic, "before", "", "hello"})
		in := expectInbound(t, arrivals, "hello", controllerTopic, "before")
		awaitMQTT(t, l)
		a.leave()
		for l.Broker().Open(in.Conn) {
			changed := l.Broker().Changed()
			if !l.Broker().Open(in.Conn) {
				break
			}
			<-changed
		}
		a = dialMQTT(t, l, version)
		a.subscribe("before")
		a.subscribe(agentTopic)
		awaitMQTT(t, l)
		mustSend(t, l, "1")
		a.expect(mqttMessage{agentTopic, controllerTopic, contentOf(version), "1"})
	})
}

func TestMQTTSecondController(t *testing.T) {
	eachMQTT(t, func(t *testing.T, version byte) {
		l, arrivals, _ := startMQTT(t, version)
		joined := l.Join("self::second")
		address := joined.Address()
		a := dialMQTT(t, l, version)
		a.subscribe(agentTopic)
		awaitMQTT(t, l)
		if _, err := joined.Send(t.Context(), []byte("request")); err != nil {
			t.Fatal(err)
		}
		a.expect(mqttMessage{agentTopic, address, contentOf(version), "request"})
		a.publish(mqttMessage{address, agentTopic, "", "response"})
		expectInbound(t, arrivals, "response", address, agentTopic)
	})
}

func TestMQTTConnectedSaysWhatIsMissing(t *testing.T) {
	l, _, _ := startMQTT(t, mqtt.V5)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	check := func(want string) {
		t.Helper()
		if err := l.Connected(over); !errors.Is(err, ErrUnreachable) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	check(`nobody has subscribed to "usptest/1/agent"`)
	a := dialMQTT(t, l, mqtt.V311)
	a.subscribe(agentTopic)
	a.publish(mqttMessage{topic: controllerTopic, payload: "so that the subscription is known"})
	check("speaks MQTT 3.1.1, this link speaks 5.0")
	if _, err := l.Send(over, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("sent although the context has ended: %v", err)
	}
}

func TestMQTTVersionIsChecked(t *testing.T) {
	if err := NewMQTT(journal.New(), MQTTOptions{Name: "mqtt"}).Start(t.Context()); err == nil {
		t.Error("a link of no MQTT version started")
	}
}

func TestReplyTo(t *testing.T) {
	tests := []struct{ published, topic, replyTo string }{
		{"a/b", "a/b", ""},
		{"a/b/reply-to=c%2Fd", "a/b", "c/d"},
		{"a/b/reply-to=", "a/b", ""},
		{"a/reply-to=x/reply-to=%2Fc", "a/reply-to=x", "/c"}, // the last mark counts
		{"a/reply-to=b/c", "a", "b/c"},
		{"a/reply-to=b%20c%2fd%2Fe", "a", "b%20c%2fd/e"}, // a percent sign of the topic's own stays
	}
	for _, tc := range tests {
		if topic, replyTo := SplitReplyTo(tc.published); topic != tc.topic || replyTo != tc.replyTo {
			t.Errorf("%q is %q, reply to %q", tc.published, topic, replyTo)
		}
	}
	if got := JoinReplyTo("a/b", "c/d"); got != "a/b/reply-to=c%2Fd" {
		t.Errorf("joined to %q", got)
	}
}
