package console

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/usptest/usptest/fixtures/runs"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

var update = flag.Bool("update", false, "write the golden files again")

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the diff. got:\n%s", path, got)
	}
}

// TestBlock holds the block of a failure against the form that the documentation shows, blank for blank.
func TestBlock(t *testing.T) {
	p := &plan.Plan{Cases: []plan.Case{{ID: "1.1", Requirements: []string{"R-ADD.3"},
		Metrics: []plan.Metric{{N: 4, Text: "its values are the ones that were set"}}}}}
	run := &result.Run{Plan: result.Plan{ID: "TP-469", Version: "1.4.0"}, Links: []result.Link{{Link: "mqtt5"}},
		AgainCase: []string{"usptest", "run", "--dut", "lab.yaml"}}
	c := result.Case{ID: "1.1", Title: "Add, allow_partial false, one object", Verdict: result.Fail,
		Metrics: []result.Metric{{N: 1, Verdict: result.Pass}, {N: 2, Verdict: result.Pass}, {N: 3, Verdict: result.Pass},
			{N: 4, Verdict: result.Fail, Where: "Device.LocalAgent.Subscription.3.Enable", Want: `"true"`, Got: `"false"`, Evidence: []uint64{42}}},
		CleanUp: []result.CleanUp{{Name: "deleted Subscription.3"}},
		Timeline: []result.Event{{Seq: 40, AtMS: 100, Layer: "message", Dir: "in", Type: "AddResp"}, {Seq: 41, AtMS: 101, Layer: "message", Dir: "out", Type: "Get"},
			{Seq: 42, AtMS: 903, Layer: "message", Dir: "in", Type: "GetResp"}}}
	want := `fail 1.1 Add, allow_partial false, one object                                             mqtt5
  metric 4  its values are the ones that were set
    want  Device.LocalAgent.Subscription.3.Enable = "true"
    got   "false"   in GetResp, event 42, 0.8 s after the AddResp
  metrics 1-3 pass; clean-up: deleted Subscription.3
  plan TP-469 1.4.0 / 1.1   TR-369 R-ADD.3   report.html#mqtt5-1.1   again: usptest run --dut lab.yaml 1.1
`
	var b strings.Builder
	Options{Report: "report.html"}.block(&b, run, p, "mqtt5", c)
	if b.String() != want {
		t.Errorf("want\n%s\ngot\n%s", want, b.String())
	}
}

// A case that passes says what it advises, where it has a line at all.
func TestAPassWithAdviceSaysIt(t *testing.T) {
	c := result.Case{ID: "10.1", Title: "a case", Verdict: result.Pass, Metrics: []result.Metric{{N: 1, Verdict: result.Pass},
		{N: 0, Verdict: result.Advice, Where: "Date", Want: "none", Got: "one", Note: "beyond the plan: TR-181"}}}
	for _, test := range []struct {
		o    Options
		want string
	}{{Options{}, "\n  advice  Date: want none, got one\n"}, {Options{Quiet: true}, ""}} {
		var b strings.Builder
		test.o.finished(&b, &result.Run{}, &plan.Plan{}, "mqtt5", c, map[string]string{})
		if _, got, _ := strings.Cut(b.String(), "mqtt5"); got != test.want {
			t.Errorf("quiet %t: want %q, got %q", test.o.Quiet, test.want, got)
		}
	}
}

