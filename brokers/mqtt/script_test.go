package mqtt

import (
	"bytes"
	"slices"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/usptest/usptest/harness/journal"
)

func TestAssignedClientID(t *testing.T) {
	s, _ := startBroker(t, Options{})
	connack := func(clientID string) *Packet {
		d := dial(t, s.Addr(), V5)
		pk := connectPacket(V5)
		pk.Connect.ClientIdentifier = clientID
		d.send(pk)
		return d.expect(Connack)
	}
	if first, second := connack("").AssignedClientID, connack("").AssignedClientID; first == "" || first == second {
		t.Errorf("made up %q, then %q", first, second)
	}
	s.AssignClientID("the chosen one")
	for range 2 {
		if got := connack("").AssignedClientID; got != "the chosen one" {
			t.Errorf("assigned %q", got)
		}
	}
	if got := connack("my own").AssignedClientID; got != "" {
		t.Errorf("assigned %q to a client that has an id", got)
	}
	s.Reset()
	if got := connack("").AssignedClientID; got == "the chosen one" {
		t.Error("still assigned after Reset")
	}
}

func TestConnackOffers(t *testing.T) {
	s, _ := startBroker(t, Options{SubscribeTopics: []string{"bench"}, ResponseInfo: "bench/reply"})
	connack := func(version byte, change func(*packets.Packet)) *Packet {
		d := dial(t, s.Addr(), version)
		pk := connectPacket(version)
		if change != nil {
			change(&pk)
		}
		d.send(pk)
		return d.expect(Connack)
	}
	check := func(when string, p *Packet, info string, topics ...string) {
		t.Helper()
		if got := p.UserProp("subscribe-topic"); !slices.Equal(got, topics) || p.ResponseInfo != info {
			t.Errorf("%s: topics %q, response information %q; want %q, %q", when, got, p.ResponseInfo, topics, info)
		}
	}
	check("options", connack(V5, nil), "bench/reply", "bench")
	check("not asked", connack(V5, func(pk *packets.Packet) { pk.Properties.RequestResponseInfo = 0 }), "", "bench")
	check("no problem information", connack(V5, func(pk *packets.Packet) { pk.Properties.RequestProblemInfoFlag = true }), "bench/reply", "bench")
	check("3.1.1", connack(V311, nil), "")

	s.SubscribeTopics("a/b", "c")
	s.ResponseInfo("reply")
	check("script", connack(V5, nil), "reply", "a/b", "c")
	s.NoSubscribeTopics()
	s.ResponseInfo("")
	check("nothing", connack(V5, nil), "")
	s.Reset()
	check("reset", connack(V5, nil), "bench/reply", "bench")
}

func TestServerKeepAlive(t *testing.T) {
	s, j := startBroker(t, Options{})
	s.ServerKeepAlive(1)
	d := dial(t, s.Addr(), V5)
	d.send(connectPacket(V5))
	if p := d.expect(Connack); !p.HasServerKeepAlive || p.ServerKeepAlive != 1 {
		t.Errorf("got %s", p.Describe())
	}
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	d.expect(Pingresp)
	// a silent device is ended, long before its own keep alive of 60 s
	if p := d.expect(Disconnect); p.ReasonCode != 0x8D {
		t.Errorf("got %s", p.Describe())
	}
	d.expectEnd()
	awaitEvent(t, j, 0, journal.LayerTCP, journal.Out, "close")

	s.ServerKeepAlive(0)
	d = dial(t, s.Addr(), V5)
	d.send(connectPacket(V5))
	if p := d.expect(Connack); !p.HasServerKeepAlive || p.ServerKeepAlive != 0 {
		t.Errorf("got %s", p.Describe())
	}
}

