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
	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/suites"
)

// troubleAt are with how many Records to the device the trouble may come, the first of which that a check gets to: in its midst, or else
// with its first request. In a clean-up it comes earlier.
var troubleAt = map[bool][]int64{false: {4, 1}, true: {2, 1}}

// TestChecksOutlastTrouble has the device fall silent, crash, restart or flood the harness in the midst of each check beyond the plan, and
// go down in the midst of its clean-up. The check ends with a verdict and without a bug of the harness, the device has what it had before,
// and a case after it passes. A device that goes down may lose what it has answered already, as the deletion of a row; a run starts such a
// device afresh. What a restart loses of the clean-up is cleaned up again.
func TestChecksOutlastTrouble(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	after, _ := p.Case("1.36")
	var all []troubled
	for _, id := range slices.Sorted(maps.Keys(suites.Bodies())) {
		if c, _ := p.Case(id); c.IsCheck() {
			for _, d := range defects.TroubleDefects() {
				all = append(all, troubled{id, d.Name, false})
				if goesDown(d.Name) {
					all = append(all, troubled{id, d.Name, true})
				}
			}
		}
	}
	for _, one := range program.Sample(*full, 20, all) {
		name := one.id + " " + one.trouble
		if one.cleaning {
			name += " in clean-up"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := p.Case(one.id)
			at := slices.IndexFunc(defectLinks, c.AppliesTo)
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			s := open(ctx, t, runner.SessionOptions{DUT: device(t, one.trouble), Link: defectLinks[at]})
			defer s.Close()
			d := examined{Session: s, plan: after}
			found := d.kept(t)
			var r result.Case
			for _, n := range troubleAt[one.cleaning] {
				var asked, answered bool
				if r, err = s.Run(ctx, c, inTrouble(suites.Bodies()[one.id], n, one, &asked, &answered)); err != nil {
					t.Fatal(err)
				}
				t.Logf("%s %s", r.Verdict, r.Reason)
				if answered {
					t.Error("the device had no trouble: it answered the Get that asks for it")
				}
				if asked {
					break
				}
				if n == 1 && !one.cleaning { // a check may leave nothing to clean up
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
			if !goesDown(one.trouble) || one.cleaning && !crashes(one.trouble) {
				d.same(t, "after "+one.trouble, found)
			}
			if next, err := s.Run(ctx, after, suites.Bodies()[after.ID]); err != nil || next.Verdict != result.Pass {
				t.Errorf("%s after it: %v, %s %s", after.ID, err, next.Verdict, next.Reason)
			}
		})
	}
}

// crashes and goesDown report how a trouble takes the device down.
func crashes(trouble string) bool  { return strings.Contains(trouble, "crash") }
func goesDown(trouble string) bool { return crashes(trouble) || strings.Contains(trouble, "restart") }

// troubled is a check and what its device does in its midst.
type troubled struct {
	id, trouble string
	cleaning    bool // the trouble comes in the clean-up
}

// inTrouble asks for trouble when the n-th Record of a case, or of its clean-up, has been sent, and waits until a device that goes down is
// back. asked says that it did, and answered that the device has answered the Get instead.
func inTrouble(body harness.Body, n int64, one troubled, asked, answered *bool) harness.Body {
	return func(c *harness.Case) {
		var records atomic.Int64
		var asking sync.WaitGroup
		var at journal.Mark // of that Record
		mark := c.Journal.Mark()
		ask := usp.NewGet("trouble", defects.Trouble)
		listen := func(ctx context.Context) (stop func()) {
			return c.Journal.Listen(func(e *journal.Event) {
				sent := e.Layer == journal.LayerRecord || e.Layer == journal.LayerUDS // a check may send frames by hand
				if sent && e.Dir == journal.Out && records.Add(1) == n {
					*asked, at = true, e.Seq
					asking.Go(func() { // what the listener is called by must not wait
						if _, outside, err := c.Agent.PrepareOutside(ask); err == nil {
							_, _ = c.Agent.SendPrepared(ctx, outside[0])
						}
					})
				}
			})
		}
		var stop func()
		end := func(ctx context.Context) {
			stop()
			asking.Wait()
			if *asked && goesDown(one.trouble) {
				ctx, cancel := context.WithTimeout(ctx, c.ReconnectWait().D)
				defer cancel()
				_, _ = c.Journal.Await(ctx, at, c.StartsSession) // it may have to wait for the end of a script
			}
			for _, e := range c.Emitted(mark, c.Journal.Mark()) {
				*answered = *answered || e.MsgID() == ask.GetHeader().GetMsgId() && e.Msg.GetBody().GetResponse().GetGetResp() != nil
			}
		}
		if one.cleaning {
			c.Cleanup("end the trouble", func(ctx context.Context) error { end(ctx); return nil })
			defer c.Cleanup("begin the trouble", func(ctx context.Context) error { stop = listen(ctx); return nil })
		} else {
			stop = listen(c)
			defer end(c)
		}
		body(c)
	}
}
