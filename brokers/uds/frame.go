package uds

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/usptest/usptest/brokers/gate"
)

// Type is that of a TLV field (TR-369, Sending a Message over a UNIX Domain Socket).
type Type byte

// The types that TR-369 defines.
const (
	Handshake Type = 1 // an Endpoint ID (R-UDS.12)
	Error     Type = 2 // a text (R-UDS.13)
	Record    Type = 3 // a USP Record (R-UDS.14)
)

// String returns the type's name in capitals: the Type of its events in the journal.
func (t Type) String() string {
	switch t {
	case Handshake:
		return "HANDSHAKE"
	case Error:
		return "ERROR"
	case Record:
		return "RECORD"
	}
	return fmt.Sprintf("TYPE %d", byte(t))
}

// TLV is one field of a frame.
type TLV struct {
	Type  Type
	Value []byte
}

// Sync are the octets with which each frame begins (R-UDS.8).
const Sync = "_USP"

const (
	headSize    = 8 // octets of a frame's header: Sync and the length of the rest (R-UDS.7)
	tlvHeadSize = 5 // octets of a field's type and length (R-UDS.10, R-UDS.11)
	// maxFields is how many fields of a frame are taken. TR-369 knows three types, of which a frame needs one.
	maxFields = 256
	// keptValue is how much of a field an event keeps decoded, and keptFields of how many. Its Raw has more.
	keptValue  = 1024
	keptFields = 8
)

// Frame is one frame. Nobody changes it.
type Frame struct {
	Fields []TLV // in the journal no more than the first 8, with the first 1024 octets of each
	sizes  []int // the true lengths of the values
}

// Has reports whether a field of the frame has that type.
func (f *Frame) Has(t Type) bool {
	return slices.ContainsFunc(f.Fields, func(field TLV) bool { return field.Type == t })
}

// newFrame is a frame of these fields.
func newFrame(fields []TLV) *Frame {
	f := &Frame{Fields: fields}
	for _, field := range fields {
		f.sizes = append(f.sizes, len(field.Value))
	}
	return f
}

// name is the Type of the frame's event: the types of its fields.
func (f *Frame) name() string {
	var names []string
	for _, field := range f.Fields[:min(len(f.Fields), keptFields)] {
		names = append(names, field.Type.String())
	}
	return strings.Join(names, "+")
}

// summary is the frame in one line, without the types of its fields.
func (f *Frame) summary() string {
	var texts []string
	for i, field := range f.Fields[:min(len(f.Fields), keptFields)] {
		text := fmt.Sprintf("%d bytes", f.sizes[i])
		if field.Type == Handshake || field.Type == Error {
			text = fmt.Sprintf("%q", field.Value[:min(len(field.Value), keptValue)])
		}
		texts = append(texts, text)
	}
	if more := len(f.sizes) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("%d further fields", more))
	}
	return strings.Join(texts, ", ")
}

// Describe shows the frame as text.
func (f *Frame) Describe() string {
	var text strings.Builder
	for i, field := range f.Fields {
		fmt.Fprintf(&text, "%s, %d bytes\n", field.Type, f.sizes[i])
		if field.Type == Handshake || field.Type == Error {
			fmt.Fprintf(&text, "  %q\n", field.Value)
		}
	}
	return text.String()
}

// forJournal returns f with no more of its fields than an event may keep, and about how many bytes that takes.
func (f *Frame) forJournal() (kept *Frame, weight int) {
	kept = &Frame{sizes: f.sizes}
	for _, field := range f.Fields[:min(len(f.Fields), keptFields)] {
		field.Value = slices.Clone(field.Value[:min(len(field.Value), keptValue)])
		kept.Fields = append(kept.Fields, field)
		weight += len(field.Value)
	}
	return kept, weight
}

// Trimmed returns f without the values of its fields, for a journal that is full.
func (f *Frame) Trimmed() any {
	cut := &Frame{sizes: f.sizes}
	for _, field := range f.Fields {
		cut.Fields = append(cut.Fields, TLV{Type: field.Type})
	}
	return cut
}

// Encode returns the octets of a frame with these fields (R-UDS.6 to R-UDS.11).
func Encode(fields ...TLV) []byte {
	raw := append([]byte(Sync), 0, 0, 0, 0)
	for _, field := range fields {
		raw = binary.BigEndian.AppendUint32(append(raw, byte(field.Type)), uint32(len(field.Value)))
		raw = append(raw, field.Value...)
	}
	binary.BigEndian.PutUint32(raw[len(Sync):], uint32(len(raw)-headSize))
	return raw
}

// badFrame is an error of the device's, after which the stream is at an unknown place.
type badFrame struct{ reason string }

func (e badFrame) Error() string { return e.reason }

// readFrame reads one frame. raw is what came of it, also with an error. hold is asked before memory for the fields is taken.
func readFrame(r *bufio.Reader, most int, started func(), hold func(bytes int) error) (f *Frame, raw []byte, err error) {
	raw = make([]byte, 0, 256)
	more := func(n int) error {
		at := len(raw)
		raw = slices.Grow(raw, n)[:at+n]
		n, err := io.ReadFull(r, raw[at:]) // nothing to read is no error
		raw = raw[:at+n]
		return err
	}
	for i := range len(Sync) {
		if err := more(1); err != nil {
			return nil, raw, err
		}
		if i == 0 {
			started()
		}
		if raw[i] != Sync[i] {
			return nil, raw, badFrame{fmt.Sprintf("a frame that begins with %q instead of %q (R-UDS.8)", raw, Sync)}
		}
	}
	if err := more(headSize - len(Sync)); err != nil {
		return nil, raw, err
	}
	length := binary.BigEndian.Uint32(raw[len(Sync):])
	if uint64(length) > uint64(most) {
		return nil, raw, badFrame{fmt.Sprintf("a frame of %d bytes, more than the %d that this end takes", length, most)}
	}
	for _, stage := range gate.Stages(int(length)) {
		if err := hold(stage); err != nil {
			return nil, raw, badFrame{err.Error()}
		}
		if err := more(headSize + stage - len(raw)); err != nil {
			return nil, raw, err
		}
	}
	fields, err := parse(raw[headSize:])
	if err != nil {
		return nil, raw, err
	}
	return newFrame(fields), raw, nil
}

// parse reads the fields of a frame.
func parse(rest []byte) (fields []TLV, err error) {
	if len(rest) == 0 {
		return nil, badFrame{"a frame without a TLV field (R-UDS.6)"}
	}
	for len(rest) > 0 {
		if len(rest) < tlvHeadSize {
			return nil, badFrame{fmt.Sprintf("a frame that ends within the type and length of TLV field %d (R-UDS.11)", len(fields)+1)}
		}
		if len(fields) == maxFields {
			return nil, badFrame{fmt.Sprintf("a frame of more than %d TLV fields, which this end does not take", maxFields)}
		}
		t, size := Type(rest[0]), binary.BigEndian.Uint32(rest[1:])
		rest = rest[tlvHeadSize:]
		if uint64(size) > uint64(len(rest)) {
			return nil, badFrame{fmt.Sprintf("TLV field %d, of type %d, says that it has %d bytes, and %d are left of its frame (R-UDS.11)",
				len(fields)+1, byte(t), size, len(rest))}
		}
		fields, rest = append(fields, TLV{t, rest[:size:size]}), rest[size:]
	}
	return fields, nil
}
