package mqtt

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

const (
	defaultPatience = 30 * time.Second // for the first byte of a CONNECT, and from the first byte of a packet to its last
)

// errEnded tells the library to give a connection up whose end has been recorded already.
var errEnded = errors.New("the connection has ended")

// conn is the library's view of a connection. It cuts the stream into packets, so that every packet is in the journal with
// its bytes, malformed ones too, before the library sees it, and one the library cannot stand never reaches it.
type conn struct {
	*gate.Conn
	s *Server

	// The reader's own. Read never hands out bytes of two packets, hence the packet that the library is working on is current.
	stream    *bufio.Reader
	rest      []byte // what the library has not taken of the current packet
	current   *Packet
	seq       journal.Mark // journal number of current
	keepAlive time.Duration
	denied    map[string]byte // filters of the current SUBSCRIBE that are refused, with the code to say so
	granted   []Filter        // the others, with the QoS that was granted
	room      int             // bytes that its filters may take
	calling   bool            // the harness has the word, in OnPublish

	disconnected atomic.Bool // the device has sent DISCONNECT
	over         atomic.Bool // the library has ended the session: what still comes is of no interest

	mu             sync.Mutex // one writer at a time; it guards what follows
	version        byte       // 0 until CONNECT
	clientID       string
	maxPacket      int // what the device takes, 0 for anything
	receiveMaximum int
	unacked        map[uint16]struct{} // QoS 1 messages on their way
	lastID         uint16
	holding        bool
	held           [][]byte

	subscriptions map[string]Filter // acknowledged ones; guarded by Server.mu
}

func newConn(s *Server, g *gate.Conn) *conn {
	return &conn{Conn: g, s: s, stream: bufio.NewReader(g), unacked: map[uint16]struct{}{}, subscriptions: map[string]Filter{}}
}

// SetDeadline does nothing: the library's own keep-alive arithmetic overflows for long intervals, so next sets the deadlines.
func (c *conn) SetDeadline(time.Time) error { return nil }

// Close is called by the library, on any goroutine, when it ends the session, often after a last word to the device.
func (c *conn) Close() error {
	c.over.Store(true)
	c.s.forget(c)
	if c.disconnected.Load() {
		c.Leave("the device said DISCONNECT")
	} else {
		c.Leave("the broker ended the session")
	}
	return nil
}

// Read gives the library the next packet, piece by piece.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		c.current, c.rest = nil, nil // the one before is done with
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// next reads, records and checks one packet.
func (c *conn) next() error {
	_ = c.Hold(0) // nothing always has room
	if err := c.awaitPacket(); err != nil {
		return err
	}
	if c.over.Load() {
		return errEnded
	}
	raw, header, err := c.readPacket()
	if err != nil {
		return err
	}
	if c.version == V5 && raw[0]>>4 == packets.Publish {
		if err := propertiesWithinBounds(raw, header); err != nil {
			return c.refuse(packets.ErrPacketTooLarge.Code, raw[:min(len(raw), maxControl)], err)
		}
	}
	p, err := decode(raw, c.version)
	if err != nil {
		return c.refuse(packets.ErrMalformedPacket.Code, raw, err)
	}
	c.record(p, raw)
	if err := c.note(p); err != nil {
		return err
	}
	if c.s.script.dropNow(p.Type) {
		c.s.forget(c)
		c.End("the script drops the connection at this " + p.Type)
		return errEnded
	}
	c.rest = raw
	return nil
}

// awaitPacket waits for the first byte of a packet, as long as the keep-alive allows (MQTT 5.0, section 3.1.2.10).
func (c *conn) awaitPacket() error {
	switch {
	case c.version == 0:
		c.SetReadDeadline(time.Now().Add(c.s.patience))
	case c.keepAlive > 0:
		c.SetReadDeadline(time.Now().Add(c.keepAlive * 3 / 2))
	default:
		c.SetReadDeadline(time.Time{})
	}
	_, err := c.stream.Peek(1)
	switch {
	case err == nil:
		c.SetReadDeadline(time.Now().Add(c.s.patience))
	case !errors.Is(err, os.ErrDeadlineExceeded):
	case c.version == 0:
		c.End(fmt.Sprintf("no CONNECT within %s", c.s.patience))
	default:
		return c.refuse(packets.ErrKeepAliveTimeout.Code, nil, fmt.Errorf(Silent+" of %s", c.keepAlive))
	}
	return err
}

