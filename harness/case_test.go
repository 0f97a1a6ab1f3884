package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

func pass(*Metric) {}

func broken(m *Metric) { m.Must(&usp.Mismatch{Where: "thing", Want: "one", Got: "two"}) }

// metricsOf are the verdicts of a case's metrics.
func metricsOf(r result.Case) string {
	var words []string
	for _, m := range r.Metrics {
		words = append(words, fmt.Sprintf("%d %s", m.N, m.Verdict))
	}
	return strings.Join(words, "; ")
}

// TestARequirementThatIsNewerThanTheDevice has no verdict: the device is held to the version of USP that its Records have.
func TestARequirementThatIsNewerThanTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newBench(t, usp.Params{"Device.X.P": "v"})
		p := planned(2)
		p.Metrics[0].Since, p.Metrics[1].Since = "9.9", usp.Version
		r, _ := b.Run(t.Context(), p, func(c *Case) {
			if _, err := c.Read("Device.X.P"); err != nil {
				t.Error(err)
			}
			if !c.Metric(1, func(*Metric) { t.Error("the first metric is judged") }) {
				t.Error("the body ends")
			}
			c.Metric(2, broken)
		})
		want := "what it tests came with USP 9.9; the device speaks USP " + usp.Version
		if metricsOf(r) != "1 not-applicable; 2 fail" || r.Metrics[0].Note != want {
			t.Errorf("got %s, %q", metricsOf(r), r.Metrics[0].Note)
		}
	})
}

