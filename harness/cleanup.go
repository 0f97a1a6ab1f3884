package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// cleanup puts one thing back.
type cleanup struct {
	name string
	do   func(ctx context.Context) error
}

// Cleanup registers what puts the device back. It runs when the body has ended, however it ended, last registered first, on a
// context of its own; it never changes the verdict. It may run twice, when the device went down meanwhile. Register before judging.
func (c *Case) Cleanup(name string, do func(ctx context.Context) error) {
	switch len(c.cleanup) {
	case maxCleanups:
	case maxCleanups - 1:
		c.cleanup = append(c.cleanup, cleanup{"whatever else there is", func(context.Context) error {
			return fmt.Errorf("there is more to clean up than %d things", maxCleanups-1)
		}})
	default:
		c.cleanup = append(c.cleanup, cleanup{name, do})
	}
}

// maxCleanups bounds what a case puts back: a device may say that it created any number of things.
const maxCleanups = 200

// Owns deletes at the end whatever the AddResp says it created, once. What is no row of a table that the Add was for is left alone.
func (c *Case) Owns(added *controller.Reply) {
	if added.Message == nil {
		c.lost = true
		return
	}
	tables := added.Request.GetBody().GetRequest().GetAdd().GetCreateObjs()
	for _, created := range usp.CreatedBy(added.Msg) {
		row, _ := result.Cut(created.Path, usp.MaxPathLength)
		switch {
		case slices.ContainsFunc(c.cleanup, func(done cleanup) bool { return done.name == deletion(row) }):
		case slices.ContainsFunc(tables, func(o *usppb.Add_CreateObject) bool { return isRowOf(created.Path, o.GetObjPath()) }):
			c.OwnsPath(row)
		default:
			c.Cleanup(deletion(row), func(context.Context) error {
				return errors.New("the device says that it created this, which is no row of a table that the Add was for; it is left alone")
			})
		}
	}
}

// OwnsPath deletes one instance at the end, when it is still there. It never deletes the harness's own Controller, whatever the device
// says.
func (c *Case) OwnsPath(path string) {
	c.Cleanup(deletion(path), func(ctx context.Context) error {
		if isRowOf(path, Controllers) {
			told := c.Agent.Get(ctx, path+"EndpointID").Body().GetResponse().GetGetResp().GetReqPathResults()
			if slices.ContainsFunc(told, func(q *usppb.GetResp_RequestedPathResult) bool {
				return expect.Resolved(q)[path+"EndpointID"] == c.Agent.ID()
			}) {
				return errors.New("this is the harness's own Controller; it is left alone")
			}
		}
		return deleteFailure(c.Agent.Delete(ctx, true, path))
	})
}

// deletion is what the clean-up of an instance is called.
func deletion(path string) string { return "delete " + path }

// deleteFailure says why an instance is still there: the first error of reply that is not "does not exist" (7016).
func deleteFailure(reply *controller.Reply) error {
	isGone := func(code uint32) bool { return usp.ErrCode(code) == usp.CodeObjectDoesNotExist }
	if e := reply.Body().GetError(); e != nil && isGone(e.GetErrCode()) {
		return nil
	}
	if err := expect.Type(reply, usp.DeleteResp); err != nil {
		return err
	}
	for _, r := range reply.Body().GetResponse().GetDeleteResp().GetDeletedObjResults() {
		if f := r.GetOperStatus().GetOperFailure(); f != nil && !isGone(f.GetErrCode()) {
			return expect.NoError("oper_failure", f.GetErrCode(), f.GetErrMsg())
		}
	}
	return nil
}

// Restore reads a parameter now and sets it back to that value at the end. object ends in a dot.
func (c *Case) Restore(object, param string) (value string) {
	value, err := c.Read(object + param)
	c.DeviceMust(err)
	c.Cleanup("restore "+object+param, func(ctx context.Context) error {
		return expect.Type(c.Agent.Set(ctx, false, usp.Update(object, usp.Params{param: value}, nil)), usp.SetResp)
	})
	return value
}

// RestoreRows sets one parameter of every row of a table back to its value in the snapshot, where the row is still there.
func (c *Case) RestoreRows(before expect.Snapshot, table, param string) {
	c.Cleanup("restore "+param+" of every row of "+table, func(ctx context.Context) error {
		var rows []*usppb.Set_UpdateObject
		for _, row := range before.Rows() {
			if value, ok := before[row+param]; ok {
				rows = append(rows, usp.Update(row, usp.Params{param: value}, nil))
			}
		}
		return expect.Type(c.Agent.Set(ctx, true, rows...), usp.SetResp)
	})
}

