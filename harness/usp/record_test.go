package usp

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/usptest/usptest/harness/usp/usppb"
)

func wrapped(t testing.TB, m *usppb.Msg) *usppb.Record {
	t.Helper()
	r, err := WrapMessage("os::00256D-1", "self::controller", Version, m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordRoundTrip(t *testing.T) {
	m := NewGet("get-1", "Device.")
	b := encoded(t, wrapped(t, m))
	r, err := ParseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := ValidateRecord(r); err != nil {
		t.Error(err)
	}
	if err := ValidateWire(b, &usppb.Record{}); err != nil {
		t.Error(err)
	}
	back, err := ParseMessage(PayloadOf(r))
	if err != nil || !proto.Equal(back, m) {
		t.Errorf("want %v, got %v, %v", m, back, err)
	}
	if r.ToId != "os::00256D-1" || r.FromId != "self::controller" || r.Version != "1.4" {
		t.Errorf("got %v", r)
	}
	if !bytes.Equal(b, encoded(t, r)) {
		t.Error("the same Record gives other bytes")
	}
}

// TestWireNumbers pins bytes made by hand from the field numbers of TR-369.
func TestWireNumbers(t *testing.T) {
	b := []byte("\x0a\x031.4\x12\x01t\x1a\x01f" + // version, to_id, from_id
		"\x3a\x11\x12\x0f" + // no_session_context, payload
		"\x0a\x04\x0a\x02id" + // header: msg_id; its msg_type is 0
		"\x12\x07\x1a\x05\x0d\x72\x1b\x00\x00") // body: error: err_code
	r, err := ParseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMessage(PayloadOf(r))
	if err != nil {
		t.Fatal(err)
	}
	if r.ToId != "t" || r.FromId != "f" || m.Header.MsgId != "id" || m.Body.GetError().ErrCode != 7026 || MsgTypeOf(m) != Error {
		t.Errorf("got %v with %v", r, m)
	}
}

func TestPayloadOf(t *testing.T) {
	session := func(r *usppb.SessionContextRecord, security usppb.Record_PayloadSecurity) *usppb.Record {
		return &usppb.Record{PayloadSecurity: security, RecordType: &usppb.Record_SessionContext{SessionContext: r}}
	}
	one, two := [][]byte{{1}}, [][]byte{{1}, {2}}
	for name, c := range map[string]struct {
		record *usppb.Record
		want   bool
	}{
		"whole":     {session(&usppb.SessionContextRecord{Payload: one}, usppb.Record_PLAINTEXT), true},
		"segment":   {session(&usppb.SessionContextRecord{Payload: one, PayloadSarState: usppb.SessionContextRecord_BEGIN}, usppb.Record_PLAINTEXT), false},
		"several":   {session(&usppb.SessionContextRecord{Payload: two}, usppb.Record_PLAINTEXT), false},
		"encrypted": {session(&usppb.SessionContextRecord{Payload: one}, usppb.Record_TLS12), false},
		"connect":   {&usppb.Record{RecordType: &usppb.Record_MqttConnect{}}, false},
		"nothing":   {&usppb.Record{}, false},
	} {
		if got := PayloadOf(c.record) != nil; got != c.want {
			t.Errorf("%s: want %v, got %v", name, c.want, got)
		}
	}
}

func TestRecordType(t *testing.T) {
	for want, r := range map[string]*usppb.Record{
		"NoSessionContext": {RecordType: &usppb.Record_NoSessionContext{}},
		"SessionContext":   {RecordType: &usppb.Record_SessionContext{}},
		"WebSocketConnect": {RecordType: &usppb.Record_WebsocketConnect{}},
		"MQTTConnect":      {RecordType: &usppb.Record_MqttConnect{}},
		"STOMPConnect":     {RecordType: &usppb.Record_StompConnect{}},
		"UDSConnect":       {RecordType: &usppb.Record_UdsConnect{}},
		"Disconnect":       {RecordType: &usppb.Record_Disconnect{}},
		"no record type":   {},
	} {
		if got := RecordType(r); got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
	if got := RecordType(nil); got != "no record type" {
		t.Errorf("a nil Record is %s", got)
	}
}

func TestParseRefuses(t *testing.T) {
	whole := encoded(t, wrapped(t, NewGet("1", "Device.")))
	_, err := ParseRecord(make([]byte, MaxRecordSize+1))
	wantMismatch(t, "too large", err, "Record", "at most 16777216 bytes")
	_, err = ParseRecord([]byte("GET / HTTP/1.1\r\n"))
	wantMismatch(t, "text", err, "Record", "the protobuf encoding")
	_, err = ParseRecord(whole[:len(whole)-1])
	wantMismatch(t, "cut", err, "Record", "the protobuf encoding")
	_, err = ParseMessage(whole[:5])
	wantMismatch(t, "cut", err, "", "the protobuf encoding")
	_, err = ParseRecord(protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "os::\xff"))
	wantMismatch(t, "no UTF-8", err, "to_id", "text in UTF-8")

	deep := append(encoded(t, &usppb.Msg{Header: &usppb.Header{MsgId: "1"}}), inBody(2, inField(1, inField(1, inField(4, inField(2, inField(1, []byte("\xfe")))))))...)
	_, err = ParseMessage(deep)
	wantMismatch(t, "no UTF-8 in a map", err, "body.response.get_resp.req_path_results[0].resolved_path_results[0].result_params[0].key", "text in UTF-8")

	if _, err := WrapMessage("a", "b", Version, NewGet("1", "\xff")); err == nil {
		t.Error("text that is not UTF-8 was encoded")
	}
}

// inField wraps bytes into a field.
func inField(number protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), b)
}

