package hostile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"
	"github.com/mochi-mqtt/server/v2/packets"
)

// packet is one unit of an MTP: its bytes, and the Record in it, if there is one.
type packet struct {
	raw    []byte
	opens  bool // it comes before the first packet
	record []byte
	wrap   func(record []byte) []byte // the same packet around another Record
}

// wire is how packets travel in one MTP.
type wire interface {
	// greet reads what comes before the first packet.
	greet(r *bufio.Reader) ([]byte, error)
	read(r *bufio.Reader) (packet, error)
	// claim begins a packet that says it has this many bytes.
	claim(size int) []byte
}

// wireOf returns the wire of a link.
func wireOf(link string) wire {
	switch {
	case link == "mqtt5":
		return mqttWire{version: 5}
	case link == "mqtt3":
		return mqttWire{version: 4}
	case link == "stomp":
		return stompWire{}
	}
	return webSocketWire{}
}

type mqttWire struct{ version byte }

func (mqttWire) greet(*bufio.Reader) ([]byte, error) { return nil, nil }

func (w mqttWire) read(r *bufio.Reader) (packet, error) {
	first, err := r.ReadByte()
	if err != nil {
		return packet{}, err
	}
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return packet{}, err
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return packet{}, err
	}
	p := packet{raw: append(binary.AppendUvarint([]byte{first}, size), body...)}
	if first>>4 != packets.Publish {
		return p, nil
	}
	pk := packets.Packet{ProtocolVersion: w.version, FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: first >> 1 & 3}}
	if err := pk.PublishDecode(body); err != nil {
		return packet{}, err
	}
	p.record = pk.Payload
	p.wrap = func(record []byte) []byte {
		pk := pk // several connections may send at once
		pk.Payload, pk.FixedHeader.Qos, pk.PacketID, pk.Mods.AllowResponseInfo = record, 0, 0, true
		var b bytes.Buffer
		if err := pk.PublishEncode(&b); err != nil {
			panic(err)
		}
		return b.Bytes()
	}
	return p, nil
}

func (w mqttWire) claim(size int) []byte {
	head := binary.AppendUvarint([]byte{packets.Publish << 4}, uint64(size))
	head = append(head, 0, 1, 't')
	if w.version == 5 {
		head = append(head, 0)
	}
	return head
}

type stompWire struct{}

func (stompWire) greet(*bufio.Reader) ([]byte, error) { return nil, nil }

func (stompWire) read(r *bufio.Reader) (packet, error) {
	var raw bytes.Buffer
	length := -1
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return packet{}, err
		}
		raw.WriteString(line)
		if raw.Len() == 1 { // a heart-beat
			return packet{raw: raw.Bytes()}, nil
		}
		if value, ok := strings.CutPrefix(line, "content-length:"); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return packet{}, err
			}
		}
		if line == "\n" {
			break
		}
	}
	head := bytes.Clone(raw.Bytes())
	if length < 0 {
		body, err := r.ReadBytes(0)
		return packet{raw: append(head, body...)}, err
	}
	body := make([]byte, length+1)
	if _, err := io.ReadFull(r, body); err != nil {
		return packet{}, err
	}
	p := packet{raw: append(bytes.Clone(head), body...)}
	if bytes.HasPrefix(head, []byte(frame.SEND)) || bytes.HasPrefix(head, []byte(frame.MESSAGE)) {
		p.record = body[:length]
		p.wrap = func(record []byte) []byte {
			from, to := "content-length:"+strconv.Itoa(length)+"\n", "content-length:"+strconv.Itoa(len(record))+"\n"
			return append(append(bytes.Replace(head, []byte(from), []byte(to), 1), record...), 0)
		}
	}
	return p, nil
}

func (stompWire) claim(size int) []byte {
	return []byte("SEND\ndestination:t\ncontent-length:" + strconv.Itoa(size) + "\n\n")
}

type webSocketWire struct{}

func (webSocketWire) greet(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		line, err := r.ReadBytes('\n')
		head = append(head, line...)
		if err != nil {
			return head, err
		}
	}
	return head, nil
}

const (
	binaryFrame = 0x82 // FIN and the opcode
	maskBit     = 0x80
)

func (webSocketWire) read(r *bufio.Reader) (packet, error) {
	var raw []byte
	more := func(n int) ([]byte, error) {
		part := make([]byte, n)
		_, err := io.ReadFull(r, part)
		raw = append(raw, part...)
		return part, err
	}
	head, err := more(2)
	if err != nil {
		return packet{}, err
	}
	size := int(head[1] &^ maskBit)
	if size >= 126 {
		long, err := more(2 + 6*(size-126))
		if err != nil {
			return packet{}, err
		}
		size = int(binary.BigEndian.Uint64(append(make([]byte, 8-len(long)), long...)))
	}
	key := make([]byte, 4)
	if head[1]&maskBit != 0 {
		if key, err = more(4); err != nil {
			return packet{}, err
		}
	}
	payload, err := more(size)
	if err != nil {
		return packet{}, err
	}
	p := packet{raw: raw}
	if head[0] == binaryFrame {
		for i := range payload {
			payload[i] ^= key[i&3]
		}
		p.record = payload
		p.wrap = func(record []byte) []byte { return append(webSocketWire{}.claim(len(record)), record...) }
	}
	return p, nil
}

// claim masks with the key 0, so that the payload follows as it is.
func (webSocketWire) claim(size int) []byte {
	head := binary.BigEndian.AppendUint64([]byte{binaryFrame, maskBit | 127}, uint64(size))
	return append(head, 0, 0, 0, 0)
}
