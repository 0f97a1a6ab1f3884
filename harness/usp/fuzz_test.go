package usp

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// FuzzRecord: whatever bytes come, parsing neither panics nor yields a Record that cannot be judged, shown and encoded.
func FuzzRecord(f *testing.F) {
	for _, m := range everyMessage() {
		f.Add(encoded(f, wrapped(f, m)))
	}
	f.Add(encoded(f, &usppb.Record{Version: "1.3", RecordType: &usppb.Record_MqttConnect{MqttConnect: &usppb.MQTTConnectRecord{SubscribedTopic: "a/b"}}}))
	f.Add(encoded(f, &usppb.Record{RecordType: &usppb.Record_SessionContext{SessionContext: &usppb.SessionContextRecord{SessionId: 2, Payload: [][]byte{{1}}}}}))
	f.Add([]byte("\x0a\x031.4\x12\x80\x80\x80\x80\x08"))
	f.Add([]byte{0x0b, 0x0b, 0x0c, 0x0c})
	f.Add([]byte("\x80\xff\xff\xff00")) // a field number beyond the highest
	f.Fuzz(func(t *testing.T, b []byte) {
		wire := ValidateWire(b, &usppb.Record{})
		r, err := ParseRecord(b)
		if err != nil {
			if wire == nil {
				t.Fatalf("ParseRecord refuses what ValidateWire accepts: %v", err)
			}
			return
		}
		check(t, r, ValidateRecord(r))
		PayloadOf(r)
		_ = RecordType(r)
	})
}

// FuzzMessage is FuzzRecord for Messages, with all that is asked of one.
func FuzzMessage(f *testing.F) {
	for _, m := range everyMessage() {
		f.Add(encoded(f, m))
	}
	f.Add(inBody(2, inField(7, inField(1, append(inField(2, []byte("a")), inField(3, nil)...)))))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = ValidateWire(b, &usppb.Msg{})
		m, err := ParseMessage(b)
		if err != nil {
			return
		}
		valid := ValidateMessage(m)
		if valid == nil && (MsgTypeOf(m) == NoType || BodyOf(m) == nil) {
			t.Fatalf("a valid Message without a body: %v", m)
		}
		check(t, m, valid)
		paths, addressing := ValidatePaths(m), ValidateAddressing(m)
		if p, a := ValidateReported(m); fmt.Sprint(p, a) != fmt.Sprint(paths, addressing) {
			t.Fatalf("both at once: %v and %v; one by one: %v and %v", p, a, paths, addressing)
		}
		for _, err := range []error{paths, addressing} {
			if err != nil && !utf8.ValidString(err.Error()) {
				t.Fatalf("the error %q is no text", err)
			}
		}
		if secrets := Secrets(m); len(secrets) > 0 && !MayHoldSecrets(b) {
			t.Fatalf("no secrets are expected, but there are %q", secrets)
		}
		CreatedBy(m)
		_ = TypeName(m.GetHeader().GetMsgType())
	})
}

// check asks of everything parsed: it encodes, comes back the same, and is described within bounds.
func check(t *testing.T, m proto.Message, invalid error) {
	t.Helper()
	if invalid != nil && !utf8.ValidString(invalid.Error()) {
		t.Fatalf("the error %q is no text", invalid)
	}
	b, err := Marshal(m)
	if err != nil {
		t.Fatalf("what was parsed does not encode: %v", err)
	}
	back := m.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(b, back); err != nil || !proto.Equal(m, back) {
		t.Fatalf("comes back as %v, %v", back, err)
	}
	text := Describe(m)
	if len(text) > maxDescription+100 || !utf8.ValidString(text) {
		t.Fatalf("a description of %d bytes", len(text))
	}
}

// FuzzPath: a path either is refused on one line, or means the same when it is written down and read again.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"Device.", "Device.IP.Interface.1.", "Device.IP.Interface.*.Status", "Device.Boot!", "Device.Reboot()", "Device", "",
		`Device.IP.Interface.[Type=="Normal" && Stats.ErrorsSent>0].IPv4Address.[A~=5].IPAddress`,
		`Device.X.[Name=="100%25 %22 ]"].Y`, "Device.WiFi.SSID.1.LowerLayers#*+.Name", "Device.X.Ref#1+.", "Device.X.{i}.Y.{i}.",
		"Device.X.[R#2+.N!=-1.5].", "Device.X_EXAMPLE-COM_Y.1.", "Device.X.[A<=2021-06-06T08:00:00Z].", "Device.\xff.", "a.[[]]",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (Path, error){
			ParsePath, ParseSchemaPath, ParseRelativePath, ParseRelativeSchemaPath, ParseReference,
		} {
			p, err := parse(s)
			if err != nil {
				if m, ok := err.(*Mismatch); !ok || !utf8.ValidString(m.Error()) || len(m.Error()) > 2000 {
					t.Fatalf("%q is refused by %q", s, err)
				}
				continue
			}
			again, err := parse(p.String())
			if err != nil || again.Kind != p.Kind || again.String() != p.String() || again.Schema() != p.Schema() {
				t.Fatalf("%q is written %q, which is %+v, %v", s, p, again, err)
			}
			if len(p.Segments) > MaxPathSegments || p.ByNumber() && p.IsSearch() {
				t.Fatalf("%q: %+v", s, p)
			}
			p.Parent().Last()
			for _, segment := range p.Segments {
				for _, c := range segment.Conditions {
					for kind := TypeUnknown; kind <= TypeUnsignedLong; kind++ {
						_, _ = c.Match(kind, false, c.Value)
						_, _ = c.Match(kind, true, c.Value)
					}
				}
			}
		}
	})
}

// FuzzValue: comparing values of any type is symmetric and agrees with itself.
func FuzzValue(f *testing.F) {
	for _, v := range []string{"true", "1", "-0", "+07", "1.50", ".5", UnknownTime, "2026-01-01T00:00:00.123+05:30", "AQID", "00fF", "a, b", "\xff"} {
		f.Add(v, "1")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for kind := TypeUnknown; kind <= TypeUnsignedLong; kind++ {
			if !EqualValues(kind, a, a) || EqualValues(kind, a, b) != EqualValues(kind, b, a) {
				t.Fatalf("%s: %q and %q", ValueTypeName(kind), a, b)
			}
			x, err := Compare(kind, a, b)
			if y, _ := Compare(kind, b, a); err == nil && x != -y {
				t.Fatalf("%s: %q and %q: %d and %d", ValueTypeName(kind), a, b, x, y)
			}
			if !EqualLists(kind, a, a) {
				t.Fatalf("%s: the list %q does not equal itself", ValueTypeName(kind), a)
			}
		}
	})
}

// BenchmarkSupportedModel judges a GetSupportedDM reply of 5 MB: all that is asked of every Message that comes in.
func BenchmarkSupportedModel(b *testing.B) {
	raw := encoded(b, NewMsg("1", supportedModel(1000, 155)))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := ParseMessage(raw)
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range []error{ValidateWire(raw, m), ValidateMessage(m), ValidatePaths(m), ValidateAddressing(m)} {
			if err != nil {
				b.Fatal(err)
			}
		}
		Describe(m)
		Secrets(m)
	}
}
