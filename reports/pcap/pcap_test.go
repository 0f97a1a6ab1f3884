package pcap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/usptest/usptest/harness/result"
)

var began = time.Date(2026, time.March, 2, 9, 30, 0, 0, time.UTC)

func all(events []result.Event) iter.Seq2[result.Event, error] {
	return func(yield func(result.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func render(t *testing.T, link string, events ...result.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, link, began, all(events)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// on is an event on a connection.
func on(seq uint64, layer, dir, kind, raw string) result.Event {
	return result.Event{Seq: seq, AtMS: float64(seq) * 100, Layer: layer, Dir: dir, Type: kind, Conn: 7, Local: "192.0.2.1:40571", Remote: "192.0.2.9:34978", Raw: []byte(raw)}
}

// datagramOn is an event without a connection.
func datagramOn(layer, dir, local, remote, raw string) result.Event {
	return result.Event{Seq: 4, AtMS: 400, Layer: layer, Dir: dir, Type: "kind", Local: local, Remote: remote, Raw: []byte(raw)}
}

const (
	connect     = "\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03usp"
	publish     = "\x30\x14\x00\x04a/b\x63\x0b\x08\x00\x08resp/top\x00\x01" // MQTT 5.0: topic a/bc, response topic, two bytes
	send        = "SEND\ndestination:/queue/agent\ncontent-length:2\n\n\x0a\x00\x00"
	binaryFrame = "\x82\x03\x0a\x01\x31"
)

// TestTshark reads captures back with a program of somebody else.
func TestTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("NO TSHARK: no capture was read back; install Debian's package tshark")
	}
	for name, c := range map[string]struct {
		link   string
		events []result.Event
		filter string
		fields []string
		want   string // the fields of each packet that the filter lets through
	}{
		"the CONNECT": {"mqtt5", []result.Event{on(1, "mqtt", "in", "CONNECT", connect), on(2, "mqtt", "in", "PUBLISH", publish)},
			"mqtt.msgtype==1", []string{"mqtt.clientid", "ip.src", "tcp.srcport", "frame.time_epoch", "frame.comment"}, "usp 192.0.2.9 34978 1772443800.100000000 event 1: CONNECT"},
		"the PUBLISH": {"mqtt5+tls", []result.Event{on(1, "mqtt", "in", "CONNECT", connect), on(2, "mqtt", "out", "PUBLISH", publish)},
			"mqtt.msgtype==3", []string{"mqtt.topic", "mqtt.prop_string", "tcp.srcport"}, "a/bc resp/top 1883"},
		"a PUBLISH without its CONNECT": {"mqtt5", []result.Event{on(2, "mqtt", "in", "PUBLISH", publish)},
			"mqtt.msgtype==3", []string{"mqtt.topic", "mqtt.prop_string"}, "a/bc resp/top"},
		"a STOMP frame": {"stomp", []result.Event{on(4, "stomp", "in", "SEND", send)},
			"tcp.payload", []string{"tcp.dstport", "tcp.payload", "frame.comment"}, "61613 " + hex.EncodeToString([]byte(send)) + " event 4: SEND"},
		"a WebSocket frame": {"websocket", []result.Event{on(4, "websocket", "out", "BINARY", binaryFrame)},
			"websocket.opcode==2", []string{"websocket.payload_length", "frame.comment"}, "3 event 4: BINARY"},
		"a bulk data report": {"mqtt5", []result.Event{on(4, "http", "in", "request", "POST /report HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")},
			"http.request", []string{"http.request.uri", "http.content_length"}, "/report 2"},
		"an end": {"stomp", []result.Event{on(4, "stomp", "in", "SEND", send), on(5, "tcp", "in", "close", "")},
			"tcp.flags.fin==1", []string{"tcp.srcport"}, "34978\n61613"},
		"a DHCPv4 message": {"mqtt5", []result.Event{datagramOn("dhcp", "in", "255.255.255.255:67", "0.0.0.0:68",
			"\x01\x01\x06\x00\x00\x00\x00\x07"+strings.Repeat("\x00", 20)+"\x02\x00\x00\x00\x00\x01"+strings.Repeat("\x00", 202)+"\x63\x82\x53\x63\x35\x01\x01\xff")},
			"dhcp", []string{"dhcp.option.dhcp", "dhcp.hw.mac_addr", "udp.dstport", "frame.comment"}, "1 02:00:00:00:00:01 67 event 4: kind"},
		"a DHCPv6 message": {"mqtt5", []result.Event{datagramOn("dhcp", "in", "[ff02::1:2]:547", "[fe80::9%eth0]:546", "\x01\x00\x00\x07\x00\x08\x00\x02\x00\x00")},
			"dhcpv6", []string{"dhcpv6.msgtype", "ipv6.dst"}, "1 ff02::1:2"},
		"a DNS query": {"mqtt5", []result.Event{datagramOn("dns", "in", "192.0.2.1:53", "192.0.2.9:4000", "\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03usp\x07example\x00\x00\x1c\x00\x01")},
			"dns", []string{"dns.qry.name", "dns.qry.type"}, "usp.example 28"},
		"an mDNS query": {"mqtt5", []result.Event{datagramOn("mdns", "out", "192.0.2.1:5353", "224.0.0.251:5353", "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03usp\x05local\x00\x00\x01\x80\x01")},
			"mdns", []string{"dns.qry.name", "udp.srcport"}, "usp.local 5353"},
		"a router advertisement": {"websocket", []result.Event{datagramOn("icmpv6", "out", "[fe80::1]:0", "[ff02::1]:0",
			"\x86\x00\x00\x00\x40\xc0\x07\x08"+strings.Repeat("\x00", 8)+
				"\x03\x04\x40\x80\x00\x00\x07\x08\x00\x00\x07\x08\x00\x00\x00\x00\xfd\x75"+strings.Repeat("\x00", 14))},
			"icmpv6", []string{"icmpv6.nd.ra.flag.m", "icmpv6.nd.ra.flag.o", "icmpv6.opt.prefix", "ipv6.hlim", "icmpv6.checksum.status"},
			"1 1 fd75:: 255 1"},
		"a Message out of TLS in a Record": {"mqtt5",
			[]result.Event{on(1, "mqtt", "in", "PUBLISH", publish), on(3, "message", "in", "GetResp", "\x0a\x04\x0a\x02id")},
			"protobuf", []string{"protobuf.field.number", "protobuf.field.value", "frame.comment"},
			"1 0a026964 event 3: GetResp, out of TLS in a USP Record"},
		"nothing that TCP would not do": {"mqtt3", []result.Event{on(1, "mqtt", "in", "PUBLISH", "\x30\x81\x80\x04\x00\x01a"+strings.Repeat("x", 1<<16-2)), on(2, "mqtt", "out", "PINGRESP", "\xd0\x00")},
			"tcp.analysis.flags || tcp.checksum.status==0 || _ws.malformed", []string{"frame.number"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "case.pcapng")
			if err := os.WriteFile(path, render(t, c.link, c.events...), 0o644); err != nil {
				t.Fatal(err)
			}
			args := []string{"-r", path, "-o", "tcp.check_checksum:TRUE", "-Y", c.filter, "-T", "fields", "-E", "separator=/s"}
			for _, f := range c.fields {
				args = append(args, "-e", f)
			}
			got, err := exec.CommandContext(t.Context(), "tshark", args...).Output()
			if err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(string(got)) != c.want {
				t.Errorf("want %q, got %q", c.want, got)
			}
		})
	}
}

// TestTsharkNamesFields reads a Message that went through TLS with a schema of its own, as a reader does with that of USP.
func TestTsharkNamesFields(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("NO TSHARK: no capture was read back; install Debian's package tshark")
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "case.pcapng")
	for name, content := range map[string][]byte{
		path:                               render(t, "mqtt5", on(3, "message", "in", "GetResp", "\x0a\x02id")),
		filepath.Join(folder, "own.proto"): []byte("syntax = \"proto3\";\npackage usp;\nmessage Msg { string own_name = 1; }\n"),
	} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := exec.CommandContext(t.Context(), "tshark", "-r", path, "-o", fmt.Sprintf("uat:protobuf_search_paths:%q,\"TRUE\"", folder),
		"-o", fmt.Sprintf("uat:protobuf_udp_message_types:\"%d\",\"usp.Msg\"", messagePort), "-O", "protobuf").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "own_name = id"; !strings.Contains(string(got), want) {
		t.Errorf("want %q, got %s", want, got)
	}
}