func TestVerdicts(t *testing.T) {
	for name, test := range map[string]struct {
		body    Body
		verdict result.Verdict
		reason  string
		metrics string
	}{
		"every metric passes": {func(c *Case) { c.Metric(1, pass); c.Metric(2, pass) }, result.Pass, "", "1 pass; 2 pass"},
		"in any order":        {func(c *Case) { c.Metric(2, pass); c.Metric(1, pass) }, result.Pass, "", "1 pass; 2 pass"},
		"one fails": {func(c *Case) { c.Metric(1, pass); c.Metric(2, broken) }, result.Fail,
			"metric 2: thing: want one, got two", "1 pass; 2 fail"},
		"the first fails": {func(c *Case) { c.Metric(1, broken) }, result.Fail,
			"metric 1: thing: want one, got two", "1 fail; 2 not-reached"},
		"nothing is judged": {func(*Case) {}, result.Error, "case body ended without judging metric 1", "1 not-reached; 2 not-reached"},
		"one is not judged": {func(c *Case) { c.Metric(1, pass) }, result.Error,
			"case body ended without judging metric 2", "1 pass; 2 not-reached"},
		"judged twice": {func(c *Case) { c.Metric(1, pass); c.Metric(1, pass) }, result.Error,
			"harness bug: case 1.1: metric 1 judged twice; please report it with this case's journal", "1 pass; 2 not-reached"},
		"a failed one judged again": {func(c *Case) { c.Metric(1, broken); c.Metric(1, pass) }, result.Fail,
			"metric 1: thing: want one, got two",
			"1 fail; 2 not-reached; 0 error"},
		"a metric too many": {func(c *Case) { c.Metric(1, pass); c.Metric(2, pass); c.Metric(3, pass) }, result.Error,
			"harness bug: case 1.1 has 2 metrics in the plan, body judged metric 3; please report it with this case's journal", "1 pass; 2 pass"},
		"metric 0": {func(c *Case) { c.Metric(0, pass) }, result.Error,
			"harness bug: case 1.1 has 2 metrics in the plan, body judged metric 0; please report it with this case's journal", "1 not-reached; 2 not-reached"},
		"one without meaning": {func(c *Case) { c.Metric(1, pass); c.NotApplicable(2, "no such thing") }, result.Pass,
			"", "1 pass; 2 not-applicable"},
		"all without meaning": {func(c *Case) { c.NotApplicable(1, ""); c.NotApplicable(2, "") }, result.Error,
			"case body judged no metric", "1 not-applicable; 2 not-applicable"},
		"a failure has a meaning": {func(c *Case) { c.Metric(1, broken); c.NotApplicable(1, "") }, result.Fail,
			"metric 1: thing: want one, got two",
			"1 fail; 2 not-reached; 0 error"},
		"no meaning, then judged": {func(c *Case) { c.NotApplicable(1, ""); c.Metric(1, pass) }, result.Error,
			"harness bug: case 1.1: metric 1 judged twice; please report it with this case's journal", "1 not-applicable; 2 not-reached"},
		"a need that the table lacks": {func(c *Case) { c.Uses(plan.NeedFirmware) }, result.Error,
			"harness bug: case 1.1: the body needs firmware-images, which is not among its needs in the plan's table; please report it with this case's journal",
			"1 not-reached; 2 not-reached"},
		"panic": {func(c *Case) { panic("boom") }, result.Error,
			"harness bug: boom; please report it with this case's journal", "1 not-reached; 2 not-reached"},
		"panic in a metric": {func(c *Case) { c.Metric(1, func(*Metric) { panic("boom") }) }, result.Error,
			"harness bug: boom; please report it with this case's journal", "1 not-reached; 2 not-reached"},
		"panic after all passed": {func(c *Case) { c.Metric(1, pass); c.Metric(2, pass); panic("boom") }, result.Error,
			"harness bug: boom; please report it with this case's journal", "1 pass; 2 pass"},
		"a proven fault outlives a panic": {func(c *Case) { c.Metric(1, broken); panic("boom") }, result.Fail,
			"metric 1: thing: want one, got two",
			"1 fail; 2 not-reached; 0 error"},
		"a proven fault outlives the lab": {func(c *Case) { c.Metric(1, broken); c.LabMust(errors.New("no power")) }, result.Fail,
			"metric 1: thing: want one, got two", "1 fail; 2 not-reached; 0 error"},
		"a proven fault blocks": {func(c *Case) { c.Metric(1, broken); c.DeviceMust(errors.New("refused")) }, result.Fail,
			"metric 1: thing: want one, got two", "1 fail; 2 not-reached"},
		"the device blocks": {func(c *Case) { c.Metric(1, pass); c.DeviceMust(errors.New("refused")); c.Metric(2, pass) }, result.Fail,
			"refused", "1 pass; 2 not-reached"},
		"the lab blocks": {func(c *Case) { c.LabMust(errors.New("no power")); c.Metric(1, pass) }, result.Error,
			"no power", "1 not-reached; 2 not-reached"},
		"blocked in a metric": {func(c *Case) { c.Metric(1, func(*Metric) { c.DeviceMust(errors.New("refused")) }) }, result.Fail,
			"refused", "1 not-reached; 2 not-reached"},
		"the device lacks it": {func(c *Case) { c.Unsupported("no such command") }, result.Unsupported,
			"no such command", "1 not-reached; 2 not-reached"},
		"a rule beyond the plan is broken": {func(c *Case) { c.Metric(1, pass); c.Metric(2, pass); c.Beyond("TR-181", broken) }, result.Fail,
			"metric 0: thing: want one, got two", "1 pass; 2 pass; 0 fail"},
		"advice beyond the plan": {func(c *Case) { c.Metric(1, pass); c.Metric(2, pass); c.Advise("TR-181", broken) }, result.Pass,
			"", "1 pass; 2 pass; 0 advice"},
		"nothing blocks": {func(c *Case) { c.DeviceMust(nil); c.LabMust(nil); c.Metric(1, pass); c.Metric(2, pass) }, result.Pass,
			"", "1 pass; 2 pass"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newBench(t, nil)
			r, dirty := b.Run(t.Context(), planned(2), test.body)
			if r.Verdict != test.verdict || r.Reason != test.reason || metricsOf(r) != test.metrics {
				t.Errorf("got %s %q, %s", r.Verdict, r.Reason, metricsOf(r))
			}
			if dirty != (test.verdict != result.Pass && test.verdict != result.Unsupported) {
				t.Errorf("dirty: got %v", dirty)
			}
			if r.ID != "1.1" || r.Title != "a case" || r.Started.IsZero() {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestEvidenceIsNamedOnce(t *testing.T) {
	b, _ := newBench(t, nil)
	r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
		c.Metric(1, func(m *Metric) {
			m.Saw(5, 7)
			m.Saw(5, 0)
		})
	})
	if got := r.Metrics[0].Evidence; !slices.Equal(got, []uint64{5, 7}) {
		t.Errorf("want events 5 and 7, got %v", got)
	}
}

// What ends the body of a case behind a proven fault is in the report beside it.
func TestAnErrorBehindAFaultIsInTheReport(t *testing.T) {
	for name, test := range map[string]struct {
		body Body
		want string
	}{
		"a bug":      {func(*Case) { panic("boom") }, "harness bug: boom; please report it with this case's journal"},
		"the lab":    {func(c *Case) { c.LabMust(errors.New("no power")) }, "no power"},
		"its budget": {func(c *Case) { <-c.Done() }, "the case did not end within its budget of 1m6s"},
		"a wait too long": {func(c *Case) {
			c.DeviceMust(c.Eventually(time.Hour, func() error { return errors.New("not yet") }))
		}, "the case did not end within its budget of 1m6s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, _ := newBench(t, nil)
				r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
					c.Metric(1, broken)
					test.body(c)
				})
				want := result.Metric{Verdict: result.Error, Where: test.want}
				if len(r.Metrics) != 2 || fmt.Sprint(r.Metrics[1]) != fmt.Sprint(want) || r.Verdict != result.Fail {
					t.Errorf("got %s %+v", r.Verdict, r.Metrics)
				}
			})
		})
	}
}