// inBody is the body of a Msg, with b in the request (1) or response (2).
func inBody(number protowire.Number, b []byte) []byte { return inField(2, inField(number, b)) }

// TestBoundedMemory decodes the worst that fits into a Record: messages of two bytes each.
func TestBoundedMemory(t *testing.T) {
	bomb := inBody(2, inField(2, bytes.Repeat([]byte{0x0a, 0x00}, MaxRecordSize/2-64)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ParseMessage(bomb)
	runtime.ReadMemStats(&after)
	wantMismatch(t, "bomb", err, "get_supported_dm_resp.req_obj_results", "elements")
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 128<<20 {
		t.Errorf("refusing it took %d MiB", grown>>20)
	}
}

// TestJoinedPathsAreBounded refuses a path so long that it could not be put before the names of all the parameters below it.
func TestJoinedPathsAreBounded(t *testing.T) {
	params := Params{}
	for i := range 100_000 {
		params[fmt.Sprintf("P%d", i)] = ""
	}
	for path, refused := range map[string]bool{"Device.": false, strings.Repeat("Device.", 1<<10): true} {
		m := NewMsg("1", &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{{
			RequestedPath: "Device.", ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{ResolvedPath: path, ResultParams: params}}}}})
		_, err := ParseMessage(encoded(t, m))
		if refused {
			wantMismatch(t, "a long path", err, "resolved_path_results", "names below")
		} else if err != nil {
			t.Error(err)
		}
	}
}

