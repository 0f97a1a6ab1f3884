package usp

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// MaxRecordSize is the largest Record, and the largest Message, that is parsed: 16 MiB.
const MaxRecordSize = 16 << 20

// ParseRecord decodes one Record. It refuses, with a Mismatch, more than MaxRecordSize bytes, what is not protobuf,
// text that is not UTF-8, and more elements than any honest peer sends. It does not judge the contents: see
// ValidateRecord and ValidateWire.
func ParseRecord(b []byte) (*usppb.Record, error) {
	r, _, err := ReadRecord(b)
	return r, err
}

// ParseMessage decodes one Message under the rules of ParseRecord. See ValidateMessage and ValidateWire.
func ParseMessage(b []byte) (*usppb.Msg, error) {
	m, _, err := ReadMessage(b)
	return m, err
}

// Wire is what the encoded bytes of a Record or Message tell beside their contents.
type Wire struct {
	Hidden error // what ValidateWire says of them
	Weight int   // about how many bytes of memory the decoded value takes
}

// ReadRecord is ParseRecord and ValidateWire at once.
func ReadRecord(b []byte) (*usppb.Record, Wire, error) {
	r := &usppb.Record{}
	w, err := read(b, r)
	if err != nil {
		return nil, w, err
	}
	return r, w, nil
}

// ReadMessage is ParseMessage and ValidateWire at once.
func ReadMessage(b []byte) (*usppb.Msg, Wire, error) {
	m := &usppb.Msg{}
	w, err := read(b, m)
	if err != nil {
		return nil, w, err
	}
	return m, w, nil
}

func read(b []byte, into proto.Message) (Wire, error) {
	if len(b) > MaxRecordSize {
		return Wire{}, &Mismatch{string(into.ProtoReflect().Descriptor().Name()), fmt.Sprintf("at most %d bytes", MaxRecordSize),
			fmt.Sprintf("%d bytes", len(b))}
	}
	s, err := scanWire(b, into)
	if err != nil {
		return Wire{}, err
	}
	w := Wire{Weight: len(b) + s.elements*elementWeight}
	if s.hidden != nil {
		w.Hidden = s.hidden
	}
	return w, proto.Unmarshal(b, into)
}

// Marshal encodes a Record or Message; the same value always gives the same bytes. It fails when a string is not UTF-8.
func Marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// WrapMessage puts a Message into a Record without session context. It fails when a string of the Message is not UTF-8.
func WrapMessage(to, from EndpointID, version string, m *usppb.Msg) (*usppb.Record, error) {
	payload, err := Marshal(m)
	if err != nil {
		return nil, err
	}
	return &usppb.Record{
		Version: version, ToId: string(to), FromId: string(from),
		RecordType: &usppb.Record_NoSessionContext{NoSessionContext: &usppb.NoSessionContextRecord{Payload: payload}},
	}, nil
}

// PayloadOf returns the bytes of the one Message that a Record carries by itself: that of a Record without session
// context, or of a plain one with session context whose payload is whole. Otherwise nil.
func PayloadOf(r *usppb.Record) []byte {
	if none := r.GetNoSessionContext(); none != nil {
		return none.Payload
	}
	session := r.GetSessionContext()
	if session != nil && r.PayloadSecurity == usppb.Record_PLAINTEXT && len(session.Payload) == 1 &&
		session.PayloadSarState == usppb.SessionContextRecord_NONE {
		return session.Payload[0]
	}
	return nil
}

// RecordType names what a Record is: "NoSessionContext", "SessionContext", "WebSocketConnect", "MQTTConnect",
// "STOMPConnect", "UDSConnect", "Disconnect"; "no record type" when it says nothing.
func RecordType(r *usppb.Record) string {
	switch r.GetRecordType().(type) {
	case *usppb.Record_NoSessionContext:
		return "NoSessionContext"
	case *usppb.Record_SessionContext:
		return "SessionContext"
	case *usppb.Record_WebsocketConnect:
		return "WebSocketConnect"
	case *usppb.Record_MqttConnect:
		return "MQTTConnect"
	case *usppb.Record_StompConnect:
		return "STOMPConnect"
	case *usppb.Record_UdsConnect:
		return "UDSConnect"
	case *usppb.Record_Disconnect:
		return "Disconnect"
	}
	return "no record type"
}

// EarlierVersion reports whether a version of USP such as "1.3" came before another one. A text that is no version came before none.
func EarlierVersion(version, than string) bool {
	var a, b [2]int
	for _, v := range []struct {
		text string
		into *[2]int
	}{{version, &a}, {than, &b}} {
		if n, err := fmt.Sscanf(v.text, "%d.%d", &v.into[0], &v.into[1]); n != 2 || err != nil {
			return false
		}
	}
	return slices.Compare(a[:], b[:]) < 0
}
