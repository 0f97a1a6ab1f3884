package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

// patience bounds every wait of the tests; none of them takes that long unless it fails.
const patience = time.Minute

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func startBroker(t testing.TB, o Options) (*Server, *journal.Journal) {
	t.Helper()
	return events.Serve(t, Start, o)
}

// device is a client of a few lines that can also misbehave.
type device struct {
	t       testing.TB
	conn    net.Conn
	in      *bufio.Reader
	version byte
}

func dial(t testing.TB, addr string, version byte) *device {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newDevice(t, conn, version)
}

func newDevice(t testing.TB, conn net.Conn, version byte) *device {
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return &device{t: t, conn: conn, in: bufio.NewReader(conn), version: version}
}

// connected dials, connects and checks that it was let in.
func connected(t testing.TB, addr string, version byte) *device {
	t.Helper()
	d := dial(t, addr, version)
	d.send(connectPacket(version))
	if p := d.expect(Connack); p.ReasonCode != 0 {
		t.Fatalf("CONNACK says %s", p.reasonName(p.ReasonCode))
	}
	return d
}

func connectPacket(version byte) packets.Packet {
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connect},
		Connect: packets.ConnectParams{ProtocolName: []byte("MQTT"), Clean: true, Keepalive: 60, UsernameFlag: true, Username: []byte("user"),
			PasswordFlag: true, Password: []byte("a password")},
	}
	if version == V5 {
		pk.Properties.RequestResponseInfo = 1
		pk.Properties.User = []packets.UserProperty{{Key: "usp-endpoint-id", Val: "self::agent"}}
	} else {
		pk.Connect.ClientIdentifier = "self::agent"
	}
	return pk
}

func subscribePacket(filters ...string) packets.Packet {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 7}
	for _, f := range filters {
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: f, Qos: 1})
	}
	return pk
}

func publishPacket(topic string, payload []byte) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: topic, Payload: payload}
}

func encode(t testing.TB, version byte, pk packets.Packet) []byte {
	t.Helper()
	pk.ProtocolVersion = version
	pk.Mods.AllowResponseInfo = true
	var b bytes.Buffer
	var err error
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = pk.ConnectEncode(&b)
	case packets.Publish:
		err = pk.PublishEncode(&b)
	case packets.Subscribe:
		err = pk.SubscribeEncode(&b)
	case packets.Unsubscribe:
		err = pk.UnsubscribeEncode(&b)
	case packets.Puback:
		err = pk.PubackEncode(&b)
	case packets.Pubrel:
		err = pk.PubrelEncode(&b)
	case packets.Pingreq:
		err = pk.PingreqEncode(&b)
	case packets.Disconnect:
		err = pk.DisconnectEncode(&b)
	default:
		t.Fatalf("the test client sends no %s", typeNames[pk.FixedHeader.Type])
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (d *device) send(pk packets.Packet) {
	d.t.Helper()
	d.write(encode(d.t, d.version, pk))
}

func (d *device) write(raw []byte) {
	d.t.Helper()
	if _, err := d.conn.Write(raw); err != nil {
		d.t.Fatal(err)
	}
}

// read returns the next packet, or nil when the broker has closed the connection.
func (d *device) read() *Packet {
	d.t.Helper()
	for n := 2; ; n++ {
		start, err := d.in.Peek(n)
		if err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				d.t.Fatal("neither a packet nor the end of the connection came")
			}
			return nil
		}
		if _, size, err := headerSize(start); err != nil {
			d.t.Fatal(err)
		} else if size > 0 {
			raw := make([]byte, size)
			if _, err := io.ReadFull(d.in, raw); err != nil {
				d.t.Fatal(err)
			}
			p, err := decode(raw, d.version)
			if err != nil {
				d.t.Fatal(err)
			}
			return p
		}
	}
}

func (d *device) expect(packetType string) *Packet {
	d.t.Helper()
	p := d.read()
	if p == nil {
		d.t.Fatalf("the connection was closed, want %s", packetType)
	}
	if p.Type != packetType {
		d.t.Fatalf("got %s, want %s", p.Describe(), packetType)
	}
	return p
}

func (d *device) expectEnd() {
	d.t.Helper()
	if p := d.read(); p != nil {
		d.t.Fatalf("got %s, want the end of the connection", p.Describe())
	}
}

// leave closes the connection and waits until the broker has closed it too, so that its place is free.
func (d *device) leave() {
	d.conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, d.in)
	d.conn.Close()
}

func (d *device) subscribe(filters ...string) *Packet {
	d.t.Helper()
	d.send(subscribePacket(filters...))
	return d.expect(Suback)
}

// awaitEvent returns the first event after mark of that layer, direction and type.
func awaitEvent(
	t testing.TB, j *journal.Journal, mark journal.Mark, layer journal.Layer, dir journal.Dir, eventType string,
) *journal.Event {
	t.Helper()
	return events.Await(t, j, mark, events.Event{Layer: layer, Dir: dir, Type: eventType})
}

// awaitPacket returns the first packet of that type after mark.
func awaitPacket(t testing.TB, j *journal.Journal, mark journal.Mark, dir journal.Dir, packetType string) (*journal.Event, *Packet) {
	t.Helper()
	e := awaitEvent(t, j, mark, journal.LayerMQTT, dir, packetType)
	return e, e.Body.(*Packet)
}
