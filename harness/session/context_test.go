package session

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// counter returns session identifiers from first on, in steps of two.
func counter(first uint64) func() uint64 {
	return func() uint64 { first += 2; return first }
}

// pair are the two ends of a session context.
func pair() (a, b *Context) {
	return &Context{Header: here, NewID: counter(100)},
		&Context{Header: Header{Version: "1.4", To: here.From, From: here.To}, NewID: counter(101)}
}

// rec is a Record of a session context.
func rec(body *usppb.SessionContextRecord) *usppb.Record {
	return &usppb.Record{Version: "1.4", ToId: here.From, FromId: here.To, RecordType: &usppb.Record_SessionContext{SessionContext: body}}
}

// numbers shows session, sequence, expected and retransmit identifiers of Records.
func numbers(records ...*usppb.Record) string {
	var all []string
	for _, r := range records {
		s := r.GetSessionContext()
		all = append(all, fmt.Sprintf("%d:%d/%d/%d", s.GetSessionId(), s.GetSequenceId(), s.GetExpectedId(), s.GetRetransmitId()))
	}
	return strings.Join(all, " ")
}

// TestRulesOfReception goes through R-E2E.20 and what surrounds it. Each test is a row of Records that come in, given by their
// session, sequence, expected and retransmit identifiers, and what is expected of the last one.
func TestRulesOfReception(t *testing.T) {
	const more = usppb.SessionContextRecord_BEGIN
	type in []*usppb.SessionContextRecord
	ctx := func(id, seq, expected uint64) *usppb.SessionContextRecord {
		return &usppb.SessionContextRecord{SessionId: id, SequenceId: seq, ExpectedId: expected}
	}
	carry := func(id, seq, expected uint64) *usppb.SessionContextRecord {
		return &usppb.SessionContextRecord{SessionId: id, SequenceId: seq, ExpectedId: expected, Payload: [][]byte{[]byte("m")}}
	}
	asks := func(id, seq, expected, again uint64) *usppb.SessionContextRecord {
		return &usppb.SessionContextRecord{SessionId: id, SequenceId: seq, ExpectedId: expected, RetransmitId: again}
	}
	part := func(id, seq, expected uint64, state, record usppb.SessionContextRecord_PayloadSARState) *usppb.SessionContextRecord {
		r := carry(id, seq, expected)
		r.PayloadSarState, r.PayloadrecSarState = state, record
		return r
	}
	for name, test := range map[string]struct {
		sent int // Messages that this side has sent before
		come in
		msgs int
		// reply, id and expected show the state after the last Record
		reply        string
		id, expected uint64
		err          error
		broken       string
		lost         int
	}{
		"R-E2E.4, the first Record": {0, in{carry(7, 1, 1)},
			1, "", 7, 2, nil, "", 0},
		"R-E2E.6, another session": {0, in{carry(7, 1, 1), carry(9, 1, 1)},
			1, "", 9, 2, nil, "", 0},
		"R-E2E.6, what was not taken": {2, in{ctx(7, 1, 1)},
			0, "", 7, 2, nil, "", 2},
		"R-E2E.14, a session begun with 2": {0, in{ctx(7, 2, 1)},
			0, "7:1/1/1", 7, 1, nil, "R-E2E.14", 0},
		"R-E2E.3, session 1": {0, in{ctx(1, 1, 1)},
			0, "", 102, 1, errAny, "R-E2E.3", 0},
		"R-E2E.16, acknowledged": {2, in{ctx(102, 1, 2), ctx(9, 1, 1)},
			0, "", 9, 2, nil, "", 1},
		"R-E2E.17, of what was not sent": {2, in{ctx(102, 1, 4)},
			0, "", 102, 2, nil, "R-E2E.17", 0},
		"R-E2E.20.1, early": {1, in{carry(102, 3, 1)},
			0, "102:2/1/1", 102, 1, nil, "", 0},
		"R-E2E.20.2, late": {0, in{carry(7, 1, 1), carry(7, 1, 1)},
			0, "", 7, 2, nil, "", 0},
		"R-E2E.25, early twice": {1, in{ctx(102, 3, 1), ctx(102, 3, 1)},
			0, "", 102, 1, nil, "", 0},
		"R-E2E.20.3, in turn": {1, in{carry(102, 2, 1), carry(102, 1, 1)},
			2, "", 102, 3, nil, "", 0},
		"R-E2E.20.3.2, asked for again": {2, in{asks(102, 1, 1, 2)},
			0, "102:2/2/0", 102, 2, nil, "", 0},
		"R-E2E.21, never sent": {1, in{asks(102, 1, 1, 2)},
			0, "", 104, 1, ErrNotSent, "", 1},
		"asked for, but acknowledged": {1, in{asks(102, 1, 2, 1)},
			0, "", 102, 2, nil, "", 0},
		"R-E2E.21, a segment too few": {0, in{part(7, 1, 1, 2, 2)},
			0, "", 102, 1, ErrNoSegments, "no payload has begun", 0},
		"R-E2E.21, two segments begin": {0, in{part(7, 1, 1, more, more),
			part(7, 2, 1, more, more)},
			0, "", 102, 1, ErrNoSegments, "before the payload", 0},
		"R-E2E.21, states differ": {0, in{part(7, 1, 1, more, 0)},
			0, "", 102, 1, ErrNoSegments, "payloadrec_sar_state", 0},
		"R-E2E.8, exhausted": {0, in{ctx(7, math.MaxUint64, 1)},
			0, "", 102, 1, ErrExhausted, "R-E2E.14", 0},
		"R-E2E.2 no more, an empty": {0, in{ctx(7, 1, 1)},
			0, "", 7, 2, nil, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := pair()
			for range test.sent {
				if _, err := c.Out([]byte("out")); err != nil {
					t.Fatal(err)
				}
			}
			var got Taken
			var err error
			for _, body := range test.come {
				got, err = c.In(rec(body))
			}
			if len(got.Msgs) != test.msgs || numbers(got.Reply...) != test.reply || len(got.Lost) != test.lost {
				t.Errorf("got %q, reply %s, lost %q", got.Msgs, numbers(got.Reply...), got.Lost)
			}
			if c.ID() != test.id || c.Expected() != test.expected {
				t.Errorf("the session context is %d, expecting %d", c.ID(), c.Expected())
			}
			if test.err == errAny && err == nil || test.err != errAny && !errors.Is(err, test.err) {
				t.Errorf("want the error %v, got %v", test.err, err)
			}
			if (got.Broken == nil) != (test.broken == "") || got.Broken != nil && !strings.Contains(got.Broken.Error(), test.broken) {
				t.Errorf("want %q broken, got %v", test.broken, got.Broken)
			}
		})
	}
}

