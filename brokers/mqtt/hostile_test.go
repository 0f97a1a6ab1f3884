package mqtt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/onsi/gomega"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

func dialRaw(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }

// mustSurvive checks that the broker still serves.
func mustSurvive(t *testing.T, s *Server) {
	t.Helper()
	eachVersion(t, func(t *testing.T, version byte) {
		d := connected(t, s.Addr(), version)
		d.subscribe("alive")
		awaitSubscriber(t, s, "alive", version)
		if _, err := s.Publish("alive", []byte("yes"), PublishOpts{}); err != nil {
			t.Fatal(err)
		}
		d.expect(Publish)
	})
}

func TestMalformedPackets(t *testing.T) {
	long := bytes.Repeat([]byte{0x80}, 100)
	tests := []struct {
		name    string
		version byte // of the CONNECT before; 0: none
		raw     []byte
		code    byte // of the DISCONNECT of MQTT 5.0
	}{
		{"HTTP", 0, []byte("GET / HTTP/1.1\r\n\r\n"), 0},
		{"zeros", 0, make([]byte, 64), 0},
		{"PINGREQ first", 0, []byte{0xC0, 0}, 0},
		{"CONNECT with flags", 0, []byte{0x1F, 2, 0, 0}, 0},
		{"empty CONNECT", 0, []byte{0x10, 0}, 0},
		{"CONNECT cut short inside", 0, []byte{0x10, 4, 0, 4, 'M', 'Q'}, 0},
		{"CONNECT without end of length", 0, append([]byte{0x10}, long...), 0},
		{"CONNECT of 256 MB", 0, []byte{0x10, 0xFF, 0xFF, 0xFF, 0x7F}, 0},
		{"client id that is not UTF-8", 0, []byte{0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 9, 0, 2, 0xC3, 0x28}, 0},
		{"topic that is not UTF-8", V5, []byte{0x30, 5, 0, 2, 0xC3, 0x28, 0}, 0x81},
		{"topic with a zero character", V5, []byte{0x30, 5, 0, 2, 'a', 0, 0}, 0x81},
		{"topic with a wildcard", V5, []byte{0x30, 5, 0, 2, 'a', '#', 0}, 0x82},
		{"no topic", V5, []byte{0x30, 3, 0, 0, 0}, 0x82},
		{"QoS 3", V5, []byte{0x36, 5, 0, 1, 'a', 0, 1, 0}, 0x81},
		{"no packet id", V5, []byte{0x32, 6, 0, 1, 'a', 0, 0, 0}, 0x82},
		{"topic alias nobody allowed", V5, []byte{0x30, 6, 0, 0, 3, 0x23, 0, 1}, 0x94},
		{"PUBLISH with unknown property", V5, []byte{0x30, 6, 0, 1, 'a', 2, 0x7E, 1}, 0x81},
		{"PUBLISH with properties longer than itself", V5, []byte{0x30, 4, 0, 1, 'a', 0x40}, 0x81},
		{"PUBLISH over the limit", V5, []byte{0x30, 0x80, 0x80, 0x80, 0x20}, 0x95}, // 64 MiB
		{"SUBSCRIBE over the limit", V5, []byte{0x82, 0x80, 0x80, 0x40}, 0x95},     // 1 MiB
		{"SUBSCRIBE without options", V5, []byte{0x82, 6, 0, 1, 0, 0, 1, 'a'}, 0x81},
		{"SUBSCRIBE without filters", V5, []byte{0x82, 3, 0, 1, 0}, 0x82},
		{"SUBSCRIBE with wrong flags", V5, []byte{0x80, 3, 0, 1, 0}, 0x81},
		{"second CONNECT", V5, []byte{0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 9, 0, 2, 'a', 'b'}, 0x82},
		{"packet of the server", V5, []byte{0xD0, 0}, 0},
		{"type 0", V5, []byte{0, 0}, 0x81},
		{"topic that is not UTF-8, 3.1.1", V311, []byte{0x30, 4, 0, 2, 0xC3, 0x28}, 0},
		{"UNSUBSCRIBE cut short inside, 3.1.1", V311, []byte{0xA2, 5, 0, 1, 0, 9, 'a'}, 0},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, j := startBroker(t, Options{OnPublish: func(p Publication) { t.Errorf("accepted %s", p.Describe()) }})
			var d *device
			if tc.version == 0 {
				d = dial(t, s.Addr(), V311)
			} else {
				d = connected(t, s.Addr(), tc.version)
			}
			mark := j.Mark()
			d.write(tc.raw)
			if tc.code != 0 {
				if p := d.expect(Disconnect); p.ReasonCode != tc.code {
					t.Errorf("got %s, want 0x%02X", p.Describe(), tc.code)
				}
			}
			d.conn.(*net.TCPConn).CloseWrite()
			d.expectEnd()
			e := events.Await(t, j, mark, events.Event{Layer: journal.LayerMQTT, Dir: journal.In, Raw: true})
			if !bytes.HasPrefix(tc.raw, e.Raw) {
				t.Errorf("%q is on record as %q", tc.raw, e.Raw)
			}
			mustSurvive(t, s)
		})
	}
}

