package result

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// over is a run over one link.
func over(link string, cases ...Case) *Run {
	return &Run{Schema: Schema, TimeScale: 1, Links: []Link{{Link: link, Cases: cases}}}
}

func verdictOf(v Verdict, metrics ...Metric) Case {
	return Case{ID: "1.1", Verdict: v, Metrics: metrics, Reason: "why"}
}

// TestChange goes through every pair of verdicts.
func TestChange(t *testing.T) {
	notRun := []Verdict{"", Deselected, Unsupported, NotAutomated, Deprecated}
	want := map[[2]Verdict]ChangeKind{
		{Pass, Fail}: Regression, {Pass, Flaky}: Regression, {Error, Flaky}: Regression, {Aborted, Flaky}: Regression, {Waived, Flaky}: Regression,
		{Fail, Flaky}: Changed, {Flaky, Fail}: Regression, {Flaky, Pass}: Fix, {Flaky, Error}: Changed, {Flaky, Aborted}: Changed, {Flaky, Waived}: Changed,
		{Pass, Error}: Regression, {Pass, Aborted}: Regression,
		{Error, Fail}: Regression, {Aborted, Fail}: Regression,
		{Fail, Pass}: Fix, {Error, Pass}: Fix, {Aborted, Pass}: Fix,
		{Fail, Error}: Changed, {Fail, Aborted}: Changed, {Error, Aborted}: Changed, {Aborted, Error}: Changed,
		{Waived, Fail}: Regression, {Waived, Pass}: Fix, {Waived, Error}: Changed, {Waived, Aborted}: Changed,
		{Pass, Waived}: Changed, {Fail, Waived}: Changed, {Error, Waived}: Changed, {Aborted, Waived}: Changed,
	}
	for _, v := range []Verdict{Pass, Fail, Flaky, Waived, Error, Aborted} {
		want[[2]Verdict{v, Advice}], want[[2]Verdict{Advice, v}] = Changed, Changed
	}
	want[[2]Verdict{Advice, Pass}], want[[2]Verdict{Advice, Fail}], want[[2]Verdict{Advice, Flaky}] = Fix, Regression, Regression
	for _, v := range []Verdict{Pass, Fail, Flaky, Advice, Waived, Error, Aborted, PassByHand, FailByHand} {
		for _, hand := range []Verdict{PassByHand, FailByHand} {
			want[[2]Verdict{v, hand}], want[[2]Verdict{hand, v}] = Changed, Changed
		}
	}
	for _, v := range []Verdict{Pass, Flaky, Advice, Waived, Error, Aborted, PassByHand} {
		want[[2]Verdict{v, FailByHand}] = Regression
	}
	want[[2]Verdict{FailByHand, Pass}], want[[2]Verdict{PassByHand, Fail}] = Fix, Regression
	for _, hand := range []Verdict{PassByHand, FailByHand} {
		want[[2]Verdict{hand, Flaky}], want[[2]Verdict{hand, hand}] = Regression, ""
	}
	for _, v := range []Verdict{Pass, Fail, Flaky, Advice, Waived, Error, Aborted, PassByHand, FailByHand} {
		for _, none := range notRun {
			want[[2]Verdict{none, v}], want[[2]Verdict{v, none}] = Appeared, Vanished
		}
	}
	all := append(CaseVerdicts(), "")
	for _, was := range all {
		for _, is := range all {
			older, newer := over("stomp"), over("stomp")
			if was != "" {
				older = over("stomp", verdictOf(was))
			}
			if is != "" {
				newer = over("stomp", verdictOf(is))
			}
			var got ChangeKind
			links := Compare(older, newer)
			if len(links) != 1 || links[0].Link != "stomp" {
				t.Fatalf("%q to %q: want the one link, got %+v", was, is, links)
			}
			if changes := links[0].Changes; len(changes) > 0 {
				got = changes[0].Kind
				if changes[0].Reason == "" || changes[0].Old != was || changes[0].New != is {
					t.Errorf("%q to %q: got %+v", was, is, changes[0])
				}
			}
			if got != want[[2]Verdict{was, is}] {
				t.Errorf("%q to %q: want %q, got %q", was, is, want[[2]Verdict{was, is}], got)
			}
		}
	}
}