// errAny is any error.
var errAny = errors.New("any")

// R-E2E.18 and R-E2E.19: payload_security is that of the session context.
func TestAnotherPayloadSecurityEndsTheContext(t *testing.T) {
	c, other := pair()
	out, _ := other.Out([]byte("1"))
	if _, err := c.In(out[0]); err != nil {
		t.Fatal(err)
	}
	was := c.ID()
	out, _ = other.Out([]byte("2"))
	out[0].PayloadSecurity = usppb.Record_TLS12
	got, err := c.In(out[0])
	if err == nil || got.Broken == nil || len(got.Msgs) != 0 || c.ID() == was {
		t.Errorf("got %+v, %v", got, err)
	}
}

// R-MTP.7.
func TestADisconnectRecordEndsTheContext(t *testing.T) {
	c, _ := pair()
	if _, err := c.Out([]byte("1")); err != nil {
		t.Fatal(err)
	}
	got, err := c.In(&usppb.Record{RecordType: &usppb.Record_Disconnect{Disconnect: &usppb.DisconnectRecord{}}})
	if err != nil || c.ID() != 0 || len(got.Lost) != 1 {
		t.Errorf("got %+v, %v, session context %d", got, err, c.ID())
	}
}

// What the other side still sends in a session context that this side has replaced meanwhile acknowledges what was sent in it.
func TestRecordsOfAReplacedContextAcknowledgeWhatWasSentInIt(t *testing.T) {
	c, other := pair()
	out, _ := c.Out([]byte("1"))
	if _, err := other.In(out[0]); err != nil {
		t.Fatal(err)
	}
	empty, _ := other.Empty(0)
	answer, _ := other.Out([]byte("2"))
	c.Restart()
	for i, r := range []*usppb.Record{empty, answer[0]} {
		if got, err := c.In(r); err != nil || got.Broken != nil {
			t.Errorf("Record %d: %v, %v", i+1, got.Broken, err)
		}
	}
}