func TestRefuseNext(t *testing.T) {
	tests := []struct {
		code, v5, v311 byte
	}{{0x88, 0x88, 3}, {0x84, 0x84, 1}, {0x85, 0x85, 2}, {0x86, 0x86, 4}, {0x87, 0x87, 5}, {0x97, 0x97, 3}}
	eachVersion(t, func(t *testing.T, version byte) {
		s, _ := startBroker(t, Options{})
		for _, tc := range tests {
			s.RefuseNext(2, tc.code)
			for range 2 {
				d := dial(t, s.Addr(), version)
				d.send(connectPacket(version))
				want := tc.v5
				if version == V311 {
					want = tc.v311
				}
				p := d.expect(Connack)
				if p.ReasonCode != want || p.SessionPresent {
					t.Errorf("0x%02X: got %s", tc.code, p.Describe())
				}
				d.conn.Close()
			}
			connected(t, s.Addr(), version)
		}
		s.RefuseNext(1, 0)
		d := dial(t, s.Addr(), version)
		d.send(connectPacket(version))
		d.conn.(interface{ CloseWrite() error }).CloseWrite()
		d.expectEnd()
		connected(t, s.Addr(), version)

		s.RefuseNext(Forever, 0x88)
		for range 3 {
			d := dial(t, s.Addr(), version)
			d.send(connectPacket(version))
			d.expect(Connack)
		}
		s.Reset()
		connected(t, s.Addr(), version)
	})
}

func TestRejectSubscribe(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		s, _ := startBroker(t, Options{})
		code := func(v5 byte) byte {
			if version == V311 {
				return 0x80
			}
			return v5
		}
		s.RejectSubscribe(0x8F)
		d := connected(t, s.Addr(), version)
		if got := d.subscribe("a", "b/#"); !bytes.Equal(got.ReasonCodes, []byte{code(0x8F), code(0x8F)}) {
			t.Errorf("got %s", got.Describe())
		}
		if _, ok := s.Subscriber("a"); ok {
			t.Error("subscribed all the same")
		}
		s.RejectSubscribe(0x97, "a")
		if got := d.subscribe("b", "a"); !bytes.Equal(got.ReasonCodes, []byte{1, code(0x97)}) {
			t.Errorf("got %s", got.Describe())
		}
		if _, ok := s.Subscriber("a"); ok {
			t.Error("a is subscribed")
		}
		awaitSubscriber(t, s, "b", version)
		s.RejectSubscribe(0)
		if got := d.subscribe("a"); !bytes.Equal(got.ReasonCodes, []byte{1}) {
			t.Errorf("got %s", got.Describe())
		}
	})
}

func TestSubackCarriesNoForeignProperties(t *testing.T) {
	s, _ := startBroker(t, Options{})
	d := connected(t, s.Addr(), V5)
	pk := subscribePacket("a")
	pk.Properties.User = []packets.UserProperty{{Key: "usp-endpoint-id", Val: "self::agent"}}
	d.send(pk)
	if p := d.expect(Suback); len(p.UserProps) > 0 {
		t.Errorf("got %s", p.Describe())
	}
}

func TestDropAfter(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		s, j := startBroker(t, Options{})
		d := connected(t, s.Addr(), version)
		s.DropAfter(2, Publish)
		d.send(publishPacket("t", []byte("one")))
		d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
		d.expect(Pingresp)
		d.send(publishPacket("t", []byte("two")))
		d.expectEnd()
		awaitEvent(t, j, 0, journal.LayerTCP, journal.Out, "close")
		connected(t, s.Addr(), version).send(publishPacket("t", []byte("three")))
	})
}

func TestHoldAndRelease(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		s, j := startBroker(t, Options{})
		s.HoldConnack()
		d := dial(t, s.Addr(), version)
		d.send(connectPacket(version))
		d.send(subscribePacket("t"))
		// the broker reads on: the second packet is on record while the first is not answered
		e, _ := awaitPacket(t, j, 0, journal.In, Subscribe)
		awaitSubscriber(t, s, "t", version)
		for _, e := range j.Since(0) {
			if e.Layer == journal.LayerMQTT && e.Dir == journal.Out {
				t.Errorf("%s was sent", e.Type)
			}
		}
		s.Release()
		d.expect(Connack)
		d.expect(Suback)
		if ack, _ := awaitPacket(t, j, 0, journal.Out, Connack); ack.Seq < e.Seq {
			t.Error("the CONNACK is recorded before it was sent")
		}

		s.Hold(Suback)
		d.send(subscribePacket("u"))
		d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
		awaitPacket(t, j, 0, journal.In, Pingreq)
		s.Reset()
		d.expect(Suback)
		d.expect(Pingresp)
	})
}

