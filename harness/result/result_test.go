package result

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func metrics(verdicts ...Verdict) []Metric {
	var out []Metric
	for i, v := range verdicts {
		out = append(out, Metric{N: i + 1, Verdict: v})
	}
	return out
}

// TestCaseVerdict goes through every set of metric verdicts: the roll-up depends on which verdicts occur, not on their number.
func TestCaseVerdict(t *testing.T) {
	all := []Verdict{Pass, Fail, Error, NotReached, NotApplicable}
	for set := range 1 << len(all) {
		var some []Verdict
		has := map[Verdict]bool{}
		for i, v := range all {
			if set&(1<<i) != 0 {
				some, has[v] = append(some, v), true
			}
		}
		want := Error
		switch {
		case has[Fail]:
			want = Fail
		case has[Error], has[NotReached]:
		case has[Pass]:
			want = Pass
		}
		got, reason := CaseVerdict(metrics(some...))
		if got != want {
			t.Errorf("%v: want %s, got %s", some, want, got)
		}
		if (got == Pass) != (reason == "") {
			t.Errorf("%v: verdict %s with reason %q", some, got, reason)
		}
		if advised, _ := CaseVerdict(append(metrics(some...), Metric{N: 0, Verdict: Advice})); advised != got {
			t.Errorf("%v: with advice beyond them: want %s, got %s", some, got, advised)
		}
	}
}

func TestAnUnknownMetricVerdictIsNeverAPass(t *testing.T) {
	if got, _ := CaseVerdict(metrics(Pass, "")); got != Error {
		t.Errorf("want error, got %s", got)
	}
}

func run(verdicts ...Verdict) *Run {
	l := Link{Link: "mqtt5"}
	for _, v := range verdicts {
		l.Cases = append(l.Cases, Case{ID: "1.1", Verdict: v})
	}
	return &Run{Schema: Schema, TimeScale: 1, Links: []Link{l}}
}

func TestConclusionAndExitCode(t *testing.T) {
	for name, c := range map[string]struct {
		run  *Run
		want string
		exit int
	}{
		"all pass":                {run(Pass, Pass, Unsupported, Deprecated), Conformant, 0},
		"one fails":               {run(Pass, Fail, Error), NotConformant, 1},
		"flaky":                   {run(Pass, Flaky), Partial, 1},
		"flaky alone":             {run(Flaky), Partial, 1},
		"an error":                {run(Pass, Error), Partial, 3},
		"aborted":                 {run(Pass, Aborted), Partial, 3},
		"deselected":              {run(Pass, Deselected), Partial, 0},
		"waived":                  {run(Pass, Waived), Partial, 0},
		"nothing but waived":      {run(Waived), Partial, 0},
		"waived and an error":     {run(Pass, Waived, Error), Partial, 3},
		"waived and one fails":    {run(Pass, Waived, Fail), NotConformant, 1},
		"not automated":           {run(Pass, NotAutomated), Partial, 0},
		"no case":                 {run(), Partial, 3},
		"nothing but unsupported": {run(Unsupported), Partial, 3},
		"no link":                 {&Run{TimeScale: 1}, Partial, 3},
		"selected":                {func() *Run { r := run(Pass); r.Selectors = []string{"1.*", "2.1"}; return r }(), Partial, 0},
		"scaled":                  {func() *Run { r := run(Pass); r.TimeScale = 20; return r }(), Partial, 0},
		"tolerant":                {func() *Run { r := run(Pass); r.ToleranceMS = 1001; return r }(), Partial, 0},
		"exact":                   {func() *Run { r := run(Pass); r.ToleranceMS = 1000; return r }(), Conformant, 0},
		"trouble":                 {func() *Run { r := run(Pass); r.Links[0].Trouble = "worker died"; return r }(), Partial, 3},
		"undeclared feature": {func() *Run {
			r := run(Pass)
			r.Features = []Feature{{Number: 3, Detected: Yes}}
			return r
		}(), Partial, 0},
		"feature not shown": {func() *Run {
			r := run(Pass)
			r.Features = []Feature{{Number: 3, Declared: true, Detected: No}}
			return r
		}(), Partial, 0},
		"feature that the device refutes": {func() *Run {
			r := run(Pass, Unsupported)
			r.Links[0].Cases[1].Refuted = true
			r.Features = []Feature{{Number: 3, Declared: true, Detected: No}}
			return r
		}(), Partial, 1},
		"feature of a check alone that the device refutes": {func() *Run {
			r := run(Pass, Unsupported)
			r.Links[0].Cases[1].ID, r.Links[0].Cases[1].Refuted = "R-BULK.12", true
			r.Features = []Feature{{Number: 3, Declared: true, Detected: No}}
			return r
		}(), Partial, 0},
		"feature that cannot be reported": {func() *Run {
			r := run(Pass)
			r.Features = []Feature{{Number: 3, Declared: true, Detected: Unknown}, {Number: 4, Detected: No}, {Number: 5, Declared: true, Detected: Yes}}
			return r
		}(), Conformant, 0},
	} {
		c.run.Conclude()
		if c.run.Conclusion.Value != c.want || c.run.Conclusion.Reason == "" {
			t.Errorf("%s: want %s with a reason, got %+v", name, c.want, c.run.Conclusion)
		}
		if got := c.run.ExitCode(); got != c.exit {
			t.Errorf("%s: exit code: want %d, got %d", name, c.exit, got)
		}
	}
}

