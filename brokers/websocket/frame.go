package websocket

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/usptest/usptest/brokers/gate"
)

// Opcode is the type of a frame (RFC 6455, section 5.2).
type Opcode byte

// The opcodes that RFC 6455 defines.
const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xA
)

// String returns the opcode's name in capitals: the Type of its events in the journal.
func (o Opcode) String() string {
	switch o {
	case OpContinuation:
		return "CONTINUATION"
	case OpText:
		return "TEXT"
	case OpBinary:
		return "BINARY"
	case OpClose:
		return "CLOSE"
	case OpPing:
		return "PING"
	case OpPong:
		return "PONG"
	}
	return fmt.Sprintf("OPCODE %d", byte(o))
}

// control reports whether frames of this type may come between the fragments of a message.
func (o Opcode) control() bool { return o&0x8 != 0 }

// The status codes of a CLOSE frame that this package uses (RFC 6455, section 7.4.1).
const (
	CloseNormal        = 1000
	CloseProtocolError = 1002
	CloseUnsupported   = 1003
	CloseNoStatus      = 1005 // never on the wire: the frame has no code
	CloseTooBig        = 1009
)

// closeNames are all of RFC 6455, by code.
var closeNames = map[int]string{
	1000: "normal closure", 1001: "going away", 1002: "protocol error", 1003: "unsupported data", 1005: "no status",
	1006: "abnormal closure", 1007: "invalid payload data", 1008: "policy violation", 1009: "message too big",
	1010: "mandatory extension", 1011: "internal error", 1015: "TLS handshake",
}

const (
	maxControl = 125 // bytes of a control frame's payload (RFC 6455, section 5.5)
	// keptPayload is how much of a data frame's payload an event keeps decoded. Its Raw has more of it, masked if the device is
	// the client.
	keptPayload = 1024
)

// Frame is one WebSocket frame. Nobody changes it.
type Frame struct {
	Opcode  Opcode
	Fin     bool
	Masked  bool
	Payload []byte // unmasked; in the journal no more than its first 1024 bytes
	Size    int    // the true length of Payload
}

// CloseCode returns what a CLOSE frame says: CloseNoStatus when it has no code, or -1 when one byte is all there is of it.
func (f *Frame) CloseCode() (code int, text string) {
	switch len(f.Payload) {
	case 0:
		return CloseNoStatus, ""
	case 1:
		return -1, ""
	}
	return int(binary.BigEndian.Uint16(f.Payload)), string(f.Payload[2:])
}

// CloseProblem says what is wrong with a CLOSE frame by RFC 6455, sections 5.5.1 and 7.4, or "".
func (f *Frame) CloseProblem() string {
	code, text := f.CloseCode()
	switch {
	case code == CloseNoStatus && len(f.Payload) == 0:
		return ""
	case code == -1:
		return "CLOSE has half a status code"
	case code < 1000 || code == 1004 || code == 1005 || code == 1006 || code >= 1015 && code < 3000 || code >= 5000:
		return fmt.Sprintf("CLOSE has the status code %d, which must not be on the wire", code)
	case !utf8.ValidString(text):
		return "the text of CLOSE is not valid UTF-8"
	}
	return ""
}

// summary is the frame in one line, without its opcode.
func (f *Frame) summary() string {
	if f.Opcode == OpClose {
		code, text := f.CloseCode()
		if text == "" {
			return closeText(code)
		}
		return fmt.Sprintf("%s %q", closeText(code), text)
	}
	text := fmt.Sprintf("%d bytes", f.Size)
	if f.Opcode.control() && f.Size > 0 {
		text += fmt.Sprintf(" %q", f.Payload)
	}
	if !f.Fin {
		text += ", more follows"
	}
	return text
}

func closeText(code int) string {
	if code == CloseNoStatus {
		return "without a status code"
	}
	if name := closeNames[code]; name != "" {
		return fmt.Sprintf("%d (%s)", code, name)
	}
	return fmt.Sprint(code)
}

// Describe shows the frame as text.
func (f *Frame) Describe() string {
	text := f.Opcode.String() + "\n  " + f.summary() + "\n"
	if f.Masked {
		text += "  masked\n"
	}
	return text
}

// forJournal returns f with no more of its payload than an event may keep.
func (f *Frame) forJournal() *Frame {
	if f.Size <= keptPayload {
		return f
	}
	cut := *f
	cut.Payload = bytes.Clone(f.Payload[:keptPayload])
	return &cut
}

// Trimmed returns f without the payload of a data frame, for a journal that is full.
func (f *Frame) Trimmed() any {
	if f.Opcode.control() {
		return f
	}
	cut := *f
	cut.Payload = nil
	return &cut
}

// badFrame is an error of the device's, with the status code that the answering CLOSE carries.
type badFrame struct {
	code   int
	reason string
}

func (e badFrame) Error() string { return e.reason }