// A reply is distinguished from what the device said before it.
func TestTheTimeOfAReplyIsToldSinceAnotherMessage(t *testing.T) {
	message := func(seq uint64, at float64, kind string) result.Event {
		return result.Event{Seq: seq, AtMS: at, Layer: "message", Dir: "in", Type: kind}
	}
	timeline := []result.Event{message(1, 100, "AddResp"), message(2, 1100, "GetResp"), message(3, 1600, "GetResp")}
	if got, want := evidence(timeline, "in", []uint64{3}), "in GetResp, event 3, 1.5 s after the AddResp"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
	if got, want := evidence(timeline[1:], "in", []uint64{3}), "in GetResp, event 3, 1.6 s into the case"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

// What did not come has no event; the one after which it was awaited is shown.
func TestSilenceIsToldSinceAnEvent(t *testing.T) {
	for name, test := range map[string]struct {
		event result.Event
		want  string
	}{
		"a packet": {result.Event{Seq: 42, AtMS: 200, Layer: "mqtt", Dir: "in", Type: "SUBSCRIBE"}, "    got   no Pong   since SUBSCRIBE, event 42, 0.2 s into the case\n"},
		"a step":   {result.Event{Seq: 42, AtMS: 200, Layer: "step", Dir: "own", Type: "step 3"}, "    got   no Pong   since step 3, event 42, 0.2 s into the case\n"},
		"a remark": {result.Event{Seq: 42, AtMS: 200, Layer: "lab", Dir: "own", Type: "note"}, "    got   no Pong   since event 42, 0.2 s into the case\n"},
	} {
		var b strings.Builder
		Options{}.metric(&b, plan.Case{}, result.Case{Timeline: []result.Event{test.event}}, result.Metric{N: 1, Where: "no Pong", Evidence: []uint64{42}})
		if !strings.Contains(b.String(), test.want) {
			t.Errorf("%s: want\n%s\ngot\n%s", name, test.want, b.String())
		}
	}
}

func TestRender(t *testing.T) {
	for name, c := range map[string]struct {
		run *result.Run
		o   Options
	}{
		"example.txt": {runs.Example(), Options{Report: "report.html"}},
		"quiet.txt":   {runs.Example(), Options{Quiet: true}},
		"verbose.txt": {runs.Example(), Options{Verbose: true, Report: "report.html"}},
		"clean.txt":   {runs.Clean(), Options{}},
		"colour.txt":  {runs.Example(), Options{Color: true, Report: "report.html"}},
	} {
		var b bytes.Buffer
		if err := Render(&b, c.run, runs.Plan(), c.o); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

func TestOtherFirmwareIsToldOnce(t *testing.T) {
	run := runs.Clean()
	run.Links[0].LeftOn = "the device is left on a firmware of the test"
	var b bytes.Buffer
	if err := Render(&b, run, runs.Plan(), Options{}); err != nil {
		t.Fatal(err)
	}
	if line := "firmware " + run.LeftOn(); !strings.HasPrefix(b.String(), line) || strings.Count(b.String(), line) != 1 {
		t.Errorf("want one line %q, the first, got\n%s", line, b.String())
	}
	b.Reset()
	New(&b, runs.Plan(), Options{}).Done(run, result.ExitError, nil)
	if line := "firmware " + run.LeftOn(); strings.Count(b.String(), line) != 1 {
		t.Errorf("want one line %q, got\n%s", line, b.String())
	}
}

// TestNothingSteersTheTerminal puts traps everywhere a device can and looks for anything but text in the output.
func TestNothingSteersTheTerminal(t *testing.T) {
	const size = 1 << 20
	var b bytes.Buffer
	if err := Render(&b, runs.Hostile(size), runs.Plan(), Options{Verbose: true, Report: "report.html"}); err != nil {
		t.Fatal(err)
	}
	if got := result.Visible(b.String()); got != b.String() {
		t.Error("there is something in the output that is not plain text")
	}
	if b.Len() > 64<<10 {
		t.Errorf("a value of %d bytes made %d bytes of output", size, b.Len())
	}
	if !strings.Contains(b.String(), `\x1b[2J`) {
		t.Error("the terminal sequence is not shown at all")
	}
}

// live plays a run as a runner reports it.
func live(t *testing.T, o Options, run *result.Run, exit int) string {
	t.Helper()
	var b bytes.Buffer
	now := time.Unix(0, 0)
	o.Now = func() time.Time { now = now.Add(time.Second); return now }
	p := New(&b, runs.Plan(), o)
	var totals []Total
	for _, l := range run.Links {
		var ids []string
		for _, c := range l.Cases {
			if !c.Started.IsZero() {
				ids = append(ids, c.ID)
			}
		}
		totals = append(totals, Total{Link: l.Link, Cases: ids})
	}
	p.Start(run, totals)
	p.Note("the device is up")
	for _, l := range run.Links {
		for _, c := range l.Cases {
			if !c.Started.IsZero() {
				p.CaseStarted(l.Link, c.ID)
			}
			p.CaseDone(l.Link, c)
		}
	}
	p.Done(run, exit, []string{"out/run.json", "out/report.html"})
	return b.String()
}

func TestProgressInAFile(t *testing.T) {
	run := runs.Example()
	golden(t, "progress.txt", live(t, Options{Report: "report.html"}, run, run.ExitCode()))
}

func TestProgressOnATerminal(t *testing.T) {
	run := runs.Example()
	const width = 60
	got := live(t, Options{Terminal: true, Width: func() int { return width }}, run, run.ExitCode())
	if !strings.Contains(got, "[########................] 17/50") {
		t.Errorf("the bar does not show how far the run is: %q", got)
	}
	if !regexp.MustCompile(`17/50  \d+:\d\d, about \d+:\d\d left`).MatchString(got) || strings.Contains(got, "0/50  0:01, about") {
		t.Errorf("want the time that is left as soon as it can be reported: %q", got)
	}
	for _, part := range strings.Split(got, eraseLine) {
		lines := strings.Split(part, "\n")
		for i, line := range lines {
			switch last := i == len(lines)-1; {
			case strings.HasPrefix(line, "[") && !last:
				t.Errorf("a status line was left behind: %q", line)
			case last && utf8.RuneCountInString(line) >= width:
				t.Errorf("a status line fills a terminal of %d columns: %q", width, line)
			}
		}
	}
	if strings.Contains(got, "\npass ") {
		t.Error("a passed case has a line of its own on a terminal")
	}
}

// TestAPersonOwnsTheTerminal: what is to be done stays the last text until it is answered, whatever else happens and however often the
// status line is drawn again; what happened meanwhile follows.
func TestAPersonOwnsTheTerminal(t *testing.T) {
	for name, o := range map[string]Options{"on a terminal": {Terminal: true}, "in a file": {}, "quiet": {Quiet: true, Terminal: true}} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			run := runs.Example()
			p := New(&b, runs.Plan(), o)
			p.Start(run, []Total{{Link: "mqtt5", Cases: []string{"1.1", "1.2"}}})
			over := p.Ask("mqtt5: please reboot the device")
			before := b.Len()
			p.Note("the device is up")
			p.CaseStarted("stomp", "1.1")
			p.CaseDone("stomp", result.Case{ID: "1.1", Title: "Add", Verdict: result.Fail})
			const plea = "mqtt5: please reboot the device now, then press Enter\n"
			if meanwhile := b.String()[before:]; strings.Contains(meanwhile, "\n") || !strings.Contains(b.String()[:before], plea) {
				t.Errorf("want the plea alone before the answer, got %q and then %q", b.String()[:before], meanwhile)
			}
			if waits := strings.Count(b.String(), eraseLine+"waiting for a person, 0:0") > 0; waits != (o.Terminal && !o.Quiet) {
				t.Errorf("a status line says that a person is waited for: %v", waits)
			}
			before = b.Len()
			over(true)
			after := b.String()[before:]
			noted := strings.Contains(after, "the device is up")
			if !strings.Contains(after, "fail 1.1") || noted == o.Quiet || strings.Contains(after, "waiting for") {
				t.Errorf("got %q after the answer", after)
			}
			if up := strings.HasPrefix(after, backUp); up != (o.Terminal && !o.Quiet) {
				t.Errorf("the line that Enter left behind is cleared: %v", up)
			}
			p.Ask("mqtt5: please reboot the device")
			before = b.Len()
			p.Note("interrupted")
			p.Stop() // the run was interrupted
			if last := b.String()[before:]; strings.Contains(last, "interrupted") == o.Quiet {
				t.Errorf("got %q at the end", last)
			}
		})
	}
}

