package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

func TestAReplyIsFoundByItsMsgID(t *testing.T) {
	c, l, j := start(t)
	earlier := c.NewMsgID()
	l.answer = func(r *usppb.Record, m *usppb.Msg) {
		l.tell(t, ownID, notify("7", "boot", false))
		if id := m.GetHeader().GetMsgId(); id != earlier {
			l.tell(t, ownID, getResp(earlier))
			l.tell(t, ownID, getResp(id))
		}
	}
	if _, err := c.Send(t.Context(), usp.NewGet(earlier, "Device.X.")); err != nil {
		t.Fatal(err)
	}
	reply := c.Get(t.Context(), "Device.X.")
	if reply.Err != nil || reply.GetHeader().GetMsgId() != reply.Request.GetHeader().GetMsgId() || reply.Type() != "GetResp" {
		t.Fatalf("got %+v", reply)
	}
	if reply.From != agentID || reply.To != ownID || reply.Conn != 2 || reply.Packet != 5 || reply.At.IsZero() {
		t.Errorf("got %+v", reply.Message)
	}
	if e := j.At(reply.Evidence()); e == nil || e.Type != "GetResp" || e.Layer != journal.LayerMessage {
		t.Errorf("evidence: got %+v", e)
	}
	if e := j.At(reply.Sent); e == nil || e.Type != "Get" || e.Dir != journal.Out {
		t.Errorf("request: got %+v", e)
	}
	if n := len(reply.Body().GetResponse().GetGetResp().GetReqPathResults()); n != 1 {
		t.Errorf("want the body, got %d results", n)
	}
	wantNone(t, c)
}

func TestTheMsgIDOfTheCallerStays(t *testing.T) {
	c, l, _ := start(t)
	l.answer = func(_ *usppb.Record, m *usppb.Msg) { l.tell(t, ownID, getResp(m.GetHeader().GetMsgId())) }
	for _, id := range []string{"mine", ""} {
		reply := c.Do(t.Context(), usp.NewGet(id, "Device.X."))
		if got := reply.Request.GetHeader().GetMsgId(); reply.Err != nil || id != "" && got != id || got == "" {
			t.Errorf("%q: got %q, %v", id, got, reply.Err)
		}
	}
}

// What comes after a reply may leave no room for it in the journal before it is looked at.
func TestAReplyIsFoundThoughTheJournalHadNoRoomForIt(t *testing.T) {
	c, l, j := start(t)
	l.answer = func(_ *usppb.Record, m *usppb.Msg) {
		l.tell(t, ownID, getResp(m.GetHeader().GetMsgId()))
		j.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Weight: 2 * journal.MaxBytes})
		if e := j.At(j.Mark() - 1); e.Layer != journal.LayerMessage || e.Body != nil {
			t.Errorf("want the event of the reply without its body, got %+v", e)
		}
	}
	reply := c.Get(t.Context(), "Device.X.")
	if n := len(reply.Body().GetResponse().GetGetResp().GetReqPathResults()); reply.Err != nil || n != 1 {
		t.Errorf("want the body, got %d results, %v", n, reply.Err)
	}
}

// Whoever waits for a reply has it one moment before the time-out, and no longer one moment after it. A late reply is no fault.
func TestAReplyIsAwaitedUntilTheTimeOut(t *testing.T) {
	for name, test := range map[string]struct {
		after time.Duration
		found bool
	}{
		"at once":      {0, true},
		"just in time": {timeout - 1, true},
		"too late":     {timeout + 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, l, _ := start(t)
				l.answer = func(_ *usppb.Record, m *usppb.Msg) {
					time.AfterFunc(test.after, func() { l.tell(t, ownID, getResp(m.GetHeader().GetMsgId())) })
				}
				first := c.Get(t.Context(), "Device.X.")
				if (first.Message != nil) != test.found || (first.Err == nil) != test.found {
					t.Errorf("got %+v", first)
				}
				second := c.Get(t.Context(), "Device.X.") // meanwhile the late reply to the first comes
				if test.found && second.Err != nil {
					t.Errorf("the next request: %v", second.Err)
				}
				if second.Message != nil && second.GetHeader().GetMsgId() != second.Request.GetHeader().GetMsgId() {
					t.Error("a late reply was taken for the reply to the next request")
				}
				<-time.After(time.Minute) // of the bubble's clock: everything comes
				wantNone(t, c)
			})
		})
	}
}