// A body that takes no notice of the end of its case would block the run for ever.
func TestABodyThatHangsIsEnded(t *testing.T) {
	hangs := func(end chan struct{}) func() { return func() { <-end } }
	for name, test := range map[string]struct {
		body func(c *Case, hang func())
		want string // "" where nothing hangs
	}{
		"a body": {func(_ *Case, hang func()) { hang() }, "harness bug: case 1.1 goes on 30s after its end"},
		"a clean-up": {func(c *Case, hang func()) {
			c.Cleanup("hang", func(context.Context) error { hang(); return nil })
			c.Metric(1, pass)
		}, "harness bug: the clean-up of case 1.1 goes on 30s after its end"},
		"a body that ends with its case": {func(c *Case, _ func()) { <-c.Done() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, _ := newBench(t, nil)
				end, got := make(chan struct{}), ""
				b.stuck = func(why string) {
					got = why
					close(end)
				}
				b.Run(t.Context(), planned(1), func(c *Case) { test.body(c, hangs(end)) })
				if got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}

func TestAPanicLeavesItsStackInTheJournal(t *testing.T) {
	b, _ := newBench(t, nil)
	b.Run(t.Context(), planned(1), func(*Case) { panic("boom") })
	for _, e := range b.Journal.Since(0) {
		if e.Type == "harness bug" && strings.HasPrefix(e.Text, "boom\n") && strings.Contains(e.Text, "case_test.go") {
			return
		}
	}
	t.Errorf("got %+v", b.Journal.Since(0))
}

func TestABodyAsksAboutItsOwnErrataAlone(t *testing.T) {
	c := planned(2)
	c.Letters = []plan.Erratum{{ID: "first-alone", Touches: []plan.Touch{{Case: "1.1", Metric: 1}}}}
	asks := func(metric int, erratum string, strict bool) string {
		b, _ := newBench(t, nil)
		b.StrictPlan = strict
		answer := ""
		r, _ := b.Run(t.Context(), c, func(c *Case) {
			if metric == 0 {
				answer = fmt.Sprint(c.Strict(erratum))
			}
			for n := 1; n <= 2; n++ {
				c.Metric(n, func(*Metric) {
					if n == metric {
						answer = fmt.Sprint(c.Strict(erratum))
					}
				})
			}
		})
		return strings.TrimSpace(answer + " " + r.Reason)
	}
	const bug = "harness bug: case 1.1, metric %d: no erratum %s with a letter of its own touches it; please report it with this case's journal"
	for _, test := range []struct{ got, want string }{
		{asks(0, "first-alone", true), "true"},
		{asks(1, "first-alone", true), "true"},
		{asks(1, "first-alone", false), "false"},
		{asks(2, "first-alone", true), fmt.Sprintf(bug, 2, "first-alone")},
		{asks(1, "another", false), fmt.Sprintf(bug, 1, "another")},
		{asks(0, "another", true), fmt.Sprintf(bug, 0, "another")},
	} {
		if test.got != test.want {
			t.Errorf("want %q, got %q", test.want, test.got)
		}
	}
}

// A goroutine that ends in the middle of a check, as by a testing.T's FailNow, has judged nothing.
func TestACheckThatDoesNotReturnPassesNothing(t *testing.T) {
	c := &Case{Plan: planned(1), metrics: []result.Metric{{N: 1, Verdict: result.NotReached}}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Metric(1, func(*Metric) { (&testing.T{}).SkipNow() })
	}()
	<-done
	if got := c.metrics[0].Verdict; got != result.NotReached {
		t.Errorf("got %s", got)
	}
}

// The last of the evidence is what a failed check was about, also when newer events were seen before.
func TestTheEvidenceOfAFailureIsLast(t *testing.T) {
	b, _ := newBench(t, nil)
	r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
		c.Metric(1, func(m *Metric) {
			m.Saw(9, 4, 20)
			m.Must(errors.New("no"), 11, 9, 0, 11)
		})
	})
	if got := r.Metrics[0].Evidence; !slices.Equal(got, []uint64{4, 20, 9, 11}) {
		t.Errorf("got %v", got)
	}
}

// A device that takes its leave says why it cannot be reached any more.
func TestADeviceThatLeftSaysWhy(t *testing.T) {
	const want = `the device disconnected with 7102 Secure session not supported, "no TLS here"; no Agent can be reached`
	for name, test := range map[string]struct {
		dir  journal.Dir
		err  error
		want string
	}{
		"left":                {journal.In, link.ErrUnreachable, want},
		"left by the harness": {journal.Out, link.ErrUnreachable, "no Agent can be reached"},
		"is still in reach":   {journal.In, errors.New("refused"), "refused"},
		"came back since":     {journal.In, link.ErrUnreachable, "no Agent can be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newBench(t, nil)
			b.Journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: test.dir, Body: &usppb.Record{RecordType: &usppb.Record_Disconnect{
				Disconnect: &usppb.DisconnectRecord{ReasonCode: 7102, Reason: "no TLS here"}}}})
			if name == "came back since" {
				b.Journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Body: &usppb.Record{}})
			}
			r, _ := b.Run(t.Context(), planned(2), func(c *Case) {
				c.Metric(1, func(m *Metric) { m.Must(test.err) })
				c.DeviceMust(test.err)
			})
			if r.Metrics[0].Where != test.want {
				t.Errorf("the metric: got %q", r.Metrics[0].Where)
			}
			r, _ = b.Run(t.Context(), planned(1), func(c *Case) { c.DeviceMust(test.err) })
			if r.Reason != test.want {
				t.Errorf("the case: got %q", r.Reason)
			}
		})
	}
}

