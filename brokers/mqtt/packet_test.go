package mqtt

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestMatches(t *testing.T) {
	tests := []struct {
		filter, topic string
		want          bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a/b", false},
		{"a/b", "a", false},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"a/#", "ab", false},
		{"#", "a/b", true},
		{"#", "$SYS/x", false},
		{"+/x", "$SYS/x", false},
		{"$SYS/#", "$SYS/x", true},
		{"+", "a", true},
		{"+", "a/b", false},
		{"a/+", "a", false},
		{"a/+", "a/", true},
		{"+/+", "/b", true},
		{"a/+/c", "a/b/c", true},
		{"a/+/c", "a/b/d", false},
		{"a/", "a", false},
		{"a", "a/", false},
		{"a/+/#", "a/b", true},
		{"$share/g/a/#", "a/b", true},
		{"$share/g/#", "$SYS/x", false},
		{"$share//a", "a", false},
		{"usp/agent/#", "usp/agent/reply-to=usp%2Fcontroller", true},
	}
	for _, tc := range tests {
		if got := Covers(tc.filter, tc.topic); got != tc.want {
			t.Errorf("%q covers %q: %t", tc.filter, tc.topic, got)
		}
	}
}

func TestHeaderSize(t *testing.T) {
	tests := []struct {
		in             []byte
		header, packet int
		err            error
	}{
		{nil, 0, 0, nil},
		{[]byte{0x30}, 0, 0, nil},
		{[]byte{0x30, 0}, 2, 2, nil},
		{[]byte{0x30, 0x7F}, 2, 129, nil},
		{[]byte{0x30, 0x80}, 0, 0, nil},
		{[]byte{0x30, 0x80, 1}, 3, 131, nil},
		{[]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}, 5, 5 + 268_435_455, nil},
		{[]byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1}, 0, 0, errLength},
	}
	for _, tc := range tests {
		if header, packet, err := headerSize(tc.in); header != tc.header || packet != tc.packet || !errors.Is(err, tc.err) {
			t.Errorf("% X: header %d, packet %d, %v", tc.in, header, packet, err)
		}
	}
}

func TestReasonNames(t *testing.T) {
	tests := []struct {
		packet Packet
		code   byte
		want   string
	}{
		{Packet{Type: Connack, Version: V5}, 0x88, "server unavailable (0x88)"},
		{Packet{Type: Connack, Version: V311}, 3, "server unavailable (0x03)"},
		{Packet{Type: Connack, Version: V311}, 0, "accepted (0x00)"},
		{Packet{Type: Suback, Version: V5}, 1, "granted QoS 1 (0x01)"},
		{Packet{Type: Unsuback, Version: V5}, 0x11, "no subscription existed (0x11)"},
		{Packet{Type: Puback, Version: V5}, 0x10, "no matching subscribers (0x10)"},
		{Packet{Type: Disconnect, Version: V5}, 0, "normal disconnection (0x00)"},
		{Packet{Type: Disconnect, Version: V5}, 0xEE, "unknown code (0xEE)"},
	}
	for _, tc := range tests {
		if got := tc.packet.reasonName(tc.code); got != tc.want {
			t.Errorf("%s 0x%02X: %q, want %q", tc.packet.Type, tc.code, got, tc.want)
		}
	}
}

func TestSummary(t *testing.T) {
	publish := Packet{Type: Publish, Version: V5, Topic: "a\n<b>", PayloadSize: 3, QoS: 1, PacketID: 9, ResponseTopic: "r", ContentType: "usp.msg",
		UserProps: []Pair{{"n", "v"}}}
	const want = `topic "a\n<b>", payload 3 bytes, QoS 1, response topic "r", content type "usp.msg", packet id 9, user property "n" "v"`
	if got := publish.summary(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	long := Packet{Type: Publish, Topic: strings.Repeat("x", 60_000), UserProps: slices.Repeat([]Pair{{"name", "value"}}, 10_000)}
	if got := long.summary(); len(got) > 2*maxSummary || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes: %.50s … %s", len(got), got, got[len(got)-10:])
	}
	if got, want := (&Packet{Type: Suback, Version: V311, PacketID: 2, ReasonCodes: []byte{1, 0x80}}).Describe(),
		"SUBACK\n  reason: granted QoS 1 (0x01)\n  reason: unspecified error (0x80)\n  packet id: 2"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// FuzzDecode checks that no bytes make the decoder, the bounds or the description fail.
func FuzzDecode(f *testing.F) {
	for _, version := range versions {
		f.Add(version, encode(f, version, connectPacket(version)))
		f.Add(version, encode(f, version, subscribePacket("a", "b/#")))
		f.Add(version, encode(f, version, publishPacket("t", []byte("payload"))))
	}
	f.Add(V5, []byte{0x82, 6, 0, 1, 0, 0, 1, 'a'})
	f.Fuzz(func(t *testing.T, version byte, raw []byte) {
		header, size, err := headerSize(raw)
		if err != nil || size != len(raw) || size == 0 {
			return
		}
		propertiesWithinBounds(raw, header)
		p, err := decode(raw, version)
		if err != nil {
			return
		}
		if p.Describe() == "" || len(p.Trimmed().(*Packet).Payload) != 0 {
			t.Error("a packet without a description, or with a payload after all")
		}
	})
}