func TestHeldConnectionEnds(t *testing.T) {
	s, j := startBroker(t, Options{})
	s.HoldConnack()
	d := dial(t, s.Addr(), V5)
	d.send(connectPacket(V5))
	awaitPacket(t, j, 0, journal.In, Connect)
	d.conn.Close()
	awaitEvent(t, j, 0, journal.LayerTCP, journal.In, "close") // seen while the CONNACK is held
	s.Release()
}

func TestSwallow(t *testing.T) {
	s, j := startBroker(t, Options{})
	s.Swallow(Pingresp, Puback)
	d := connected(t, s.Addr(), V5)
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	pk := publishPacket("t", nil)
	pk.FixedHeader.Qos, pk.PacketID = 1, 3
	d.send(pk)
	d.subscribe("t") // whose SUBACK is the next packet that comes
	awaitEvent(t, j, 0, journal.LayerScript, journal.Own, "Swallow")
	s.Reset()
	d.send(pk)
	d.expect(Puback)
}

func TestDisconnectAll(t *testing.T) {
	eachVersion(t, func(t *testing.T, version byte) {
		s, _ := startBroker(t, Options{})
		d := connected(t, s.Addr(), version)
		d.subscribe("t")
		awaitSubscriber(t, s, "t", version)
		s.DisconnectAll(0x98)
		if version == V5 {
			if p := d.expect(Disconnect); p.ReasonCode != 0x98 {
				t.Errorf("got %s", p.Describe())
			}
		}
		d.expectEnd()
		if _, ok := s.Subscriber("t"); ok {
			t.Error("still a subscriber")
		}
		d = connected(t, s.Addr(), version)
		s.DropAll()
		d.expectEnd()
	})
}

func TestDownAndUp(t *testing.T) {
	s, _ := startBroker(t, Options{})
	d := connected(t, s.Addr(), V5)
	addr := s.Addr()
	s.Down()
	d.expectEnd()
	if conn, err := dialRaw(addr); err == nil {
		conn.Close()
		t.Error("connected while the broker was down")
	}
	if err := s.Up(); err != nil {
		t.Fatal(err)
	}
	connected(t, addr, V5)
}

func TestInject(t *testing.T) {
	s, j := startBroker(t, Options{})
	d := connected(t, s.Addr(), V311)
	e, _ := awaitPacket(t, j, 0, journal.In, Connect)
	if err := s.Inject(e.Conn, []byte{0xD0, 0, 0x20, 0x7F, 1}); err != nil {
		t.Fatal(err)
	}
	d.expect(Pingresp)
	if err := s.Inject(0, []byte{0xD0, 0}); err != nil {
		t.Fatal(err)
	}
	if err := s.Inject(e.Conn+1000, []byte{0xD0, 0}); err == nil {
		t.Error("injected into a connection that does not exist")
	}
}

func TestEveryVerbIsRecordedOnce(t *testing.T) {
	s, j := startBroker(t, Options{})
	verbs := map[string]func(){
		"AssignClientID":  func() { s.AssignClientID("x") },
		"SubscribeTopics": func() { s.SubscribeTopics("x") },
		"ResponseInfo":    func() { s.ResponseInfo("x") },
		"ServerKeepAlive": func() { s.ServerKeepAlive(3) },
		"RefuseNext":      func() { s.RefuseNext(1, 0x88) },
		"RejectSubscribe": func() { s.RejectSubscribe(0x80) },
		"DropAfter":       func() { s.DropAfter(1, Publish) },
		"Hold":            func() { s.Hold(Connack) },
		"Release":         func() { s.Release() },
		"Swallow":         func() { s.Swallow(Pingresp) },
		"DisconnectAll":   func() { s.DisconnectAll(0) },
		"DropAll":         func() { s.DropAll() },
		"Down":            func() { s.Down() },
		"Up":              func() { s.Up() },
		"Reset":           func() { s.Reset() },
	}
	for name, run := range verbs {
		mark := j.Mark()
		run()
		events := j.Since(mark)
		if len(events) != 1 || events[0].Type != name || events[0].Layer != journal.LayerScript || events[0].Dir != journal.Own {
			t.Errorf("%s left %d events", name, len(events))
		}
	}
}