func TestAMetricTellsWhatItSaw(t *testing.T) {
	b, _ := newBench(t, nil)
	r, _ := b.Run(t.Context(), planned(6), func(c *Case) {
		c.Step(1, "do %d things", 2)
		c.Note("%s was left out", "this")
		for n, want := range map[int]bool{1: true, 2: false} {
			passed := c.Metric(n, func(m *Metric) {
				m.Saw(0, 3, 4)
				m.Note("seen %d", 7)
				if n == 2 {
					m.Must(fmt.Errorf("in a report: %w", &usp.Mismatch{Where: "name", Want: `"a"`, Got: `"b"`}), 5)
					t.Error("a metric goes on after a check that failed")
				}
			})
			if passed != want {
				t.Errorf("metric %d: passed is %v", n, passed)
			}
		}
		c.Metric(3, func(m *Metric) { m.Must(errors.New("no comparison")) })
		c.NotApplicable(4, "why")
		c.Metric(5, func(m *Metric) {
			m.Must(fmt.Errorf("no answer; %w", &journal.TimeoutError{Mark: 8}))
		})
		c.Metric(6, func(m *Metric) {
			m.Must(fmt.Errorf("no Notify within 4s; %w", &journal.TimeoutError{Mark: 8, Nearest: &journal.Event{Seq: 9, Type: "Notify"},
				Miss: &usp.Mismatch{Where: "value", Want: "new", Got: "old"}}))
		})
	})
	want := []result.Metric{
		{N: 1, Verdict: result.Pass, Note: "seen 7", Evidence: []uint64{3, 4}},
		{N: 2, Verdict: result.Fail, Note: "seen 7", Evidence: []uint64{3, 4, 5}, Where: "in a report: name", Want: `"a"`, Got: `"b"`},
		{N: 3, Verdict: result.Fail, Where: "no comparison"},
		{N: 4, Verdict: result.NotApplicable, Note: "why"},
		{N: 5, Verdict: result.Fail, Where: "no answer; from the device meanwhile: nothing", Evidence: []uint64{8}},
		{N: 6, Verdict: result.Fail, Where: "value", Want: "new", Got: "old", Note: "no Notify within 4s; from the device meanwhile: nothing", Evidence: []uint64{9}},
	}
	for i, m := range r.Metrics {
		if fmt.Sprint(m) != fmt.Sprint(want[i]) {
			t.Errorf("metric %d:\n got %+v\nwant %+v", i+1, m, want[i])
		}
	}
	if len(r.Steps) != 1 || r.Steps[0].Text != "do 2 things" || b.Journal.At(journal.Mark(r.Steps[0].Seq)).Type != "step 1" {
		t.Errorf("got %+v", r.Steps)
	}
	if !slices.Equal(r.Notes, []string{"this was left out"}) {
		t.Errorf("got %q", r.Notes)
	}
}