// readPacket reads a whole packet and returns it with the size of its fixed header.
func (c *conn) readPacket() (raw []byte, header int, err error) {
	var size int
	for n := 2; size == 0; n++ {
		start, err := c.stream.Peek(n)
		if err != nil {
			return nil, 0, c.cutShort(start, err)
		}
		if kind := start[0] >> 4; c.version == 0 && kind != packets.Connect {
			return nil, 0, c.refuse(packets.ErrProtocolViolation.Code, c.buffered(), fmt.Errorf("%s comes before CONNECT", typeNames[kind]))
		}
		if header, size, err = headerSize(start); err != nil {
			return nil, 0, c.refuse(packets.ErrMalformedPacket.Code, c.buffered(), err)
		}
		if err := withinBounds(start[0]>>4, size, c.s.maxPacket); err != nil {
			return nil, 0, c.refuse(packets.ErrPacketTooLarge.Code, c.buffered(), err)
		}
	}
	for _, stage := range gate.Stages(size) {
		if err := c.Hold(stage); err != nil {
			return nil, 0, c.refuse(packets.ErrServerBusy.Code, raw, err)
		}
		more := make([]byte, stage)
		begun := copy(more, raw)
		n, err := io.ReadFull(c.stream, more[begun:])
		if raw = more[:begun+n]; err != nil {
			return nil, 0, c.cutShort(raw, err)
		}
	}
	return raw, header, nil
}

// buffered returns what has arrived, as evidence. It holds until the next read.
func (c *conn) buffered() []byte {
	b, _ := c.stream.Peek(c.stream.Buffered())
	return b
}

// cutShort records the beginning of a packet whose end did not come.
func (c *conn) cutShort(begun []byte, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return c.refuse(packets.ErrMalformedPacket.Code, begun, fmt.Errorf("its end did not come within %s", c.s.patience))
	}
	c.malformed(begun, errors.New("the connection ended within it"))
	return err
}

// refuse records raw, if any, as malformed and ends the connection for the given reason, said in a DISCONNECT where there is one.
func (c *conn) refuse(code byte, raw []byte, why error) error {
	if raw != nil {
		c.malformed(raw, why)
	}
	c.s.forget(c)
	c.bye(code)
	c.Farewell(why.Error())
	return errEnded
}

// bye sends a DISCONNECT to a device that knows one from the server; MQTT 3.1.1 does not.
func (c *conn) bye(code byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version == V5 {
		c.send([]byte{packets.Disconnect << 4, 2, code, 0})
	}
}

// malformed records bytes that are no packet, so that they have no Body.
func (c *conn) malformed(raw []byte, why error) {
	kind := "bytes"
	if len(raw) > 0 {
		kind = typeNames[raw[0]>>4]
	}
	c.Log(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: Malformed,
		Text: fmt.Sprintf("%s: %v", kind, why), Raw: slices.Clone(raw[:min(len(raw), gate.MaxRaw)])})
}

// record appends the packet that was read and makes it current.
func (c *conn) record(p *Packet, raw []byte) {
	if p.HasPassword {
		c.s.j.Secret(p.Password)
		raw = withoutPassword(raw, p.Password)
	}
	c.current, c.seq = p, c.logPacket(journal.In, p, raw)
}

