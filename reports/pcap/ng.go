package pcap

import (
	"bufio"
	"encoding/binary"
	"io"
	"time"
)

// The types of blocks and options of pcapng (draft-ietf-opsawg-pcapng) that a capture needs, and the link type of packets that begin with
// their IP header. A library would do it with tables of 10 MB, which every process of a run would carry.
const (
	blockSection, blockInterface, blockPacket           = 0x0A0D0D0A, 1, 6
	optionEnd, optionComment                            = 0, 1
	optionApplication                                   = 4 // of a section
	optionName, optionDescription, optionTimeResolution = 2, 3, 9
	linkTypeRaw                                         = 101
	linkTypeUpper                                       = 252 // what a dissector of Wireshark is named for
)

// The interfaces of a capture.
const (
	faceIP    uint32 = iota // packets that begin with their IP header
	faceUpper               // what Wireshark calls exported PDUs
)

// ngWriter writes a pcapng file with one section and two interfaces, times in nanoseconds.
type ngWriter struct{ w *bufio.Writer }

// option is an option of a block.
type option struct {
	code  uint16
	value string
}

func newNGWriter(w io.Writer, application, name, description string) (ngWriter, error) {
	n := ngWriter{bufio.NewWriter(w)}
	section := binary.LittleEndian.AppendUint32(nil, 0x1A2B3C4D) // tells the order of bytes
	section = binary.LittleEndian.AppendUint16(section, 1)       // version 1.0
	section = binary.LittleEndian.AppendUint16(section, 0)
	section = binary.LittleEndian.AppendUint64(section, 1<<64-1) // of unknown length
	if err := n.block(blockSection, section, option{optionApplication, application}); err != nil {
		return n, err
	}
	for _, linkType := range []uint32{faceIP: linkTypeRaw, faceUpper: linkTypeUpper} {
		face := binary.LittleEndian.AppendUint32(nil, linkType)
		face = binary.LittleEndian.AppendUint32(face, 0) // packets are whole
		err := n.block(blockInterface, face, option{optionName, name}, option{optionDescription, description},
			option{optionTimeResolution, "\x09"})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// packet writes a packet of an interface with a comment.
func (n ngWriter) packet(face uint32, at time.Time, data []byte, comment string) error {
	nanoseconds := uint64(at.UnixNano())
	body := binary.LittleEndian.AppendUint32(nil, face)
	body = binary.LittleEndian.AppendUint32(body, uint32(nanoseconds>>32))
	body = binary.LittleEndian.AppendUint32(body, uint32(nanoseconds))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
	return n.block(blockPacket, append(body, data...), option{optionComment, comment})
}

// block writes a block: its type, its length, body, options, its length.
func (n ngWriter) block(kind uint32, body []byte, options ...option) error {
	body = padded(body)
	for _, o := range options {
		value := o.value[:min(len(o.value), 1<<16-1)]
		body = binary.LittleEndian.AppendUint16(body, o.code)
		body = binary.LittleEndian.AppendUint16(body, uint16(len(value)))
		body = padded(append(body, value...))
	}
	body = binary.LittleEndian.AppendUint32(body, optionEnd)
	const frame = 12 // type and twice the length
	length := uint32(len(body) + frame)
	for _, part := range [][]byte{binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, kind), length), body,
		binary.LittleEndian.AppendUint32(nil, length)} {
		if _, err := n.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// padded fills up to 32 bits.
func padded(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
