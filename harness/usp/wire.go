package usp

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxElements is how many submessages and list elements one Record or Message may hold. Decoded, an empty one takes
// a hundred times the room of its two bytes; the whole of TR-181 has less than a tenth of this number.
const maxElements = 1 << 19

// ValidateWire finds what decoding hides: a second member of a oneof, and a second instance of a single field that is
// a message (TR-369 R-ENC.3, R-MSG.6, R-MSG.7). kind is an empty Record or Msg and says what b is.
func ValidateWire(b []byte, kind proto.Message) error {
	s, err := scanWire("", b, kind)
	if err != nil {
		return err
	}
	if s.twice != nil {
		return s.twice
	}
	return nil
}

// scan is one walk over undecoded bytes.
type scan struct {
	elements int
	twice    *Mismatch // the first field that should be there once and is there twice
}

// scanWire walks over b without decoding it. The error says where b is no protobuf, no UTF-8, or too much.
func scanWire(what string, b []byte, kind proto.Message) (*scan, error) {
	s := &scan{}
	md := kind.ProtoReflect().Descriptor()
	if what == "" {
		what = string(md.Name())
	}
	if err := s.message(where{name: what}, b, md); err != nil {
		return nil, err
	}
	return s, nil
}

// where is a place in a message; its text is only made when something is wrong there.
type where struct {
	up    *where
	name  string
	index int // of a list; -1 if the field is none
}

func (w where) String() string {
	text := w.name
	if w.index >= 0 && w.up != nil {
		text = fmt.Sprintf("%s[%d]", w.name, w.index)
	}
	if w.up == nil || w.up.up == nil {
		return text
	}
	return w.up.String() + "." + text
}

// message walks over the fields of one message.
func (s *scan) message(at where, b []byte, md protoreflect.MessageDescriptor) error {
	seen := make([]int, md.Fields().Len()) // how often each field came, by its index
	total := len(b)
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeField(b)
		if n < 0 {
			return &Mismatch{at.String(), "protobuf of a " + string(md.Name()),
				fmt.Sprintf("at byte %d of %d: %v", total-len(b), total, protowire.ParseError(n))}
		}
		field := b[:n]
		b = b[n:]
		fd := md.Fields().ByNumber(num)
		if fd == nil {
			continue // a newer version's field
		}
		place := where{&at, string(fd.Name()), -1}
		if fd.Cardinality() == protoreflect.Repeated {
			place.index = seen[fd.Index()]
		}
		seen[fd.Index()]++
		s.once(place, fd, seen)
		if kind != protowire.BytesType {
			continue
		}
		_, _, tag := protowire.ConsumeTag(field)
		value, _ := protowire.ConsumeBytes(field[tag:])
		if fd.Cardinality() == protoreflect.Repeated || fd.Message() != nil {
			if s.elements++; s.elements > maxElements {
				return &Mismatch{place.String(), fmt.Sprintf("at most %d elements in all", maxElements), "more"}
			}
		}
		switch {
		case fd.Message() != nil:
			if err := s.message(place, value, fd.Message()); err != nil {
				return err
			}
		case fd.Kind() == protoreflect.StringKind && !utf8.Valid(value):
			return mismatch(place.String(), string(value), "text in UTF-8")
		}
	}
	return nil
}

// once notes a second member of a oneof, and a single message that comes again.
func (s *scan) once(at where, fd protoreflect.FieldDescriptor, seen []int) {
	if s.twice != nil || fd.Cardinality() == protoreflect.Repeated {
		return
	}
	oneof := fd.ContainingOneof()
	if oneof != nil {
		for i := range oneof.Fields().Len() {
			if other := oneof.Fields().Get(i); other != fd && seen[other.Index()] > 0 {
				s.twice = &Mismatch{at.up.String(), fmt.Sprintf("one member of %s", oneof.Name()),
					fmt.Sprintf("%s and %s", other.Name(), fd.Name())}
				return
			}
		}
	}
	if (oneof != nil || fd.Message() != nil) && seen[fd.Index()] > 1 {
		s.twice = &Mismatch{at.String(), "it once", "it twice"}
	}
}