// logPacket appends a packet and returns its number. It keeps raw, or a copy of its beginning.
func (c *conn) logPacket(dir journal.Dir, p *Packet, raw []byte) journal.Mark {
	text, body := p.summary(), p
	if size := len(raw); size > gate.MaxRaw {
		text = fmt.Sprintf("%s (%d bytes, of which the first %d are kept)", text, size, gate.MaxRaw)
		raw = slices.Clone(raw[:gate.MaxRaw])
		body = p.withPayload(raw[min(size-len(p.Payload), gate.MaxRaw):])
	}
	return c.Log(journal.Event{Layer: journal.LayerMQTT, Dir: dir, Type: p.Type, Text: text, Raw: raw, Body: body, Weight: p.weight(len(raw))}).Seq
}

// withoutPassword returns a copy of a CONNECT whose password is overwritten, however short it is.
func withoutPassword(raw []byte, password string) []byte {
	masked := slices.Clone(raw)
	field := binary.BigEndian.AppendUint16(nil, uint16(len(password)))
	if at := bytes.LastIndex(masked, append(field, password...)); at >= 0 { // it is the packet's last field
		copy(masked[at+len(field):], strings.Repeat("*", len(password)))
	}
	return masked
}

// note keeps what later packets depend on.
func (c *conn) note(p *Packet) error {
	switch p.Type {
	case Connect:
		if c.version != 0 {
			return c.refuse(packets.ErrProtocolViolation.Code, nil, errors.New("a second CONNECT"))
		}
		c.keepAlive = time.Duration(p.KeepAlive) * time.Second
		c.mu.Lock()
		c.clientID = p.ClientID
		c.version, c.maxPacket, c.receiveMaximum = p.Version, int(p.MaximumPacketSize), int(p.ReceiveMaximum)
		c.mu.Unlock()
	case Puback:
		c.mu.Lock()
		delete(c.unacked, p.PacketID)
		c.mu.Unlock()
	case Disconnect:
		c.disconnected.Store(true)
		c.s.forget(c)
	}
	return nil
}

// Write is how the library sends: one packet, or a few when it was busy.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for rest := slices.Clone(b); len(rest) > 0; {
		_, size, err := headerSize(rest)
		if err != nil || size == 0 || size > len(rest) {
			return 0, errors.New("mqtt: the library wrote part of a packet")
		}
		if _, err := c.send(rest[:size:size]); err != nil {
			return 0, err
		}
		rest = rest[size:]
	}
	return len(b), nil
}

// send writes one packet unless the script keeps it back, and returns its journal number, 0 for one that was not sent yet. It
// keeps raw. The caller holds mu.
func (c *conn) send(raw []byte) (journal.Mark, error) {
	name := typeNames[raw[0]>>4]
	if name == Disconnect && c.version < V5 {
		return 0, nil // the library sends one to everybody
	}
	switch c.s.script.outgoing(name) {
	case swallow:
		c.Log(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: "Swallow", Text: "MQTT: " + name + " is not sent"})
		return 0, nil
	case hold:
		c.holding = true
	}
	if c.holding {
		if len(c.held) == maxHeld {
			return 0, fmt.Errorf("%d packets are held back already", maxHeld)
		}
		c.Log(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: "Hold", Text: "MQTT: " + name + " is held back"})
		c.held = append(c.held, raw)
		return 0, nil
	}
	return c.put(raw)
}

// put records a packet and writes it, in this order: nothing that answers it can come first. The caller holds mu.
func (c *conn) put(raw []byte) (journal.Mark, error) {
	var seq journal.Mark
	if p, err := decode(raw, c.version); err == nil {
		seq = c.logPacket(journal.Out, p, raw)
	} else { // injected on purpose
		seq = c.Log(journal.Event{Layer: journal.LayerMQTT, Dir: journal.Out, Type: Malformed,
			Text: fmt.Sprintf("%d bytes: %v", len(raw), err), Raw: slices.Clone(raw[:min(len(raw), gate.MaxRaw)])}).Seq
	}
	if _, err := c.Conn.Write(raw); err != nil {
		return seq, fmt.Errorf("%w: %w", ErrEnding, err)
	}
	return seq, nil
}

// release sends what was held back.
func (c *conn) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding = false
	for _, raw := range c.held {
		if _, err := c.put(raw); err != nil {
			break
		}
	}
	c.held = nil
}
