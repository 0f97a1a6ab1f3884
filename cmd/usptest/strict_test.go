package main

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
)

// TestTheLetterOfThePlan carries out cases in which the reference agent does what the standard asks for and the plan does not, and a few in
// which it is the other way round.
func TestTheLetterOfThePlan(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	for i, test := range []struct {
		erratum, id, link string
		metric            int
		defect            string // with which the metric fails unless the letter counts, which is the milder here
	}{
		{"recipient-with-a-dot", "1.57", "mqtt5", 2, ""},
		{"command-without-its-path", "1.91", "mqtt5", 1, ""},
		{"command-without-its-path", "1.100", "mqtt5", 1, ""},
		{"report-envelope", "10.1", "mqtt5", 3, ""},
		{"report-envelope", "10.10", "mqtt5", 3, ""},
		{"heart-beat-blank", "6.8", "stomp", 1, ""},
		{"websocket-close-on-bad-record", "3.1", "websocket", 1, ""},
		{"timer-not-early", "1.79", "mqtt5", 2, "timer-ends-at-once"},
		{"every-match-gets-an-object", "1.95", "mqtt5", 1, "search-add-reports-first-alone"},
		{"depth-two-has-a-limit", "1.89", "mqtt5", 2, "depth-2-with-everything"},
	} {
		t.Run(test.erratum+" "+test.id, func(t *testing.T) {
			t.Parallel()
			if e, ok := p.Erratum(test.erratum); !ok || !e.ByLetter() {
				t.Fatalf("the plan has no such erratum with a letter of its own: %+v", e)
			}
			c, _ := p.Case(test.id)
			var defects []string
			if test.defect != "" {
				defects = []string{test.defect}
			}
			run := func(instance int, strict bool) result.Case {
				d, err := referenceDUT(defects)
				if err != nil {
					t.Fatal(err)
				}
				s, err := runner.Open(t.Context(), runner.SessionOptions{DUT: d, Link: test.link, Instance: instance, Scale: referenceScale, Strict: strict, Out: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				r, err := s.Run(t.Context(), c, allBodies()[c.ID])
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			milder, harder := run(800+2*i, test.defect != ""), run(801+2*i, test.defect == "")
			if milder.Verdict != result.Pass {
				t.Errorf("want pass, got %s %s", milder.Verdict, milder.Reason)
			}
			if err := exactly(harder, test.metric); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestBodiesAskForTheLetter holds the errata that have a letter of their own against those that the bodies ask about.
func TestBodiesAskForTheLetter(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, e := range p.Errata {
		if e.ByLetter() {
			want = append(want, e.ID)
		}
	}
	question := regexp.MustCompile(`\.Strict\("([^"]*)"\)`)
	err = fs.WalkDir(os.DirFS("../../suites"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile("../../suites/" + path)
		for _, m := range question.FindAllStringSubmatch(string(text), -1) {
			got = append(got, m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("errata with a letter of their own:\n%q\nthe bodies ask about:\n%q", want, got)
	}
}

func TestAStrictRunSaysSo(t *testing.T) {
	dir := t.TempDir() + "/out"
	p := usptest(t, "run", "--strict-plan", "--link", "mqtt5", "--out", dir, "1.91", "1.25")
	p.want(t, result.ExitDeviceFault, "judged by the letter of the plan", "in spite of erratum command-without-its-path", "usptest run --link mqtt5 --strict-plan 1.91")
	r := runIn(t, dir)
	i := slices.IndexFunc(r.Links[0].Cases, func(c result.Case) bool { return c.ID == "1.91" })
	if c := r.Links[0].Cases[i]; !r.StrictPlan || !slices.Equal(c.ByLetter, []string{"command-without-its-path"}) || slices.Contains(c.Errata, "command-without-its-path") {
		t.Errorf("run.json: strictPlan %v, errata %v, byLetter %v", r.StrictPlan, c.Errata, c.ByLetter)
	}
	report, err := os.ReadFile(dir + "/" + reportFile)
	if err != nil || !strings.Contains(string(report), "the letter of the plan, also where") {
		t.Errorf("report.html does not say that the run was strict: %v", err)
	}
	usptest(t, "show", "1.91").want(t, result.ExitPassed, "with --strict-plan: The full path fails.")
	usptest(t, "show", "1.58").want(t, result.ExitPassed, "with --strict-plan: the same. By the letter: No Agent can pass.")
}
