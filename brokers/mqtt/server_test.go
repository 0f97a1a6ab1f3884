package mqtt

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/onsi/gomega"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

var versions = []byte{V311, V5}

func eachVersion(t *testing.T, test func(t *testing.T, version byte)) {
	for _, version := range versions {
		t.Run(VersionName(version), func(t *testing.T) { test(t, version) })
	}
}

func TestConnectIsRecordedInFull(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		s, j := startBroker(t, Options{})
		d := dial(t, s.Addr(), version)
		pk := connectPacket(version)
		pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, "will", []byte("gone")
		raw := encode(t, version, pk)
		d.write(raw)
		d.expect(Connack)

		e, p := awaitPacket(t, j, 0, journal.In, Connect)
		if p.Version != version || !p.CleanStart || p.KeepAlive != 60 || p.Username != "user" || p.Password != "a password" ||
			!p.HasUsername || !p.HasPassword || !p.Will || p.WillTopic != "will" {
			t.Errorf("decoded as %+v", p)
		}
		if version == V5 && (p.ClientID != "" || !p.RequestResponseInfo || !slices.Equal(p.UserProp("usp-endpoint-id"), []string{"self::agent"})) {
			t.Errorf("decoded as %+v", p)
		}
		if want := bytes.Replace(raw, []byte("a password"), []byte("**********"), 1); !bytes.Equal(e.Raw, want) {
			t.Errorf("raw is\n%q, want\n%q", e.Raw, want)
		}
		if j.Masker().Text("a password") == "a password" {
			t.Error("the password is no secret of the journal")
		}
		if text := e.Text + p.Describe(); strings.Contains(text, "a password") || !strings.Contains(text, "keep alive 60 s") {
			t.Errorf("described as %s", text)
		}
		if e.Conn == 0 || e.Local != s.Addr() || e.Remote != d.conn.LocalAddr().String() {
			t.Errorf("connection %d from %s to %s", e.Conn, e.Remote, e.Local)
		}
		if ack, _ := awaitPacket(t, j, e.Seq, journal.Out, Connack); ack.Conn != e.Conn || len(ack.Raw) == 0 {
			t.Errorf("CONNACK on connection %d, %d bytes", ack.Conn, len(ack.Raw))
		}
	})
}

func TestShortPasswordIsOverwritten(t *testing.T) {
	s, j := startBroker(t, Options{})
	d := dial(t, s.Addr(), V311)
	pk := connectPacket(V311)
	pk.Connect.Password = []byte("us")
	d.send(pk)
	d.expect(Connack)
	e, _ := awaitPacket(t, j, 0, journal.In, Connect)
	if !bytes.HasSuffix(e.Raw, []byte("\x00\x04user\x00\x02**")) {
		t.Errorf("raw ends with %q", e.Raw[len(e.Raw)-12:])
	}
}

func TestPublishNobodySubscribed(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		for qos := range byte(3) {
			t.Run(fmt.Sprintf("QoS %d", qos), func(t *testing.T) {
				got := make(chan Publication, 1)
				s, j := startBroker(t, Options{OnPublish: func(p Publication) { got <- p }})
				d := connected(t, s.Addr(), version)
				pk := publishPacket("usp/controller", []byte("a record"))
				pk.FixedHeader.Qos = qos
				if qos > 0 {
					pk.PacketID = 9
				}
				pk.Properties = packets.Properties{ContentType: "usp.msg", ResponseTopic: "usp/agent", CorrelationData: []byte{1},
					User: []packets.UserProperty{{Key: "a", Val: "b"}, {Key: "a", Val: "c"}}}
				raw := encode(t, version, pk)
				d.write(raw)
				switch qos {
				case 1:
					d.expect(Puback)
				case 2:
					d.expect(Pubrec)
					d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel, Qos: 1}, PacketID: 9})
					d.expect(Pubcomp)
				}
				p := <-got
				e, recorded := awaitPacket(t, j, 0, journal.In, Publish)
				if p.Seq != e.Seq || p.Conn != e.Conn || p.Packet != recorded {
					t.Errorf("publication is event %d of connection %d, journal has %d, %d", p.Seq, p.Conn, e.Seq, e.Conn)
				}
				if !bytes.Equal(e.Raw, raw) {
					t.Errorf("raw is %q, want %q", e.Raw, raw)
				}
				if p.Topic != "usp/controller" || string(p.Payload) != "a record" || p.PayloadSize != 8 || p.QoS != qos {
					t.Errorf("got %+v", p.Packet)
				}
				if version == V5 && (p.ContentType != "usp.msg" || p.ResponseTopic != "usp/agent" || len(p.CorrelationData) != 1 ||
					!slices.Equal(p.UserProp("a"), []string{"b", "c"})) {
					t.Errorf("properties: %+v", p.Packet)
				}
			})
		}
	})
}

