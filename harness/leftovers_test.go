package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// A device that lacks a table answers the Get of it with an error, which is no reason to leave the rows of another.
func TestTaggedRowsArePurged(t *testing.T) {
	const subscription, row = "Device.LocalAgent.Subscription.", "Device.LocalAgent.Controller.1.BootParameter.3."
	for name, test := range map[string]struct {
		params usp.Params
		want   string
		nested string // what stands in for the BootParameter table
	}{
		"nothing": {usp.Params{subscription + "1.ID": "theirs", subscription + "1.Alias": Tag + "not our parameter"}, "", ""},
		"rows": {usp.Params{subscription + "1.ID": "theirs", subscription + "2.ID": Tag + "add-1-1-1", row + "Alias": Tag + "boot",
			"Device.LocalAgent.Controller.2.EndpointID": "proto::" + Tag + "x"},
			"Delete Device.LocalAgent.Controller.1.BootParameter.3., Device.LocalAgent.Controller.2., Device.LocalAgent.Subscription.2.", ""},
		"rows of the substitute for BootParameter": {usp.Params{row + "Alias": Tag + "boot", "Device.LocalAgent.Controller.1.X_Label.4.Alias": Tag + "nested"},
			"Delete Device.LocalAgent.Controller.1.X_Label.4.", "Device.LocalAgent.Controller.{i}.X_Label.{i}."},
		"the harness's own Controller": {usp.Params{"Device.LocalAgent.Controller.1.EndpointID": ownID}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, d := newBench(t, test.params)
			if test.nested != "" {
				b.DUT.Elements = map[string]string{dut.RoleNestedTable: test.nested}
			}
			d.answer = wildcards(d)
			if err := b.Purge(t.Context()); err != nil {
				t.Error(err)
			}
			deleted := ""
			for _, r := range d.requests {
				if strings.HasPrefix(r, "Delete") {
					deleted += r
				}
			}
			if deleted != test.want {
				t.Errorf("want %q, got %q", test.want, deleted)
			}
		})
	}
}

// A device may answer anything: nothing is deleted but rows of the tables that were asked for, and not without end.
func TestNothingButRowsIsPurged(t *testing.T) {
	b, d := newBench(t, nil)
	asked := 0
	var deleted []string
	d.answer = func(m *usppb.Msg) *usppb.Msg {
		deleted = append(deleted, m.GetBody().GetRequest().GetDelete().GetObjPaths()...)
		paths := m.GetBody().GetRequest().GetGet().GetParamPaths()
		if len(paths) != 1 {
			return nil
		}
		asked++
		name := paths[0][strings.LastIndexByte(paths[0], '.')+1:]
		q := &usppb.GetResp_RequestedPathResult{RequestedPath: paths[0]}
		for _, at := range []string{"Device.", "", "Device.LocalAgent.", "Device.LocalAgent.Subscription.", "Device.LocalAgent.Subscription.*.", "Device.LocalAgent.Controller.1.MTP.1.",
			"Device.LocalAgent.Subscription.[Enable==true].", "Device.LocalAgent.Certificate.1.", "Device.BulkData.Profile.1.Parameter.1."} {
			q.ResolvedPathResults = append(q.ResolvedPathResults, &usppb.GetResp_ResolvedPathResult{ResolvedPath: at, ResultParams: usp.Params{name: Tag + "x"}})
		}
		for i := range 2 * maxPurged {
			q.ResolvedPathResults = append(q.ResolvedPathResults, &usppb.GetResp_ResolvedPathResult{
				ResolvedPath: fmt.Sprintf("Device.LocalAgent.Subscription.%d.", i+1), ResultParams: usp.Params{name: Tag + "x"}})
		}
		return usp.NewMsg(m.GetHeader().GetMsgId(), &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{q}})
	}
	err := b.Purge(t.Context())
	if err == nil || err.Error() != "1000 rows more than are deleted at once" || asked != 6 || len(deleted) != maxPurged {
		t.Errorf("%d were asked for, %d deleted: %v", asked, len(deleted), err)
	}
	for _, row := range deleted {
		if !isRowOf(row, "Device.LocalAgent.Subscription.") {
			t.Errorf("%s was deleted", row)
		}
	}
}

// wildcards lets a device in memory find the rows that a path with wildcards means.
func wildcards(d *device) func(*usppb.Msg) *usppb.Msg {
	return func(m *usppb.Msg) *usppb.Msg {
		paths := m.GetBody().GetRequest().GetGet().GetParamPaths()
		if len(paths) != 1 || !strings.Contains(paths[0], "*") {
			return nil
		}
		want := strings.Split(paths[0], ".")
		var names []string
		for _, name := range d.params.Names() {
			if got := strings.Split(name, "."); len(got) == len(want) && got[len(got)-1] == want[len(want)-1] && got[len(got)-3] == want[len(want)-3] {
				names = append(names, name)
			}
		}
		found := d.get(names)
		return usp.NewMsg(m.GetHeader().GetMsgId(), &usppb.GetResp{ReqPathResults: found})
	}
}

// An Add that is answered when its case has ended already leaves a row that the body could not own.
func TestWhatComesTooLateIsDeletedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := newBench(t, usp.Params{"Device.LocalAgent.EndpointID": agentID})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d.answer = func(m *usppb.Msg) *usppb.Msg {
			switch request := m.GetBody().GetRequest(); {
			case request.GetAdd() != nil: // slow, and so is what comes after it
				time.AfterFunc(time.Second, cancel)
				time.AfterFunc(2*time.Second, func() { d.say(created(m, "Device.LocalAgent.Subscription.7.")) })
				return mute()
			case request.GetGet() != nil:
				time.AfterFunc(3*time.Second, func() { d.say(d.own(m)) })
				return mute()
			}
			return nil
		}
		r, _ := b.Run(ctx, planned(1), func(c *Case) {
			c.Add("Device.LocalAgent.Subscription.", nil, usp.Params{"ID": c.Fresh("add")})
		})
		if r.Verdict != result.Aborted || actsOf(r) != "delete Device.LocalAgent.Subscription.7." {
			t.Errorf("got %s, %q; the device was asked %q", r.Verdict, actsOf(r), d.requests)
		}
	})
}

// What an Add has created whose answer came too late for the body, or never, is deleted even if the case has passed.
func TestWhatAnUnansweredAddCreatedIsDeleted(t *testing.T) {
	const row = "Device.LocalAgent.Subscription.7."
	for name, test := range map[string]struct {
		answers bool // the Add, after the body has given it up
		want    string
	}{
		"late":  {true, "delete " + row},
		"never": {false, "delete what an Add without an answer has created"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, d := newBench(t, usp.Params{EndpointID: agentID})
				var deleted []string
				find := wildcards(d)
				d.answer = func(m *usppb.Msg) *usppb.Msg {
					request := m.GetBody().GetRequest()
					deleted = append(deleted, request.GetDelete().GetObjPaths()...)
					if request.GetAdd() == nil {
						return find(m)
					}
					d.params[row+"ID"] = Tag + "add"
					if test.answers {
						time.AfterFunc(b.Agent.Timeout()+time.Second, func() { d.say(created(m, row)) })
					}
					return mute()
				}
				r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
					c.AddBesides(Subscriptions, usp.Params{"ID": Tag + "add"}, nil)
					c.Pause(2 * time.Second)
					c.Metric(1, pass)
				})
				if r.Verdict != result.Pass || actsOf(r) != test.want || !slices.Contains(deleted, row) {
					t.Errorf("got %s, %q, %q were deleted", r.Verdict, actsOf(r), deleted)
				}
			})
		})
	}
}
