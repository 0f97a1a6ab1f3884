// Package pcap writes what a case's journal has of the wire as a capture for Wireshark: the recorded bytes, with TCP and IP around them
// that were made up. What went through TLS is in the clear; a Message that went through TLS in a USP Record is beside its packet, as an
// exported PDU for the dissector of protobuf.
package pcap

import (
	"fmt"
	"io"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/result"
)

// ports are the harness's ports in a capture, by layer: those that Wireshark knows.
var ports = map[string]uint16{"mqtt": 1883, "stomp": 61613, "websocket": 80, "http": 8080}

// maxSegment is how many bytes of a packet go into one TCP segment.
const maxSegment = 32 << 10

// Render writes the packets among events of a case over link as a pcapng file. began is when the case began.
func Render(w io.Writer, link string, began time.Time, events iter.Seq2[result.Event, error]) error {
	ng, err := newNGWriter(w, "usptest", "usptest",
		"rebuilt from a journal: the bytes were recorded, TCP and IP were not; TLS is in the clear, and the harness has the ports of the protocols")
	if err != nil {
		return err
	}
	c := capture{ng: ng, link: link, conns: map[uint64]*conn{}}
	for e, err := range events {
		if err != nil {
			return err
		}
		c.at = began.Add(time.Duration(e.AtMS * float64(time.Millisecond)))
		if err := c.event(e); err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
	}
	return ng.w.Flush()
}

// capture is a file that is written.
type capture struct {
	ng    ngWriter
	link  string
	conns map[uint64]*conn
	at    time.Time
}

// conn is a TCP connection as far as the capture has come.
type conn struct {
	device, harness end
}

// end is one side of a connection.
type end struct {
	addr netip.Addr
	port uint16
	seq  uint32 // of the next byte
}

func (c *capture) event(e result.Event) error {
	switch e.Layer {
	case "dhcp", "dns", "mdns":
		return c.message(e, datagram)
	case "icmpv6":
		return c.message(e, icmpv6)
	case "message":
		return c.decrypted(e)
	}
	port, known := ports[e.Layer]
	if e.Layer == "tcp" && e.Type == "close" {
		return c.close(e)
	}
	if !known || len(e.Raw) == 0 || e.Dir != "in" && e.Dir != "out" {
		return nil
	}
	connection, err := c.open(e, port)
	if err != nil {
		return err
	}
	comment := fmt.Sprintf("event %d: %s", e.Seq, result.VisibleLine(e.Type))
	for from := 0; from < len(e.Raw); from += maxSegment {
		segment := e.Raw[from:min(from+maxSegment, len(e.Raw))]
		if err := c.send(connection, e.Dir == "in", psh|ack, segment, comment); err != nil {
			return err
		}
	}
	return nil
}

// maxDatagram is how many bytes of one are in the capture, so that it fits an IP packet.
const maxDatagram = 60_000

// message writes a message that has no connection, in a packet that wrap makes of it.
func (c *capture) message(e result.Event, wrap func(from, to *end, payload []byte) []byte) error {
	if len(e.Raw) == 0 || e.Dir != "in" && e.Dir != "out" {
		return nil
	}
	local, remote := address(e.Local), address(e.Remote)
	if local.Addr().Is4() != remote.Addr().Is4() {
		local = netip.AddrPortFrom(remote.Addr(), local.Port())
	}
	from, to := &end{addr: local.Addr(), port: local.Port()}, &end{addr: remote.Addr(), port: remote.Port()}
	if e.Dir == "in" {
		from, to = to, from
	}
	packet := wrap(from, to, e.Raw[:min(len(e.Raw), maxDatagram)])
	return c.ng.packet(faceIP, c.at, packet, fmt.Sprintf("event %d: %s", e.Seq, result.VisibleLine(e.Type)))
}

// decrypted writes a Message whose bytes are in no packet, since they went through TLS in a USP Record.
func (c *capture) decrypted(e result.Event) error {
	if len(e.Raw) == 0 {
		return nil
	}
	return c.ng.packet(faceUpper, c.at, append(exportedTo("protobuf"), e.Raw...),
		fmt.Sprintf("event %d: %s, out of TLS in a USP Record", e.Seq, result.VisibleLine(e.Type)))
}

// open returns the connection of an event. One that is new to the capture is opened.
func (c *capture) open(e result.Event, port uint16) (*conn, error) {
	if known := c.conns[e.Conn]; known != nil {
		return known, nil
	}
	local, remote := address(e.Local), address(e.Remote)
	if local.Addr().Is4() != remote.Addr().Is4() {
		local = netip.AddrPortFrom(remote.Addr(), local.Port())
	}
	n := &conn{device: end{remote.Addr(), remote.Port(), 0}, harness: end{local.Addr(), port, 0}}
	c.conns[e.Conn] = n
	const madeUp = "made up: the connection may be older than the case"
	for _, s := range []struct {
		in    bool
		flags byte
	}{{true, syn}, {false, syn | ack}, {true, ack}} {
		if err := c.send(n, s.in, s.flags, nil, madeUp); err != nil {
			return nil, err
		}
	}
	for i, packet := range c.greeting(e) {
		if err := c.send(n, i == 0, psh|ack, []byte(packet), "made up: the connection is older than the case"); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// greeting is what the device and the harness must have said before e, where Wireshark could not read e without it: that the connection is
// a WebSocket, or MQTT 5.0.
func (c *capture) greeting(e result.Event) []string {
	switch {
	case e.Layer == "websocket" && e.Type != "HANDSHAKE":
		return []string{"GET / HTTP/1.1\r\nHost: usptest\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: v1.usp\r\n\r\n",
			"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\nSec-WebSocket-Protocol: v1.usp\r\n\r\n"}
	case e.Layer == "mqtt" && e.Type != "CONNECT" && strings.HasPrefix(c.link, "mqtt5"):
		return []string{"\x10\x0d\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00", "\x20\x03\x00\x00\x00"} // CONNECT and CONNACK with nothing in them
	}
	return nil
}

// close ends a connection that the capture has.
func (c *capture) close(e result.Event) error {
	n := c.conns[e.Conn]
	if n == nil {
		return nil
	}
	delete(c.conns, e.Conn)
	in := e.Dir == "in"
	if err := c.send(n, in, fin|ack, nil, fmt.Sprintf("event %d: %s", e.Seq, result.VisibleLine(e.Text))); err != nil {
		return err
	}
	return c.send(n, !in, fin|ack, nil, "made up")
}

// send writes one segment; in says that it comes from the device.
func (c *capture) send(n *conn, in bool, flags byte, payload []byte, comment string) error {
	from, to := &n.harness, &n.device
	if in {
		from, to = to, from
	}
	b := segment(from, to, flags, payload)
	from.seq += uint32(len(payload))
	if flags&(syn|fin) != 0 {
		from.seq++
	}
	return c.ng.packet(faceIP, c.at, b, comment)
}