// TestCutShort ends the connection within every packet of a conversation, at every byte.
func TestCutShort(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		s, j := startBroker(t, Options{})
		pk := publishPacket("a/topic", []byte("payload"))
		pk.FixedHeader.Qos, pk.PacketID = 1, 5
		conversation := slices.Concat(encode(t, version, connectPacket(version)), encode(t, version, subscribePacket("a", "b")), encode(t, version, pk))
		mark := j.Mark()
		for n := range conversation {
			d := dial(t, s.Addr(), version)
			d.write(conversation[:n])
			d.leave()
		}
		for range conversation {
			mark = events.Await(t, j, mark, events.Event{Layer: journal.LayerTCP, Type: "close"}).Seq
		}
		mustSurvive(t, s)
	})
}

func TestRandomBytes(t *testing.T) {
	s, _ := startBroker(t, Options{})
	random := rand.New(rand.NewPCG(1, 2))
	junk := make([]byte, 2000)
	for i := range 300 {
		for k := range junk {
			junk[k] = byte(random.Uint32())
		}
		var d *device
		if i%2 == 0 {
			d = dial(t, s.Addr(), V5)
		} else {
			d = connected(t, s.Addr(), versions[i/2%2])
		}
		d.conn.Write(junk)
		d.leave()
	}
	mustSurvive(t, s)
}

// heap returns the bytes in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestOversizedPublishCostsNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		s, _ := startBroker(t, Options{})
		before := heap()
		chunk := make([]byte, 1<<20)
		for range 4 {
			d := connected(t, s.Addr(), version)
			d.write([]byte{0x30, 0x80, 0x80, 0x80, 0x20, 0, 1, 'a'}) // 64 MiB
			for range 64 {
				if _, err := d.conn.Write(chunk); err != nil {
					break
				}
			}
		}
		if after := heap(); after > before+8<<20 {
			t.Errorf("the heap grew from %d to %d bytes", before, after)
		}
		mustSurvive(t, s)
	})
}

// TestClaimedSizeIsNotAllocated opens many connections that announce large packets and then keep silent.
func TestClaimedSizeIsNotAllocated(t *testing.T) {
	s, j := startBroker(t, Options{})
	before := heap()
	for range 30 {
		d := connected(t, s.Addr(), V5)
		d.write([]byte{0x30, 0x80, 0x80, 0x80, 0x07, 0, 1, 'a'}) // almost 16 MiB
	}
	if after := heap(); after > before+16<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	if got := len(s.connections()); got != 30 {
		t.Errorf("%d connections, want 30", got)
	}
	mustSurvive(t, s) // slow ones do not hinder others
	s.DisconnectAll(0)
	awaitEvent(t, j, 0, journal.LayerMQTT, journal.In, Malformed)
}

// TestSlowDeviceIsEnded begins a CONNECT, a packet, and nothing at all.
func TestSlowDeviceIsEnded(t *testing.T) {
	s, j := startBroker(t, Options{})
	s.patience = 20 * time.Millisecond // before any connection
	for _, begun := range []string{"", "\x10", "\x10\x80", "\x10\x20\x00\x04MQ"} {
		d := dial(t, s.Addr(), V311)
		d.write([]byte(begun))
		d.expectEnd()
	}
	d := dial(t, s.Addr(), V5)
	d.send(connectPacket(V5))
	d.expect(Connack)
	mark := j.Mark()
	d.write([]byte{0x30, 0x20, 0, 1})
	if p := d.expect(Disconnect); p.ReasonCode != 0x81 {
		t.Errorf("got %s", p.Describe())
	}
	if e := awaitEvent(t, j, mark, journal.LayerMQTT, journal.In, Malformed); !bytes.Equal(e.Raw, []byte{0x30, 0x20, 0, 1}) {
		t.Errorf("% X is on record", e.Raw)
	}
}

func TestBurstOfPublish(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		const burst = 10_000
		var count, wrong atomic.Int64
		done := make(chan struct{})
		s, j := startBroker(t, Options{OnPublish: func(p Publication) {
			n := count.Add(1)
			if binary.BigEndian.Uint32(p.Payload) != uint32(n-1) {
				wrong.Add(1)
			}
			if n == burst {
				close(done)
			}
		}})
		before := heap()
		d := connected(t, s.Addr(), version)
		go func() { // acknowledgements must be read
			for d.read() != nil {
			}
		}()
		payload := make([]byte, 1000)
		for i := range burst {
			binary.BigEndian.PutUint32(payload, uint32(i))
			pk := publishPacket("usp/controller", payload)
			pk.FixedHeader.Qos, pk.PacketID = 1, uint16(i%1000+1)
			d.send(pk)
		}
		events.Eventually(t, done).Should(gomega.BeClosed(), func() string { return fmt.Sprintf("%d of %d arrived", count.Load(), burst) })
		if wrong.Load() > 0 {
			t.Errorf("%d out of order", wrong.Load())
		}
		if after := heap(); after > before+100<<20 {
			t.Errorf("the heap grew from %d to %d bytes", before, after)
		}
		j.Forget(j.Mark())
		d.conn.Close()
	})
}