func TestValidateWire(t *testing.T) {
	record := encoded(t, wrapped(t, NewGet("1", "Device.")))
	get := encoded(t, NewGet("1", "Device."))
	for name, c := range map[string]struct {
		bytes       []byte
		kind        proto.Message
		where, want string
	}{
		"two record types":    {append(bytes.Clone(record), inField(9, nil)...), &usppb.Record{}, "websocket_connect", "no other member of record_type"},
		"a record type again": {append(bytes.Clone(record), inField(7, nil)...), &usppb.Record{}, "no_session_context", "it once"},
		"two headers":         {append(bytes.Clone(get), inField(1, nil)...), &usppb.Msg{}, "header", "it once"},
		"two bodies":          {append(bytes.Clone(get), inField(2, nil)...), &usppb.Msg{}, "body", "it once"},
		"request and error":   {inField(2, append(inField(1, nil), inField(3, nil)...)), &usppb.Msg{}, "body.error", "no other member of msg_body"},
		"two scalars": {inBody(2, inField(7, inField(1, append(inField(2, []byte("a")), inField(2, []byte("b"))...)))), &usppb.Msg{},
			"body.response.operate_resp.operation_results[0].req_obj_path", "it once"},
		"wire type": {[]byte{0x08, 0x01}, &usppb.Record{}, "version", "wire type bytes"},
		"garbage":   {[]byte{0xff}, &usppb.Record{}, "Record", "protobuf"},
	} {
		wantMismatch(t, name, ValidateWire(c.bytes, c.kind), c.where, c.want)
	}
	newer := append(bytes.Clone(record), inField(99, []byte("new"))...)
	if err := ValidateWire(newer, &usppb.Record{}); err != nil {
		t.Errorf("a field of a newer version: %v", err)
	}
}

func TestValidateRecord(t *testing.T) {
	good := func() *usppb.Record { return wrapped(t, NewGet("1", "Device.")) }
	session := func(r *usppb.Record, id, sequence, expected uint64) {
		r.RecordType = &usppb.Record_SessionContext{SessionContext: &usppb.SessionContextRecord{
			SessionId: id, SequenceId: sequence, ExpectedId: expected}}
	}
	for _, c := range []struct {
		where, want string
		spoil       func(*usppb.Record)
	}{
		{"version of the Record", "<major>.<minor>", func(r *usppb.Record) { r.Version = "" }},
		{"version of the Record", "<major>.<minor>", func(r *usppb.Record) { r.Version = "v1.4" }},
		{"to_id", "a value", func(r *usppb.Record) { r.ToId = "" }},
		{"from_id", "a value", func(r *usppb.Record) { r.FromId = "" }},
		{"payload_security", "a known PayloadSecurity", func(r *usppb.Record) { r.PayloadSecurity = 7 }},
		{"payload_security", "PLAINTEXT", func(r *usppb.Record) { r.PayloadSecurity = usppb.Record_TLS12 }},
		{"record_type", "one member", func(r *usppb.Record) { r.RecordType = nil }},
		{"no_session_context.payload", "a value", func(r *usppb.Record) { r.GetNoSessionContext().Payload = nil }},
		{"session_context.session_id", "greater than 1", func(r *usppb.Record) { session(r, 1, 1, 1) }},
		{"session_context.sequence_id", "a value", func(r *usppb.Record) { session(r, 2, 0, 1) }},
		{"session_context.expected_id", "a value", func(r *usppb.Record) { session(r, 2, 1, 0) }},
		{"mqtt_connect.subscribed_topic", "a value", func(r *usppb.Record) {
			r.RecordType = &usppb.Record_MqttConnect{MqttConnect: &usppb.MQTTConnectRecord{}}
		}},
		{"mqtt_connect.subscribed_topic", "without wildcards", func(r *usppb.Record) {
			r.RecordType = &usppb.Record_MqttConnect{MqttConnect: &usppb.MQTTConnectRecord{SubscribedTopic: "a/#"}}
		}},
		{"mqtt_connect.version", "a known MQTTVersion", func(r *usppb.Record) {
			r.RecordType = &usppb.Record_MqttConnect{MqttConnect: &usppb.MQTTConnectRecord{SubscribedTopic: "a", Version: 9}}
		}},
		{"stomp_connect.subscribed_destination", "a value", func(r *usppb.Record) {
			r.RecordType = &usppb.Record_StompConnect{StompConnect: &usppb.STOMPConnectRecord{}}
		}},
	} {
		r := good()
		c.spoil(r)
		wantMismatch(t, c.where, ValidateRecord(r), c.where, c.want)
	}
	for _, spoil := range []func(*usppb.Record){
		func(*usppb.Record) {},
		func(r *usppb.Record) { session(r, 2, 1, 1) },
		func(r *usppb.Record) {
			r.RecordType = &usppb.Record_WebsocketConnect{WebsocketConnect: &usppb.WebSocketConnectRecord{}}
		},
		func(r *usppb.Record) { r.RecordType = &usppb.Record_Disconnect{Disconnect: &usppb.DisconnectRecord{}} },
	} {
		r := good()
		spoil(r)
		if err := ValidateRecord(r); err != nil {
			t.Errorf("%s: %v", RecordType(r), err)
		}
	}
	wantMismatch(t, "nil", ValidateRecord(nil), "version of the Record", "")
}

