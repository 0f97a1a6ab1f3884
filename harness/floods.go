package harness

import (
	"cmp"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// tooOften is how many times as often as would be enough makes a flood, and how many more than one at once do.
const tooOften = 10

// floods counts, in the events of a case, what a device sends more often than it needs to. None of that is forbidden, so it is advice. What
// TR-369 has a rule for is not judged here: the waits before retries (R-MQTT.10, R-STOMP.7, R-WS.19, R-NOT.1), and whether the Pings over a
// WebSocket come as often as they are set to (R-WS.17).
type floods struct {
	c     *Case
	stall time.Duration

	pings       map[uint64]*flow // by connection
	most        *flow            // the worst of them
	connections *flow
	notified    map[answerable]*notified
}

// answerable is what a NotifyResp names: the msg_id, and the Controller that sends it.
type answerable struct{ id, controller string }

// notified is a Notify, and its copies since the harness has answered it.
type notified struct {
	first  *controller.Message
	copies []*journal.Event // the answer, and what came after it
}

// flow is a series of events of one kind. It is a bucket with a hole: it empties as fast as tooOften events in each interval fill it, and
// what overflows is a flood.
type flow struct {
	interval time.Duration // within which one is enough, as measured
	holds    float64
	level    float64
	now      spell // since it was last empty
	over     bool  // that has overflowed
	worst    spell // the longest one that has
}

// spell is the part of a flow that came without a pause.
type spell struct {
	n           int
	first, last *journal.Event
}

func (f *floods) flow(interval time.Duration) *flow {
	measured := f.c.Scaled(interval)
	return &flow{interval: measured, holds: tooOften * (1 + float64(f.stall)/float64(measured))}
}

func (f *flow) add(e *journal.Event) {
	if f.now.n > 0 {
		f.level -= tooOften * float64(e.At.Sub(f.now.last.At)) / float64(f.interval)
	}
	if f.level <= 0 {
		f.level, f.now, f.over = 0, spell{first: e}, false
	}
	f.level++
	f.now.n, f.now.last = f.now.n+1, e
	f.over = f.over || f.level > f.holds
	if f.over && f.now.n > f.worst.n {
		f.worst = f.now
	}
}

// rate says how many came in what time, as the device counts it.
func (f *floods) rate(s spell) string {
	span := time.Duration(float64(s.last.At.Sub(s.first.At)) * f.c.Scale)
	return fmt.Sprintf("%d in %s", s.n, seconds(max(span, time.Millisecond)))
}

// seconds is a duration as a tester reads it, such as 0.041 s, 5.1 s or 60 s.
func seconds(d time.Duration) string {
	precision := time.Millisecond
	if d > time.Second {
		precision = 100 * time.Millisecond
	}
	return fmt.Sprintf("%g s", d.Round(precision).Seconds())
}

// judgeFloods advises against the floods of the case. concerns says which events are its own.
func (c *Case) judgeFloods(concerns func(journal.Mark) bool) {
	b, mtp := c.bench, c.bench.Link.MTP()
	f := &floods{c: c, stall: b.Stall(), pings: map[uint64]*flow{}, notified: map[answerable]*notified{}}
	f.connections = f.flow(time.Second)
	if b.pingIntervals == nil {
		b.pingIntervals = map[uint64]time.Duration{}
	}
	var of time.Duration // what the worst flow of PINGs had to keep to
	for _, e := range c.Journal.Since(0) {
		due := b.Link.PingInterval(e, b.pingIntervals[e.Conn])
		if e.Closes() {
			delete(b.pingIntervals, e.Conn)
		} else if e.Conn != 0 {
			b.pingIntervals[e.Conn] = due
		}
		if !concerns(e.Seq) {
			continue
		}
		switch {
		case c.dialled(e):
			f.connections.add(e)
		case b.Link.Pings(e):
			over := f.pings[e.Conn]
			if over == nil {
				over = f.flow(cmp.Or(due, time.Second))
				f.pings[e.Conn] = over
			}
			if over.add(e); f.most == nil || over.worst.n > f.most.worst.n {
				f.most, of = over, due
			}
		default:
			f.notify(e)
		}
	}
	advise := func(flood, where, want, got string, evidence ...journal.Mark) {
		c.Advise(flood, func(m *Metric) { m.Must(&usp.Mismatch{Where: where, Want: want, Got: got}, evidence...) })
	}
	if f.most != nil && f.most.worst.n > 0 {
		enough := "none, since none is due (" + mtp.PingInterval + ")"
		if of > 0 {
			enough = fmt.Sprintf("about one in %s (%s)", seconds(of), mtp.PingInterval)
		}
		worst := f.most.worst
		advise(result.FloodOfPings, fmt.Sprintf("%s %s", mtp.Name, mtp.Ping), enough, f.rate(worst), worst.first.Seq, worst.last.Seq)
	}
	if worst := f.connections.worst; worst.n > 0 && len(c.retries) == 0 { // else the waits between them are judged
		advise(result.FloodOfConnections, "connections of the device", "waits of a second or more between them", f.rate(worst),
			worst.first.Seq, worst.last.Seq)
	}
	f.adviseNotify(advise)
}

// dialled reports whether e is the device opening a connection on the link under test.
func (c *Case) dialled(e *journal.Event) bool {
	return e.Dir == journal.In && (e.Layer == journal.LayerUDS && e.Type == "open" || c.opensLink(e))
}

// notify counts the copies of each Notify that come after its NotifyResp.
func (f *floods) notify(e *journal.Event) {
	m, ok := e.Body.(*controller.Message)
	if !ok {
		return
	}
	id := answerable{m.GetHeader().GetMsgId(), m.To}
	if e.Dir == journal.Out {
		id.controller = m.From
	}
	known := f.notified[id]
	switch {
	case e.Dir == journal.In && m.GetBody().GetRequest().GetNotify() != nil:
		if known == nil || !proto.Equal(known.first.Msg, m.Msg) {
			f.notified[id] = &notified{first: m}
		} else if len(known.copies) > 0 {
			known.copies = append(known.copies, e)
		}
	case e.Dir == journal.Out && m.GetBody().GetResponse().GetNotifyResp() != nil && known != nil && len(known.copies) == 0:
		known.copies = append(known.copies, e)
	}
}

// adviseNotify advises against the Notify of which most copies came, if they are too many.
func (f *floods) adviseNotify(advise func(flood, where, want, got string, evidence ...journal.Mark)) {
	var worst *notified
	for _, n := range f.notified {
		if len(n.copies)-1 > tooOften && (worst == nil || len(n.copies) > len(worst.copies)) {
			worst = n
		}
	}
	if worst == nil {
		return
	}
	answer, last := worst.copies[0], worst.copies[len(worst.copies)-1]
	sent := spell{len(worst.copies) - 1, answer, last}
	advise(result.FloodOfNotifies, controller.Summary(worst.first.Msg)+" after its NotifyResp", "no copy", f.rate(sent), answer.Seq, last.Seq)
}
