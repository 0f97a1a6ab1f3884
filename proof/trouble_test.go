package proof

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/suites"
)

// troubleAt is after how many Records of a check the trouble begins.
const troubleAt = 4

// TestChecksOutlastTrouble has the device fall silent, crash, restart or flood the harness in the midst of each check beyond the plan. The
// check ends with a verdict and without a bug of the harness, and a case after it passes.
func TestChecksOutlastTrouble(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	after, _ := p.Case("1.36")
	type troubled struct {
		id      string
		trouble defects.Defect
	}
	var all []troubled
	for _, id := range slices.Sorted(maps.Keys(suites.Bodies())) {
		if c, _ := p.Case(id); c.IsCheck() {
			for _, d := range defects.TroubleDefects() {
				all = append(all, troubled{id, d})
			}
		}
	}
	for _, one := range sample(20, all) {
		t.Run(one.id+" "+one.trouble.Name, func(t *testing.T) {
			t.Parallel()
			c, _ := p.Case(one.id)
			at := slices.IndexFunc(defectLinks, c.AppliesTo)
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			s := open(ctx, t, runner.SessionOptions{DUT: device(t, one.trouble.Name), Link: defectLinks[at]})
			defer s.Close()
			r, err := s.Run(ctx, c, inTrouble(suites.Bodies()[one.id]))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s %s", r.Verdict, r.Reason)
			if strings.Contains(r.Reason, "harness bug") || !slices.Contains(result.CaseVerdicts(), r.Verdict) {
				t.Errorf("%s %s", r.Verdict, r.Reason)
			}
			if err := s.Reachable(ctx); err != nil {
				t.Fatalf("after %s %s: %v", r.Verdict, r.Reason, err)
			}
			if next, err := s.Run(ctx, after, suites.Bodies()[after.ID]); err != nil || next.Verdict != result.Pass {
				t.Errorf("%s after it: %v, %s %s", after.ID, err, next.Verdict, next.Reason)
			}
		})
	}
}

// inTrouble asks for trouble in the middle of a case: after troubleAt Records.
func inTrouble(body harness.Body) harness.Body {
	return func(c *harness.Case) {
		var records atomic.Int64
		var asking sync.WaitGroup
		stop := c.Journal.Listen(func(e *journal.Event) {
			if e.Layer == journal.LayerRecord && e.Dir == journal.In && records.Add(1) == troubleAt {
				asking.Go(func() { // what the listener is called by must not wait
					_, _ = c.Agent.Send(c, usp.NewGet("trouble", defects.Trouble))
				})
			}
		})
		defer asking.Wait()
		defer stop()
		body(c)
	}
}