func TestFindings(t *testing.T) {
	m := &usp.Mismatch{Where: "here", Want: "x", Got: "y"}
	for _, test := range []struct {
		err              error
		where, want, got string
	}{
		{m, "here", "x", "y"},
		{fmt.Errorf("a: b: %w", m), "a: b: here", "x", "y"},
		{fmt.Errorf("%w, after all", m), "here", "x", "y"},
		{errors.New("plain"), "plain", "", ""},
	} {
		if where, want, got := finding(test.err); where != test.where || want != test.want || got != test.got {
			t.Errorf("%v: got %q, %q, %q", test.err, where, want, got)
		}
	}
}

// never matches nothing.
func never(*journal.Event) error { return journal.ErrSkip }

// What ends with the whole case proves nothing of the device.
func TestACaseThatIsCutShort(t *testing.T) {
	awaiting := func(c *Case, wait time.Duration) error {
		_, err := c.Await("answer", Wait{D: wait}, 0, never)
		return err
	}
	inMetric := func(err func(*Case) error) Body {
		return func(c *Case) {
			c.Metric(1, func(m *Metric) { m.Must(err(c)) })
			c.Metric(2, pass)
		}
	}
	const hours = time.Hour
	byHand := func(c *Case) {
		_ = c.bench.ByHand(func() error { c.Pause(hours); return nil })
	}
	const budget = "the case did not end within its budget of 1m6s"
	const interrupt = "the run was interrupted"
	for name, test := range map[string]struct {
		interrupt time.Duration // 0: never
		body      Body
		verdict   result.Verdict
		reason    string
		metrics   string
	}{
		"a wait of its own":             {0, inMetric(func(c *Case) error { return awaiting(c, time.Second) }), result.Fail, "metric 1: no answer within 1s; from the device meanwhile: nothing", "1 fail; 2 pass"},
		"a wait beyond the budget":      {0, inMetric(func(c *Case) error { return awaiting(c, hours) }), result.Error, budget, "1 not-reached; 2 not-reached"},
		"a wait, interrupted":           {time.Second, inMetric(func(c *Case) error { return awaiting(c, hours) }), result.Aborted, interrupt, "1 not-reached; 2 not-reached"},
		"a request, interrupted":        {time.Second, inMetric(func(c *Case) error { return c.Agent.Get(c, "Device.").Err }), result.Aborted, interrupt, "1 not-reached; 2 not-reached"},
		"DeviceMust, beyond":            {0, func(c *Case) { c.DeviceMust(awaiting(c, hours)) }, result.Error, budget, "1 not-reached; 2 not-reached"},
		"DeviceMust, interrupted":       {time.Second, func(c *Case) { c.DeviceMust(awaiting(c, hours)) }, result.Aborted, interrupt, "1 not-reached; 2 not-reached"},
		"DeviceMust, a wait of its own": {0, func(c *Case) { c.DeviceMust(awaiting(c, time.Second)) }, result.Fail, "no answer within 1s; from the device meanwhile: nothing", "1 not-reached; 2 not-reached"},
		"LabMust, beyond":               {0, func(c *Case) { c.LabMust(awaiting(c, hours)) }, result.Error, budget, "1 not-reached; 2 not-reached"},
		"a pause beyond the budget":     {0, func(c *Case) { c.Pause(hours); c.Metric(1, pass); c.Metric(2, pass) }, result.Error, budget, "1 not-reached; 2 not-reached"},
		"a wait within an extended budget": {0, inMetric(func(c *Case) error { c.Extend(hours); return awaiting(c, hours) }), result.Fail,
			"metric 1: no answer within 1h0m0s; from the device meanwhile: nothing", "1 fail; 2 pass"},
		"a wait beyond an extended budget": {0, inMetric(func(c *Case) error { c.Extend(hours); return awaiting(c, 2*hours) }), result.Error,
			"the case did not end within its budget of 1h1m6s", "1 not-reached; 2 not-reached"},
		"a person who takes an hour": {0, inMetric(func(c *Case) error { byHand(c); return awaiting(c, time.Second) }), result.Fail,
			"metric 1: no answer within 1s; from the device meanwhile: nothing", "1 fail; 2 pass"},
		"a wait beyond the budget after a person": {0, inMetric(func(c *Case) error { byHand(c); return awaiting(c, hours) }), result.Error,
			"the case did not end within its budget of 1h1m6s", "1 not-reached; 2 not-reached"},
		"a pause, interrupted": {time.Second, func(c *Case) { c.Pause(hours); c.Metric(1, pass); c.Metric(2, pass) }, result.Aborted, interrupt, "1 not-reached; 2 not-reached"},
		"silence, interrupted": {time.Second, inMetric(func(c *Case) error {
			_, err := c.Quiet("packets", hours, 0, never)
			return err
		}), result.Aborted, interrupt, "1 not-reached; 2 not-reached"},
		"a fault proven before":   {time.Second, func(c *Case) { c.Metric(1, broken); c.Pause(hours) }, result.Fail, "metric 1: thing: want one, got two", "1 fail; 2 not-reached"},
		"a fault proven too late": {time.Second, func(c *Case) { <-c.Done(); c.Metric(1, broken) }, result.Fail, "metric 1: thing: want one, got two", "1 fail; 2 not-reached"},
		"all passed too late":     {time.Second, func(c *Case) { <-c.Done(); c.Metric(1, pass); c.Metric(2, pass) }, result.Aborted, interrupt, "1 pass; 2 pass"},
		"all passed beyond":       {0, func(c *Case) { <-c.Done(); c.Metric(1, pass); c.Metric(2, pass) }, result.Error, budget, "1 pass; 2 pass"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, d := newBench(t, nil)
				d.answer = func(*usppb.Msg) *usppb.Msg { return mute() }
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.interrupt > 0 {
					time.AfterFunc(test.interrupt, cancel)
				}
				r, dirty := b.Run(ctx, planned(2), test.body)
				if r.Verdict != test.verdict || r.Reason != test.reason || metricsOf(r) != test.metrics || !dirty {
					t.Errorf("got %s %q, %s, dirty %v", r.Verdict, r.Reason, metricsOf(r), dirty)
				}
			})
		})
	}
}