func TestNoReplySaysWhatWasSeenInstead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, _ := start(t)
		l.answer = func(_ *usppb.Record, m *usppb.Msg) { l.tell(t, ownID, getResp("other")) }
		reply := c.Get(t.Context(), "Device.X.")
		var missing *NoReplyError
		if !errors.As(reply.Err, &missing) || !errors.Is(reply.Err, context.DeadlineExceeded) {
			t.Fatalf("got %v", reply.Err)
		}
		want := `no reply to Get within 4s (waits.response); from the device meanwhile: 1 message GetResp, 1 record NoSessionContext; ` +
			`nearest: event 4, GetResp: msg_id: want "` + reply.Request.GetHeader().GetMsgId() + `", got "other"`
		if reply.Err.Error() != want {
			t.Errorf("\n got %s\nwant %s", reply.Err, want)
		}
		if reply.Type() != "" || reply.Body() != nil || reply.Evidence() != reply.Sent || reply.Sent == 0 {
			t.Errorf("a reply that did not come: got %+v", reply)
		}
	})
}

func TestAnInterruptEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := start(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if reply := c.Get(ctx, "Device.X."); !errors.Is(reply.Err, context.Canceled) {
			t.Errorf("got %v", reply.Err)
		}
	})
}

func TestAnAgentThatIsAboutToConnectAnewIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, _ := start(t)
		l.away, l.back = fmt.Errorf("not yet: %w", link.ErrUnreachable), make(chan struct{})
		l.answer = func(_ *usppb.Record, m *usppb.Msg) { l.tell(t, ownID, getResp(m.GetHeader().GetMsgId())) }
		time.AfterFunc(time.Second, func() { close(l.back) })
		if reply := c.Get(t.Context(), "Device.X."); reply.Err != nil {
			t.Errorf("got %v", reply.Err)
		}
		wantNone(t, c)
	})
}

func TestAnAgentThatStaysAwayIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, _ := start(t)
		l.away, l.back = link.ErrUnreachable, make(chan struct{})
		reply := c.Get(t.Context(), "Device.X.")
		want := "sending to proto::agent over memory: context deadline exceeded"
		if reply.Err == nil || reply.Err.Error() != want || !errors.Is(reply.Err, context.DeadlineExceeded) || reply.Message != nil {
			t.Errorf("got %v", reply.Err)
		}
	})
}

func TestALinkThatFailsIsNamed(t *testing.T) {
	c, l, _ := start(t)
	l.away = errors.New("the disk is full")
	want := "sending to proto::agent over memory: the disk is full"
	if reply := c.Get(t.Context(), "Device.X."); reply.Err == nil || reply.Err.Error() != want {
		t.Errorf("Get: got %v", reply.Err)
	}
	if _, err := c.SendRaw(t.Context(), []byte("?")); err == nil || err.Error() != want {
		t.Errorf("SendRaw: got %v", err)
	}
	if _, err := c.SendRecord(t.Context(), &usppb.Record{ToId: "\xff"}); err == nil {
		t.Error("a Record that cannot be encoded: want an error")
	}
	if _, err := c.Send(t.Context(), usp.NewGet("", "\xff")); err == nil {
		t.Error("a Message that cannot be encoded: want an error")
	}
}

func TestEveryRequestIsOfItsType(t *testing.T) {
	c, l, _ := start(t)
	l.answer = func(_ *usppb.Record, m *usppb.Msg) {
		l.tell(t, ownID, usp.NewError(m.GetHeader().GetMsgId(), usp.CodeRequestDenied, ""))
	}
	ctx := t.Context()
	for want, reply := range map[string]*Reply{
		"Get Device.A":             c.Get(ctx, "Device.A"),
		"GetInstances Device.A.":   c.GetInstances(ctx, true, "Device.A."),
		"GetSupportedDM Device.":   c.GetSupportedDM(ctx, &usppb.GetSupportedDM{ObjPaths: []string{"Device."}}),
		"GetSupportedProtocol":     c.GetSupportedProtocol(ctx, "1.4"),
		"Add Device.A., Device.B.": c.Add(ctx, true, usp.Create("Device.A.", nil, nil), usp.Create("Device.B.", nil, nil)),
		"Set Device.A.1.":          c.Set(ctx, true, usp.Update("Device.A.1.", usp.Params{"B": "1"}, nil)),
		"Delete Device.A.1.":       c.Delete(ctx, true, "Device.A.1."),
		"Operate Device.Reboot()":  c.Operate(ctx, "Device.Reboot()", "key", nil),
		"Get 1, 2, 3 and 2 more":   c.Get(ctx, "1", "2", "3", "4", "5"),
	} {
		if reply.Type() != "Error" {
			t.Errorf("%s: got the reply %q", want, reply.Type())
		}
		name, rest, _ := strings.Cut(want, " ")
		text := strings.TrimSpace(name + " " + reply.Request.GetHeader().GetMsgId() + " " + rest)
		if got := Summary(reply.Request); got != text {
			t.Errorf("want %q, got %q", text, got)
		}
	}
	wantNone(t, c)
}

