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

// troubleAt are with how many Records to the device the trouble may come, the first of which that a check gets to: in its midst, or else
// with its first request.
var troubleAt = []int64{4, 1}

// TestChecksOutlastTrouble has the device fall silent, crash, restart or flood the harness in the midst of each check beyond the plan. The
// check ends with a verdict and without a bug of the harness, the device has what it had before, and a case after it passes. A device that
// goes down may lose what it has answered already, as the deletion of a row; a run starts such a device afresh.
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
			d := examined{Session: s, plan: after}
			found := d.kept(t)
			var r result.Case
			for _, n := range troubleAt {
				var asked, answered bool
				if r, err = s.Run(ctx, c, inTrouble(suites.Bodies()[one.id], n, &asked, &answered)); err != nil {
					t.Fatal(err)
				}
				t.Logf("%s %s", r.Verdict, r.Reason)
				if answered {
					t.Error("the device had no trouble: it answered the Get that asks for it")
				}
				if asked {
					break
				}
				if n == 1 {
					t.Error("the check sent nothing, so that the device had no trouble")
				}
			}
			if !slices.Contains(result.CaseVerdicts(), r.Verdict) {
				t.Errorf("want a verdict, got %s %s", r.Verdict, r.Reason)
			}
			for _, said := range append(r.Metrics, result.Metric{Where: r.Reason}) {
				if strings.Contains(said.Where, "harness bug") {
					t.Error(said.Where)
				}
			}
			if err := s.Reachable(ctx); err != nil {
				t.Fatalf("after %s %s: %v", r.Verdict, r.Reason, err)
			}
			if !strings.Contains(one.trouble.Name, "crash") && !strings.Contains(one.trouble.Name, "restart") {
				d.same(t, "after "+one.trouble.Name, found)
			}
			if next, err := s.Run(ctx, after, suites.Bodies()[after.ID]); err != nil || next.Verdict != result.Pass {
				t.Errorf("%s after it: %v, %s %s", after.ID, err, next.Verdict, next.Reason)
			}
		})
	}
}

// inTrouble asks for trouble when the n-th Record of a case has been sent. asked says that it did, and answered that the device has
// answered the Get instead.
func inTrouble(body harness.Body, n int64, asked, answered *bool) harness.Body {
	return func(c *harness.Case) {
		var records atomic.Int64
		var asking sync.WaitGroup
		mark := c.Journal.Mark()
		ask := usp.NewGet("trouble", defects.Trouble)
		stop := c.Journal.Listen(func(e *journal.Event) {
			sent := e.Layer == journal.LayerRecord || e.Layer == journal.LayerUDS // a check may send frames by hand
			if sent && e.Dir == journal.Out && records.Add(1) == n {
				*asked = true
				asking.Go(func() { // what the listener is called by must not wait
					if _, outside, err := c.Agent.PrepareOutside(ask); err == nil {
						_, _ = c.Agent.SendPrepared(c, outside[0])
					}
				})
			}
		})
		defer func() {
			stop()
			asking.Wait()
			for _, e := range c.Emitted(mark, c.Journal.Mark()) {
				*answered = *answered || e.MsgID() == ask.GetHeader().GetMsgId() && e.Msg.GetBody().GetResponse().GetGetResp() != nil
			}
		}()
		body(c)
	}
}