// failing makes a case of which some metrics fail; -1 stands for the universal metric.
func failing(numbers ...int) Case {
	c := Case{ID: "1.1", Verdict: Pass, Metrics: []Metric{{N: 1, Verdict: Pass}, {N: 2, Verdict: Pass}, {N: 3, Verdict: NotApplicable}}}
	for _, n := range numbers {
		c.Verdict = Fail
		if n < 0 {
			c.Metrics = append(c.Metrics, Metric{N: 0, Verdict: Fail})
			continue
		}
		c.Metrics[n-1].Verdict = Fail
	}
	return c
}

// waived is a case whose failure a waiver excuses.
func waived(c Case) Case {
	c.Verdict = Waived
	return c
}

// flaky is a case of which other rounds passed.
func flaky(c Case) Case {
	c.Verdict = Flaky
	return c
}

// baseline is made of a run on the first day of June 2026.
func baseline(run *Run) *Baseline {
	return NewBaseline("known.json", run, time.Date(2026, 6, 1, 23, 0, 0, 0, time.UTC), func(link, id string) string {
		return "known.json, " + link + id
	})
}

// TestABaselineExcusesUntilADay goes through last days of a case and of a whole run.
func TestABaselineExcusesUntilADay(t *testing.T) {
	for _, test := range []struct {
		run, own string
		want     Standing
		note     string
	}{
		{"", "", Known, ""},
		{"", "2026-06-01", Known, ""},
		{"", "2026-05-31", New, "known.json, mqtt51.1: until: 2026-05-31: "},
		{"2026-06-01", "", Known, ""},
		{"2026-05-31", "", New, "known.json, : until: 2026-05-31: "},
		{"2026-05-31", "2026-12-31", Known, ""},
		{"2026-12-31", "2026-05-31", New, "known.json, mqtt51.1: until: 2026-05-31: "},
	} {
		was, got, passed := failing(1), failing(1), failing()
		was.Until = test.own
		older := over("mqtt5", was)
		older.Until = test.run
		b := baseline(older)
		b.Mark("mqtt5", &got)
		notes := strings.Join(got.Notes, "; ")
		if got.Baseline != test.want || !strings.Contains(notes, test.note) || (test.note == "") != (notes == "") {
			t.Errorf("%+v: got %q, notes %q", test, got.Baseline, got.Notes)
		}
		if until := cmp.Or(test.own, test.run); got.Baseline == Known && got.Until != until {
			t.Errorf("%+v: a baseline that is made of this run knows it until %q", test, got.Until)
		}
		if b.Mark("mqtt5", &passed); passed.Baseline != Stale {
			t.Errorf("%+v: what passes now is %q", test, passed.Baseline)
		}
	}
}