func TestQuietProgress(t *testing.T) {
	if got := live(t, Options{Quiet: true, Terminal: true}, runs.Clean(), 0); strings.ContainsAny(got, "\r\x1b") || strings.Contains(got, "up") || !strings.Contains(got, "exit 0") {
		t.Errorf("want the summary alone, got %q", got)
	}
}

// TestOneTroubleIsToldOnce is a device that never connected: each of its cases has the same error.
func TestOneTroubleIsToldOnce(t *testing.T) {
	l := result.Link{Link: "mqtt5", Trouble: "no CONNECT within 120s"}
	for range 50 {
		l.Cases = append(l.Cases, result.Case{ID: "1.1", Verdict: result.Error, Reason: l.Trouble, Metrics: []result.Metric{{N: 1, Verdict: result.NotReached}}})
	}
	var b bytes.Buffer
	if err := Render(&b, &result.Run{TimeScale: 1, Links: []result.Link{l}}, &plan.Plan{}, Options{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), l.Trouble); n != 2 { // in the first block and in the summary
		t.Errorf("the reason stands there %d times, want 2", n)
	}
}

// TestALongCauseIsReadInFull: on a terminal in lines that fit it, in a file in one.
func TestALongCauseIsReadInFull(t *testing.T) {
	headline := "The setup: " + strings.Repeat("the device refuses the certificate ", 15) + "for good."
	run := &result.Run{TimeScale: 1, Causes: []result.Cause{{Verdict: result.Error, Headline: headline}}}
	for name, o := range map[string]Options{"terminal": {Terminal: true, Width: func() int { return 60 }}, "file": {}} {
		var b strings.Builder
		o.causes(&b, run)
		if got := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(got, headline) {
			t.Errorf("%s: want the whole headline, got %s", name, got)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(line); o.Terminal && n > 60 {
				t.Errorf("%s: a line of %d columns: %s", name, n, line)
			}
		}
		if whole := strings.Contains(b.String(), headline); whole == o.Terminal {
			t.Errorf("%s: in one line: %v", name, whole)
		}
	}
}

