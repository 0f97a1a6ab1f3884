package html

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/runs"
	"github.com/usptest/usptest/harness/result"
)

// TestExchanges puts together what carried one another, and nothing else.
func TestExchanges(t *testing.T) {
	for name, c := range map[string]struct {
		events string // layer and direction, and the type of a packet
		want   string
	}{
		"request":            {"message> record> PUBLISH> message> record> MESSAGE>", "[0 1 2] [3 4 5]"},
		"reply":              {"PUBLISH< record< message<", "[2 1 0]"},
		"connect record":     {"PUBLISH< record< record>", "[1 0] [2]"},
		"a packet alone":     {"CONNECT< CONNACK> SUBSCRIBE< PUBLISH< record< message<", "[0] [1] [2] [5 4 3]"},
		"fragments":          {"message> record> BINARY> CONTINUATION> CONTINUATION> BINARY>", "[0 1 2 3 4] [5]"},
		"fragments inwards":  {"BINARY< CONTINUATION< CONTINUATION< record< message<", "[4 3 0 1 2]"},
		"something between":  {"message> record> PINGREQ< PUBLISH>", "[0 1] [2] [3]"},
		"two before":         {"PUBLISH< PUBLISH< record<", "[0] [2 1]"},
		"a record that died": {"record> record>", "[0] [1]"},
		"nothing":            {"", ""},
	} {
		var events []result.Event
		for i, word := range strings.Fields(c.events) {
			e := result.Event{Seq: uint64(i + 1), Layer: "mqtt", Type: strings.TrimRight(word, "<>"), Dir: "out"}
			if strings.HasSuffix(word, "<") {
				e.Dir = "in"
			}
			if e.Type == "message" || e.Type == "record" {
				e.Layer = e.Type
			}
			events = append(events, e)
		}
		var got []string
		for _, x := range exchanges(events) {
			got = append(got, fmt.Sprint([]int(x)))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: want %s, got %v", name, c.want, got)
		}
	}
}

func TestWithoutMessage(t *testing.T) {
	const record = "Record\n  no_session_context\n    payload: 9 bytes, a Message\n      header\n        msg_id: \"1\"\n  after: it\n"
	if got, want := withoutMessage(record), "Record\n  no_session_context\n    payload: 9 bytes, a Message\n  after: it\n"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
	if got := withoutMessage("Record\n  version: \"1.4\"\n"); got != "Record\n  version: \"1.4\"\n" {
		t.Errorf("a Record without a Message became %q", got)
	}
}

// TestChart finds the fault beneath the event that shows it, and at the end when nothing does.
func TestChart(t *testing.T) {
	c := runs.Example().Links[0].Cases[0] // metric 4 fails by the last event
	lines := chart("mqtt5-1.1", c, "mqtt5", details[0]).Lines
	last, before := lines[len(lines)-1], lines[len(lines)-2]
	if last.Class != "fail" || !strings.Contains(last.Text, "metric 4") || !slices.Equal(last.Comment, []string{`want "true", got "false"`}) {
		t.Errorf("the last line is %+v", last)
	}
	if before.Anchor != "mqtt5-1.1-e18" || before.Class != "in wrong" || len(before.Marks) != 2 {
		t.Errorf("above the fault is %+v", before)
	}
	for i, l := range lines[1:] {
		if l.Y <= lines[i].Y {
			t.Errorf("line %d stands at %d, the one before at %d", i+1, l.Y, lines[i].Y)
		}
	}
	c.Metrics = slices.Clone(c.Metrics)
	c.Metrics[3].Evidence = nil
	if lines := chart("mqtt5-1.1", c, "mqtt5", details[0]).Lines; !strings.Contains(lines[len(lines)-1].Text, "metric 4") {
		t.Errorf("a fault without evidence is not told: %+v", lines[len(lines)-1])
	}
	c.Metrics, c.Verdict, c.Reason = nil, result.Error, "the device went away"
	if lines := chart("mqtt5-1.1", c, "mqtt5", details[0]).Lines; strings.Join(lines[len(lines)-1].Comment, " ") != c.Reason {
		t.Errorf("the reason is not told: %+v", lines[len(lines)-1])
	}
	if chart("mqtt5-1.1", result.Case{}, "mqtt5", details[0]) != nil {
		t.Error("a chart of nothing")
	}
}