func TestSummariesOfWhatAnAgentSends(t *testing.T) {
	for want, m := range map[string]*usppb.Msg{
		`Error 1 7006 Permission denied: "no"`:              usp.NewError("1", usp.CodePermissionDenied, "no"),
		`Notify 2 Event of Subscription "a\nb"`:             notify("2", "a\nb", true),
		`Notify 3 Notify without a kind of Subscription ""`: usp.NewMsg("3", &usppb.Notify{}),
		`GetResp 4`: usp.NewMsg("4", &usppb.GetResp{}),
	} {
		if got := Summary(m); got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
}

func TestNotifyKinds(t *testing.T) {
	for want, n := range map[string]*usppb.Notify{
		"Event":                 {Notification: &usppb.Notify_Event_{}},
		"ValueChange":           {Notification: &usppb.Notify_ValueChange_{}},
		"ObjectCreation":        {Notification: &usppb.Notify_ObjCreation{}},
		"ObjectDeletion":        {Notification: &usppb.Notify_ObjDeletion{}},
		"OperationComplete":     {Notification: &usppb.Notify_OperComplete{}},
		"OnBoardRequest":        {Notification: &usppb.Notify_OnBoardReq{}},
		"Notify without a kind": {},
	} {
		if got := NotifyKind(n); got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
}

func TestASecondController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, first, _ := start(t)
		l := &fakeLink{receive: first.receive}
		l.answer = func(r *usppb.Record, m *usppb.Msg) {
			if m.GetBody().GetRequest() != nil {
				l.tell(t, r.GetFromId(), getResp(m.GetHeader().GetMsgId()))
			}
		}
		first.join = func(id string) link.Joined {
			if id != otherID {
				t.Errorf("joined as %s", id)
			}
			return fakeEnd{l}
		}
		further, _ := c.Join(otherID)
		if further.ID() != otherID || further.AgentID() != agentID || c.ID() != ownID {
			t.Errorf("%s joined %s", further.ID(), c.ID())
		}
		if reply := further.Get(t.Context(), "Device.X."); reply.Err != nil || reply.To != otherID {
			t.Fatalf("got %+v", reply)
		}
		l.tell(t, otherID, notify("n1", "held", true))
		c.Withhold("held")
		l.tell(t, otherID, notify("n2", "held", true))
		m, err := further.AwaitNotify(t.Context(), 0, func(*usppb.Notify) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AnswerNotify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantNone(t, c)
		if len(l.sent) != 3 || len(first.sent) != 0 {
			t.Errorf("%d Records went out at the Controller's own end, %d at the first one's", len(l.sent), len(first.sent))
		}
		for _, r := range l.sent {
			if r.GetFromId() != otherID || r.GetToId() != agentID {
				t.Errorf("want every Record from %s, got %v", otherID, r)
			}
		}
	})
}

// An Agent must not answer one Controller in a Record to the other.
func TestAReplyGoesToTheControllerThatAsked(t *testing.T) {
	c, first, _ := start(t)
	first.join = func(string) link.Joined { return fakeEnd{&fakeLink{}} }
	further, _ := c.Join(otherID)
	for id, asker := range map[string]*Controller{"1": c, "2": further} {
		if _, err := asker.Send(t.Context(), usp.NewGet(id, "Device.X.")); err != nil {
			t.Fatal(err)
		}
	}
	first.tell(t, ownID, getResp("1"))
	wantNone(t, c)
	first.tell(t, ownID, getResp("2"))
	want := `Endpoint IDs are valid: to_id of the GetResp to another Controller's request: want "self::other", got "self::controller"`
	if got := c.Violations(0); len(got) != 1 || got[0].Describe() != want {
		t.Errorf("want %s, got %v", want, got)
	}
}