// TestAFailureIsKnownByItsMetrics holds what diff and baseline make of a case that fails, fails otherwise, or passes.
func TestAFailureIsKnownByItsMetrics(t *testing.T) {
	masked := failing(1)
	masked.Metrics[1].Verdict = NotReached
	for _, test := range []struct {
		was, is  Case
		change   ChangeKind
		standing Standing
	}{
		{failing(), failing(), "", ""},
		{failing(), failing(1), Regression, New},
		{failing(1), failing(1), "", Known},
		{failing(1, 2), failing(2), "", Known},
		{failing(1), failing(2), Regression, New},
		{failing(1), failing(1, 3), Regression, New},
		{failing(1), failing(1, -1), Regression, New},
		{failing(-1), failing(-1), "", Known},
		{failing(1), failing(), Fix, Stale},
		{masked, failing(2), "", Known}, // what was never judged was never fine
		{Case{ID: "1.1", Verdict: Error}, failing(1), Regression, New},
		{waived(failing(1)), failing(1), Regression, New},
		{waived(failing(1)), failing(), Fix, ""},
		{failing(), waived(failing(1)), Changed, ""},
		{waived(failing(1)), waived(failing(1)), "", ""},
		{waived(failing(1)), waived(failing(1, 2)), Changed, ""},
		{failing(1), Case{ID: "1.1", Verdict: Error}, Changed, ""},
		{failing(1), waived(failing(1)), Changed, ""},
		{failing(), flaky(failing(1)), Regression, New},
		{failing(1), flaky(failing(1)), Changed, Known},
		{flaky(failing(1)), flaky(failing(1)), "", Known},
		{flaky(failing(1)), flaky(failing(2)), Regression, New},
		{flaky(failing(1)), failing(1), Regression, Known},
		{flaky(failing(1)), failing(), Fix, ""}, // one round that passes proves nothing
	} {
		name := fmt.Sprintf("%s %v to %s %v", test.was.Verdict, test.was.Metrics, test.is.Verdict, test.is.Metrics)
		older := over("mqtt5", test.was)
		change, _ := change(test.was, test.is)
		if change.Kind != test.change {
			t.Errorf("%s: want %q, got %q", name, test.change, change.Kind)
		}
		got := test.is
		baseline(older).Mark("mqtt5", &got)
		if got.Baseline != test.standing {
			t.Errorf("%s: want %q, got %q", name, test.standing, got.Baseline)
		}
		if test.was.Verdict == Fail && got.Baseline == New && len(got.Notes) == 0 {
			t.Errorf("%s: nothing says why it is new", name)
		}
		other := test.is
		baseline(older).Mark("stomp", &other)
		if other.Verdict == Fail && other.Baseline != New {
			t.Errorf("%s: what fails over another link is %q", name, other.Baseline)
		}
	}
	var none *Baseline
	c := failing(1)
	if none.Mark("mqtt5", &c); c.Baseline != "" {
		t.Errorf("without a baseline a case is %q", c.Baseline)
	}
}

func TestTheGate(t *testing.T) {
	standing := func(v Verdict, s Standing) Case { return Case{ID: "1.1", Verdict: v, Baseline: s} }
	for _, test := range []struct {
		name  string
		cases []Case
		want  int
	}{
		{"a known failure and a pass", []Case{standing(Fail, Known), standing(Pass, "")}, ExitPassed},
		{"known failures alone", []Case{standing(Fail, Known)}, ExitPassed},
		{"a new failure", []Case{standing(Fail, Known), standing(Fail, New)}, ExitDeviceFault},
		{"a stale one", []Case{standing(Fail, Known), standing(Pass, Stale)}, ExitDeviceFault},
		{"an error is never known", []Case{standing(Fail, Known), standing(Error, "")}, ExitError},
		{"a waived failure and a known one", []Case{standing(Fail, Known), standing(Waived, "")}, ExitPassed},
		{"a waived failure and a new one", []Case{standing(Waived, ""), standing(Fail, New)}, ExitDeviceFault},
		{"nothing judged", []Case{standing(Deselected, "")}, ExitError},
	} {
		if got := over("mqtt5", test.cases...).ExitCode(); got != test.want {
			t.Errorf("%s: want exit code %d, got %d", test.name, test.want, got)
		}
	}
	r := over("mqtt5", standing(Fail, Known))
	if r.Conclude(); r.Conclusion.Value != NotConformant || r.Conclusion.Reason != "1 case failed, of which the baseline knows 1" {
		t.Errorf("a known failure is hidden: %+v", r.Conclusion)
	}
}

func TestDifferences(t *testing.T) {
	one := Device{Vendor: "ACME", Model: "X1", Software: "1", Endpoint: "os::1"}
	other := Device{Vendor: "ACME", Model: "X2", Software: "2", Endpoint: "os::1", Reference: true, Defects: []string{"a"}}
	all := []string{FieldVendor, FieldModel, FieldSoftware, FieldEndpoint, FieldReference, FieldDefects}
	want := []Difference{{FieldModel, "X1", "X2"}, {FieldSoftware, "1", "2"}, {FieldReference, "false", "true"}, {FieldDefects, "", "a"}}
	if got := one.Differences(other, all...); !reflect.DeepEqual(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if got := one.Differences(other, FieldVendor, FieldEndpoint); len(got) != 0 {
		t.Errorf("want none that matters, got %v", got)
	}
}
