package proof

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// defectLinks are the links over which a defect is tried: the first to which its metric applies.
var defectLinks = []string{"mqtt5", "mqtt3", "stomp", "websocket", "mqtt5+tls", "stomp+tls", "websocket+tls", "uds"}

// udsClient is the link uds with the agent as the client, which a defect is tried over last.
const udsClient = "uds " + dut.RoleClient

// A universal metric is numbered 0 and belongs to every case; its defects are tried with this one, unless they name another.
const (
	universal       = "universal"
	universalMetric = 0
	universalCase   = "1.1"
)

// only narrows TestDefects down while one works on a case: -only '^add-' or -only '^1\.36/'.
var only = flag.String("only", "", "run only the defects whose name or metric (1.36/2) matches this `expression`")

// patience bounds one defect.
const patience = 2 * time.Minute

// TestDefects is the proof of the verdicts: with each defect the reference agent fails exactly the metric that the defect names, and every
// metric of every automated case has a defect.
func TestDefects(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	caught := map[string]int{} // defects by metric
	total := 0
	for _, d := range defects.Defects() {
		caught[metricName(d.Case, d.Metric)]++
		total++
	}
	missing := 0
	for id := range suites.Bodies() {
		c, _ := p.Case(id)
		for _, m := range c.Metrics {
			if caught[metricName(id, m.N)] == 0 {
				missing++
				t.Errorf("metric %s has no defect (%s): add one to a table of fixtures/agent/defects", metricName(id, m.N), m.Text)
			}
		}
	}
	t.Logf("%d defects for %d metrics; %d metrics have none", total, len(caught), missing)
	chosen := chosenDefects(p)
	if len(chosen) == 0 {
		t.Errorf("-only %q matches no defect; usptest agent --list-defects has their names and metrics", *only)
	}
	for _, d := range chosen {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			id := d.Case
			if d.Case == universal {
				id = universalCase
			}
			c, ok := p.Case(id)
			if !ok || d.Metric > len(c.Metrics) || suites.Bodies()[id] == nil {
				t.Fatalf("the plan has no automated metric %s", metricName(id, d.Metric))
			}
			if elsewhere(t, c) {
				return
			}
			for _, link := range append(slices.Clone(defectLinks), udsClient) {
				if name, _, _ := strings.Cut(link, " "); !c.AppliesTo(name) {
					continue
				}
				r := caughtWith(t, c, suites.Bodies()[id], link, d.Name)
				if d.Metric != universalMetric && r.Metrics[d.Metric-1].Verdict == result.NotApplicable {
					continue // the metric speaks of another version of the protocol
				}
				if err := exactly(r, d.Metric); err != nil {
					t.Error(err)
				}
				if d.Metric == universalMetric && d.Case != universal { // a rule beyond the plan, which troubles no metric of it
					for _, m := range r.Metrics {
						if m.N != universalMetric && m.Verdict != result.Pass && m.Verdict != result.NotApplicable {
							t.Errorf("want all metrics of the plan to pass, but metric %d is %s: %s", m.N, m.Verdict, m.Finding())
						}
					}
				}
				return
			}
			t.Errorf("metric %s applies to none of the links %v", metricName(id, d.Metric), defectLinks)
		})
	}
}

// chosenDefects are the defects that -only matches, or all, or a sample: one of every fifth case. Those of cases that take long come first,
// so that nothing waits for them at the end.
func chosenDefects(p *plan.Plan) (chosen []defects.Defect) {
	switch expression := regexp.MustCompile(*only); {
	case *only != "":
		for _, d := range defects.Defects() {
			if expression.MatchString(d.Name) || expression.MatchString(metricName(d.Case, d.Metric)) {
				chosen = append(chosen, d)
			}
		}
	case *full:
		chosen = defects.Defects()
	default:
		chosen = program.Sample(*full, 5, oneOfEachCase(defects.Defects()))
	}
	budget := func(d defects.Defect) time.Duration { c, _ := p.Case(d.Case); return c.Budget }
	slices.SortStableFunc(chosen, func(a, b defects.Defect) int { return cmp.Compare(budget(b), budget(a)) })
	return chosen
}

// oneOfEachCase is one defect of each case: the first of the first one, the second of the second one, and so on, so that every kind is
// among them.
func oneOfEachCase(all []defects.Defect) (some []defects.Defect) {
	byCase := map[string][]defects.Defect{}
	for _, d := range all {
		byCase[d.Case] = append(byCase[d.Case], d)
	}
	for i, id := range slices.Sorted(maps.Keys(byCase)) {
		some = append(some, byCase[id][i%len(byCase[id])])
	}
	return some
}

// exactly wants the one metric to fail, and no other one. Two pairs are one fault seen twice: a path that is malformed breaks the
// universal metric 0 beside the metric about its content, and what breaks every message may trouble any metric.
func exactly(r result.Case, metric int) error {
	hit := false
	for _, m := range r.Metrics {
		bad := m.Verdict == result.Fail || m.Verdict == result.Error || m.Verdict == result.Advice
		switch {
		case m.N == metric:
			hit = hit || m.Verdict == result.Fail || m.Verdict == result.Advice
		case bad && m.N != universalMetric && metric != universalMetric:
			return fmt.Errorf("want only metric %d to fail, but metric %d does too: %s", metric, m.N, m.Finding())
		}
	}
	if !hit {
		return fmt.Errorf("want metric %d to fail, got the verdict %s %s; metrics %+v", metric, r.Verdict, r.Reason, r.Metrics)
	}
	return nil
}

func metricName(id string, n int) string { return fmt.Sprintf("%s/%d", id, n) }

// A simulated device whose machine stands still is tried again. The least by which a defect of timing is off its range is 50 ms.
const (
	troubles = 40 * time.Millisecond
	tries    = 10
)

// caughtWith is runWith for a defect that should be caught. What a machine that stands still explains is not held against a simulated
// device, which can hide a defect of timing: it is then tried again, and the log says so.
func caughtWith(t *testing.T, c plan.Case, body harness.Body, link, defect string) result.Case {
	t.Helper()
	for try := 1; ; try++ {
		r, stall := runWith(t, c, body, link, defect)
		if r.Verdict != result.Pass || stall < troubles || try == tries {
			return r
		}
		t.Logf("try %d: the machine stood still for as long as %s, which can hide a defect of timing", try, stall)
	}
}

// runWith carries out the body of one case against a reference agent of its own, and says how long the machine has stood still meanwhile.
// link is the name of a link, with a blank and the role of the agent where it is another one than usual.
func runWith(t *testing.T, c plan.Case, body harness.Body, link string, defects ...string) (result.Case, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d := device(t, defects...)
	link, role, given := strings.Cut(link, " ")
	if given {
		inRole(d, role)
	}
	s := open(ctx, t, runner.SessionOptions{DUT: d, Link: link})
	defer s.Close()
	r, err := s.Run(ctx, c, body)
	if err != nil {
		t.Fatal(err)
	}
	if testing.Verbose() {
		t.Logf("%s over %s: %s %s (journal %s)", c.ID, link, r.Verdict, r.Reason, filepath.Base(r.Journal))
	}
	return r, s.Stall()
}
