package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// actsOf are the acts of clean-up with their errors.
func actsOf(r result.Case) string {
	var words []string
	for _, a := range r.CleanUp {
		words = append(words, strings.TrimSpace(a.Name+" "+a.Error))
	}
	return strings.Join(words, "; ")
}

// However a body ends, what it has registered runs, last first, on a context of its own, and leaves the verdict alone.
func TestCleanUpRunsAfterEverything(t *testing.T) {
	for name, test := range map[string]struct {
		end     Body
		verdict result.Verdict
	}{
		"pass":     {func(c *Case) { c.Metric(1, pass) }, result.Pass},
		"fail":     {func(c *Case) { c.Metric(1, broken) }, result.Fail},
		"blocked":  {func(c *Case) { c.DeviceMust(errors.New("refused")) }, result.Fail},
		"panic":    {func(c *Case) { panic("boom") }, result.Error},
		"time-out": {func(c *Case) { c.Pause(time.Hour) }, result.Error},
		"interrupt": {func(c *Case) {
			time.AfterFunc(time.Second, c.Value(interruptKey{}).(context.CancelFunc))
			c.Pause(time.Hour)
		}, result.Aborted},
	} {
		for _, outcome := range []error{nil, errors.New("stuck")} {
			t.Run(fmt.Sprintf("%s, %v", name, outcome), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b, _ := newBench(t, nil)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					r, dirty := b.Run(context.WithValue(ctx, interruptKey{}, cancel), planned(1), func(c *Case) {
						for _, name := range []string{"first", "second"} {
							c.Cleanup(name, func(ctx context.Context) error { return errors.Join(ctx.Err(), outcome) })
						}
						test.end(c)
					})
					want := "second; first"
					if outcome != nil {
						want = "second stuck; first stuck"
					}
					if r.Verdict != test.verdict || actsOf(r) != want {
						t.Errorf("got %s %q, %s", r.Verdict, r.Reason, actsOf(r))
					}
					if dirty != (test.verdict != result.Pass || outcome != nil) {
						t.Errorf("dirty: got %v", dirty)
					}
				})
			})
		}
	}
}

// interruptKey is where the body of a test finds what interrupts the run.
type interruptKey struct{}

func TestOneCleanUpDoesNotCostTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newBench(t, nil)
		began := time.Now()
		r, dirty := b.Run(t.Context(), planned(1), func(c *Case) {
			c.Cleanup("last", func(context.Context) error { return nil })
			c.Cleanup("stops", func(context.Context) error { c.DeviceMust(errors.New("refused")); return nil })
			c.Cleanup("panics", func(context.Context) error { panic("boom") })
			c.Cleanup("hangs", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			c.Metric(1, pass)
		})
		if got, want := actsOf(r), "hangs context deadline exceeded; panics harness bug: boom; stops refused; last"; got != want || !dirty || r.Verdict != result.Pass {
			t.Errorf("got %s, dirty %v, %s", got, dirty, r.Verdict)
		}
		if got := time.Since(began); got != cleanupPatience+b.DUT.Waits.Reconnect { // of the bubble's clock
			t.Errorf("took %s", got)
		}
	})
}

// TestAnActThatTheDeviceMissedIsDoneAgain in the next session of the device, and only when there is one. So is the act before it, which the
// device has answered and forgotten.
func TestAnActThatTheDeviceMissedIsDoneAgain(t *testing.T) {
	for name, test := range map[string]struct {
		restarts bool
		want     string
	}{
		"a restart came late": {true, "restore Device.X.Q; restore Device.X.P; the same again, as the device's session ended meanwhile"},
		"the device is mute": {false, "restore Device.X.Q; restore Device.X.P no reply to Set within 4s (waits.response); " +
			"from the device meanwhile: nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				found := usp.Params{"Device.X.P": "before", "Device.X.Q": "before"}
				b, d := newBench(t, maps.Clone(found))
				r := trying(t, b, func(c *Case) {
					c.Restore("Device.X.", "P")
					c.Restore("Device.X.", "Q")
					c.Set("Device.X.", usp.Params{"P": "changed", "Q": "changed"})
					changed, sets := maps.Clone(d.params), 0
					d.answer = func(*usppb.Msg) *usppb.Msg {
						if sets++; sets == 1 || sets > 2 && test.restarts {
							return nil
						}
						if test.restarts {
							d.params = maps.Clone(changed)
							b.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: "DISCONNECT"})
							b.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: "CONNECT"})
						}
						return mute()
					}
				})
				if got := actsOf(r); got != test.want {
					t.Errorf("got %s", got)
				}
				if test.restarts && !maps.Equal(d.params, found) {
					t.Errorf("want %v as before, got %v", found, d.params)
				}
			})
		})
	}
}

