package usp

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bounds of a description, in bytes.
const (
	maxDescription = 64 << 10
	maxValue       = 1 << 10 // of one string
)

// redacted stands where a secret value was.
const redacted = "(redacted)"

// Describe writes a Record or Message (or any part of one) for a reader: one field a line, indented, maps in order of
// their keys, types and codes by name, the payload of a Record decoded. The same value always gives the same text,
// strings are quoted on one line, secret values (IsSecretName) are shown as (redacted), and what is long is cut. A nil
// message is "(none)".
func Describe(m proto.Message) string {
	if m == nil || !m.ProtoReflect().IsValid() {
		return "(none)\n"
	}
	d := &describer{}
	d.line(0, string(m.ProtoReflect().Descriptor().Name()))
	d.message(1, "", m.ProtoReflect())
	return d.String()
}

// describer collects lines until it is full.
type describer struct {
	strings.Builder
	full bool
}

func (d *describer) line(depth int, text string) {
	if d.full {
		return
	}
	if d.Len()+len(text)+2*depth > maxDescription {
		d.full = true
		d.WriteString("… (cut)\n")
		return
	}
	d.WriteString(strings.Repeat("  ", depth))
	d.WriteString(text)
	d.WriteByte('\n')
}

// sinceUSP15 reports whether a field came with USP 1.5: an Agent of an earlier version does not leave it out, it does not have it.
func sinceUSP15(fd protoreflect.FieldDescriptor) bool {
	return fd.Name() == "originator_id" || fd.Name() == "destination_id"
}

// message writes the fields of m; owner is the object or command that their names are relative to.
func (d *describer) message(depth int, owner string, m protoreflect.Message) {
	owner = ownerIn(m, owner)
	secret := secretField(m, owner)
	fields := m.Descriptor().Fields()
	for i := 0; i < fields.Len() && !d.full; i++ {
		fd := fields.Get(i)
		if optional := fd.ContainingOneof() != nil || fd.Message() != nil || sinceUSP15(fd); optional && !m.Has(fd) {
			continue
		}
		name, v := string(fd.Name()), m.Get(fd)
		switch {
		case fd.IsMap():
			d.line(depth, name)
			d.entries(depth+1, owner, v.Map())
		case fd.IsList():
			for i := 0; i < v.List().Len() && !d.full; i++ {
				d.field(depth, fmt.Sprintf("%s[%d]", name, i), owner, fd, v.List().Get(i))
			}
		case fd == secret && v.String() != "":
			d.line(depth, name+": "+redacted)
		default:
			d.field(depth, name, owner, fd, v)
		}
	}
	if n := len(m.GetUnknown()); n > 0 {
		d.line(depth, fmt.Sprintf("unknown fields: %d bytes", n))
	}
}

func (d *describer) entries(depth int, owner string, entries protoreflect.Map) {
	values := map[string]string{}
	entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		values[k.String()] = v.String()
		return true
	})
	for _, key := range slices.Sorted(maps.Keys(values)) {
		value := show(values[key])
		if values[key] != "" && IsSecretName(owner+key) {
			value = redacted
		}
		d.line(depth, show(key)+": "+value)
	}
}

func (d *describer) field(depth int, name, owner string, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch {
	case fd.Message() != nil:
		d.line(depth, name)
		d.message(depth+1, owner, v.Message())
	case fd.Kind() == protoreflect.BytesKind:
		if len(v.Bytes()) > 0 {
			d.bytes(depth, name, fd, v.Bytes())
		}
	case fd.Kind() == protoreflect.StringKind:
		d.line(depth, name+": "+show(v.String()))
	case fd.Name() == "msg_type":
		d.line(depth, name+": "+TypeName(MsgType(v.Enum())))
	case fd.Kind() == protoreflect.EnumKind:
		d.line(depth, name+": "+enumName(fd, v.Enum()))
	case fd.Kind() == protoreflect.Fixed32Kind && v.Uint() != 0 && strings.HasSuffix(string(fd.Name()), "_code"):
		d.line(depth, name+": "+ErrCode(v.Uint()).String())
	default:
		d.line(depth, name+": "+v.String())
	}
}

// bytes shows a payload that is a Message decoded, and anything else by its start in hex.
func (d *describer) bytes(depth int, name string, fd protoreflect.FieldDescriptor, b []byte) {
	if fd.Name() == "payload" {
		if m, err := ParseMessage(b); err == nil && m.Header != nil {
			d.line(depth, fmt.Sprintf("%s: %d bytes, a Message", name, len(b)))
			d.message(depth+1, "", m.ProtoReflect())
			return
		}
	}
	const head = 64
	text := fmt.Sprintf("% x", b[:min(len(b), head)])
	if len(b) > head {
		text += " …"
	}
	d.line(depth, fmt.Sprintf("%s: %d bytes, %s", name, len(b), text))
}

// show quotes a string for the description.
func show(s string) string { return quoteUpTo(s, maxValue) }

// enumName is the name of an enumeration's value, or its number when it has none.
func enumName(fd protoreflect.FieldDescriptor, n protoreflect.EnumNumber) string {
	if v := fd.Enum().Values().ByNumber(n); v != nil {
		return string(v.Name())
	}
	return fmt.Sprintf("unknown value %d", n)
}
