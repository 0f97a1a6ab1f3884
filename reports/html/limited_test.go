package html

import (
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/runs"
	"github.com/usptest/usptest/harness/result"
)

// TestALimitedReportShowsFailuresAlone looks in the whole file for what must not be in it, not only in what a reader sees.
func TestALimitedReportShowsFailuresAlone(t *testing.T) {
	full := runs.Example()
	some := full.OnlyFailures()
	data := string(render(t, some, runs.Plan()))
	d := parse(t, []byte(data))
	d.inert(t)
	first, _, _ := strings.Cut(d.text, "What went wrong")
	for _, want := range []string{"limited to failures", result.LimitedNotice, "docs/plan-terms.md"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first page lacks %q", want)
		}
	}
	failed := map[string]bool{}
	for _, l := range some.Links {
		for _, c := range l.Cases {
			failed[c.ID] = true
			if d.ids[anchor(l.Link, c.ID)] == nil {
				t.Errorf("%s %s is missing", l.Link, c.ID)
			}
		}
	}
	for _, l := range full.Links {
		for _, c := range l.Cases {
			if there := d.ids[anchor(l.Link, c.ID)] != nil; there != c.Failed() {
				t.Errorf("%s %s %s: in the report: %v", l.Link, c.ID, c.Verdict, there)
			}
			if !failed[c.ID] && strings.Contains(data, c.Title) {
				t.Errorf("%s is named, and failed nowhere", c.Title)
			}
		}
	}
	for _, badge := range []result.Verdict{result.Pass, result.Error, result.NotAutomated, result.Unsupported, result.NotReached} {
		if strings.Contains(d.text, icon(badge)+" "+string(badge)) {
			t.Errorf("a badge says %s", badge)
		}
	}
	if d.ids["matrix"] != nil || d.ids["features"] != nil || slices.Contains(strings.Fields(first), "judged") {
		t.Error("there is something about other cases")
	}
}

func TestEveryReportLeadsToTheTerms(t *testing.T) {
	for name, run := range map[string]*result.Run{
		"full": runs.Example(), "limited": runs.Example().OnlyFailures(), "empty": runs.Clean().OnlyFailures(),
	} {
		if !strings.Contains(string(render(t, run, runs.Plan())), `href="`+result.TermsURL+`"`) {
			t.Errorf("%s: no link", name)
		}
	}
}
