package html

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/result"
)

// timelineView is what happened in a case, as far as it is shown.
type timelineView struct {
	Rows    []rowView
	All     int    // events in the journal
	Journal string // the file that holds them
}

// rowView is one exchange: an event, and beneath it the Record and the packets that carried it. Or it is the hole that the Left events
// before it leave.
type rowView struct {
	eventView
	Parts []eventView
	Proof bool // some of it is evidence
	Open  bool // evidence of what went wrong is read first
	Left  int  // events left out before this one
}

// Body reports whether the row has more to show than its line.
func (r rowView) Body() bool { return r.Decoded.Head != "" || r.Hex != "" || len(r.Parts) > 0 }

// eventView is one event.
type eventView struct {
	Anchor  string
	Seq     uint64
	AtMS    float64
	Kind    string // in, out, own or step: a class of the style sheet
	Layer   text
	Type    text
	Text    text
	Ends    text // of the connection
	Decoded text
	Hex     string
	Raw     int // bytes
	RawLeft int // bytes that Hex leaves out
	Proofs  []proof
}

// proof is a metric that was judged by an event.
type proof struct {
	N       int
	Verdict result.Verdict
	Tone    string
}

// exchange is what belongs together in a timeline, as places of its events: a Message with the Record and the packets that carried it, or
// one event alone. The first is what a reader is shown.
type exchange []int

// exchanges puts together what carried one another. Outwards a Message is followed by its Record and its packets, inwards it comes last.
func exchanges(events []result.Event) []exchange {
	var out []exchange
	neighbours := func(a, b int) bool {
		return b < len(events) && events[a].Dir == events[b].Dir && events[a].Seq+1 == events[b].Seq
	}
	for i := 0; i < len(events); i++ {
		e := exchange{i}
		next := func(fits func(result.Event) bool) bool { return neighbours(i, i+1) && fits(events[i+1]) }
		take := func() { i++; e = append(e, i) }
		switch {
		case events[i].Dir == "out" && (isMessage(events[i]) || isRecord(events[i])):
			if isMessage(events[i]) && next(isRecord) {
				take()
			}
			if next(isVehicle) {
				for take(); next(isContinuation); {
					take()
				}
			}
		case events[i].Dir == "in" && isRecord(events[i]):
			for len(out) > 0 {
				below := out[len(out)-1][0]
				if !neighbours(below, slices.Min(e)) || !isVehicle(events[below]) {
					break
				}
				e, out = append(e, below), out[:len(out)-1]
				if !isContinuation(events[below]) {
					break
				}
			}
			slices.Sort(e[1:])
			if next(isMessage) {
				i++
				e = append(exchange{i}, e...)
			}
		}
		out = append(out, e)
	}
	return out
}

func isMessage(e result.Event) bool      { return e.Layer == "message" }
func isRecord(e result.Event) bool       { return e.Layer == "record" }
func isContinuation(e result.Event) bool { return e.Type == "CONTINUATION" }

// isVehicle reports whether an event is a packet of the kind that carries Records.
func isVehicle(e result.Event) bool {
	return slices.Contains([]string{"PUBLISH", "SEND", "MESSAGE", "BINARY", "CONTINUATION"}, e.Type)
}

// timeline chooses what to show: evidence and steps first, then as much of the beginning and the end as there is room for.
func timeline(at string, c result.Case, d detail) timelineView {
	v := timelineView{All: len(c.Timeline), Journal: result.VisibleLine(c.Journal)}
	proofs := proofs(c)
	all := exchanges(c.Timeline)
	left := 0
	for i, keep := range chosen(c.Timeline, all, proofs, d.rows) {
		if !keep {
			left += len(all[i])
			continue
		}
		row := rowView{Left: left}
		row.Proof = slices.ContainsFunc(all[i], func(place int) bool { return proofs[c.Timeline[place].Seq] != nil })
		limit := d
		if !row.Proof {
			limit.decoded = d.others
		}
		for n, place := range all[i] {
			e := event(at, c.Timeline[place], n > 0, limit)
			e.Proofs = proofs[e.Seq]
			row.Open = row.Open || slices.ContainsFunc(e.Proofs, proof.fault)
			if n == 0 {
				row.eventView = e
				continue
			}
			if isMessage(c.Timeline[all[i][0]]) {
				e.Decoded.Head = withoutMessage(e.Decoded.Head)
			}
			row.Parts = append(row.Parts, e)
		}
		v.Rows, left = append(v.Rows, row), 0
	}
	if left > 0 && len(v.Rows) > 0 {
		v.Rows = append(v.Rows, rowView{Left: left})
	}
	return v
}

