package controller

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const (
	agentID = "proto::agent"
	ownID   = "self::controller"
	otherID = "self::other"
	timeout = 4 * time.Second
)

// fakeLink is a link in memory, with the Agent at its other end.
type fakeLink struct {
	link.Link // panics where a test calls what it should not
	receive   func(link.Inbound)
	join      func(id string) link.Joined
	replyTo   string
	again     bool // what the Agent says may have been said before

	mu     sync.Mutex
	sent   []*usppb.Record
	topics []string
	away   error // what Send returns, until back is closed
	back   chan struct{}
	held   chan struct{}                   // when not nil, Send waits until it is closed
	hears  func(*usppb.Record)             // hears each Record sent; may be nil
	answer func(*usppb.Record, *usppb.Msg) // hears each Message sent; may be nil
}

func (l *fakeLink) Join(id string) link.Joined { return l.join(id) }

// fakeEnd is an end at a link of its own.
type fakeEnd struct{ *fakeLink }

func (fakeEnd) Address() string { return "address" }
func (fakeEnd) Leave()          {}

func (l *fakeLink) MTP() link.MTP   { return link.MTP{Name: "MQTT", Version: "5.0"} }
func (l *fakeLink) ReplyTo() string { return l.replyTo }

// sessionStart is the type of the events by which the Agent opens a session.
const sessionStart = "session start"

func (l *fakeLink) StartsSession(e *journal.Event) bool { return e.Type == sessionStart }

func (l *fakeLink) Name() string { return "memory" }

func (l *fakeLink) OnRecord(f func(link.Inbound)) { l.receive = f }

func (l *fakeLink) SetAgentTopic(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topics = append(l.topics, topic)
}

func (l *fakeLink) Connected(ctx context.Context) error {
	if l.back == nil {
		return nil
	}
	select {
	case <-l.back:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.away = nil
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *fakeLink) Send(_ context.Context, raw []byte) (journal.Mark, error) {
	if l.held != nil {
		<-l.held
	}
	record, err := usp.ParseRecord(raw)
	l.mu.Lock()
	away := l.away
	if away == nil && err == nil {
		l.sent = append(l.sent, record)
	}
	answer := l.answer
	l.mu.Unlock()
	if away == nil && err == nil && l.hears != nil {
		l.hears(record)
	}
	if away != nil || err != nil {
		return 0, away
	}
	if msg, err := usp.ParseMessage(record.GetNoSessionContext().GetPayload()); err == nil && answer != nil {
		answer(record, msg)
	}
	return 77, nil
}

// last is the Record that was sent last.
func (l *fakeLink) last() *usppb.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent[len(l.sent)-1]
}

// messages are those sent so far.
func (l *fakeLink) messages(t *testing.T) []*usppb.Msg {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*usppb.Msg
	for _, r := range l.sent {
		m, err := usp.ParseMessage(r.GetNoSessionContext().GetPayload())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// say lets the Agent send a Record.
func (l *fakeLink) say(t *testing.T, r *usppb.Record) {
	t.Helper()
	raw, err := usp.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	l.receive(link.Inbound{Raw: raw, Seq: 5, Conn: 2, Again: l.again})
}

// tell lets the Agent send a Message to a Controller.
func (l *fakeLink) tell(t *testing.T, to string, m *usppb.Msg) {
	t.Helper()
	record, err := usp.WrapMessage(usp.EndpointID(to), agentID, usp.Version, m)
	if err != nil {
		t.Fatal(err)
	}
	l.say(t, record)
}

// start makes a Controller on a fakeLink.
func start(t *testing.T) (*Controller, *fakeLink, *journal.Journal) {
	j, l := journal.New(), &fakeLink{}
	return New(t.Context(), j, l, Options{ID: ownID, AgentID: agentID, Version: usp.Version, Timeout: timeout}), l, j
}

// getResp answers a Get of one parameter.
func getResp(msgID string) *usppb.Msg {
	return usp.NewMsg(msgID, &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{{
		RequestedPath: "Device.X.", ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{
			ResolvedPath: "Device.X.", ResultParams: map[string]string{"A": "1"},
		}},
	}}})
}

// notify is a Notify of an event of one Subscription.
func notify(msgID, subscription string, sendResp bool) *usppb.Msg {
	return usp.NewMsg(msgID, &usppb.Notify{SubscriptionId: subscription, SendResp: sendResp, Notification: &usppb.Notify_Event_{
		Event: &usppb.Notify_Event{ObjPath: "Device.", EventName: "Boot!"},
	}})
}

// wantNone fails the test when a universal metric was broken.
func wantNone(t *testing.T, c *Controller) {
	t.Helper()
	for _, v := range c.Violations(0) {
		t.Errorf("universal metric broken: %s", v.Describe())
	}
}