// TestChartShowsTheSessionContext: each arrow with a Record of a session context has its numbers, and says when the Record came before.
// What a device writes into its Endpoint ID does not count.
func TestChartShowsTheSessionContext(t *testing.T) {
	var events []result.Event
	add := func(layer, dir, kind, text string) {
		events = append(events, result.Event{Seq: uint64(len(events) + 1), Layer: layer, Dir: dir, Type: kind, Text: text})
	}
	const lie, from = `from "self::x, session 7, sequence 7" to "self::c", version "1.4"`, `from "self::c" to "self::x", version "1.4"`
	add("message", "out", "Get", "Get 1 Device.X")
	add("record", "out", "SessionContext", "SessionContext, "+from+
		", session 3239896917479627918, sequence 2, expected 2, payload TLS12, with a MAC")
	add("mqtt", "out", "PUBLISH", "")
	for _, expected := range []string{"3", "4"} {
		add("mqtt", "in", "PUBLISH", "")
		add("record", "in", "SessionContext", "SessionContext, "+lie+", session 9, sequence 2, expected "+expected)
		add("message", "in", "GetResp", "GetResp 1")
		add("step", "own", "step 2", "wait")
	}
	add("mqtt", "in", "PUBLISH", "")
	add("record", "in", "NoSessionContext", "NoSessionContext, "+lie)
	add("message", "in", "Notify", "Notify 2")
	var got []string
	lines := chart("mqtt5-1.1", result.Case{Timeline: events, Verdict: result.Pass}, "mqtt5", details[0]).Lines
	for i, l := range lines {
		if l.Class != "step" {
			got = append(got, strings.Join(l.Comment, "|"))
		}
		if i > 0 && len(lines[i-1].Comment) > 0 && l.Y-lines[i-1].Y <= lineHeight {
			t.Errorf("line %d stands in the comment of the one before", i)
		}
	}
	want := []string{"session …627918, sequence 2, expected 2, payload TLS12, with a MAC", "session 9, sequence 2, expected 3",
		"session 9, sequence 2, expected 4, again", ""}
	if !slices.Equal(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}

// TestChartShowsDiscovery: packets of discovery go past the broker, and there is room for the vendor class, names and types.
func TestChartShowsDiscovery(t *testing.T) {
	var events []result.Event
	var want []string
	add := func(layer, dir, kind, text, shown string) {
		events = append(events, result.Event{Seq: uint64(len(events) + 1), Layer: layer, Dir: dir, Type: kind, Text: text})
		want = append(want, dir+" wire: "+shown)
	}
	add("icmpv6", "in", "router solicitation", "", "router solicitation")
	add("dhcp", "in", "DISCOVER", `DHCPv4 of 1a:a6:ad:63:fe:20 vendor class 3561 ["usp"]`,
		`DISCOVER DHCPv4 of 1a:a6:ad:63:fe:20 vendor class 3561 ["usp"]`)
	add("dhcp", "out", "OFFER", "DHCPv4 of 1a:a6:ad:63:fe:20", "OFFER DHCPv4 of 1a:a6:ad:63:fe:20")
	add("dns", "in", "query", "usptest-abcdefghij.example. A", "DNS query usptest-abcdefghij.example. A")
	add("dns", "out", "answer", "usptest-abcdefghij.example. A; usptest-abcdefghij.example. 10 IN A 10.69.85.1",
		"DNS answer usptest-abcdefghij.example. A; usptest-abcdefghij.example. 10 …")
	add("mdns", "in", "probe", "proto::usptest-agent-1._usp-agt-mqtt._tcp.local. ANY",
		"mDNS probe proto::usptest-agent-1._usp-agt-mqtt._tcp.local. ANY")
	var got []string
	for _, l := range chart("mqtt5-8.1", result.Case{Timeline: events, Verdict: result.Pass}, "mqtt5", details[0]).Lines {
		got = append(got, l.Class+": "+l.Text)
		out := strings.HasPrefix(l.Class, "out")
		if min(l.from, l.to) != xController || max(l.from, l.to) != xDevice || (l.from == xController) != out {
			t.Errorf("%s goes from %d to %d", l.Text, l.from, l.to)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("want\n%s\ngot\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}

// TestRoomIsShared lets what is short leave its share to what is long.
func TestRoomIsShared(t *testing.T) {
	of := func(weight int, sizes ...int) slot {
		s := slot{weight: weight}
		for level := range s.sizes {
			s.sizes[level] = sizes[min(level, len(sizes)-1)]
		}
		return s
	}
	slots := []slot{of(1, 10), of(1, 10), of(1, 200, 90, 40)}
	for room, want := range map[int]int{1000: 1000, 220: 220, 219: 199, 110: 110, 109: 89, 59: 0} {
		if got := share(slots, room); got != want {
			t.Errorf("of %d: want %d, got %d", room, want, got)
		}
	}
}

// TestOneFindingForManyCases tells a fault once, with all its cases.
func TestOneFindingForManyCases(t *testing.T) {
	run := &result.Run{Links: []result.Link{{Link: "mqtt5"}, {Link: "stomp"}}}
	for l := range run.Links {
		for n := range 9 {
			run.Links[l].Cases = append(run.Links[l].Cases, result.Case{ID: fmt.Sprint("1.", n+1), Verdict: result.Fail,
				Metrics: []result.Metric{{N: 1, Verdict: result.Fail, Where: "reply to Add", Want: "AddResp", Got: "Error 7003"}}})
		}
	}
	run.Links[0].Cases[0].Metrics[0].Got = "nothing"
	run.Conclude()
	r, err := newRenderer(run, runs.Plan())
	if err != nil {
		t.Fatal(err)
	}
	found, more := r.findings()
	if len(found) != 2 || more != 0 {
		t.Fatalf("want 2 findings, got %d and %d more", len(found), more)
	}
	if f := found[0]; len(f.Cases) != maxFirst || len(f.Cases)+len(f.Rest) != 9 || f.Got.Head != "Error 7003" || len(f.Cases[1].Links) != 2 {
		t.Errorf("the first finding: %+v", f)
	}
}

// TestNearestMiss leads to the event that came closest, where there is no other evidence.
func TestNearestMiss(t *testing.T) {
	metrics := []result.Metric{
		{N: 1, Verdict: result.Fail, Where: "no Notify within 4s; nearest: event 113, Notify: want a, got b"},
		{N: 2, Verdict: result.Fail, Got: "none; nearest: event 9", Evidence: []uint64{5}},
		{N: 3, Verdict: result.Fail, Note: "nearest: event x"},
		{N: 4, Verdict: result.Pass},
	}
	var got []string
	for _, m := range withNearest(metrics) {
		got = append(got, fmt.Sprint(m.Evidence))
	}
	if want := "[113] [5] [] []"; strings.Join(got, " ") != want {
		t.Errorf("want %s, got %v", want, got)
	}
	if metrics[0].Evidence != nil {
		t.Error("the run itself was changed")
	}
}

// TestALongFindingIsWrappedInTheChart holds every character of it, and the room it takes.
func TestALongFindingIsWrappedInTheChart(t *testing.T) {
	c := runs.Example().Links[0].Cases[0]
	c.Metrics = slices.Clone(c.Metrics)
	c.Metrics[3].Want = strings.TrimSpace(strings.Repeat("one of many words ", 12)) + strings.Repeat("x", 2*maxFinding)
	view := chart("mqtt5-1.1", c, "mqtt5", details[0])
	last := view.Lines[len(view.Lines)-1]
	for _, line := range last.Comment {
		if n := len([]rune(line)); n > maxFinding {
			t.Errorf("a line of %d characters: %q", n, line)
		}
	}
	blanks := strings.NewReplacer(" ", "")
	if got, want := blanks.Replace(strings.Join(last.Comment, "")), blanks.Replace("want "+c.Metrics[3].Want+`, got "false"`); got != want || len(last.Comment) < 4 {
		t.Errorf("want %q in some lines, got %q", want, last.Comment)
	}
	if bottom := last.Y + moreHeight*len(last.Comment); view.Foot < bottom {
		t.Errorf("the text ends at %d, the chart at %d", bottom, view.Foot)
	}
	c.Metrics[3].Want = strings.Repeat("y", 100*maxFinding)
	lines := chart("mqtt5-1.1", c, "mqtt5", details[0]).Lines
	if told := lines[len(lines)-1].Comment; len(told) != findings || !strings.HasSuffix(told[findings-1], "…") {
		t.Errorf("want %d lines, the last cut, got %q", findings, told)
	}
}
