package html

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/usptest/usptest/fixtures/runs"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

var update = flag.Bool("update", false, "write the golden files again")

func render(t testing.TB, run *result.Run, p *plan.Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, run, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestGolden is one failing case, and what was not run, over one link; style sheet and script are left out.
func TestGolden(t *testing.T) {
	run := runs.Example()
	run.Links = run.Links[:1]
	run.Links[0].Cases = slices.DeleteFunc(run.Links[0].Cases, func(c result.Case) bool { return c.Verdict == result.Pass })
	got := render(t, run, runs.Plan())
	for _, element := range []string{"style", "script"} {
		from, to := bytes.Index(got, []byte("<"+element+">")), bytes.Index(got, []byte("</"+element+">"))
		got = slices.Delete(got, from+len(element)+2, to)
	}
	got = regexp.MustCompile(`'sha256-[^']*'`).ReplaceAll(got, nil)
	path := filepath.Join("testdata", "example.html")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with -update and look at the diff", path)
	}
}

// document is a report as a browser's parser understands it.
type document struct {
	elements []*html.Node
	ids      map[string]*html.Node
	text     string // of the body
}

func parse(t testing.TB, data []byte) document {
	t.Helper()
	// without scripts, so that the bodies of cases are elements too
	root, err := html.ParseWithOptions(bytes.NewReader(data), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	d := document{ids: map[string]*html.Node{}}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		d.elements = append(d.elements, n)
		if id := attribute(n, "id"); id != "" {
			if d.ids[id] != nil {
				t.Errorf("two elements have the id %q", id)
			}
			d.ids[id] = n
		}
	}
	d.text = inside(root)
	return d
}

// inside is the text within an element, without style sheet and script.
func inside(root *html.Node) string {
	var text strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "script" {
			text.WriteString(n.Data)
		}
	}
	return text.String()
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// besideReport is a file of the run that a case links to.
var besideReport = regexp.MustCompile(`^(journal/[0-9a-z+]+/[0-9.]+\.jsonl|capture/[0-9a-z+]+/[0-9.]+\.pcapng)$`)

// inert fails when the document could run or load anything, or holds an element or an attribute that the report does not use.
func (d document) inert(t *testing.T) {
	t.Helper()
	elements := strings.Fields(`html head meta link title style body a header p h1 div span ul li strong small dl dt dd details summary pre
		code nav main section h2 article h3 h4 bdi table thead tbody tr th td svg g rect path text tspan ol i em b br footer
		fieldset legend label input select option button output script noscript`)
	attributes := strings.Fields(`lang charset http-equiv content name rel href class aria-hidden aria-label aria-labelledby id role tabindex
		scope viewBox preserveAspectRatio x y d dy width height open title value type checked placeholder hidden aria-pressed`)
	for _, n := range d.elements {
		if !slices.Contains(elements, n.Data) {
			t.Errorf("an element that is not the report's: <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if !slices.Contains(attributes, a.Key) {
				t.Errorf("an attribute that is not the report's: <%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		switch href := attribute(n, "href"); {
		case href == "", n.Data == "link" && href == "data:,":
		case n.Data == "a" && (strings.HasPrefix(href, "https://tracker.example/") || href == result.TermsURL):
		case n.Data == "a" && besideReport.MatchString(href):
		case n.Data == "a" && strings.HasPrefix(href, "#"):
			if d.ids[href[1:]] == nil {
				t.Errorf("a link that leads nowhere: %s", href)
			}
		default:
			t.Errorf("<%s> refers to %q", n.Data, href)
		}
		if script, _ := files.ReadFile("report.js"); n.Data == "script" && n.FirstChild.Data != string(script) {
			t.Error("a script that is not the report's")
		}
		if n.Data == "style" && strings.Contains(n.FirstChild.Data, "url(") {
			t.Error("the style sheet loads something")
		}
	}
}

func TestEveryCaseHasItsPlace(t *testing.T) {
	run := runs.Example()
	d := parse(t, render(t, run, runs.Plan()))
	d.inert(t)
	for _, l := range run.Links {
		for _, c := range l.Cases {
			n := d.ids[l.Link+"-"+c.ID]
			if n == nil {
				t.Errorf("%s over %s has no place", c.ID, l.Link)
				continue
			}
			if open := slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "open" }); n.Data == "details" && open == (c.Verdict == result.Pass) {
				t.Errorf("%s over %s, %s: open is %v", c.ID, l.Link, c.Verdict, open)
			}
			for _, e := range c.Timeline {
				if d.ids[fmt.Sprintf("%s-%s-e%d", l.Link, c.ID, e.Seq)] == nil {
					t.Errorf("event %d of %s over %s has no place", e.Seq, c.ID, l.Link)
				}
			}
		}
	}
	for _, want := range []string{
		"Not conformant", "4 cases failed", "only the Broadband Forum certifies", "os::012345-A1", "R-ADD.3", "the device shows it, but it is not declared",
		"Booleans are compared by their value", "rounds TimeToLive", "Device.IP.Diagnostics.TraceRoute()", "usptest run --dut lab.yaml --link stomp 6.8",
		"active, boots next: x1-main 4.2.1 (Available)", "the procedure is adapted for", "1, 3, 6, 17, 18, 36", "its values are the ones that were set", "index out of range", "procedure adapted", "instantiated_path", "bytes as hex",
	} {
		if !strings.Contains(d.text, want) {
			t.Errorf("nowhere does it say %q", want)
		}
	}
	if strings.Contains(d.text, "A slip.") {
		t.Error("an erratum is shown that touched no verdict")
	}
}