func TestFullJournalKeepsNoPayload(t *testing.T) {
	received := make(chan Publication, 1)
	s, j := startBroker(t, Options{OnPublish: func(p Publication) { received <- p }})
	d := connected(t, s.Addr(), V5)
	pk := publishPacket("t", make([]byte, 2<<10))
	pk.Properties.User = []packets.UserProperty{{Key: "k", Val: "v"}}
	d.send(pk)
	p := <-received
	if whole := j.At(p.Seq).Body.(*Packet); len(whole.Payload) != 2<<10 || len(whole.UserProps) != 1 {
		t.Errorf("the message is not kept whole: %s", whole.Describe())
	}
	j.Append(journal.Event{Type: "all that there is room for", Raw: make([]byte, journal.MaxBytes)})
	if cut := j.At(p.Seq).Body.(*Packet); cut.Payload != nil || cut.UserProps != nil || cut.PayloadSize != 2<<10 || cut.Type != Publish {
		t.Errorf("of the message there is %s", cut.Describe())
	}
}

// TestHalfPacketsOnManyConnections has more connections begin a large packet than there is memory for.
func TestHalfPacketsOnManyConnections(t *testing.T) {
	s, j := startBroker(t, Options{})
	before, refused := heap(), 0
	for range 20 {
		d := connected(t, s.Addr(), V5)
		d.write(binary.AppendUvarint([]byte{packets.Publish << 4}, DefaultMaxPacket-16))
		d.write(make([]byte, 2<<20))
	}
	for _, e := range j.Since(0) {
		if e.Type == Malformed && strings.Contains(e.Text, "at once") {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no connection was refused")
	}
	if after := heap(); after > before+64<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	mustSurvive(t, s)
}

// TestSubscriptionsOfManySessions fills the index with what clients leave behind that went away.
func TestSubscriptionsOfManySessions(t *testing.T) {
	s, _ := startBroker(t, Options{})
	before, refused := heap(), false
	for n := range 40 {
		d := dial(t, s.Addr(), V5)
		pk := connectPacket(V5)
		pk.Connect.ClientIdentifier = fmt.Sprint("client-", n)
		pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 1000, true
		d.send(pk)
		d.expect(Connack)
		var filters []string
		for i := range 50 {
			filters = append(filters, fmt.Sprintf("%d/%d", n, i)+strings.Repeat("/levels", maxLevels-10))
		}
		refused = refused || slices.Contains(d.subscribe(filters...).ReasonCodes, packets.ErrQuotaExceeded.Code)
		d.leave()
	}
	if !refused {
		t.Error("no subscription was refused")
	}
	if after := heap(); after > before+64<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	mustSurvive(t, s)
}

func TestBombs(t *testing.T) {
	levels := strings.Repeat("/", 60_000)
	tests := []struct {
		name string
		pk   packets.Packet
		want string
	}{
		{"filter of many levels", subscribePacket(levels, levels[1:]), Suback},
		{"many filters", subscribePacket(slices.Repeat([]string{"a"}, 40_000)...), Suback},
		{"many properties", func() packets.Packet {
			pk := publishPacket("t", nil)
			pk.Properties.User = slices.Repeat([]packets.UserProperty{{}}, 100_000)
			return pk
		}(), Disconnect},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, _ := startBroker(t, Options{})
			d := connected(t, s.Addr(), V5)
			raw := encode(t, V5, tc.pk)
			tc.pk = packets.Packet{}
			before := heap()
			d.write(raw)
			d.expect(tc.want)
			if after := heap(); after > before+48<<20 {
				t.Errorf("the heap grew from %d to %d bytes", before, after)
			}
			mustSurvive(t, s)
		})
	}
}

func TestTooManySubscriptions(t *testing.T) {
	s, _ := startBroker(t, Options{})
	d := connected(t, s.Addr(), V5)
	filters := make([]string, maxSubscriptions+10)
	for i := range filters {
		filters[i] = string(rune('a'+i%26)) + strings.Repeat("x", i/26)
	}
	ack := d.subscribe(filters...)
	granted := 0
	for _, code := range ack.ReasonCodes {
		if code == 1 {
			granted++
		} else if code != 0x97 {
			t.Fatalf("SUBACK code 0x%02X", code)
		}
	}
	if granted != maxSubscriptions {
		t.Errorf("%d granted, want %d", granted, maxSubscriptions)
	}
}

func TestTooManySessions(t *testing.T) {
	s, _ := startBroker(t, Options{})
	pk := connectPacket(V5)
	pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 1000, true
	refused := false
	for range maxSessions + 1 {
		d := dial(t, s.Addr(), V5)
		d.send(pk)
		code := d.expect(Connack).ReasonCode
		d.leave()
		if refused = code == 0x97; refused {
			break
		}
	}
	if !refused {
		t.Errorf("more than %d sessions are kept", maxSessions)
	}
}
