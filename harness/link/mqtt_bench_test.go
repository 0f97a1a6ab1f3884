package link

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness/journal"
)

// BenchmarkMQTTRoundTrip sends a Record to a device that answers at once, through the link and through the bare library, with the
// same bytes over the same kind of socket.
func BenchmarkMQTTRoundTrip(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("link/%d", size), func(b *testing.B) { benchmarkLink(b, size) })
		b.Run(fmt.Sprintf("bare/%d", size), func(b *testing.B) { benchmarkBare(b, size) })
	}
}

func benchmarkLink(b *testing.B, size int) {
	j := journal.New()
	l := NewMQTT(j, MQTTOptions{Name: "mqtt5", Version: mqtt.V5, AgentTopic: agentTopic, ControllerTopic: controllerTopic})
	answered := make(chan struct{}, 1)
	l.OnRecord(func(Inbound) { answered <- struct{}{} })
	if err := l.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	echo(b, l.Broker().Addr(), size)
	if err := l.Connected(b.Context()); err != nil {
		b.Fatal(err)
	}
	record := make([]byte, size)
	for n := 0; b.Loop(); n++ {
		if _, err := l.Send(b.Context(), record); err != nil {
			b.Fatal(err)
		}
		<-answered
		if n%1000 == 0 {
			j.Forget(j.Mark()) // as between cases
		}
	}
}

// allowAll lets every client do everything.
type allowAll struct{ mochi.HookBase }

func (allowAll) ID() string { return "allow all" }
func (allowAll) Provides(h byte) bool {
	return h == mochi.OnACLCheck || h == mochi.OnConnectAuthenticate
}
func (allowAll) OnACLCheck(*mochi.Client, string, bool) bool              { return true }
func (allowAll) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

func benchmarkBare(b *testing.B, size int) {
	server := mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(new(allowAll), nil); err != nil {
		b.Fatal(err)
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	if err := server.AddListener(listeners.NewNet("bench", socket)); err != nil {
		b.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	answered := make(chan struct{}, 1)
	err = server.Subscribe(controllerTopic, 1, func(*mochi.Client, packets.Subscription, packets.Packet) { answered <- struct{}{} })
	if err != nil {
		b.Fatal(err)
	}
	echo(b, socket.Addr().String(), size)
	inline := server.NewClient(nil, "local", "bench", true)
	request := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: agentTopic, Payload: make([]byte, size),
		Properties: packets.Properties{ContentType: contentType, ResponseTopic: controllerTopic}}
	for b.Loop() {
		if err := server.InjectPacket(inline, request); err != nil {
			b.Fatal(err)
		}
		<-answered
	}
}

// echo connects a device that answers every PUBLISH with a prepared one. It returns when its subscription is acknowledged.
func echo(b *testing.B, addr string, size int) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	encode := func(pk packets.Packet, f func(*packets.Packet, *bytes.Buffer) error) []byte {
		pk.ProtocolVersion, pk.Mods.AllowResponseInfo = mqtt.V5, true
		var buffer bytes.Buffer
		if err := f(&pk, &buffer); err != nil {
			b.Fatal(err)
		}
		return buffer.Bytes()
	}
	in := bufio.NewReaderSize(conn, 1<<16)
	read := func() error { // takes one packet
		if _, err := in.ReadByte(); err != nil {
			return err
		}
		n, err := binary.ReadUvarint(in)
		if err != nil {
			return err
		}
		_, err = in.Discard(int(n))
		return err
	}
	for _, first := range [][]byte{
		encode(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), Clean: true, ClientIdentifier: "agent", Keepalive: 600}}, (*packets.Packet).ConnectEncode),
		encode(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 1,
			Filters: packets.Subscriptions{{Filter: agentTopic}}}, (*packets.Packet).SubscribeEncode),
	} {
		if _, err := conn.Write(first); err != nil {
			b.Fatal(err)
		}
		if err := read(); err != nil {
			b.Fatal(err)
		}
	}
	answer := encode(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: controllerTopic, Payload: make([]byte, size),
		Properties: packets.Properties{ContentType: contentType, ResponseTopic: agentTopic}}, (*packets.Packet).PublishEncode)
	go func() {
		for read() == nil {
			if _, err := conn.Write(answer); err != nil && err != io.EOF {
				return
			}
		}
	}()
}
