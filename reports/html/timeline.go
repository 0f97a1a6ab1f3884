package html

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/usptest/usptest/harness/result"
)

// timelineView is what happened in a case, as far as it is shown.
type timelineView struct {
	Events  []eventView
	All     int    // events in the journal
	Journal string // the file that holds them
}

// eventView is one event, or the hole that Left events before it leave.
type eventView struct {
	Anchor   string
	Seq      uint64
	AtMS     float64
	Kind     string // in, out, own or step: a class of the style sheet
	Sign     string // says the direction without a colour
	Says     string // says it for a screen reader
	Layer    text
	Type     text
	Text     text
	Conn     uint64
	Ends     text
	Decoded  text
	Hex      string
	Raw      int // bytes
	RawLeft  int // bytes that Hex leaves out
	Evidence bool
	Open     bool // evidence of what went wrong is read first
	Left     int  // events left out before this one
}

// Body says whether the event has more to show than its line.
func (e eventView) Body() bool { return e.Decoded.Head != "" || e.Hex != "" }

// timeline chooses the events to show: evidence and steps first, then as much of the beginning and the end as there is room for.
func timeline(at string, c result.Case, d detail) timelineView {
	v := timelineView{All: len(c.Timeline), Journal: result.VisibleLine(c.Journal)}
	evidence, faults := map[uint64]bool{}, map[uint64]bool{}
	for _, m := range c.Metrics {
		for _, seq := range m.Evidence {
			evidence[seq] = true
			faults[seq] = faults[seq] || m.Verdict == result.Fail || m.Verdict == result.Error
		}
	}
	left := 0
	for i, keep := range chosen(c.Timeline, evidence, d.events) {
		if !keep {
			left++
			continue
		}
		e := event(at, c.Timeline[i], d)
		e.Evidence, e.Open, e.Left = evidence[e.Seq], faults[e.Seq], left
		v.Events, left = append(v.Events, e), 0
	}
	if left > 0 && len(v.Events) > 0 {
		v.Events = append(v.Events, eventView{Left: left})
	}
	return v
}

// chosen says for each event whether it is among the at most limit that are shown.
func chosen(events []result.Event, evidence map[uint64]bool, limit int) []bool {
	keep := make([]bool, len(events))
	pick := func(i int) {
		if limit > 0 && !keep[i] {
			keep[i], limit = true, limit-1
		}
	}
	for i, e := range events {
		if evidence[e.Seq] {
			pick(i)
		}
	}
	for i, e := range events {
		if e.Layer == "step" {
			pick(i)
		}
	}
	for i, j := 0, len(events)-1; i <= j; i, j = i+1, j-1 {
		pick(i)
		pick(j)
	}
	return keep
}

// maxWord is how many bytes of a type, a layer or an address are shown.
const maxWord = 100

func event(at string, e result.Event, d detail) eventView {
	v := eventView{
		Anchor: fmt.Sprintf("%s-e%d", at, e.Seq), Seq: e.Seq, AtMS: e.AtMS, Conn: e.Conn,
		Layer: line(e.Layer, maxWord), Type: line(e.Type, maxWord), Text: line(e.Text, d.value), Raw: len(e.Raw) + e.RawLeft,
	}
	switch e.Dir {
	case "in":
		v.Kind, v.Sign, v.Says = "in", "←", "from the device"
	case "out":
		v.Kind, v.Sign, v.Says = "out", "→", "to the device"
	default:
		v.Kind, v.Sign, v.Says = "own", "●", "the harness"
	}
	if e.Layer == "step" {
		v.Kind = "step"
	}
	if e.Remote != "" {
		v.Ends = line(e.Local+" ⇄ "+e.Remote, 2*maxWord)
	}
	if d.decoded > 0 {
		v.Decoded = block(e.Decoded, d.decoded)
		v.Decoded.Left += e.DecodedLeft
	}
	if shown := min(len(e.Raw), d.raw); shown > 0 {
		v.Hex = strings.TrimSuffix(hex.Dump(e.Raw[:shown]), "\n")
		v.RawLeft = v.Raw - shown
	}
	return v
}