// readFrame reads one frame. raw is what came of it, also with an error; a badFrame leaves the stream at an unknown place.
// masked says how frames of this direction must be; hold is asked before memory for a payload is taken.
func readFrame(r *bufio.Reader, masked bool, max int, started func(), hold func(bytes int) error) (f *Frame, raw []byte, err error) {
	raw = make([]byte, 0, 256)
	more := func(n int) error {
		at := len(raw)
		raw = slices.Grow(raw, n)[:at+n]
		n, err := io.ReadFull(r, raw[at:]) // nothing to read is no error
		raw = raw[:at+n]
		return err
	}
	if err := more(1); err != nil {
		return nil, raw, err
	}
	started()
	if err := more(1); err != nil {
		return nil, raw, err
	}
	f = &Frame{Opcode: Opcode(raw[0] & 0xF), Fin: raw[0]&0x80 != 0, Masked: raw[1]&0x80 != 0}
	length := uint64(raw[1] & 0x7F)
	if problem := f.headProblem(raw[0]&0x70>>4, length, masked); problem != "" {
		return nil, raw, badFrame{CloseProtocolError, problem}
	}
	switch length {
	case 126:
		if err := more(2); err != nil {
			return nil, raw, err
		}
		length = uint64(binary.BigEndian.Uint16(raw[2:]))
	case 127:
		if err := more(8); err != nil {
			return nil, raw, err
		}
		length = binary.BigEndian.Uint64(raw[2:])
	}
	if length > uint64(max) {
		return nil, raw, badFrame{CloseTooBig, fmt.Sprintf("a %s frame of %d bytes, more than the %d that this end takes", f.Opcode, length, max)}
	}
	var key [4]byte
	if masked {
		if err := more(4); err != nil {
			return nil, raw, err
		}
		copy(key[:], raw[len(raw)-4:])
	}
	body := len(raw)
	for _, stage := range gate.Stages(int(length)) {
		if err := hold(stage); err != nil {
			return nil, raw, badFrame{CloseTooBig, err.Error()}
		}
		if err := more(body + stage - len(raw)); err != nil {
			return nil, raw, err
		}
	}
	f.Payload, f.Size = raw[body:], int(length)
	if masked {
		f.Payload = bytes.Clone(f.Payload) // Raw stays as it was on the wire
		mask(key, f.Payload)
	}
	return f, raw, nil
}

// headProblem says what the first two bytes of a frame have wrong, or "".
func (f *Frame) headProblem(reserved byte, length uint64, masked bool) string {
	switch {
	case reserved != 0:
		return fmt.Sprintf("a %s frame with reserved bits, which no extension has given a meaning", f.Opcode)
	case f.Opcode > OpBinary && f.Opcode < OpClose || f.Opcode > OpPong:
		return fmt.Sprintf("a frame with the unknown opcode %d", byte(f.Opcode))
	case f.Opcode.control() && !f.Fin:
		return fmt.Sprintf("a %s frame that is fragmented", f.Opcode)
	case f.Opcode.control() && length > maxControl:
		return fmt.Sprintf("a %s frame of more than %d bytes", f.Opcode, maxControl)
	case masked && !f.Masked:
		return fmt.Sprintf("a %s frame of the client's that is not masked", f.Opcode)
	case !masked && f.Masked:
		return fmt.Sprintf("a %s frame of the server's that is masked", f.Opcode)
	}
	return ""
}

// encode returns the bytes of a frame, valid or not, masked with a random key if f says so.
func encode(f *Frame) []byte {
	raw := make([]byte, 0, 14+len(f.Payload))
	first := byte(f.Opcode)
	if f.Fin {
		first |= 0x80
	}
	var maskBit byte
	if f.Masked {
		maskBit = 0x80
	}
	switch n := len(f.Payload); {
	case n < 126:
		raw = append(raw, first, maskBit|byte(n))
	case n < 1<<16:
		raw = binary.BigEndian.AppendUint16(append(raw, first, maskBit|126), uint16(n))
	default:
		raw = binary.BigEndian.AppendUint64(append(raw, first, maskBit|127), uint64(n))
	}
	if !f.Masked {
		return append(raw, f.Payload...)
	}
	var key [4]byte
	rand.Read(key[:])
	raw = append(raw, key[:]...)
	body := len(raw)
	raw = append(raw, f.Payload...)
	mask(key, raw[body:])
	return raw
}

// mask masks or unmasks b in place (RFC 6455, section 5.3).
func mask(key [4]byte, b []byte) {
	word := binary.LittleEndian.Uint32(key[:])
	wide := uint64(word)<<32 | uint64(word)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
	}
	for i := range b {
		b[i] ^= key[i&3]
	}
}

// closePayload is the payload of a CLOSE frame; text is cut so that it fits.
func closePayload(code int, text string) []byte {
	if code == CloseNoStatus {
		return nil
	}
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	payload = append(payload, text...)
	if len(payload) > maxControl {
		payload = payload[:maxControl]
		for !utf8.Valid(payload[2:]) {
			payload = payload[:len(payload)-1]
		}
	}
	return payload
}

// fragments cuts a message into frames of this many bytes, 0 meaning one frame for all. Behind the first of several come an empty one and
// a PING, which a receiver has to bear (RFC 6455, section 5.4).
func fragments(payload []byte, size int) iter.Seq[Frame] {
	return func(yield func(Frame) bool) {
		if size == 0 || len(payload) <= size {
			yield(Frame{Opcode: OpBinary, Fin: true, Payload: payload})
			return
		}
		if !yield(Frame{Opcode: OpBinary, Payload: payload[:size]}) ||
			!yield(Frame{Opcode: OpContinuation}) || !yield(Frame{Opcode: OpPing, Fin: true, Payload: []byte("between fragments")}) {
			return
		}
		for payload = payload[size:]; len(payload) > 0; {
			part := payload[:min(size, len(payload))]
			payload = payload[len(part):]
			if !yield(Frame{Opcode: OpContinuation, Fin: len(payload) == 0, Payload: part}) {
				return
			}
		}
	}
}
