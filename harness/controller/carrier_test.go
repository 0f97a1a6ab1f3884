package controller

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// inContext is a Record with session context that carries m whole.
func inContext(t *testing.T, m *usppb.Msg) *usppb.Record {
	t.Helper()
	payload, err := usp.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return &usppb.Record{Version: usp.Version, ToId: ownID, FromId: agentID, RecordType: &usppb.Record_SessionContext{
		SessionContext: &usppb.SessionContextRecord{SessionId: 2, SequenceId: 1, ExpectedId: 1, Payload: [][]byte{payload}}}}
}

// No Record is dropped without a word: the journal names it and says why it was not taken.
func TestARecordThatNobodyTakesIsInTheJournal(t *testing.T) {
	for name, test := range map[string]struct {
		record *usppb.Record
		note   string
		rule   Rule // of the finding; empty for none
	}{
		"an Agent's own request in a session context": {inContext(t, notify("n", "s", true)), "SessionContext of event", ""},
		"a reply in a session context":                {inContext(t, getResp("1")), "SessionContext of event", sameCarrier},
		"a reply to no request in a session context":  {inContext(t, getResp("9")), "SessionContext of event", msgIDEcho},
		"no record type": {
			&usppb.Record{Version: usp.Version, ToId: ownID, FromId: agentID}, "no record type of event", schemaValid},
	} {
		t.Run(name, func(t *testing.T) {
			c, l, j := start(t)
			if _, err := c.Send(t.Context(), usp.NewGet("1", "Device.X.")); err != nil {
				t.Fatal(err)
			}
			l.say(t, test.record)
			var note string
			for _, e := range j.Since(0) {
				if e.Layer == journal.LayerNote && e.Type == "Record not taken" {
					note = e.Text
				}
				if e.Layer == journal.LayerMessage && e.Dir == journal.In {
					t.Errorf("it was taken: %s", e.Text)
				}
			}
			if !strings.HasPrefix(note, test.note) {
				t.Errorf("want a note that begins with %q, got %q", test.note, note)
			}
			found := c.Violations(0)
			if test.rule == "" {
				wantNone(t, c)
			} else if len(found) != 1 || found[0].Rule != test.rule {
				t.Errorf("want %q broken, got %v", test.rule, found)
			}
		})
	}
}

// A Disconnect or Connect Record carries nothing to take.
func TestWhatCarriesNoMessageIsTaken(t *testing.T) {
	c, l, j := start(t)
	for _, r := range []*usppb.Record{
		{RecordType: &usppb.Record_Disconnect{Disconnect: &usppb.DisconnectRecord{ReasonCode: 7106, Reason: "no"}}},
		{RecordType: &usppb.Record_WebsocketConnect{WebsocketConnect: &usppb.WebSocketConnectRecord{}}},
	} {
		r.Version, r.ToId, r.FromId = usp.Version, ownID, agentID
		raw, err := usp.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		l.receive(link.Inbound{Raw: raw})
	}
	wantNone(t, c)
	for _, e := range j.Since(0) {
		if e.Layer == journal.LayerNote {
			t.Errorf("got the note %s: %s", e.Type, e.Text)
		}
	}
}

