package usp

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxElements is how many submessages and list elements one Record or Message may hold. Decoded, an empty one takes
// a hundred times the room of its two bytes; the whole of TR-181 has less than a tenth of this number.
const maxElements = 1 << 19

// maxJoined is how many bytes of text a Record or Message may come to when its longest texts are before each element inside their own
// messages: a path is joined with every name below it. The whole of TR-181 comes to a tenth of it.
const maxJoined = 64 << 20

// maxFields is how many fields a message of USP has at the most, with some to spare.
const maxFields = 32

// elementWeight is about how many bytes of memory an element takes when it is decoded, beside its text.
const elementWeight = 128

// ValidateWire finds what decoding hides: a second member of a oneof, a second instance of a single field that is a
// message (TR-369 R-ENC.3, R-MSG.6, R-MSG.7), and a field of another wire type than the schema's. kind is an
// empty Record or Msg and says what b is.
func ValidateWire(b []byte, kind proto.Message) error {
	s, err := scanWire(b, kind)
	if err != nil {
		return err
	}
	if s.hidden != nil {
		return s.hidden
	}
	return nil
}

// scanWire walks over b without decoding it. The error says where b is no protobuf, no UTF-8, or too much.
func scanWire(b []byte, kind proto.Message) (*scan, error) {
	s := &scan{}
	return s, s.message(b, kind.ProtoReflect().Descriptor())
}

// scan is one walk over undecoded bytes.
type scan struct {
	at       []step // the way from the outermost message to the field that is looked at
	elements int
	joined   int
	hidden   *Mismatch // the first thing that decoding hides
}

// step is a field on the way.
type step struct {
	field protoreflect.FieldDescriptor
	index int // in a list
}

// place is the way as text; what stands for the outermost message itself.
func (s *scan) place(what string) string {
	var names []string
	for _, step := range s.at {
		name := string(step.field.Name())
		if step.field.Cardinality() == protoreflect.Repeated {
			name = fmt.Sprintf("%s[%d]", name, step.index)
		}
		names = append(names, name)
	}
	return cmp.Or(strings.Join(names, "."), what)
}

// message walks over the fields of one message.
func (s *scan) message(b []byte, md protoreflect.MessageDescriptor) error {
	var most [maxFields]int
	seen := most[:md.Fields().Len()] // how often each field came, by its index
	total, longest, before := len(b), 0, s.elements
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeField(b)
		if n < 0 || num > protowire.MaxValidNumber {
			return &Mismatch{s.place(string(md.Name())), "the protobuf encoding of a " + string(md.Name()),
				fmt.Sprintf("%d bytes, broken from byte %d on", total, total-len(b))}
		}
		field := b[:n]
		b = b[n:]
		fd := md.Fields().ByNumber(num)
		if fd == nil {
			continue // a newer version's field
		}
		s.at = append(s.at, step{fd, seen[fd.Index()]})
		seen[fd.Index()]++
		if err := s.field(field, kind, fd, seen); err != nil {
			return err
		}
		s.at = s.at[:len(s.at)-1]
		if fd.Kind() == protoreflect.StringKind {
			longest = max(longest, n)
		}
	}
	if s.joined += longest * (s.elements - before); s.joined > maxJoined {
		return &Mismatch{s.place(string(md.Name())), fmt.Sprintf("at most %d bytes of paths with the names below them", maxJoined), "more"}
	}
	return nil
}

// field looks at one field, tag and all, of a message in which these fields were seen, this one included.
func (s *scan) field(b []byte, kind protowire.Type, fd protoreflect.FieldDescriptor, seen []int) error {
	if kind != wireType(fd) {
		s.hide("wire type "+typeText(wireType(fd)), typeText(kind))
		return nil
	}
	s.once(fd, seen)
	if kind != protowire.BytesType {
		return nil
	}
	_, _, tag := protowire.ConsumeTag(b)
	value, _ := protowire.ConsumeBytes(b[tag:])
	if fd.Cardinality() == protoreflect.Repeated || fd.Message() != nil {
		if s.elements++; s.elements > maxElements {
			return &Mismatch{s.place(""), fmt.Sprintf("at most %d elements in all", maxElements), "more"}
		}
	}
	switch {
	case fd.Message() != nil:
		return s.message(value, fd.Message())
	case fd.Kind() == protoreflect.StringKind && !utf8.Valid(value):
		return Differs(s.place(""), Quote(string(value)), "text in UTF-8")
	}
	return nil
}

// once notes a second member of a oneof, and a single message that comes again.
func (s *scan) once(fd protoreflect.FieldDescriptor, seen []int) {
	if s.hidden != nil || fd.Cardinality() == protoreflect.Repeated {
		return
	}
	oneof := fd.ContainingOneof()
	if (oneof != nil || fd.Message() != nil) && seen[fd.Index()] > 1 {
		s.hide("it once", "it again")
	}
	for i := 0; oneof != nil && i < oneof.Fields().Len(); i++ {
		if other := oneof.Fields().Get(i); other != fd && seen[other.Index()] > 0 {
			s.hide("no other member of "+string(oneof.Name()), string(other.Name())+" as well")
		}
	}
}

// hide keeps the first thing that decoding would hide.
func (s *scan) hide(want, got string) {
	if s.hidden == nil {
		s.hidden = &Mismatch{s.place(""), want, got}
	}
}

// wireType is how the fields of USP's kinds are encoded.
func wireType(fd protoreflect.FieldDescriptor) protowire.Type {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.StringKind, protoreflect.BytesKind:
		return protowire.BytesType
	case protoreflect.Fixed32Kind:
		return protowire.Fixed32Type
	}
	return protowire.VarintType // bool, enum, uint64
}

func typeText(t protowire.Type) string {
	return [...]string{"varint", "fixed64", "bytes", "start of group", "end of group", "fixed32"}[t]
}