func TestADeviceThatSaysAnotherNameIsPartial(t *testing.T) {
	for name, c := range map[string]struct {
		says *Identity
		want string
	}{
		"not asked":      {nil, Conformant},
		"the same":       {&Identity{Vendor: "ACME", Software: "4.2"}, Conformant},
		"other software": {&Identity{Vendor: "ACME", Software: "4.3"}, Partial},
	} {
		r := run(Pass)
		r.Device = Device{Vendor: "ACME", Model: "X1", Software: "4.2", Says: c.says}
		if r.Conclude(); r.Conclusion.Value != c.want {
			t.Errorf("%s: want %s, got %+v", name, c.want, r.Conclusion)
		}
		if r.Device.Reference = true; len(r.Device.Mismatches()) > 0 {
			t.Errorf("%s: the reference agent has the name that the tool gives it", name)
		}
		if c.want == Partial && r.Conclusion.Reason != `software: the DUT file says "4.2", the device says "4.3"` {
			t.Errorf("%s: got %q", name, r.Conclusion.Reason)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	r := run(Pass)
	r.Links[0].Cases[0].Journal = "journal/mqtt5/1.1.jsonl"
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := write("run.json", b.String())
	write("journal/mqtt5/1.1.jsonl", `{"seq":7,"layer":"mqtt","dir":"in"}`+"\n")
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if events, err := got.Events(got.Links[0].Cases[0]); err != nil || len(events) != 1 || events[0].Seq != 7 {
		t.Fatalf("want one event 7, got %+v, %v", events, err)
	}
	if events, err := got.Events(Case{Journal: "journal/mqtt5/1.2.jsonl"}); err != nil || len(events) != 0 {
		t.Errorf("a missing journal: got %+v, %v", events, err)
	}
	write("journal/mqtt5/1.3.jsonl", `{"seq":7}`+"\n"+`{"seq":8,"te`)
	if events, err := got.Events(Case{Journal: "journal/mqtt5/1.3.jsonl"}); err == nil || len(events) != 1 {
		t.Errorf("a journal cut short: got %+v, %v", events, err)
	}
	for name, c := range map[string]struct{ content, want string }{
		"other schema": {strings.Replace(b.String(), Schema, "usptest/v9", 1), `got "usptest/v9"`},
		"cut short":    {b.String()[:b.Len()/2], "cut short"},
		"led astray":   {strings.Replace(b.String(), "journal/mqtt5/1.1.jsonl", "../../etc/passwd", 1), "journal: want journal/mqtt5/1.1.jsonl, got"},
	} {
		if _, err := Load(write("bad.json", c.content)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want an error with %q, got %v", name, c.want, err)
		}
	}
}

// TestReadJournalIsBounded reads more than there is room for.
func TestReadJournalIsBounded(t *testing.T) {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	long := Event{Text: strings.Repeat("t", maxDecoded), Decoded: strings.Repeat("d", 2*maxDecoded), Raw: make([]byte, 3*maxRaw)}
	for long.Seq = 1; b.Len() < 2*maxBulk; long.Seq++ {
		if err := lines.Encode(long); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "j"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	events, err := ReadJournal(dir, "j")
	if err != nil || len(events) != int(long.Seq)-1 {
		t.Fatalf("want %d events, got %d, %v", long.Seq-1, len(events), err)
	}
	size := 0
	for _, e := range events {
		size += len(e.Text) + len(e.Decoded) + len(e.Raw)
		if len(e.Decoded)+e.DecodedLeft != 2*maxDecoded || len(e.Raw)+e.RawLeft != 3*maxRaw {
			t.Fatalf("event %d does not tell how much is missing: %d + %d, %d + %d", e.Seq, len(e.Decoded), e.DecodedLeft, len(e.Raw), e.RawLeft)
		}
	}
	if first := events[0]; len(first.Decoded) != maxDecoded || len(first.Raw) != maxRaw || len(first.Text) != maxDecoded {
		t.Errorf("the first event has %d, %d and %d bytes", len(first.Decoded), len(first.Raw), len(first.Text))
	}
	if size > maxBulk+maxBare*len(events) {
		t.Errorf("%d bytes are kept, want at most %d", size, maxBulk)
	}
}

func TestWaits(t *testing.T) {
	r := run(Pass)
	r.WallMS = 9_140
	r.Links = []Link{
		{Link: "mqtt5", Cases: []Case{{ID: "1.53", Verdict: Pass, WaitMS: 20_000}, {ID: "1.100", Verdict: Fail, WaitMS: 120_000}, {ID: "1.102", Verdict: Pass, WaitMS: 120_000}}},
		{Link: "stomp", Cases: []Case{{ID: "1.53", Verdict: Pass, WaitMS: 20_000}, {ID: "1.1", Verdict: Pass}}},
	}
	r.Conclude()
	if want := (Waits{280_000, 120_000, "1.100"}); r.Waits != want {
		t.Errorf("want %+v, got %+v", want, r.Waits)
	}
	const want = "the plan prescribes waits of 280 s in the cases carried out, a reboot counted as 60 s, the longest in one case 120 s (1.100); the run took 9.1 s"
	if got := r.WaitLine(); got != want {
		t.Errorf("want %q, got %q", want, got)
	}
	r = run(Pass)
	r.Conclude()
	if got := r.WaitLine(); got != "the plan prescribes no wait in the cases carried out; the run took 0.0 s" {
		t.Errorf("got %q", got)
	}
}