// TestWithinASessionContext: requests and what they need again, and a Notify and its response, go within the context that is open.
func TestWithinASessionContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, j := start(t)
		c.OpenContext(nil)
		agent := &session.Context{Header: session.Header{Version: usp.Version, To: ownID, From: agentID}, NewID: func() uint64 { return 7 }}
		tell := func(m *usppb.Msg) {
			payload, err := usp.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			records, err := agent.Out(payload)
			if err != nil {
				t.Fatal(err)
			}
			l.say(t, records[0])
		}
		l.hears = func(r *usppb.Record) {
			taken, err := agent.In(r)
			if err != nil {
				t.Errorf("%s: %v", recordText(r), err)
			}
			if r.GetSessionContext() == nil {
				return
			}
			for _, raw := range taken.Msgs {
				if m, err := usp.ParseMessage(raw); err == nil && m.GetBody().GetRequest() != nil {
					tell(getResp(m.GetHeader().GetMsgId()))
				}
			}
		}
		reply := c.Do(t.Context(), usp.NewGet("", "Device.X."))
		if reply.Err != nil || !reply.Within {
			t.Fatalf("got %v", reply.Err)
		}
		if r := j.At(reply.Record); r == nil || r.Type != "SessionContext" {
			t.Errorf("its Record is %+v", r)
		}
		tell(notify("n", "s", true))
		synctest.Wait()
		wantNone(t, c)
		if agent.Expected() != 3 {
			t.Errorf("the Agent has taken %d Records, want the Get and the NotifyResp", agent.Expected()-1)
		}
		c.LeaveContext()
		if _, err := c.Send(t.Context(), usp.NewGet("", "Device.X.")); err != nil {
			t.Fatal(err)
		}
		if last := l.last(); last.GetNoSessionContext() == nil {
			t.Errorf("after it was left: got %s", recordText(last))
		}
		tell(notify("m", "s", true))
		synctest.Wait()
		if last := l.last(); last.GetSessionContext() == nil {
			t.Errorf("the response to a Notify within it: got %s", recordText(last))
		}
		agent.Restart()
		r, err := agent.Empty(0)
		if err != nil {
			t.Fatal(err)
		}
		r.GetSessionContext().ExpectedId = 9
		l.say(t, r)
		found := c.Violations(0)
		if len(found) != 1 || found[0].Rule != contextRules {
			t.Errorf("an expected_id beyond all: got %d", len(found))
			for _, v := range found {
				t.Error(v.Describe())
			}
		}
	})
}

// TestAContextIsRenewed: what was not sent leaves no gap that the Agent would wait for.
func TestAContextIsRenewed(t *testing.T) {
	c, l, _ := start(t)
	c.RenewContext() // there is none
	c.OpenContext(nil)
	if _, err := c.Send(t.Context(), usp.NewGet("", "Device.X.")); err != nil {
		t.Fatal(err)
	}
	was := l.last().GetSessionContext()
	l.away = link.ErrUnreachable
	if _, err := c.Send(t.Context(), usp.NewGet("", "Device.X.")); err == nil {
		t.Error("it was sent to nobody")
	}
	l.away = nil
	if _, err := c.Send(t.Context(), usp.NewGet("", "Device.X.")); err != nil {
		t.Fatal(err)
	}
	if now := l.last().GetSessionContext(); now.GetSessionId() == was.GetSessionId() || now.GetSequenceId() != 1 {
		t.Errorf("after one that could not be sent: want another session context, got %s", recordText(l.last()))
	}
}

// TestAKeptContext: another session context begins after the Agent has connected again, and when it may consider the last one expired, but
// not where the Agent has begun one itself meanwhile.
func TestAKeptContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, j := start(t)
		c.KeepContext(nil)
		ask := func() *usppb.SessionContextRecord {
			t.Helper()
			if _, err := c.Send(t.Context(), usp.NewGet("", "Device.X.")); err != nil {
				t.Fatal(err)
			}
			return l.last().GetSessionContext()
		}
		connects := func(link string) { j.Append(journal.Event{Layer: journal.LayerTCP, Type: sessionStart, Link: link}) }
		another := func(when string, want bool) {
			t.Helper()
			was, now := ask(), ask()
			if now.GetSessionId() != was.GetSessionId() {
				t.Errorf("%s: two requests in two session contexts", when)
			}
			if first := was.GetSequenceId() == 1; first != want {
				t.Errorf("%s: want another session context %v, got sequence_id %d", when, want, was.GetSequenceId())
			}
		}
		another("at first", true)
		another("later", false)
		connects("")
		another("connected again", true)
		connects("beside")
		another("connected over another link", false)
		c.Expires(time.Minute)
		<-time.After(20 * time.Second)
		another("before it expires", false)
		<-time.After(40 * time.Second)
		another("about to expire", true)
		connects("")
		l.say(t, inContext(t, notify("n", "s", false)))
		if r := ask(); r.GetSessionId() != 2 || r.GetSequenceId() != 1 {
			t.Errorf("in the one that the Agent has begun: got %s", recordText(l.last()))
		}
		c.Expires(0)
		c.OpenContext(nil)
		another("in one that a case has opened", true)
		c.LeaveContext()
		another("that one was left", true)
		if _, keeps := c.Keeps(); !keeps {
			t.Error("it is not kept after LeaveContext")
		}
		c.ReleaseContext()
		if r := ask(); r != nil {
			t.Errorf("it is not kept any more: got %s", recordText(l.last()))
		}
		connects("")
		c.OpenContext(nil)
		var id uint64
		c.InContext(func(x *session.Context) { id = x.ID() })
		if r := ask(); r.GetSessionId() != id {
			t.Errorf("connected again before a case has opened one: got %s, want the session %d", recordText(l.last()), id)
		}
	})
}