// TestGate is a shard with a baseline: a failure of each standing, and what the first page says of both.
func TestGate(t *testing.T) {
	run := runs.Example()
	run.Shard = &result.Shard{Index: 2, Of: 3}
	run.Baseline = &result.Baseline{File: "known.json", Software: "4.1", Started: run.Started}
	run.Links[0].Cases[0].Baseline = result.Known
	run.Links[1].Cases[1].Baseline = result.Stale
	run.Links[2].Cases[0].Baseline = result.New
	run.Conclude()
	d := parse(t, render(t, run, runs.Plan()))
	d.inert(t)
	for _, want := range []string{
		"This is shard 2/3 alone",
		"Compared with the baseline known.json (software 4.1, 2 March 2026): failures 1 known, 1 new, 1 stale.",
		"known fail as in the baseline", "new fail, and", "stale pass, and",
	} {
		if !strings.Contains(strings.Join(strings.Fields(d.text), " "), want) {
			t.Errorf("nowhere does it say %q", want)
		}
	}
	for _, c := range []struct{ link, id, standing string }{{"mqtt5", "1.1", "known"}, {"mqtt3", "1.36", "stale"}, {"stomp", "1.1", "new"}} {
		if place := d.ids[c.link+"-"+c.id]; place == nil || !strings.Contains(inside(place), "Baseline"+c.standing) {
			t.Errorf("%s over %s does not say that it is %s", c.id, c.link, c.standing)
		}
	}
	if whole := parse(t, render(t, runs.Example(), runs.Plan())).text; strings.Contains(whole, "shard") || strings.Contains(whole, "baseline") {
		t.Error("a whole run without a baseline speaks of one")
	}
}

func TestHostile(t *testing.T) {
	const size = 1 << 20
	data := render(t, runs.Hostile(size), runs.Plan())
	if len(data) > 1<<20 {
		t.Errorf("values of %d bytes made a file of %d", size, len(data))
	}
	if i := bytes.IndexFunc(data, func(r rune) bool { return r != '\n' && r != '\t' && (r < ' ' || r > '~') }); i >= 0 {
		t.Errorf("there is something in the file that is not plain text: %q", data[max(0, i-40):i+10])
	}
	d := parse(t, data)
	d.inert(t)
	for _, trap := range runs.Traps {
		if !strings.Contains(d.text, result.Visible(trap)) {
			t.Errorf("%q is not shown", trap)
		}
	}
	if !strings.Contains(d.text, "cut here") {
		t.Error("nothing says that a value was cut")
	}
}

// TestPolicy holds the style sheet against the hash that alone lets a browser use it.
func TestPolicy(t *testing.T) {
	r, err := newRenderer(runs.Example(), runs.Plan())
	if err != nil {
		t.Fatal(err)
	}
	d := parse(t, render(t, runs.Example(), runs.Plan()))
	for _, n := range d.elements {
		switch {
		case n.Data == "style" && n.FirstChild.Data != string(r.style):
			t.Error("the style sheet was changed on its way into the file")
		case n.Data == "script" && n.FirstChild.Data != string(r.script):
			t.Error("the script was changed on its way into the file")
		case attribute(n, "http-equiv") == "Content-Security-Policy" && attribute(n, "content") != r.policy:
			t.Errorf("policy %q", attribute(n, "content"))
		}
	}
	if !strings.HasPrefix(r.policy, "default-src 'none'") || strings.Contains(r.policy, "unsafe") {
		t.Errorf("policy %q", r.policy)
	}
}