// An interrupt that comes when the body is done, while the device is put back, aborts nothing.
func TestAnInterruptInTheCleanUpChangesNoVerdict(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b, _ := newBench(t, nil)
	r, _ := b.Run(ctx, planned(1), func(c *Case) {
		c.Cleanup("interrupted", func(context.Context) error { cancel(); return nil })
		c.Metric(1, pass)
	})
	if r.Verdict != result.Pass {
		t.Errorf("got %s %q", r.Verdict, r.Reason)
	}
}

func TestFreshIDsAreDistinctAndRecognised(t *testing.T) {
	b, _ := newBench(t, nil)
	trying(t, b, func(c *Case) {
		if first, second := c.Fresh("add"), c.Fresh("add"); first != "usptest-add-1-1-1" || second != "usptest-add-1-1-2" {
			t.Errorf("got %q, %q", first, second)
		}
	})
}

// What the Agent breaks in any case is reported once, by the first finding, whatever the case itself says.
func TestUniversalMetricsBelongToEveryCase(t *testing.T) {
	b, d := newBench(t, nil)
	stray := func(id string) *usppb.Msg { return usp.NewMsg(id, &usppb.SetResp{}) }
	r, dirty := b.Run(t.Context(), planned(1), func(c *Case) {
		c.Metric(1, pass)
		d.say(stray("first"))
		d.say(stray("second"))
	})
	last := r.Metrics[len(r.Metrics)-1]
	if r.Verdict != result.Fail || metricsOf(r) != "1 pass; 0 fail" || last.Got != `"first"` || last.Note == "" || len(last.Evidence) != 1 || !dirty {
		t.Errorf("got %s %q, %+v", r.Verdict, r.Reason, last)
	}
	if e := b.Journal.At(journal.Mark(last.Evidence[0])); e == nil || e.Type != "SetResp" {
		t.Errorf("evidence: got %+v", e)
	}
	if r := trying(t, b, func(*Case) {}); r.Verdict != result.Pass {
		t.Errorf("the next case: got %s %q", r.Verdict, r.Reason)
	}
}