// A Disconnect Record over one MTP may overtake what was sent before it over another one.
func TestARecordThatTheDisconnectRecordOvertookIsTaken(t *testing.T) {
	c, other := pair()
	first, _ := other.Out([]byte("1"))
	if _, err := c.In(first[0]); err != nil {
		t.Fatal(err)
	}
	late, _ := other.Out([]byte("2"))
	if _, err := c.In(&usppb.Record{RecordType: &usppb.Record_Disconnect{Disconnect: &usppb.DisconnectRecord{}}}); err != nil {
		t.Fatal(err)
	}
	got, err := c.In(late[0])
	if err != nil || len(got.Msgs) != 1 || len(got.Reply) != 0 || c.ID() != 0 {
		t.Errorf("got %+v, %v, session context %d", got, err, c.ID())
	}
	if got, err := c.In(late[0]); err != nil || len(got.Msgs) != 0 {
		t.Errorf("the second time: got %+v, %v", got, err)
	}
}

// Both sides begin a session context at the same time, and this side asks again in another one. What comes of the earlier ones later does
// not take it back, and a Message in the other side's own is taken.
func TestALeftContextDoesNotComeBack(t *testing.T) {
	c, other := pair()
	first, _ := c.Out([]byte("1"))
	if _, err := other.In(first[0]); err != nil {
		t.Fatal(err)
	}
	late, _ := other.Out([]byte("answer"))
	begun, err := c.In(rec(&usppb.SessionContextRecord{SessionId: 7, SequenceId: 1, ExpectedId: 1}))
	if err != nil || !begun.Begun || len(begun.Lost) != 1 {
		t.Fatalf("got %+v, %v", begun, err)
	}
	c.Leave()
	if _, err := c.Out([]byte("1")); err != nil {
		t.Fatal(err)
	}
	id := c.ID()
	if got, err := c.In(late[0]); err != nil || got.Broken != nil || len(got.Msgs) != 0 || got.Begun {
		t.Errorf("of the first one: got %+v, %v", got, err)
	}
	got, err := c.In(rec(&usppb.SessionContextRecord{SessionId: 7, SequenceId: 2, ExpectedId: 1, Payload: [][]byte{[]byte("m")}}))
	if err != nil || got.Broken != nil || len(got.Msgs) != 1 || len(got.Reply) != 0 {
		t.Errorf("of the other side's own: got %+v, %v", got, err)
	}
	if c.ID() != id || c.Next() != 2 {
		t.Errorf("the session context is %d, and %d is next; want %d and 2", c.ID(), c.Next(), id)
	}
}