func TestPublishReachesTheSubscriber(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		for qos := range byte(2) {
			t.Run(fmt.Sprintf("QoS %d", qos), func(t *testing.T) {
				s, j := startBroker(t, Options{})
				d := connected(t, s.Addr(), version)
				if _, err := s.Publish("usp/agent", nil, PublishOpts{}); err == nil {
					t.Error("published to nobody without an error")
				}
				changed := s.Changed()
				if ack := d.subscribe("usp/#"); !bytes.Equal(ack.ReasonCodes, []byte{1}) {
					t.Errorf("SUBACK codes %v", ack.ReasonCodes)
				}
				<-changed
				subscriber, ok := s.Subscriber("usp/agent")
				if !ok || subscriber.Version != version || subscriber.Filter.Topic != "usp/#" {
					t.Errorf("subscriber %+v, %t", subscriber, ok)
				}
				payload := bytes.Repeat([]byte("x"), 3<<20)
				seq, err := s.Publish("usp/agent", payload, PublishOpts{QoS: qos, ContentType: "usp.msg", ResponseTopic: "usp/controller",
					CorrelationData: []byte("c"), UserProps: []Pair{{"n", "v"}}})
				if err != nil {
					t.Fatal(err)
				}
				p := d.expect(Publish)
				if p.Topic != "usp/agent" || !bytes.Equal(p.Payload, payload) || p.QoS != qos || (p.PacketID != 0) != (qos > 0) {
					t.Errorf("the device got %s", p.Describe())
				}
				if version == V5 && (p.ContentType != "usp.msg" || p.ResponseTopic != "usp/controller" || string(p.CorrelationData) != "c" ||
					!slices.Equal(p.UserProps, []Pair{{"n", "v"}})) {
					t.Errorf("properties: %s", p.Describe())
				}
				e, recorded := awaitPacket(t, j, 0, journal.Out, Publish)
				if e.Seq != seq || e.Conn != subscriber.Conn {
					t.Errorf("event %d of connection %d, Publish said %d", e.Seq, e.Conn, seq)
				}
				if len(e.Raw) != 1<<20 || !bytes.HasSuffix(e.Raw, recorded.Payload) || len(recorded.Payload) < 1<<20-100 || recorded.PayloadSize != 3<<20 || !strings.Contains(e.Text, "3145") {
					t.Errorf("the journal keeps %d and %d bytes of %d: %s", len(e.Raw), len(recorded.Payload), recorded.PayloadSize, e.Text)
				}
				if qos > 0 {
					d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: p.PacketID})
					awaitPacket(t, j, seq, journal.In, Puback)
				}
				d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: 8,
					Filters: packets.Subscriptions{{Filter: "usp/#"}}})
				d.expect(Unsuback)
				if _, ok := s.Subscriber("usp/agent"); ok {
					t.Error("still subscribed after UNSUBACK")
				}
			})
		}
	})
}

func TestClientsReachEachOther(t *testing.T) {
	s, _ := startBroker(t, Options{})
	a, b := dial(t, s.Addr(), V5), dial(t, s.Addr(), V311)
	for _, d := range []*device{a, b} {
		d.send(connectPacket(d.version))
		d.expect(Connack)
		d.subscribe("both")
		awaitSubscriber(t, s, "both", d.version)
	}
	pk := publishPacket("both", []byte("hello"))
	pk.Properties.ContentType = "usp.msg"
	a.send(pk)
	if p := b.expect(Publish); string(p.Payload) != "hello" {
		t.Errorf("got %s", p.Describe())
	}
	if p := a.expect(Publish); p.ContentType != "usp.msg" {
		t.Errorf("got %s", p.Describe())
	}
}

func TestDeviceLimitsAreKept(t *testing.T) {
	s, _ := startBroker(t, Options{})
	d := dial(t, s.Addr(), V5)
	pk := connectPacket(V5)
	pk.Properties.MaximumPacketSize, pk.Properties.ReceiveMaximum = 100, 1
	d.send(pk)
	d.expect(Connack)
	d.subscribe("t")
	awaitSubscriber(t, s, "t", V5)
	if _, err := s.Publish("t", make([]byte, 200), PublishOpts{}); err == nil || !strings.Contains(err.Error(), "at most 100 bytes") {
		t.Errorf("a packet beyond the device's Maximum Packet Size: %v", err)
	}
	if _, err := s.Publish("t", nil, PublishOpts{QoS: 1}); err != nil {
		t.Error(err)
	}
	if _, err := s.Publish("t", nil, PublishOpts{QoS: 1}); err == nil || !strings.Contains(err.Error(), "unacknowledged") {
		t.Errorf("a second message beyond the device's Receive Maximum: %v", err)
	}
}

