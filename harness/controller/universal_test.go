package controller

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// record is a Record from the Agent to the Controller, with a GetResp unless change says otherwise.
func record(t *testing.T, change func(*usppb.Record)) []byte {
	t.Helper()
	r, err := usp.WrapMessage(ownID, agentID, usp.Version, getResp("1"))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	raw, err := usp.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// carrying is a Record with that payload.
func carrying(t *testing.T, payload []byte) []byte {
	return record(t, func(r *usppb.Record) {
		r.RecordType = &usppb.Record_NoSessionContext{NoSessionContext: &usppb.NoSessionContextRecord{Payload: payload}}
	})
}

// message is a Record with that Message.
func message(t *testing.T, m *usppb.Msg) []byte {
	t.Helper()
	payload, err := usp.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return carrying(t, payload)
}

// TestEachUniversalMetricHasSomethingThatBreaksIt: what is in the journal then is the finding and the event that it is about.
func TestEachUniversalMetricHasSomethingThatBreaksIt(t *testing.T) {
	whole := record(t, nil)
	shown := func(params map[string]string, path string) *usppb.Msg {
		m := getResp("1")
		result := m.GetBody().GetResponse().GetGetResp().GetReqPathResults()[0].GetResolvedPathResults()[0]
		result.ResolvedPath, result.ResultParams = path, params
		return m
	}
	for name, test := range map[string]struct {
		raw   []byte
		rule  Rule // of the first finding; empty for none
		err   string
		event string // the type of the event it is about
	}{
		"nothing":          {whole, "", "", ""},
		"bytes, no Record": {[]byte("\xff"), schemaValid, "Record: want the protobuf encoding of a Record, got 1 bytes, broken from byte 0 on", "malformed"},
		"cut Record":       {whole[:len(whole)-1], schemaValid, "", "malformed"},
		"no version": {record(t, func(r *usppb.Record) { r.Version = "" }), schemaValid,
			`version of the Record: want <major>.<minor>, got ""`, "NoSessionContext"},
		"no record type": {record(t, func(r *usppb.Record) { r.RecordType = nil }), schemaValid,
			"record_type: want one member, got none", "no record type"},
		"from_id malformed": {record(t, func(r *usppb.Record) { r.FromId = "agent" }), endpointValid,
			`from_id of the Record: endpoint id: want authority-scheme:authority-id:instance-id, got "agent"`, "NoSessionContext"},
		"from_id of another": {record(t, func(r *usppb.Record) { r.FromId = "proto::other" }), endpointValid,
			`from_id of the Record: want "proto::agent", got "proto::other"`, "NoSessionContext"},
		"to_id of another": {record(t, func(r *usppb.Record) { r.ToId = otherID }), endpointValid,
			`to_id of the Record: want "self::controller", got "self::other"`, "NoSessionContext"},
		"payload, no Message": {carrying(t, []byte("\xff")), schemaValid, "Msg: want the protobuf encoding of a Msg, got 1 bytes, broken from byte 0 on", "NoSessionContext"},
		"msg_type of another body": {message(t, func() *usppb.Msg { m := getResp("1"); m.Header.MsgType = usp.SetResp; return m }()),
			schemaValid, "header.msg_type: want GetResp as the body, got SetResp", "GetResp"},
		"no body": {message(t, &usppb.Msg{Header: &usppb.Header{MsgId: "1"}}), schemaValid, "body: want Body, got none", ""},
		"header twice": {func() []byte {
			payload, err := usp.Marshal(getResp("1"))
			if err != nil {
				t.Fatal(err)
			}
			payload = protowire.AppendTag(payload, 1, protowire.BytesType)
			return carrying(t, protowire.AppendBytes(payload, nil))
		}(), schemaValid, "header: want it once, got it again", "GetResp"},
		"malformed path": {message(t, shown(nil, "Device..X.")), pathValid, "", "GetResp"},
		"path of another kind": {message(t, shown(nil, "Device.X.A")), pathValid,
			`body.response.get_resp.req_path_results[0].resolved_path_results[0].resolved_path: want object path, got "Device.X.A"`, "GetResp"},
		"malformed name":   {message(t, shown(map[string]string{"A B": ""}, "Device.X.")), pathValid, "", "GetResp"},
		"addressed by key": {message(t, shown(nil, `Device.X.[Alias=="a"].`)), instanceNumber, "", "GetResp"},
		"addressed by alias": {message(t, usp.NewMsg("7", &usppb.Notify{SubscriptionId: "s", Notification: &usppb.Notify_ObjDeletion{
			ObjDeletion: &usppb.Notify_ObjectDeletion{ObjPath: "Device.X.*."}}})), instanceNumber, "", "Notify"},
		"msg_id of no request": {message(t, getResp("9")), msgIDEcho, `msg_id of GetResp: want that of a request that was sent, got "9"`, "GetResp"},
	} {
		t.Run(name, func(t *testing.T) {
			c, l, j := start(t)
			if _, err := c.Send(t.Context(), usp.NewGet("1", "Device.X.")); err != nil {
				t.Fatal(err)
			}
			l.receive(link.Inbound{Raw: test.raw})
			found := c.Violations(0)
			if test.rule == "" {
				wantNone(t, c)
				return
			}
			if len(found) == 0 {
				t.Fatal("nothing was found")
			}
			first := found[0]
			if first.Rule != test.rule || test.err != "" && first.Err.Error() != test.err {
				t.Errorf("\nwant %s: %s\n got %s", test.rule, test.err, first.Describe())
			}
			if e := j.At(first.Seq); e == nil || test.event != "" && e.Type != test.event || e.Dir != journal.In {
				t.Errorf("want it to be about %s, got %+v", test.event, e)
			}
		})
	}
}

// TestAnAnswerToAnEarlierRun: it is taken for no reply of this run, and is no fault of the device.
func TestAnAnswerToAnEarlierRun(t *testing.T) {
	earlier, _, _ := start(t)
	c, l, j := start(t)
	late, next := earlier.NewMsgID(), c.NewMsgID()
	if late == next || len(late) != len(next) {
		t.Fatalf("want two runs to have different ids, got %q and %q", late, next)
	}
	for _, m := range []*usppb.Msg{getResp(late), usp.NewError(late, usp.CodeInternalError, "")} {
		mark := j.Mark()
		l.tell(t, ownID, m)
		wantNone(t, c)
		noted := func(e *journal.Event) bool { return e.Type == "late answer" && strings.Contains(e.Text, late) }
		if !slices.ContainsFunc(j.Since(mark), noted) {
			t.Errorf("want a note about %q", late)
		}
	}
	for _, id := range []string{next, late + "-1", "x" + late} { // one that was not sent yet, and two that no run has
		mark := j.Mark()
		l.tell(t, ownID, getResp(id))
		if found := c.Violations(mark); len(found) != 1 || found[0].Rule != msgIDEcho {
			t.Errorf("%s: want a violation, got %v", id, found)
		}
	}
}

func TestARequestHasOneReply(t *testing.T) {
	c, l, j := start(t)
	if _, err := c.Send(t.Context(), usp.NewGet("1", "Device.X.")); err != nil {
		t.Fatal(err)
	}
	l.tell(t, ownID, getResp("1"))
	wantNone(t, c)
	mark := j.Mark()
	l.tell(t, ownID, usp.NewError("1", usp.CodeInternalError, ""))
	found := c.Violations(mark)
	if len(found) != 1 || found[0].Describe() != `a reply echoes the msg_id of one request: replies with the msg_id "1": want one, got a second one, Error` {
		t.Errorf("got %v", found)
	}
	if again := c.Violations(j.Mark()); len(again) != 0 {
		t.Errorf("after the mark: want none, got %v", again)
	}
	l.again = true // the transport repeats what it is not sure to have delivered
	l.tell(t, ownID, getResp("1"))
	if all := c.Violations(0); len(all) != 1 {
		t.Errorf("a repeated PUBLISH: got %v", all)
	}
	// a request of the Agent's own has a msg_id of its own
	l.tell(t, ownID, notify("1", "s", false))
	if all := c.Violations(0); len(all) != 1 {
		t.Errorf("got %v", all)
	}
}

// Whoever sees an event sees its findings too: Violations waits for a Record that is still being judged.
func TestViolationsWaitForTheJudge(t *testing.T) {
	c, l, j := start(t)
	judged := make(chan []*Violation)
	stop := j.Listen(func(e *journal.Event) {
		if e.Type == "GetResp" { // the journal has the Message, and its judge has not begun
			go func() { judged <- c.Violations(0) }()
		}
	})
	defer stop()
	l.tell(t, ownID, getResp("of no request"))
	if found := <-judged; len(found) != 1 {
		t.Errorf("want the unknown msg_id, got %v", found)
	}
}

// A Record from before mark may be judged after it: that is no finding of what came since.
func TestViolationsAreThoseOfEventsAfterTheMark(t *testing.T) {
	c, l, j := start(t)
	l.tell(t, ownID, getResp("of no request"))
	before := j.Mark() - 1 // the violation is in the journal behind the Message
	if found := c.Violations(before); len(found) != 0 {
		t.Errorf("want none of an event before the mark, got %v", found)
	}
	if found := c.Violations(before - 1); len(found) != 1 {
		t.Errorf("want the unknown msg_id, got %v", found)
	}
}

func TestAViolationKeepsItsCause(t *testing.T) {
	c, l, _ := start(t)
	l.receive(link.Inbound{Raw: []byte("\xff")})
	var m *usp.Mismatch
	if found := c.Violations(0); len(found) != 1 || !errors.As(found[0].Err, &m) {
		t.Errorf("got %v", found)
	}
}

// TestTheFieldsOfUSP15AreShown: a Record of USP 1.5 is valid, and the journal shows what is new in it.
func TestTheFieldsOfUSP15AreShown(t *testing.T) {
	c, l, j := start(t)
	l.receive(link.Inbound{Raw: record(t, func(r *usppb.Record) {
		r.RecordType = &usppb.Record_WebsocketConnect{WebsocketConnect: &usppb.WebSocketConnectRecord{}}
		r.Version, r.OriginatorId, r.DestinationId = "1.5", "os::first", "os::last"
	})})
	wantNone(t, c)
	want := `WebSocketConnect, from "proto::agent" to "self::controller", version "1.5", originator "os::first", destination "os::last"`
	if got := j.Since(0)[0].Text; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
}