// The Agent answers what it was asked in the clear when the session context has been left for one with TLS.
func TestALateAnswerInTheClearAfterTheContextWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, j := start(t)
		ca, err := pki.NewCA("test")
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := ca.Issue(pki.Spec{CommonName: "controller", EndpointIDs: []string{ownID}})
		if err != nil {
			t.Fatal(err)
		}
		c.KeepContext(&session.TLS{Certificate: certificate, Unprotected: true})
		c.OpenContext(nil)
		get := usp.NewGet("late", "Device.X.")
		if _, err := c.Send(t.Context(), get); err != nil {
			t.Fatal(err)
		}
		agent := &session.Context{Header: session.Header{Version: usp.Version, To: ownID, From: agentID}}
		if _, err := agent.In(l.last()); err != nil {
			t.Fatal(err)
		}
		payload, err := usp.Marshal(getResp("late"))
		if err != nil {
			t.Fatal(err)
		}
		late, err := agent.Out(payload)
		if err != nil {
			t.Fatal(err)
		}
		c.LeaveContext()
		defer c.InContext(func(x *session.Context) { x.End() })
		if _, err := c.Send(t.Context(), usp.NewGet("", "Device.X.")); err != nil {
			t.Fatal(err)
		}
		if l.last().GetPayloadSecurity() != usppb.Record_TLS12 {
			t.Errorf("after it was left: got %s", recordText(l.last()))
		}
		mark := j.Mark()
		l.say(t, late[0])
		wantNone(t, c)
		taken := slices.ContainsFunc(j.Since(mark), func(e *journal.Event) bool {
			m, ok := e.Body.(*Message)
			return ok && m.GetHeader().GetMsgId() == "late"
		})
		if !taken {
			t.Error("the answer was not taken")
		}
	})
}

// An Agent begins a session context of its own while a request is on its way, and knows nothing of the request. It is sent again in another
// session context, unless it would be done twice.
func TestARequestThatASessionContextHasLostIsSentAgain(t *testing.T) {
	for name, test := range map[string]struct {
		request *usppb.Msg
		again   bool
	}{
		"Get": {usp.NewGet("", "Device.X."), true},
		"Set": {usp.NewSet("", false), true},
		"Add": {usp.NewAdd("", false), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, l, _ := start(t)
				c.OpenContext(nil)
				agent := &session.Context{Header: session.Header{Version: usp.Version, To: ownID, From: agentID},
					NewID: func() uint64 { return 7 }}
				heard := 0
				l.hears = func(r *usppb.Record) {
					if heard++; heard == 1 {
						begin, err := agent.Empty(0)
						if err != nil {
							t.Fatal(err)
						}
						l.say(t, begin)
						return
					}
					taken, _ := agent.In(r)
					for _, raw := range taken.Msgs {
						m, _ := usp.ParseMessage(raw)
						payload, _ := usp.Marshal(getResp(m.GetHeader().GetMsgId()))
						records, _ := agent.Out(payload)
						l.say(t, records[0])
					}
				}
				reply := c.Do(t.Context(), test.request)
				if answered := reply.Err == nil; answered != test.again {
					t.Errorf("got %v after %d Records", reply.Err, heard)
				}
				if name == "Get" {
					wantNone(t, c)
				}
			})
		})
	}
}