// TestHostile takes whatever a journal may say.
func TestHostile(t *testing.T) {
	odd := on(1, "mqtt", "in", "\x1b[2J", connect)
	odd.Local, odd.Remote = "[fe80::1%eth0]:1883", "nonsense"
	v6 := on(2, "stomp", "out", "MESSAGE", send)
	v6.Conn, v6.Local, v6.Remote = 8, "[2001:db8::1]:61613", "[2001:db8::9]:0"
	sideways := on(3, "mqtt", "own", "PUBLISH", publish)
	ng, err := pcapgo.NewNgReader(bytes.NewReader(render(t, "mqtt5", odd, v6, sideways, on(4, "tcp", "in", "close", ""), on(5, "note", "in", "", "raw"))), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	var payloads []string
	for {
		data, _, err := ng.ReadPacketData()
		if err != nil {
			break
		}
		p := gopacket.NewPacket(data, layers.LinkTypeRaw, gopacket.Default)
		if tcp, ok := p.TransportLayer().(*layers.TCP); ok {
			if err := tcp.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				t.Error(err)
			}
		}
		if err, wrong := p.VerifyChecksums(); err != nil || len(wrong) > 0 {
			t.Errorf("checksums: %v, %v", wrong, err)
		}
		if p.ErrorLayer() != nil {
			t.Error(p.ErrorLayer().Error())
		}
		if tcp, ok := p.TransportLayer().(*layers.TCP); ok && len(tcp.Payload) > 0 {
			payloads = append(payloads, string(tcp.Payload))
		}
	}
	if n := len(payloads); n != 4 || payloads[n-2] != connect || payloads[n-1] != send { // after a greeting that is made up
		t.Errorf("got %q", payloads)
	}
}

func TestAnUnreadableJournalIsAnError(t *testing.T) {
	broken := errors.New("line 3: cut short")
	err := Render(&bytes.Buffer{}, "mqtt5", began, func(yield func(result.Event, error) bool) { yield(result.Event{}, broken) })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