// TestContextsWithoutRecordsAreNotRemembered: they would push those out to which the other side may still answer.
func TestContextsWithoutRecordsAreNotRemembered(t *testing.T) {
	a, b := pair()
	asked, err := a.Out([]byte("asked"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.In(asked[0]); err != nil {
		t.Fatal(err)
	}
	answer, err := b.Out([]byte("answer"))
	if err != nil {
		t.Fatal(err)
	}
	for range maxBefore + 1 {
		a.Restart()
	}
	if got, err := a.In(answer[0]); err != nil || got.Broken != nil {
		t.Errorf("a late answer: %v, %v", err, got.Broken)
	}
}

// Records are as large as allowed and no larger, and the Message is whole again on the other side.
func TestSegments(t *testing.T) {
	for _, size := range []int{1, 400, 512, 1000, 5000} {
		c, other := pair()
		c.MaxRecord = 512
		msg := bytes.Repeat([]byte("x"), size)
		records, err := c.Out(msg)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]byte
		for _, r := range records {
			if n := proto.Size(r); n > c.MaxRecord {
				t.Errorf("%d bytes: a Record of %d", size, n)
			}
			taken, err := other.In(r)
			if err != nil || taken.Broken != nil {
				t.Fatal(err, taken.Broken)
			}
			got = append(got, taken.Msgs...)
		}
		if len(got) != 1 || !bytes.Equal(got[0], msg) {
			t.Errorf("%d bytes in %d Records came as %d Messages", size, len(records), len(got))
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c, _ := pair()
	var err error
	for seq := uint64(2); err == nil && seq < 2*maxEarly; seq++ {
		_, err = c.In(rec(&usppb.SessionContextRecord{SessionId: 7, SequenceId: seq, ExpectedId: 1}))
	}
	if !errors.Is(err, ErrNoRoom) || len(c.early) != 0 {
		t.Errorf("early: got %v, %d kept", err, len(c.early))
	}
	c, err = &Context{Header: here, NewID: counter(2)}, nil
	for n := 0; err == nil && n < 2*maxUnacknowledged; n++ {
		_, err = c.Out([]byte("x"))
	}
	if !errors.Is(err, ErrUnacknowledged) || len(c.sent) > maxUnacknowledged {
		t.Errorf("unacknowledged: got %v, %d kept", err, len(c.sent))
	}
	c, err = &Context{Header: here, NewID: counter(2)}, nil
	state := usppb.SessionContextRecord_BEGIN
	for seq := uint64(1); err == nil && seq < 64; seq++ {
		_, err = c.In(rec(&usppb.SessionContextRecord{SessionId: 7, SequenceId: seq, ExpectedId: 1, Payload: [][]byte{make([]byte, 1<<20)},
			PayloadSarState: state, PayloadrecSarState: state}))
		state = usppb.SessionContextRecord_INPROCESS
	}
	if !errors.Is(err, ErrNoSegments) || len(c.segments) != 0 {
		t.Errorf("segments: got %v, %d bytes kept", err, len(c.segments))
	}
}

// TestGapsWithoutEnd: each gap is asked for in a Record that this side keeps, and the other side acknowledges none of them.
func TestGapsWithoutEnd(t *testing.T) {
	c, _ := pair()
	first := rec(&usppb.SessionContextRecord{SessionId: 7, SequenceId: 1, ExpectedId: 1})
	_, err := c.In(first)
	asked := 0
	for seq := uint64(2); err == nil && asked <= maxUnacknowledged; seq += 2 {
		for _, n := range []uint64{seq + 1, seq} {
			var got Taken
			if got, err = c.In(rec(&usppb.SessionContextRecord{SessionId: 7, SequenceId: n, ExpectedId: 1})); err != nil {
				break
			}
			asked += len(got.Reply)
		}
		bounded(t, c)
	}
	if !errors.Is(err, ErrUnacknowledged) || asked != maxUnacknowledged || c.ID() == 7 || len(c.sent)+len(c.early) != 0 {
		t.Errorf("got %v after %d Records that ask, session context %d, %d and %d kept", err, asked, c.ID(), len(c.sent), len(c.early))
	}
}

// bounded wants what a session context keeps to be within its bounds, and its sums to be right.
func bounded(t *testing.T, c *Context) {
	t.Helper()
	size := func(records iter.Seq[*usppb.Record]) (n int) {
		for r := range records {
			n += payloadSize(r.GetSessionContext())
		}
		return n
	}
	early, sent := size(maps.Values(c.early)), size(slices.Values(c.sent))
	switch {
	case len(c.early) > maxEarly || early > maxHeld || early != c.earlyBytes:
		t.Fatalf("early: %d Records of %d bytes, counted %d", len(c.early), early, c.earlyBytes)
	case len(c.sent) > maxUnacknowledged || sent != c.sentBytes || len(c.msgs) > len(c.sent):
		t.Fatalf("sent: %d Records of %d bytes, counted %d; %d Messages", len(c.sent), sent, c.sentBytes, len(c.msgs))
	case len(c.segments) > maxHeld || !c.segmenting && len(c.segments) > 0:
		t.Fatalf("segments: %d bytes, unfinished: %v", len(c.segments), c.segmenting)
	case len(c.before) > maxBefore:
		t.Fatalf("%d session contexts are remembered", len(c.before))
	case c.tunnel != nil && (len(c.tunnel.partial) > recordHeader+maxFragment || len(c.tunnel.plain) > maxHeld):
		t.Fatalf("TLS: %d and %d bytes", len(c.tunnel.partial), len(c.tunnel.plain))
	}
	if c.ended != nil {
		bounded(t, c.ended)
	}
}

// channel drops, repeats and reorders what is sent through it.
type channel struct {
	rand *rand.Rand
	way  []*usppb.Record
}

func (ch *channel) send(records ...*usppb.Record) {
	for _, r := range records {
		for range 1 + ch.rand.IntN(8)/6 - ch.rand.IntN(5)/4 { // usually once, sometimes twice or never
			at := len(ch.way)
			if at > 0 {
				at -= ch.rand.IntN(min(at, 4))
			}
			ch.way = slices.Insert(ch.way, at, r)
		}
	}
}

func (ch *channel) take() *usppb.Record {
	r := ch.way[0]
	ch.way = ch.way[1:]
	return r
}

// TestEveryMessageArrivesOnceAndInOrder lets two ends talk over channels that drop, repeat and reorder. A channel that never loses
// all is survived: every Message arrives once and in its order, in the session context that it was sent in.
func TestEveryMessageArrivesOnceAndInOrder(t *testing.T) {
	property := func(seed uint64, segmented bool, security uint8) bool {
		a, b := pair()
		if version := []uint16{0, tls.VersionTLS12, tls.VersionTLS13}[security%3]; version != 0 {
			a, b = securePair(t, version)
		}
		if segmented {
			a.MaxRecord, b.MaxRecord = 128+a.protection(), 160+a.protection()
		}
		random := rand.New(rand.NewPCG(seed, 1))
		ends := [2]*Context{a, b}
		ways := [2]*channel{{rand: random}, {rand: random}} // to b, to a
		var sent, come [2][]string
		first, _ := a.Out([]byte("first"))
		ways[0].way = append(ways[0].way, first...) // the other side must learn of the session context
		sent[0] = append(sent[0], "first")
		deliver := func(to int) bool {
			r := ways[1-to].take()
			got, err := ends[to].In(proto.Clone(r).(*usppb.Record))
			if err != nil || got.Broken != nil || len(got.Lost) > 0 {
				t.Logf("seed %d: %s: %v, %v, lost %q", seed, numbers(r), err, got.Broken, got.Lost)
				return false
			}
			for _, m := range got.Msgs {
				come[to] = append(come[to], string(m))
			}
			ways[to].send(got.Reply...)
			return true
		}
		for step := 0; step < 400; step++ {
			who := random.IntN(2)
			if len(ways[1-who].way) > 0 && !deliver(who) {
				return false
			}
			if ends[who].ID() != 0 && step < 100 && random.IntN(4) == 0 {
				text := fmt.Sprintf("%d-%s", step, strings.Repeat("x", random.IntN(200)))
				records, err := ends[who].Out([]byte(text))
				if err != nil {
					return false
				}
				ways[who].send(records...)
				sent[who] = append(sent[who], text)
			}
		}
		for round := 0; round < 4000; round++ {
			who := random.IntN(2)
			if len(ways[1-who].way) > 0 {
				if !deliver(who) {
					return false
				}
			} else if len(ways[who].way) == 0 && len(come[1-who]) < len(sent[who]) {
				again, err := ends[who].Unacknowledged()
				if err != nil {
					t.Fatal(err)
				}
				ways[who].way = append(ways[who].way, again...)
			}
		}
		if !slices.Equal(sent[0], come[1]) || !slices.Equal(sent[1], come[0]) {
			t.Logf("seed %d: sent %d and %d, come %d and %d", seed, len(sent[0]), len(sent[1]), len(come[1]), len(come[0]))
			return false
		}
		return true
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 200}); err != nil {
		t.Error(err)
	}
}

func FuzzContext(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _ := pair()
		for len(data) >= 8 {
			d := data[:8]
			data = data[8:]
			number := func(b byte) uint64 {
				if b > 250 {
					return math.MaxUint64 - uint64(255-b)
				}
				return uint64(b % 16)
			}
			_, _ = c.In(rec(&usppb.SessionContextRecord{SessionId: number(d[0]), SequenceId: number(d[1]), ExpectedId: number(d[2]),
				RetransmitId: number(d[3]), PayloadSarState: usppb.SessionContextRecord_PayloadSARState(d[4] % 5),
				PayloadrecSarState: usppb.SessionContextRecord_PayloadSARState(d[5] % 5), Payload: [][]byte{d[6:8]}}))
			if d[7]%3 == 0 {
				_, _ = c.Out(d)
			}
			if c.next == 0 || c.expected == 0 {
				t.Fatalf("next %d, expected %d", c.next, c.expected)
			}
			bounded(t, c)
		}
	})
}