// TestAConnectionThatWasPutBackSettles before the next case begins: a device may use what was set at once, in a new connection.
func TestAConnectionThatWasPutBackSettles(t *testing.T) {
	for object, settles := range map[string]bool{
		"Device.MQTT.Client.1.": true, "Device.LocalAgent.MTP.1.": true, "Device.STOMP.Connection.1.": false,
	} {
		t.Run(object, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, d := newBench(t, usp.Params{object + "P": "before"})
				reconnected := false
				r := trying(t, b, func(c *Case) {
					c.Restore(object, "P")
					d.answer = func(*usppb.Msg) *usppb.Msg {
						d.away = make(chan struct{})
						time.AfterFunc(c.Waits().Settle/2, func() { reconnected = true; close(d.away) })
						return nil
					}
				})
				synctest.Wait()
				if reconnected != settles || r.Verdict != result.Pass {
					t.Errorf("the next case begins with a device that has reconnected: %v; %s, %s", reconnected, r.Verdict, actsOf(r))
				}
			})
		})
	}
}

func TestWhatACaseAddedIsDeleted(t *testing.T) {
	added := func(paths ...string) *controller.Reply {
		resp := &usppb.AddResp{}
		for _, p := range paths {
			resp.CreatedObjResults = append(resp.CreatedObjResults, &usppb.AddResp_CreatedObjectResult{
				OperStatus: &usppb.AddResp_CreatedObjectResult_OperationStatus{OperStatus: &usppb.AddResp_CreatedObjectResult_OperationStatus_OperSuccess{
					OperSuccess: &usppb.AddResp_CreatedObjectResult_OperationStatus_OperationSuccess{InstantiatedPath: p}}}})
		}
		return &controller.Reply{Message: &controller.Message{Msg: usp.NewMsg("1", resp)},
			Request: usp.NewAdd("1", true, usp.Create("Device.X.", nil, nil))}
	}
	for name, test := range map[string]struct {
		answer func(id string) *usppb.Msg // nil: the row is deleted
		want   string
	}{
		"gone":                {nil, "delete Device.X.2.; delete Device.X.1."},
		"gone before":         {func(id string) *usppb.Msg { return usp.NewError(id, usp.CodeObjectDoesNotExist, "") }, "delete Device.X.2.; delete Device.X.1."},
		"gone before, partly": {func(id string) *usppb.Msg { return undeleted(id, usp.CodeObjectDoesNotExist) }, "delete Device.X.2.; delete Device.X.1."},
		"refused": {func(id string) *usppb.Msg { return usp.NewError(id, usp.CodeRequestDenied, "no") },
			`delete Device.X.2. reply to Delete: want DeleteResp, got Error 7002 Request denied: "no"; ` +
				`delete Device.X.1. reply to Delete: want DeleteResp, got Error 7002 Request denied: "no"`},
		"failed": {func(id string) *usppb.Msg { return undeleted(id, usp.CodeDeleteFailure) },
			`delete Device.X.2. oper_failure: want no error, got 7024 Delete failure: "why"; delete Device.X.1. oper_failure: want no error, got 7024 Delete failure: "why"`},
		"another answer": {func(id string) *usppb.Msg { return usp.NewMsg(id, &usppb.SetResp{}) },
			"delete Device.X.2. reply to Delete: want DeleteResp, got SetResp; delete Device.X.1. reply to Delete: want DeleteResp, got SetResp"},
	} {
		t.Run(name, func(t *testing.T) {
			b, d := newBench(t, nil)
			if test.answer != nil {
				d.answer = func(m *usppb.Msg) *usppb.Msg { return test.answer(m.GetHeader().GetMsgId()) }
			}
			r := trying(t, b, func(c *Case) {
				c.Owns(added("Device.X.1.", "Device.X.2."))
				c.Owns(&controller.Reply{}) // no reply, nothing created
				if asked := d.asked(); len(asked) > 0 {
					t.Errorf("deleted at once: %q", asked)
				}
			})
			if got := actsOf(r); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
			if asked := d.asked(); !slices.Equal(asked, []string{"Delete Device.X.2.", "Delete Device.X.1."}) {
				t.Errorf("asked %q", asked)
			}
		})
	}
}

