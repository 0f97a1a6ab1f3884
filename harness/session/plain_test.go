package session

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp/usppb"
)

var here = Header{Version: "1.4", To: "proto::agent", From: "self::controller"}

func TestPlainCarriesOneMessageInOneRecord(t *testing.T) {
	records, err := Plain{here}.Out([]byte("message"))
	if err != nil || len(records) != 1 {
		t.Fatalf("want one Record, got %v, %v", records, err)
	}
	want := &usppb.Record{Version: "1.4", ToId: "proto::agent", FromId: "self::controller",
		RecordType: &usppb.Record_NoSessionContext{NoSessionContext: &usppb.NoSessionContextRecord{Payload: []byte("message")}}}
	if !proto.Equal(records[0], want) {
		t.Errorf("want %v, got %v", want, records[0])
	}
	taken, err := Plain{here}.In(records[0])
	if err != nil || len(taken.Msgs) != 1 || !bytes.Equal(taken.Msgs[0], []byte("message")) {
		t.Errorf("want the message, got %+v, %v", taken, err)
	}
}

func TestPlainSaysWhatItCannotTake(t *testing.T) {
	for name, test := range map[string]struct {
		record *usppb.Record
		want   error
	}{
		"no type":         {&usppb.Record{}, ErrNoType},
		"session context": {&usppb.Record{RecordType: &usppb.Record_SessionContext{}}, ErrNoContext},
		"connect":         {&usppb.Record{RecordType: &usppb.Record_MqttConnect{}}, nil},
		"disconnect":      {&usppb.Record{RecordType: &usppb.Record_Disconnect{}}, nil},
	} {
		taken, err := Plain{here}.In(test.record)
		if len(taken.Msgs) != 0 || !errors.Is(err, test.want) {
			t.Errorf("%s: want %v, got %+v, %v", name, test.want, taken, err)
		}
	}
}