func TestDetect(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if o := Detect(f, func(string) string { return "" }); o.Terminal || o.Color || o.width() != fileWidth {
		t.Errorf("a file is no terminal: %+v", o)
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		terminal        bool
		env             map[string]string
		status, colours bool
	}{
		{false, nil, false, false},
		{true, nil, true, true},
		{true, map[string]string{"NO_COLOR": "1"}, true, false},
		{true, map[string]string{"TERM": "dumb"}, false, false},
		{true, map[string]string{"CI": "true"}, false, false},
	} {
		if o := choose(c.terminal, func(k string) string { return c.env[k] }); o.Terminal != c.status || o.Color != c.colours {
			t.Errorf("terminal %v, %v: got status line %v, colours %v", c.terminal, c.env, o.Terminal, o.Color)
		}
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"1": {1}, "1-2": {1, 2}, "1-3, 5, 7-8": {1, 2, 3, 5, 7, 8}, "": nil} {
		if got := ranges(numbers); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

// TestAnUnknownVerdictIsCounted keeps a verdict that this version does not know from vanishing.
func TestAnUnknownVerdictIsCounted(t *testing.T) {
	run := &result.Run{TimeScale: 1, Links: []result.Link{{Link: "mqtt5", Cases: []result.Case{{ID: "1.1", Verdict: "flaky"}}}}}
	var b bytes.Buffer
	if err := Render(&b, run, &plan.Plan{}, Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "flaky") {
		t.Errorf("got %s", b.String())
	}
}

// TestDiff compares the example with a run in which every kind of change occurs.
func TestDiff(t *testing.T) {
	older, newer := runs.Example(), runs.Example()
	newer.Device.Software = "4.3.0"
	newer.Links = newer.Links[:4]
	first := newer.Links[0].Cases
	first[0].Verdict, first[0].Reason = result.Pass, ""
	first[1].Verdict, first[1].Reason = result.Fail, "metric 1: want \"true\", got \"\x1b[2Jfalse\""
	first[5].Verdict, first[5].Reason = result.Pass, ""
	first[9].Verdict, first[9].Reason = result.Unsupported, "needs feature 1"
	newer.Links[2].Cases[0].Verdict, newer.Links[2].Cases[0].Reason = result.Error, "the lab command ended with exit status 7"
	var b bytes.Buffer
	if err := Diff(&b, older, newer, runs.Plan(), Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "diff.txt", b.String())
}

// TestBaseline shows a run with a failure of each standing.
func TestBaseline(t *testing.T) {
	run := runs.Example()
	run.Baseline = &result.Baseline{File: "known.json", Software: "4.1", Started: run.Started}
	run.Links = run.Links[:3]
	run.Links[0].Cases[0].Baseline = result.Known
	run.Links[1].Cases[1].Baseline = result.Stale
	run.Links[2].Cases[0].Baseline = result.New
	run.Conclude()
	var b bytes.Buffer
	if err := Render(&b, run, runs.Plan(), Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "baseline.txt", b.String())
	for code, want := range map[int]string{result.ExitPassed: "no failures except known and waived ones", result.ExitDeviceFault: "a " +
		"device fault"} {
		if got := exit(run, code); got != want {
			t.Errorf("exit %d: want %q, got %q", code, want, got)
		}
	}
}

func TestAFailureByHandExplainsTheExitCode(t *testing.T) {
	run := runs.Clean()
	if run.Links[0].Cases[0].Verdict = result.FailByHand; run.ExitCode() != result.ExitDeviceFault {
		t.Fatal("it is no failure")
	}
	if got := exit(run, result.ExitDeviceFault); got != "no new failure that usptest saw, but one by hand" {
		t.Errorf("got %q", got)
	}
}

func TestForecast(t *testing.T) {
	run := *runs.Clean()
	run.Links = []result.Link{
		{Link: "mqtt5", Cases: []result.Case{{ID: "1.5", Verdict: result.Error, Reason: "needs reboot"},
			{ID: "1.4", Verdict: result.Unsupported, Reason: "needs feature 2"}}},
		{Link: "stomp", Cases: []result.Case{{ID: "1.5", Verdict: result.Error, Reason: "needs reboot"}}}}
	f := &result.Forecast{Run: &run, AtOnce: 2, Takes: 3 * time.Hour, Notes: []string{"8.1: a network is tried when the run begins"},
		ToRun: []result.Planned{{Link: "mqtt5", ID: "1.10", Title: "Ten", Takes: time.Second},
			{Link: "stomp", ID: "1.10", Title: "Ten", Takes: time.Second},
			{Link: "stomp", ID: "1.2", Title: "Two", Takes: 179 * time.Minute}}}
	for name, o := range map[string]Options{"forecast.txt": {}, "forecast-quiet.txt": {Quiet: true}} {
		var b bytes.Buffer
		if err := Forecast(&b, f, o); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}