// large is a run of every case over four links, each with a long timeline of large events. The last ones of each link fail.
func large(failing int) *result.Run {
	run := runs.Example()
	sample := run.Links[0].Cases[0]
	run.Links = nil
	var events []result.Event
	for seq := range uint64(1000) {
		e := sample.Timeline[seq%uint64(len(sample.Timeline))]
		e.Seq, e.Decoded, e.Raw = seq+1, strings.Repeat("parameter: value\n", 100), bytes.Repeat([]byte{byte(seq)}, 2000)
		events = append(events, e)
	}
	for _, name := range []string{"mqtt5", "mqtt3", "stomp", "websocket"} {
		l := result.Link{Link: name}
		for n := range 213 {
			c := sample
			c.ID, c.Verdict = fmt.Sprintf("1.%d", n+1), result.Pass
			c.Metrics = slices.Repeat([]result.Metric{{N: 1, Verdict: result.Pass, Evidence: []uint64{700}}}, 10)
			if n >= 213-failing {
				failed := result.Metric{N: 1, Verdict: result.Fail, Want: "a", Got: strings.Repeat("b", 500), Evidence: []uint64{700}}
				c.Verdict, c.Metrics = result.Fail, slices.Repeat([]result.Metric{failed}, 8)
			}
			c.Timeline = events
			l.Cases = append(l.Cases, c)
		}
		run.Links = append(run.Links, l)
	}
	run.Conclude()
	return run
}

// TestTheFileStaysSmall cuts what is long, says so, and keeps what a failure rests on, unless there are very many.
func TestTheFileStaysSmall(t *testing.T) {
	for _, failing := range []int{1, 150} {
		data := render(t, large(failing), runs.Plan())
		if len(data) > maxFile {
			t.Fatalf("%d failures over each link: %d bytes, want at most %d", failing, len(data), maxFile)
		}
		d := parse(t, data)
		d.inert(t)
		if failing == 1 && d.ids["stomp-1.213-e700"] == nil {
			t.Error("the evidence of a failure was cut")
		}
		if !strings.Contains(d.text, "journal/mqtt5/1.1.jsonl has all of") {
			t.Error("nothing says that events were left out")
		}
	}
}

// TestNoRoomAtAll keeps verdict and metrics where nothing else fits.
func TestNoRoomAtAll(t *testing.T) {
	run := runs.Example()
	r, err := newRenderer(run, runs.Plan())
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.fit(slot{c: run.Links[0].Cases[0]}, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := parse(t, text)
	if !strings.Contains(d.text, "its values are the ones that were set") || !strings.Contains(d.text, "not shown for want of room; journal/mqtt5/1.1.jsonl has all of it") {
		t.Errorf("got %s", d.text)
	}
}

func BenchmarkLarge(b *testing.B) {
	run := large(1)
	for b.Loop() {
		render(b, run, runs.Plan())
	}
}

func TestChosen(t *testing.T) {
	events := make([]result.Event, 10)
	for i := range events {
		events[i].Seq = uint64(i + 1)
	}
	events[4].Layer = "step"
	for _, c := range []struct {
		limit int
		want  string
	}{
		{0, ".........."}, {1, "......x..."}, {2, "....x.x..."}, {4, "x...x.x..x"}, {5, "xx..x.x..x"}, {20, "xxxxxxxxxx"},
	} {
		got := ""
		for _, keep := range chosen(events, exchanges(events), map[uint64][]proof{7: {{1, result.Pass, "pass"}}}, c.limit) {
			if keep {
				got += "x"
			} else {
				got += "."
			}
		}
		if got != c.want {
			t.Errorf("limit %d: want %s, got %s", c.limit, c.want, got)
		}
	}
}

// TestHardlyAnything renders runs with next to nothing in them.
func TestHardlyAnything(t *testing.T) {
	for name, run := range map[string]*result.Run{
		"empty":     {},
		"no cases":  {Links: []result.Link{{Link: "mqtt5", Trouble: "no contact"}}},
		"clean":     runs.Clean(),
		"unknown":   {Links: []result.Link{{Link: "mqtt5", Cases: []result.Case{{ID: "x", Verdict: "flaky", Reason: "?"}}}}},
		"reference": {Device: result.Device{Reference: true, Defects: []string{"add-forgets"}}, TimeScale: 20},
	} {
		t.Run(name, func(t *testing.T) {
			parse(t, render(t, run, &plan.Plan{})).inert(t)
		})
	}
}
