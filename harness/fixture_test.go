package harness

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// created is the AddResp to an Add of one row.
func created(add *usppb.Msg, row string) *usppb.Msg {
	type status = usppb.AddResp_CreatedObjectResult_OperationStatus
	return usp.NewMsg(add.GetHeader().GetMsgId(), &usppb.AddResp{CreatedObjResults: []*usppb.AddResp_CreatedObjectResult{{
		RequestedPath: add.GetBody().GetRequest().GetAdd().GetCreateObjs()[0].GetObjPath(),
		OperStatus: &status{OperStatus: &usppb.AddResp_CreatedObjectResult_OperationStatus_OperSuccess{
			OperSuccess: &usppb.AddResp_CreatedObjectResult_OperationStatus_OperationSuccess{InstantiatedPath: row}}},
	}}})
}

// creates makes the device answer every Add with one new row, or refuse it.
func creates(d *device, row string) {
	d.answer = func(m *usppb.Msg) *usppb.Msg {
		add := m.GetBody().GetRequest().GetAdd()
		switch {
		case add == nil:
			return nil
		case row == "":
			return usp.NewError(m.GetHeader().GetMsgId(), usp.CodeResourcesExceeded, "full")
		}
		return created(m, row)
	}
}

func TestAFixtureIsAddedAndDeleted(t *testing.T) {
	b, d := newBench(t, nil)
	creates(d, "Device.T.3.")
	r := trying(t, b, func(c *Case) {
		if row := c.Add("Device.T.", nil, nil); row.Path != "Device.T.3." || row.Table != "Device.T." {
			t.Errorf("got %+v", row)
		}
	})
	if got := strings.Join(d.asked(), "; "); r.Verdict != result.Pass || got != "Add Device.T.; Delete Device.T.3." {
		t.Errorf("got %s %q, asked %s", r.Verdict, r.Reason, got)
	}
}

func TestAFixtureThatIsRefusedBlocksTheCase(t *testing.T) {
	const denied, full = `reply to Add: want AddResp, got Error 7002 Request denied: "no"`, `reply to Add: want AddResp, got Error 7005 Resources exceeded: "full"`
	b, d := newBench(t, nil)
	creates(d, "")
	if r := trying(t, b, func(c *Case) { c.Add("Device.T.", nil, nil) }); r.Verdict != result.Error ||
		r.Reason != full+"; make room for a row of Device.T. in the configuration of the device" {
		t.Errorf("got %s %q", r.Verdict, r.Reason)
	}
	if r := trying(t, b, func(c *Case) { c.AddBesides("Device.T.", nil, nil) }); r.Verdict != result.Pass || len(r.Notes) != 1 {
		t.Errorf("got %s %q, notes %q", r.Verdict, r.Reason, r.Notes)
	}
	code := usp.CodePermissionDenied
	d.answer = func(m *usppb.Msg) *usppb.Msg { return usp.NewError(m.GetHeader().GetMsgId(), code, "no") }
	for _, change := range []func(*Case){func(c *Case) { c.Add("Device.T.", nil, nil) }, func(c *Case) { c.Set("Device.T.1.", usp.Params{"P": "1"}) }} {
		if r := trying(t, b, change); r.Verdict != result.Error || !strings.HasSuffix(r.Reason, " (7006): give that Controller a Role with full access") {
			t.Errorf("got %s %q", r.Verdict, r.Reason)
		}
	}
	code = usp.CodeRequestDenied
	if r := trying(t, b, func(c *Case) { c.Add("Device.T.", nil, nil) }); r.Verdict != result.Fail || r.Reason != denied {
		t.Errorf("got %s %q", r.Verdict, r.Reason)
	}
}

func TestSettingIsPartOfTheProcedure(t *testing.T) {
	b, d := newBench(t, nil)
	trying(t, b, func(c *Case) { c.Set("Device.X.", usp.Params{"A": "1"}) })
	if d.params["Device.X.A"] != "1" {
		t.Errorf("got %q", d.params)
	}
	d.answer = func(m *usppb.Msg) *usppb.Msg {
		return usp.NewError(m.GetHeader().GetMsgId(), usp.CodeInvalidValue, "no")
	}
	r := trying(t, b, func(c *Case) { c.Set("Device.X.", usp.Params{"A": "2"}) })
	if r.Verdict != result.Fail || r.Reason != `reply to Set: want SetResp, got Error 7012 Invalid value: "no"` {
		t.Errorf("got %s %q", r.Verdict, r.Reason)
	}
}

func TestCreatedIsAMetric(t *testing.T) {
	for row, want := range map[string]result.Verdict{"Device.T.3.": result.Pass, "Device.U.3.": result.Fail, "": result.Fail} {
		b, d := newBench(t, nil)
		creates(d, row)
		r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
			added := c.Agent.Add(c, false, usp.Create("Device.T.", nil, nil))
			created, passed := c.Created(1, added)
			if passed != (want == result.Pass) || created.Path != row { // a row that is wrong is there all the same
				t.Errorf("%q: got %+v, %v", row, created, passed)
			}
			if e := c.metrics[0].Evidence; len(e) != 1 || journal.Mark(e[0]) != added.Evidence() {
				t.Errorf("%q: evidence %v", row, e)
			}
		})
		if r.Verdict != want {
			t.Errorf("%q: got %s %q", row, r.Verdict, r.Reason)
		}
	}
}

func TestADeviceConnectsAnewInTheCleanUp(t *testing.T) {
	for name, test := range map[string]struct {
		back time.Duration // 0: never
		want string
	}{"in time": {time.Second, "reconnect"}, "never": {0, "reconnect context deadline exceeded"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
				d.away = make(chan struct{})
				r := trying(t, b, func(c *Case) {
					c.Cleanup("reconnect", func(ctx context.Context) error {
						if test.back > 0 {
							time.AfterFunc(test.back, func() { close(d.away) })
						}
						began := time.Now()
						err := c.ConnectAnew(ctx)
						if err != nil && (!errors.Is(err, context.DeadlineExceeded) || time.Since(began) != c.Waits().Reconnect) {
							t.Errorf("got %v after %s", err, time.Since(began))
						}
						return err
					})
				})
				if got := actsOf(r); got != test.want {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

func TestAnsweredJudgesTheTypeOfTheAnswer(t *testing.T) {
	b, d := newBench(t, nil)
	creates(d, "Device.LocalAgent.Subscription.1.")
	for want, verdict := range map[usp.MsgType]result.Verdict{usp.AddResp: result.Pass, usp.SetResp: result.Fail} {
		r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
			reply := c.Agent.Add(c, false, usp.Create("Device.LocalAgent.Subscription.", nil, nil))
			if passed := c.Answered(1, reply, want); passed != (verdict == result.Pass) {
				t.Errorf("%v: passed is %v", want, passed)
			}
		})
		if r.Verdict != verdict || len(r.Metrics[0].Evidence) == 0 {
			t.Errorf("want %s with evidence, got %+v", verdict, r.Metrics)
		}
	}
}