// Whatever a device says that it created: nothing is deleted but rows of the table in which the case wanted one, and never the row
// without which the device would not know the harness.
func TestWhatACaseDidNotAddIsLeftAlone(t *testing.T) {
	const table = "Device.LocalAgent.Controller."
	for row, want := range map[string]string{
		"Device.LocalAgent.Controller.3.":                  "Delete Device.LocalAgent.Controller.3.",
		"Device.LocalAgent.Controller.1.":                  "own Controller",
		"Device.":                                          "no row of a table",
		"Device.LocalAgent.Controller.":                    "no row of a table",
		"Device.LocalAgent.Controller.*.":                  "no row of a table",
		"Device.LocalAgent.Controller.3.MTP.1.":            "no row of a table",
		"Device.LocalAgent.Controller.[Enable==\"true\"].": "no row of a table",
		"Device.LocalAgent.Subscription.1.":                "no row of a table",
		"":                                                 "no row of a table",
	} {
		t.Run(row, func(t *testing.T) {
			b, d := newBench(t, usp.Params{table + "1.EndpointID": ownID, table + "3.EndpointID": "proto::" + Tag + "3"})
			d.answer = func(m *usppb.Msg) *usppb.Msg {
				if m.GetBody().GetRequest().GetAdd() == nil {
					return nil
				}
				return created(m, row)
			}
			r := trying(t, b, func(c *Case) { c.Owns(c.Agent.Add(c, false, usp.Create(table, nil, nil))) })
			if got := actsOf(r) + "; " + strings.Join(d.asked(), "; "); !strings.Contains(got, want) || strings.Contains(got, "Delete ") != strings.HasPrefix(want, "Delete ") {
				t.Errorf("want %s, got %s", want, got)
			}
		})
	}
}

// undeleted is a DeleteResp of a row that is still there.
func undeleted(id string, code usp.ErrCode) *usppb.Msg {
	type status = usppb.DeleteResp_DeletedObjectResult_OperationStatus
	return usp.NewMsg(id, &usppb.DeleteResp{DeletedObjResults: []*usppb.DeleteResp_DeletedObjectResult{{
		OperStatus: &status{OperStatus: &usppb.DeleteResp_DeletedObjectResult_OperationStatus_OperFailure{
			OperFailure: &usppb.DeleteResp_DeletedObjectResult_OperationStatus_OperationFailure{ErrCode: uint32(code), ErrMsg: "why"}}},
	}}})
}

func TestAParameterIsRestored(t *testing.T) {
	b, d := newBench(t, usp.Params{"Device.X.A": "before"})
	r := trying(t, b, func(c *Case) {
		if got := c.Restore("Device.X.", "A"); got != "before" {
			t.Errorf("got %q", got)
		}
		c.Agent.Set(c, false, usp.Update("Device.X.", usp.Params{"A": "after"}, nil))
	})
	if got := actsOf(r); got != "restore Device.X.A" || d.params["Device.X.A"] != "before" {
		t.Errorf("got %s, %q", got, d.params)
	}
}

func TestAParameterThatCannotBeReadBlocksTheCase(t *testing.T) {
	b, _ := newBench(t, nil)
	r := trying(t, b, func(c *Case) { c.Restore("Device.X.", "A") })
	if r.Verdict != result.Fail || !strings.Contains(r.Reason, "7026 Invalid path") || r.CleanUp != nil {
		t.Errorf("got %s %q, %s", r.Verdict, r.Reason, actsOf(r))
	}
}

func TestAParameterThatCannotBeRestored(t *testing.T) {
	b, d := newBench(t, usp.Params{"Device.X.A": "before"})
	r := trying(t, b, func(c *Case) {
		c.Restore("Device.X.", "A")
		d.answer = func(m *usppb.Msg) *usppb.Msg {
			return usp.NewError(m.GetHeader().GetMsgId(), usp.CodeNonWriteableParameter, "")
		}
	})
	if got := actsOf(r); !strings.HasPrefix(got, "restore Device.X.A reply to Set: want SetResp, got Error 7013") {
		t.Errorf("got %s", got)
	}
}

func TestRowsAreRestored(t *testing.T) {
	before := expect.Snapshot{"Device.X.1.A": "1", "Device.X.1.B": "b", "Device.X.2.A": "2", "Device.X.3.B": "no A"}
	b, d := newBench(t, usp.Params{"Device.X.1.A": "9", "Device.X.2.A": "9"})
	r := trying(t, b, func(c *Case) { c.RestoreRows(before, "Device.X.", "A") })
	if got := actsOf(r); got != "restore A of every row of Device.X." || d.params["Device.X.1.A"] != "1" || d.params["Device.X.2.A"] != "2" || len(d.params) != 2 {
		t.Errorf("got %s, %q", got, d.params)
	}
}