// withTabs indents by tabs what is indented by two blanks: there is much of it.
func withTabs(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		text := strings.TrimLeft(line, " ")
		blanks := len(line) - len(text)
		b.WriteString(strings.Repeat("\t", blanks/2) + strings.Repeat(" ", blanks%2) + text)
	}
	return b.String()
}

// withoutMessage leaves out of a decoded Record the Message, which is shown above it.
func withoutMessage(record string) string {
	lines := strings.SplitAfter(record, "\n")
	from := slices.IndexFunc(lines, func(s string) bool { return strings.HasSuffix(s, "bytes, a Message\n") })
	if from < 0 {
		return record
	}
	depth := func(s string) int { return len(s) - len(strings.TrimLeft(s, "\t ")) }
	to := from + 1
	for to < len(lines) && depth(lines[to]) > depth(lines[from]) {
		to++
	}
	return strings.Join(slices.Delete(lines, from+1, to), "")
}

// proofs are the metrics that each event is evidence for.
func proofs(c result.Case) map[uint64][]proof {
	of := map[uint64][]proof{}
	for _, m := range c.Metrics {
		for _, seq := range m.Evidence[:min(len(m.Evidence), maxEvidence)] {
			of[seq] = append(of[seq], proof{m.N, m.Verdict, tone(m.Verdict)})
		}
	}
	return of
}

func (p proof) fault() bool { return p.Verdict == result.Fail || p.Verdict == result.Error }

// chosen says for each exchange whether it is among the at most limit that are shown.
func chosen(events []result.Event, all []exchange, proofs map[uint64][]proof, limit int) []bool {
	keep := make([]bool, len(all))
	pick := func(i int) {
		if limit > 0 && !keep[i] {
			keep[i], limit = true, limit-1
		}
	}
	pickIf := func(wanted func(result.Event) bool) {
		for i, x := range all {
			if slices.ContainsFunc(x, func(place int) bool { return wanted(events[place]) }) {
				pick(i)
			}
		}
	}
	pickIf(func(e result.Event) bool { return slices.ContainsFunc(proofs[e.Seq], proof.fault) })
	pickIf(func(e result.Event) bool { return proofs[e.Seq] != nil })
	pickIf(func(e result.Event) bool { return e.Layer == "step" })
	for i, j := 0, len(all)-1; i <= j; i, j = i+1, j-1 {
		pick(i)
		pick(j)
	}
	return keep
}

// maxWord is how many bytes of a type, a layer or an address are shown.
const maxWord = 100

// event is one event; beneath says that it is shown beneath what it carried.
func event(at string, e result.Event, beneath bool, d detail) eventView {
	v := eventView{
		Anchor: fmt.Sprintf("%s-e%d", at, e.Seq), Seq: e.Seq, AtMS: e.AtMS,
		Layer: line(e.Layer, maxWord), Type: line(e.Type, maxWord), Raw: len(e.Raw) + e.RawLeft, Kind: kind(e),
	}
	v.Text = line(withoutType(e), d.value)
	if beneath && !d.parts { // what it carried says the rest
		if v.Text = (text{}); v.Raw > 0 {
			v.Text.Head = thousands(v.Raw) + " bytes"
		}
		return v
	}
	if e.Remote != "" {
		over := ""
		if e.Link != "" {
			over = " over " + e.Link
		}
		v.Ends = line(fmt.Sprintf("connection %d%s: %s ⇄ %s", e.Conn, over, e.Local, e.Remote), 2*maxWord)
	}
	if d.decoded > 0 {
		v.Decoded = block(e.Decoded, d.decoded)
		v.Decoded.Head = withTabs(v.Decoded.Head)
		v.Decoded.Left += e.DecodedLeft
	}
	if shown := min(len(e.Raw), d.raw); shown > 0 {
		v.Hex = strings.TrimSuffix(hex.Dump(e.Raw[:shown]), "\n")
		v.RawLeft = v.Raw - shown
	}
	return v
}

// withoutType is the text of an event without its type, with which it may begin.
func withoutType(e result.Event) string {
	if rest, ok := strings.CutPrefix(e.Text, e.Type); ok && e.Type != "" {
		return strings.TrimLeft(rest, " ,")
	}
	return e.Text
}

// kind says which way an event went; it is a class of the style sheet.
func kind(e result.Event) string {
	switch {
	case e.Layer == "step":
		return "step"
	case e.Dir == "in" || e.Dir == "out":
		return e.Dir
	}
	return "own"
}