// A process that ends by itself is a fault of the device, unless the case made it restart.
func TestADeviceRunsThroughTheCase(t *testing.T) {
	for name, test := range map[string]struct {
		restarts, exits int
		verdict         result.Verdict
	}{"unexpected": {0, 1, result.Fail}, "expected": {1, 1, result.Pass}, "before the one expected": {1, 2, result.Fail}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := "test -e again || { echo segmentation fault; touch again; exit 3; }; "
			if test.exits == 2 {
				script += "test -e more || { touch more; exit 0; }; "
			}
			b, _ := newBench(t, nil, "sh", "-c", script+"exec sleep 100")
			r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
				for range test.restarts {
					c.ExpectRestart()
				}
				c.LabMust(c.Device.Start(c))
				for len(c.Device.Exits()) < test.exits {
					c.Pause(time.Millisecond)
				}
				c.Metric(1, pass)
			})
			if r.Verdict != test.verdict {
				t.Fatalf("got %s %q", r.Verdict, r.Reason)
			}
			if last := r.Metrics[len(r.Metrics)-1]; test.verdict == result.Fail &&
				(last.N != 0 || last.Where != "the device's process" || last.Got != "it ended: exit status 3" || len(last.Evidence) != 1 ||
					!strings.HasPrefix(last.Note, "its last lines: ") || !strings.Contains(last.Note, "segmentation fault")) {
				t.Errorf("got %+v", last)
			}
		})
	}
}

// TestAnotherDeviceOnTheLinkIsNoFault of the one under test, also when it comes in the middle of a case.
func TestAnotherDeviceOnTheLinkIsNoFault(t *testing.T) {
	b, d := newBench(t, usp.Params{})
	r := trying(t, b, func(c *Case) {
		raw, err := usp.Marshal(&usppb.Record{Version: usp.Version, ToId: ownID, FromId: "proto::another",
			RecordType: &usppb.Record_MqttConnect{MqttConnect: &usppb.MQTTConnectRecord{SubscribedTopic: "there"}}})
		if err != nil {
			t.Error(err)
		}
		d.receive(link.Inbound{Raw: raw, Conn: 99})
		c.Metric(1, pass)
	})
	const want = `another device is connected over this link, with the Endpoint ID "proto::another"`
	if r.Verdict != result.Error || !strings.HasPrefix(r.Reason, want) {
		t.Errorf("want an error, got %s %s", r.Verdict, r.Reason)
	}
}