// cleanupPatience bounds all clean-up of one case, beside waits.reconnect: a device may have to come back first.
const cleanupPatience = time.Minute

// cleanUp runs what was registered, last first, and reports each act. dirty says that something could not be put back. A body that did not
// come to a good end may have left a restart under way, or an Add unanswered.
func (c *Case) cleanUp(passed bool) (acts []result.CleanUp, dirty bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context), cleanupPatience+c.patience+c.ReconnectWait().D)
	defer cancel()
	defer c.bench.watch(ctx, "the clean-up of case "+c.Plan.ID)()
	if !passed || c.lost {
		if shown := c.bench.Identity.Shown; shown != nil {
			shown.Set(nil) // a device that refuses what the case shows it cannot be reached
		}
		c.awaitRestart(ctx)
		c.ownUnanswered(ctx)   // within the session context in which it was asked
		c.Agent.RenewContext() // what a body prepared may never have been sent
	}
	mark, reboots := c.Journal.Mark(), c.reboots
	carryOut := func(one cleanup) {
		act := result.CleanUp{Name: one.name}
		if err := c.putBack(ctx, one.do); err != nil {
			act.Error, dirty = err.Error(), true
		}
		acts = append(acts, act)
	}
	for _, one := range slices.Backward(c.cleanup) {
		carryOut(one)
	}
	if c.reboots == reboots && c.wentAndCame(mark) {
		carryOut(cleanup{"the same again, as the device's session ended meanwhile", func(ctx context.Context) error {
			var all []error
			for _, one := range slices.Backward(c.cleanup) {
				if err := c.putBack(ctx, one.do); err != nil {
					all = append(all, fmt.Errorf("%s: %w", one.name, err))
				}
			}
			return errors.Join(append(all, c.bench.Purge(ctx))...) // what a late Record of a Controller that is gone has made
		}})
	}
	if slices.ContainsFunc(c.Journal.Since(mark), c.changesConnection) {
		carryOut(cleanup{"wait until the device has settled, whose connection was set", c.settleConnection})
	}
	return acts, dirty
}

// wentAndCame reports whether the device, after mark, has ended its session and begun another one. It may have gone down, and have forgotten
// what it had answered and not saved.
func (c *Case) wentAndCame(mark journal.Mark) bool {
	went := false
	for _, e := range c.Journal.Since(mark) {
		if went && c.bench.Link.StartsSession(e) {
			return true
		}
		went = went || c.bench.Link.EndsSession(e)
	}
	return false
}

// changesConnection reports whether e is a request of the harness that changes how the device connects over the Link. A device may begin a
// new session for it, and the next case must not be the one to find out.
func (c *Case) changesConnection(e *journal.Event) bool {
	m, ok := e.Body.(*controller.Message)
	if !ok || e.Dir != journal.Out {
		return false
	}
	request := m.GetBody().GetRequest()
	paths := request.GetDelete().GetObjPaths()
	for _, o := range request.GetAdd().GetCreateObjs() {
		paths = append(paths, o.GetObjPath())
	}
	for _, o := range request.GetSet().GetUpdateObjs() {
		paths = append(paths, o.GetObjPath())
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		return strings.Contains(path, ".MTP.") || strings.HasPrefix(path, "Device."+c.MTP.Name+".")
	})
}

// putBack does one act of clean-up. When it got no answer since the device's session had ended, it is done again in the next one:
// a restart may come late.
func (c *Case) putBack(ctx context.Context, do func(context.Context) error) error {
	mark := c.Journal.Mark()
	err := guarded(ctx, do)
	var noReply *controller.NoReplyError
	if errors.As(err, &noReply) && slices.ContainsFunc(c.Journal.Since(mark), c.bench.Link.StartsSession) && c.Reachable(ctx) == nil {
		err = guarded(ctx, do)
	}
	return err
}

// guarded turns a panic of a clean-up into its error: the others must still run.
func guarded(ctx context.Context, do func(context.Context) error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *stop: // of DeviceMust or LabMust
			err = p.err
		default:
			err = fmt.Errorf("harness bug: %v", p)
		}
	}()
	return do(ctx)
}