// An Agent must not answer elsewhere than where its request asked it to (R-MQTT.25, R-MQTT.26, R-STOMP.23).
func TestAReplyGoesWhereItsRequestNamed(t *testing.T) {
	c, first, _ := start(t)
	first.replyTo = "usp/c"
	further := &fakeLink{replyTo: "usp/c/2"}
	first.join = func(string) link.Joined { return fakeEnd{further} }
	second, _ := c.Join(otherID)
	reply := func(id, from, to string) {
		t.Helper()
		record, err := usp.WrapMessage(usp.EndpointID(from), agentID, usp.Version, getResp(id))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := usp.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		first.receive(link.Inbound{Raw: raw, To: to, Again: true})
	}
	for id, asker := range map[string]*Controller{"1": c, "2": second} {
		if _, err := asker.Send(t.Context(), usp.NewGet(id, "Device.X.")); err != nil {
			t.Fatal(err)
		}
	}
	reply("1", ownID, "usp/c")
	reply("2", otherID, "usp/c/2")
	wantNone(t, c)
	reply("1", ownID, "usp/c/")
	want := `a reply goes to the topic or destination that its request named: address of the GetResp: want "usp/c", got "usp/c/"`
	if got := c.Violations(0); len(got) != 1 || got[0].Describe() != want {
		t.Errorf("want %s, got %v", want, got)
	}
}

// A request in a Record with made-up addresses makes nobody one of us.
func TestMadeUpAddressesAreNobodysOfOurs(t *testing.T) {
	c, l, _ := start(t)
	if _, err := c.SendBetween(t.Context(), otherID, "proto::nobody", usp.NewGet("1", "Device.X.")); err != nil {
		t.Fatal(err)
	}
	if r := l.sent[0]; r.GetFromId() != otherID || r.GetToId() != "proto::nobody" {
		t.Errorf("got %v", r)
	}
	l.tell(t, otherID, getResp("1"))
	if got := c.Violations(0); len(got) != 1 || got[0].Rule != endpointValid {
		t.Errorf("want the to_id refused, got %v", got)
	}
}

func TestConnectRecordsTellTheLinkWhereTheAgentListens(t *testing.T) {
	c, l, _ := start(t)
	for _, r := range []*usppb.Record{
		{RecordType: &usppb.Record_MqttConnect{MqttConnect: &usppb.MQTTConnectRecord{Version: usppb.MQTTConnectRecord_V5, SubscribedTopic: "a/b"}}},
		{RecordType: &usppb.Record_StompConnect{StompConnect: &usppb.STOMPConnectRecord{SubscribedDestination: "/queue/a"}}},
		{RecordType: &usppb.Record_WebsocketConnect{WebsocketConnect: &usppb.WebSocketConnectRecord{}}},
		{RecordType: &usppb.Record_Disconnect{Disconnect: &usppb.DisconnectRecord{Reason: "bye", ReasonCode: 7100}}},
	} {
		r.Version, r.FromId, r.ToId = usp.Version, agentID, ownID
		l.say(t, r)
	}
	if !slices.Equal(l.topics, []string{"a/b", "/queue/a"}) {
		t.Errorf("got %q", l.topics)
	}
	wantNone(t, c)
}

func TestADisconnectTellsItsReason(t *testing.T) {
	_, l, j := start(t)
	l.say(t, &usppb.Record{Version: usp.Version, FromId: agentID, ToId: ownID,
		RecordType: &usppb.Record_Disconnect{Disconnect: &usppb.DisconnectRecord{Reason: "bye", ReasonCode: 7100}}})
	want := `Disconnect, from "proto::agent" to "self::controller", version "1.4", 7100 Record could not be parsed: "bye"`
	if e := j.At(1); e == nil || e.Text != want || e.Conn != 2 || len(e.Raw) == 0 {
		t.Errorf("got %+v", e)
	}
}

func TestSecretsOfBothDirectionsAreMasked(t *testing.T) {
	c, l, j := start(t)
	l.answer = func(_ *usppb.Record, m *usppb.Msg) {
		l.tell(t, ownID, usp.NewMsg(m.GetHeader().GetMsgId(), &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{{
			ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{ResolvedPath: "Device.X.", ResultParams: map[string]string{"Password": "from the device"}}},
		}}}))
	}
	c.Set(t.Context(), false, usp.Update("Device.X.", usp.Params{"Password": "to the device", "Enable": "true!"}, nil))
	if got := j.Masker().Text("to the device, from the device, true!"); got != "*************, ***************, true!" {
		t.Errorf("got %q", got)
	}
}
