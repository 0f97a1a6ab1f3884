package html

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/result"
)

// The places of a chart from left to right, in its own units: the three lifelines, and the column of the verdicts.
const (
	xController = 70
	xBroker     = 330
	xDevice     = 590
	chartWidth  = 720
)

// How high the lines of a chart are, how many characters fit between all lifelines and between two, and how long a finding may be there:
// the metrics above the chart have all of it.
const (
	chartHead  = 34
	lineHeight = 30
	moreHeight = 17 // of a further line of the same text
	maxAcross  = 74
	maxBetween = 36
	maxFinding = 88 // of a line that tells what was found
	findings   = 6  // lines
)

// chartView is a case as a sequence chart: who said what to whom, in which order, and where it went wrong.
type chartView struct {
	Width, Height int
	Lives         []life
	Foot          int // where the lifelines end
	Lines         []chartLine
}

// life is one of the three that take part.
type life struct {
	X    int
	Name string
}

// chartLine is one line of the chart, from the top down.
type chartLine struct {
	Anchor  string // of the event; none for what is not one, or where room is scarce
	Class   string // in, out, own, step, gap or fault; with "wire" for what no Message is in
	Path    string // of the arrow, when there is one
	X, Y    int    // of the text
	Middle  bool   // the text is centred at X
	Text    string
	MarkX   int
	MarkY   int
	Marks   []proof
	Comment []string // more lines of text

	from, to int // where the arrow begins and ends
}

// chart draws as many exchanges as d allows. Without any there is no chart.
func chart(at string, c result.Case, link string, d detail) *chartView {
	// the end of every script is shown by the timeline alone
	all := slices.DeleteFunc(exchanges(c.Timeline), func(x exchange) bool {
		return c.Timeline[x[0]].Layer == "script" && c.Timeline[x[0]].Type == "Reset"
	})
	if d.chart == 0 || len(all) == 0 {
		return nil
	}
	proofs, again := proofs(c), repeated(c.Timeline)
	v := &chartView{Width: chartWidth, Lives: []life{{xController, "Controller"}, {xBroker, server(link)}, {xDevice, "Device"}}}
	y, left := chartHead, 0
	told := map[int]bool{} // metrics whose fault was drawn
	put := func(l chartLine) {
		y += lineHeight
		l.Y, l.MarkX, l.MarkY = y-7, xDevice+14, y-3
		if l.from != l.to {
			l.Path = path(l.from, l.to, y)
		}
		v.Lines = append(v.Lines, l)
	}
	skip := func() {
		if left > 0 {
			put(chartLine{Class: "gap", X: xBroker, Middle: true, Text: plural(left, "more event")})
			left = 0
		}
	}
	tell := func(v result.Verdict, what, found string) {
		y += lineHeight / 2
		lines := wrapped(what, maxAcross, findings)
		comment := lines[1:]
		if found != "" {
			comment = append(comment, wrapped(found, maxFinding, findings)...)
		}
		put(chartLine{Class: tone(v), X: xController + 8, Text: icon(v) + " " + lines[0], Comment: comment})
		y += moreHeight*max(0, len(comment)-1) + lineHeight/2
	}
	fault := func(m result.Metric) {
		told[m.N] = true
		found := m.Note
		if m.Want != "" || m.Got != "" {
			found = fmt.Sprintf("want %s, got %s", m.Want, m.Got)
		} else if _, close, ok := strings.Cut(m.Where, nearest); ok {
			found = nearest + close
		}
		tell(m.Verdict, join(": ", fmt.Sprint("metric ", m.N), m.Where), found)
	}
	for i, keep := range chosen(c.Timeline, all, proofs, d.chart) {
		if !keep {
			left += len(all[i])
			continue
		}
		skip()
		l := arrow(c.Timeline, all[i])
		if d.parts {
			l.Anchor = fmt.Sprintf("%s-e%d", at, c.Timeline[all[i][0]].Seq)
		}
		var wrong []int
		for _, place := range all[i] {
			for _, p := range proofs[c.Timeline[place].Seq] {
				l.Marks = append(l.Marks, p)
				if p.fault() {
					wrong = append(wrong, p.N)
				}
			}
		}
		if len(wrong) > 0 {
			l.Class += " wrong"
		}
		if l.from != l.to {
			l.Comment = within(c.Timeline, all[i], again)
		}
		put(l)
		y += moreHeight * len(l.Comment)
		for _, m := range c.Metrics {
			for _, n := range wrong {
				if m.N == n && !told[n] && lastProof(m, c.Timeline, all[i]) {
					fault(m)
				}
			}
		}
	}
	skip()
	for _, m := range c.Metrics {
		if faulty := m.Verdict == result.Fail || m.Verdict == result.Error; faulty && !told[m.N] {
			fault(m)
		}
	}
	if len(told) == 0 && c.Verdict != result.Pass && c.Reason != "" {
		tell(c.Verdict, string(c.Verdict), c.Reason)
	}
	v.Foot = y + 14
	v.Height = v.Foot + 4
	return v
}

// sessionMark begins what the text of a Record says about its session context.
const sessionMark = ", session "

