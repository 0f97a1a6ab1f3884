package controller

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// TestAbout makes each fault, so that the words of a finding and what they are about cannot part.
func TestAbout(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	message := func(change func(*usppb.Msg)) error {
		m := usp.NewGet("1", "Device.")
		change(m)
		return usp.ValidateMessage(m)
	}
	record := func(change func(*usppb.Record)) error {
		r := &usppb.Record{Version: "1.4", ToId: "proto::b", FromId: "proto::a", RecordType: &usppb.Record_NoSessionContext{
			NoSessionContext: &usppb.NoSessionContextRecord{Payload: []byte{1}}}}
		change(r)
		return usp.ValidateRecord(r)
	}
	id := func(s string) error {
		_, err := usp.ParseEndpointID(s)
		return fmt.Errorf("from_id of the Record: %w", err)
	}
	context := func(id uint64) func(*usppb.Record) {
		return func(r *usppb.Record) {
			r.RecordType = &usppb.Record_SessionContext{SessionContext: &usppb.SessionContextRecord{SessionId: id, SequenceId: 1, ExpectedId: 1,
				Payload: [][]byte{{1}}}}
		}
	}
	c := &Controller{office: &office{link: &fakeLink{}}}
	for want, v := range map[string]Violation{
		"[R-MSG.6 R-MSG.5 R-ENC.0]":  {Rule: schemaValid, Err: message(func(m *usppb.Msg) { m.Header = nil })},
		"[R-MSG.7 R-MSG.5 R-ENC.0]":  {Rule: schemaValid, Err: message(func(m *usppb.Msg) { m.Body = nil })},
		"[R-MSG.8 R-MSG.5 R-ENC.0]":  {Rule: schemaValid, Err: message(func(m *usppb.Msg) { m.Header.MsgId = "" })},
		"[R-MSG.10 R-MSG.5 R-ENC.0]": {Rule: schemaValid, Err: message(func(m *usppb.Msg) { m.Header.MsgType = usppb.Header_SET })},
		"[R-ENC.3 R-MSG.5 R-ENC.0]":  {Rule: schemaValid, Err: message(func(m *usppb.Msg) { proto.Reset(m.Body) })},
		"[R-ENC.3 R-ENC.1]":          {Rule: schemaValid, Err: record(func(r *usppb.Record) { r.RecordType = nil })},
		"[R-MTP.4b R-ENC.1]":         {Rule: schemaValid, Err: record(func(r *usppb.Record) { r.ToId = "" })},
		"[R-E2E.26 R-ENC.1]":         {Rule: schemaValid, Err: record(func(r *usppb.Record) { r.GetNoSessionContext().Payload = nil })},
		"[R-E2E.41 R-ENC.1]":         {Rule: schemaValid, Err: record(func(r *usppb.Record) { r.PayloadSecurity = usppb.Record_TLS12 })},
		"[R-E2E.3 R-ENC.1]":          {Rule: schemaValid, Err: record(context(1))},
		"[R-ENC.1]":                  {Rule: schemaValid, Err: record(func(r *usppb.Record) { r.Version = "one" })},
		"[R-ARC.2a]":                 {Rule: endpointValid, Err: id("oui:xyz:1")},
		"[R-ARC.5]":                  {Rule: endpointValid, Err: id("proto::a b")},
		"[R-ARC.6]":                  {Rule: endpointValid, Err: id("proto::" + fmt.Sprintf("%051d", 1))},
		"[]":                         {Rule: endpointValid, Err: differs("from_id of the Record", "proto::a", "proto::b")},
		"[R-E2E.17]":                 {Rule: contextRules, Err: fmt.Errorf("expected_id is 7 (R-E2E.17)")},
		"[R-MQTT.26]":                {Rule: replyAddress},
		"[R-ARC.7]":                  {Rule: pathValid},
		"[R-MSG.3]":                  {Rule: instanceNumber},
		"[R-MSG.9]":                  {Rule: msgIDEcho},
		"[R-MSG.0a]":                 {Rule: sameCarrier},
		"[R-NOT.6]":                  {Rule: onBoardAnswer},
		"[R-E2E.31]":                 {Rule: signatureValid},
	} {
		got := c.about(&v)
		if fmt.Sprint(got) != want {
			t.Errorf("%v: want %s, got %v", v.Err, want, got)
		}
		for _, id := range got {
			if !slices.ContainsFunc(p.Requirements, func(r plan.Requirement) bool { return r.ID == id && r.Binds == "agent" }) {
				t.Errorf("%s is no requirement that binds Agents", id)
			}
		}
	}
}
