package result

import (
	"bytes"
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
		"an error":                {run(Pass, Error), Partial, 3},
		"aborted":                 {run(Pass, Aborted), Partial, 3},
		"deselected":              {run(Pass, Deselected), Partial, 0},
		"waived":                  {run(Pass, Waived), Partial, 0},
		"not automated":           {run(Pass, NotAutomated), Partial, 0},
		"no case":                 {run(), Partial, 3},
		"nothing but unsupported": {run(Unsupported), Partial, 3},
		"no link":                 {&Run{TimeScale: 1}, Partial, 3},
		"selected":                {func() *Run { r := run(Pass); r.Selectors = []string{"1.*", "2.1"}; return r }(), Partial, 0},
		"scaled":                  {func() *Run { r := run(Pass); r.TimeScale = 20; return r }(), Partial, 0},
		"trouble":                 {func() *Run { r := run(Pass); r.Links[0].Trouble = "worker died"; return r }(), Partial, 3},
		"undeclared feature": {func() *Run {
			r := run(Pass)
			r.Features = []Feature{{Number: 3, Detected: "yes"}}
			return r
		}(), Partial, 0},
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
	if err != nil || len(got.Links[0].Cases[0].Timeline) != 1 || got.Links[0].Cases[0].Timeline[0].Seq != 7 {
		t.Fatalf("want one event 7, got %+v, %v", got, err)
	}
	for name, c := range map[string]struct{ content, want string }{
		"other schema": {strings.Replace(b.String(), Schema, "usptest/v9", 1), `got "usptest/v9"`},
		"cut short":    {b.String()[:b.Len()/2], "cut short"},
		"led astray":   {strings.Replace(b.String(), "journal/mqtt5/1.1.jsonl", "../../etc/passwd", 1), "escapes"},
	} {
		if _, err := Load(write("bad.json", c.content)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want an error with %q, got %v", name, c.want, err)
		}
	}
}