// TestAConnectionThatEndsBeforeThePacketIsWritten makes Publish return ErrEnding.
func TestAConnectionThatEndsBeforeThePacketIsWritten(t *testing.T) {
	s, _ := startBroker(t, Options{})
	d := connected(t, s.Addr(), V5)
	d.subscribe("t")
	awaitSubscriber(t, s, "t", V5)
	subscriber := s.match("t")[0]
	d.conn.Close()
	events.Eventually(t, func() int { return len(s.connections()) }).Should(gomega.BeZero())
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: "t"}
	if _, err := subscriber.conn.publish(pk, subscriber); !errors.Is(err, ErrEnding) {
		t.Errorf("want ErrEnding, got %v", err)
	}
}

func TestSessionGoesOn(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		s, _ := startBroker(t, Options{})
		pk := connectPacket(version)
		pk.Connect.Clean, pk.Connect.ClientIdentifier = false, "me"
		pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 100, true
		d := dial(t, s.Addr(), version)
		d.send(pk)
		if d.expect(Connack).SessionPresent {
			t.Error("a first CONNECT finds a session")
		}
		d.subscribe("t")
		d.conn.Close()
		for changed := s.Changed(); len(s.connections()) > 0; changed = s.Changed() {
			<-changed
		}

		d = dial(t, s.Addr(), version)
		d.send(pk)
		if !d.expect(Connack).SessionPresent {
			t.Error("the session is gone")
		}
		awaitSubscriber(t, s, "t", version)
		if _, err := s.Publish("t", []byte("again"), PublishOpts{}); err != nil {
			t.Error(err)
		}
		d.expect(Publish)
	})
}

// awaitSubscriber waits until the newest subscriber of topic speaks that version.
func awaitSubscriber(t testing.TB, s *Server, topic string, version byte) {
	t.Helper()
	newest := func() byte { subscriber, _ := s.Subscriber(topic); return subscriber.Version }
	events.Eventually(t, newest).Should(gomega.Equal(version), "nobody subscribed to %q", topic)
}

func TestDisconnectIsRecorded(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		s, j := startBroker(t, Options{})
		d := connected(t, s.Addr(), version)
		d.subscribe("t")
		awaitSubscriber(t, s, "t", version)
		changed := s.Changed()
		pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: 0x80}
		d.send(pk)
		e, p := awaitPacket(t, j, 0, journal.In, Disconnect)
		if version == V5 && p.ReasonCode != 0x80 {
			t.Errorf("recorded as %s", p.Describe())
		}
		<-changed
		if _, ok := s.Subscriber("t"); ok || s.Open(e.Conn) {
			t.Error("still a subscriber")
		}
		d.expectEnd()
		if end := awaitEvent(t, j, 0, journal.LayerTCP, journal.Out, "close"); !strings.Contains(end.Text, "the device said DISCONNECT") {
			t.Errorf("the connection was %s", end.Text)
		}
	})
}

func TestTakenOverClientIsEnded(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		s, _ := startBroker(t, Options{})
		pk := connectPacket(version)
		pk.Connect.ClientIdentifier = "me"
		var old *device
		for range 3 {
			d := dial(t, s.Addr(), version)
			d.send(pk)
			d.expect(Connack)
			d.subscribe("t")
			if old != nil {
				if version == V5 { // MQTT 3.1.1 has no DISCONNECT from the server
					if p := old.expect(Disconnect); p.ReasonCode != 0x8E {
						t.Errorf("the old connection got %s", p.Describe())
					}
				}
				old.expectEnd()
			}
			old = d
		}
		awaitSubscriber(t, s, "t", version)
		if _, err := s.Publish("t", nil, PublishOpts{}); err != nil {
			t.Error(err)
		}
		old.expect(Publish)
	})
}

func TestTLS(t *testing.T) {
	secure, trusting := events.TLS(t)
	s, j := startBroker(t, Options{TLS: secure})
	conn, err := tls.Dial("tcp", s.Addr(), trusting)
	if err != nil {
		t.Fatal(err)
	}
	d := newDevice(t, conn, V5)
	raw := encode(t, V5, connectPacket(V5))
	d.write(raw)
	d.expect(Connack)
	awaitEvent(t, j, 0, journal.LayerTLS, journal.In, "handshake")
	e, _ := awaitPacket(t, j, 0, journal.In, Connect)
	if len(e.Raw) != len(raw) || !bytes.HasPrefix(raw, e.Raw[:20]) {
		t.Error("raw is not the text inside TLS")
	}

	if _, err := tls.Dial("tcp", s.Addr(), &tls.Config{ServerName: "localhost"}); err == nil {
		t.Fatal("a client without the CA connected")
	}
	awaitEvent(t, j, 0, journal.LayerTLS, journal.In, "alert")
}

func TestContextClosesTheBroker(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Start(ctx, journal.New(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := connected(t, s.Addr(), V311)
	cancel()
	d.expectEnd()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestPortInUse(t *testing.T) {
	s, _ := startBroker(t, Options{})
	if other, err := Start(context.Background(), journal.New(), Options{Addr: s.Addr()}); err == nil {
		other.Close()
		t.Error("two brokers on one port")
	}
}