// within says where in a session context the Record of an exchange is: by the end of session_id, since that is long, the numbers, and
// whether it came before. It has a line, or none outside session contexts.
func within(events []result.Event, x exchange, again map[uint64]bool) []string {
	for _, place := range x {
		e := events[place]
		at := strings.LastIndex(e.Text, sessionMark)
		if !isRecord(e) || e.Type != "SessionContext" || at < 0 {
			continue
		}
		id, rest, _ := strings.Cut(e.Text[at+len(sessionMark):], ", ")
		if short := 6; len(id) > short+1 {
			id = "…" + id[len(id)-short:]
		}
		text := "session " + id + ", " + rest
		if again[e.Seq] {
			text += ", again"
		}
		return []string{oneLine(text, maxAcross)}
	}
	return nil
}

// repeated are the Records with session context that have the direction and the numbers of an earlier one.
func repeated(events []result.Event) map[uint64]bool {
	seen, again := map[string]bool{}, map[uint64]bool{}
	for _, e := range events {
		at := strings.LastIndex(e.Text, sessionMark)
		if !isRecord(e) || e.Type != "SessionContext" || at < 0 {
			continue
		}
		numbers, _, _ := strings.Cut(e.Text[at:], ", expected ")
		if key := e.Dir + numbers; seen[key] {
			again[e.Seq] = true
		} else {
			seen[key] = true
		}
	}
	return again
}

// lastProof reports whether an exchange holds the last evidence of a metric: beneath it its fault is shown.
func lastProof(m result.Metric, events []result.Event, x exchange) bool {
	last := uint64(0)
	for _, seq := range m.Evidence[:min(len(m.Evidence), maxEvidence)] {
		if seq <= events[len(events)-1].Seq {
			last = max(last, seq)
		}
	}
	for _, place := range x {
		if events[place].Seq == last {
			return true
		}
	}
	return false
}

// arrow draws an exchange: a Message from end to end, a packet between broker and device, an act of the harness where it was done.
func arrow(events []result.Event, x exchange) chartLine {
	e := events[x[0]]
	say := strings.TrimSpace(e.Type + " " + withoutType(e))
	l := chartLine{Class: kind(e)}
	between := func(a, b, most int) {
		l.X, l.Middle, l.Text = (a+b)/2, true, oneLine(say, most)
		if e.Dir == "out" {
			l.from, l.to = a, b
		} else {
			l.from, l.to = b, a
		}
	}
	switch {
	case l.Class == "step":
		l.X, l.Text = xController-60, oneLine(strings.TrimPrefix(e.Type, "step ")+" "+e.Text, maxAcross+10)
	case l.Class == "own" && e.Layer == "script":
		l.X, l.Middle, l.Text = xBroker, true, oneLine("◆ "+say, maxAcross)
	case l.Class == "own":
		l.X, l.Text = xController+8, oneLine("◆ "+say, maxAcross)
	case e.Layer == "message" || e.Layer == "record":
		between(xController, xDevice, maxAcross)
	case discovery(e): // no broker takes part, and names are long
		say = protocol(e) + say
		l.Class += " wire"
		between(xController, xDevice, maxAcross)
	default:
		l.Class += " wire"
		between(xBroker, xDevice, maxBetween)
	}
	return l
}

// discovery reports whether an event is a packet by which a device finds its network or its Controller.
func discovery(e result.Event) bool {
	return slices.Contains([]string{"dhcp", "icmpv6", "dns", "mdns"}, e.Layer)
}

// protocol is the word before a packet whose text does not say what it is of.
func protocol(e result.Event) string {
	switch e.Layer {
	case "dns":
		return "DNS "
	case "mdns":
		return "mDNS "
	}
	return ""
}

// path is an arrow at the height y.
func path(from, to, y int) string {
	if to > from {
		return fmt.Sprintf("M%d %dH%dm-7-4l7 4-7 4", from, y, to)
	}
	return fmt.Sprintf("M%d %dH%dm7-4l-7 4 7 4", from, y, to)
}

// server is what is between controller and device.
func server(link string) string {
	switch {
	case strings.HasPrefix(link, "mqtt"):
		return "MQTT broker"
	case strings.HasPrefix(link, "stomp"):
		return "STOMP server"
	case strings.HasPrefix(link, "websocket"):
		return "WebSocket server"
	case strings.HasPrefix(link, "uds"):
		return "Unix domain socket"
	}
	return "Broker"
}

// wrapped is s in lines of at most this many characters, broken at blanks where there are any. It is the beginning of s where that needs
// more lines.
func wrapped(s string, most, lines int) []string {
	left := []rune(oneLine(s, most*lines))
	var out []string
	for len(left) > most && len(out) < lines-1 {
		end, next := most, most
		for i := most; i > most/2; i-- {
			if left[i] == ' ' {
				end, next = i, i+1
				break
			}
		}
		out, left = append(out, string(left[:end])), left[next:]
	}
	return append(out, oneLine(string(left), most))
}

// oneLine is the beginning of s, harmless and at most this many characters long.
func oneLine(s string, most int) string {
	head, left := result.Cut(s, 8*most)
	r := []rune(strings.TrimSpace(result.VisibleLine(head)))
	if len(r) > most {
		return string(r[:most-1]) + "…"
	}
	if left > 0 {
		return string(r) + "…"
	}
	return string(r)
}

// plural counts things.
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return thousands(n) + " " + word + "s"
}
