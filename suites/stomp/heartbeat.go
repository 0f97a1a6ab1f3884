package stomp

import (
	"fmt"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// heartBeats is 6.8. The server wants a heart-beat as often as the Agent has to offer it, and sends those that it promises.
func heartBeats(c *harness.Case) {
	c.Uses(plan.NeedTiming, plan.NeedReconfiguration)
	const outgoing, incoming, watched = 15 * time.Second, 10 * time.Second, 60 * time.Second
	row := c.BrokerRow()
	c.Cleanup("connect as configured before", c.ConnectAnew)
	params := usp.Params{"EnableHeartbeats": "true", "IncomingHeartbeat": milliseconds(incoming), "OutgoingHeartbeat": milliseconds(outgoing)}
	for _, name := range params.Names() {
		c.Restore(row, name)
	}
	c.Step(1, "enable heart-beats of %s with %s out and %s in", row, outgoing, incoming)
	c.Set(row, params)
	c.Step(2, "reboot the device; CONNECTED will promise a heart-beat every %s and want one every %s", incoming, outgoing)
	c.STOMP().HeartBeat(int(incoming.Milliseconds()), int(outgoing.Milliseconds()))
	mark, isNew := reboot(c)

	c.Step(3, "wait until it connects")
	var opening *journal.Event
	c.Metric(1, func(m *harness.Metric) {
		e, err := c.Await("frame on a new connection", c.ReconnectWait(), mark, isNew.opening)
		m.Must(err)
		opening = e
		m.Must(offers(e, outgoing, incoming, c.Strict("heart-beat-blank")), e.Seq)
	})
	if opening == nil {
		return
	}
	subscribed, err := c.Await("SUBSCRIBE frame", c.ReconnectWait(), opening.Seq-1, isNew.subscribes(""))
	c.DeviceMust(err)
	c.Step(4, "watch the connection for four outgoing intervals, %s", c.Scaled(watched))
	c.Pause(c.Scaled(watched))
	end := time.Now()
	c.LabMust(c.Err())
	c.Metric(2, func(m *harness.Metric) {
		w := watch(c.Journal.Since(mark), subscribed.Conn, end)
		if w.ended != nil {
			m.Must(&usp.Mismatch{Where: "connection", Want: "open while it is watched", Got: w.ended.Text}, w.ended.Seq)
		}
		m.Saw(w.before)
		if most, tolerance := c.Scaled(outgoing), c.Waits().Tolerance; w.silence > most+tolerance+c.Lag() {
			m.Must(&usp.Mismatch{Where: "longest silence of the Agent", Want: fmt.Sprintf("at most %s (give or take %s)", most, tolerance),
				Got: fmt.Sprintf("%s after event %d", w.silence.Round(time.Millisecond), w.before)})
		}
		m.Note("%d frames and heart-beats, longest silence %s", w.heard, w.silence.Round(time.Millisecond))
	})
}

// offers wants a frame's heart-beat header to offer a heart-beat every so often and to want one every so often. Where blank is true it must
// be written with the blank that the plan prints.
func offers(e *journal.Event, outgoing, incoming time.Duration, blank bool) error {
	f := frame(e)
	value, ok := f.Header("heart-beat")
	if !ok {
		return header(f, "heart-beat")
	}
	if blank {
		return expect.Equal(f.Command+": header heart-beat", milliseconds(outgoing)+", "+milliseconds(incoming), value)
	}
	sends, wants, err := f.HeartBeat()
	if err == nil && sends == outgoing && wants == incoming {
		return nil
	}
	return expect.Equal(f.Command+": header heart-beat", milliseconds(outgoing)+","+milliseconds(incoming), value)
}

// observation is what was heard over one connection from CONNECTED on.
type observation struct {
	heard   int            // frames and heart-beats
	silence time.Duration  // the longest without either
	before  journal.Mark   // the event that it followed
	ended   *journal.Event // the end of the connection, nil while it is open
}

// watch listens to one connection until end. Whatever the Agent sends counts as a heart-beat.
func watch(events []*journal.Event, conn uint64, end time.Time) (w observation) {
	var last *journal.Event
	still := func(until time.Time) {
		if silence := until.Sub(last.At); silence > w.silence {
			w.silence, w.before = silence, last.Seq
		}
	}
	for _, e := range events {
		if e.Conn != conn || e.At.After(end) {
			continue
		}
		switch {
		case e.Layer == journal.LayerTCP && e.Type == "close":
			w.ended = e
		case e.Layer != journal.LayerSTOMP:
		case e.Dir == journal.Out && e.Type == "CONNECTED":
			last = e
		case e.Dir == journal.In && last != nil:
			still(e.At)
			last = e
			w.heard++
		}
	}
	if last != nil {
		still(end)
	}
	return w
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