func TestValidateMessage(t *testing.T) {
	for _, c := range []struct {
		name, where, want string
		msg               *usppb.Msg
	}{
		{"nil", "header", "Header", nil},
		{"no header", "header", "Header", &usppb.Msg{Body: NewGet("1").Body}},
		{"no body", "body", "Body", &usppb.Msg{Header: NewGet("1").Header}},
		{"no msg_id", "header.msg_id", "a value", NewGet("")},
		{"empty body", "body.msg_body", "one member", &usppb.Msg{Header: NewGet("1").Header, Body: &usppb.Body{}}},
		{"empty request", "body.request.req_type", "one member", &usppb.Msg{Header: NewGet("1").Header,
			Body: &usppb.Body{MsgBody: &usppb.Body_Request{Request: &usppb.Request{}}}}},
		{"other type", "header.msg_type", "Get as the body", &usppb.Msg{Header: NewDelete("1", true).Header, Body: NewGet("1").Body}},
		{"unknown type", "header.msg_type", "a known MsgType", &usppb.Msg{Header: &usppb.Header{MsgId: "1", MsgType: 77}, Body: NewGet("1").Body}},
		{"no oper_status", "body.response.add_resp.created_obj_results[1].oper_status", "OperationStatus",
			NewMsg("1", &usppb.AddResp{CreatedObjResults: []*usppb.AddResp_CreatedObjectResult{
				{RequestedPath: "a", OperStatus: addSuccess("b", nil)}, {RequestedPath: "a"}}})},
		{"empty oper_status", "oper_status.oper_status", "one member", NewMsg("1", &usppb.AddResp{
			CreatedObjResults: []*usppb.AddResp_CreatedObjectResult{{RequestedPath: "a", OperStatus: &usppb.AddResp_CreatedObjectResult_OperationStatus{}}}})},
		{"no operation_resp", "operation_results[0].operation_resp", "one member", NewMsg("1", &usppb.OperateResp{
			OperationResults: []*usppb.OperateResp_OperationResult{{ExecutedCommand: "Device.X()"}}})},
		{"no notification", "body.request.notify.notification", "one member", NewMsg("1", &usppb.Notify{})},
		{"no err_code", "body.error.err_code", "a value", NewMsg("1", &usppb.Error{})},
		{"unknown value_type", "supported_params[0].value_type", "a known ParamValueType", NewMsg("1", &usppb.GetSupportedDMResp{
			ReqObjResults: []*usppb.GetSupportedDMResp_RequestedObjectResult{{ReqObjPath: "Device.",
				SupportedObjs: []*usppb.GetSupportedDMResp_SupportedObjectResult{{SupportedObjPath: "Device.",
					SupportedParams: []*usppb.GetSupportedDMResp_SupportedParamResult{{ParamName: "A", ValueType: 44}}}}}}})},
		{"no resolved_path", "resolved_path_results[0].resolved_path", "a value", NewMsg("1", &usppb.GetResp{
			ReqPathResults: []*usppb.GetResp_RequestedPathResult{{RequestedPath: "a",
				ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{}}}}})},
	} {
		wantMismatch(t, c.name, ValidateMessage(c.msg), c.where, c.want)
	}
}

// TestRequiredFieldsExist guards the table against a name that the schema does not have.
func TestRequiredFieldsExist(t *testing.T) {
	for name := range required {
		if _, err := protoregistry.GlobalFiles.FindDescriptorByName(name); err != nil {
			t.Error(err)
		}
	}
}
