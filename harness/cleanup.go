package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
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
// context of its own; it never changes the verdict. Register before judging.
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

// Owns deletes in the end whatever the AddResp says it created.
func (c *Case) Owns(added *controller.Reply) {
	if added.Message == nil {
		return
	}
	for _, created := range usp.CreatedBy(added.Msg) {
		c.OwnsPath(created.Path)
	}
}

// OwnsPath deletes one instance in the end, when it is still there.
func (c *Case) OwnsPath(path string) {
	c.Cleanup("delete "+path, func(ctx context.Context) error {
		reply := c.Agent.Delete(ctx, true, path)
		if reply.Err != nil {
			return reply.Err
		}
		return deleteFailure(reply)
	})
}

// deleteFailure says why an instance is still there: the first error of reply that is not "does not exist" (7016).
func deleteFailure(reply *controller.Reply) error {
	if e := reply.Body().GetError(); e != nil && usp.ErrCode(e.GetErrCode()) != usp.CodeObjectDoesNotExist {
		return fmt.Errorf("%s: %q", usp.ErrCode(e.GetErrCode()), e.GetErrMsg())
	}
	for _, r := range reply.Body().GetResponse().GetDeleteResp().GetDeletedObjResults() {
		if f := r.GetOperStatus().GetOperFailure(); f != nil && usp.ErrCode(f.GetErrCode()) != usp.CodeObjectDoesNotExist {
			return fmt.Errorf("%s: %q", usp.ErrCode(f.GetErrCode()), f.GetErrMsg())
		}
	}
	return nil
}

// Restore reads a parameter now and sets it back to that value in the end. object ends in a dot.
func (c *Case) Restore(object, param string) (value string) {
	value, err := c.Read(object + param)
	c.DeviceMust(err)
	c.Cleanup("restore "+object+param, func(ctx context.Context) error {
		reply := c.Agent.Set(ctx, false, usp.Update(object, usp.Params{param: value}, nil))
		if reply.Err != nil {
			return reply.Err
		}
		if e := reply.Body().GetError(); e != nil {
			return fmt.Errorf("%s: %q", usp.ErrCode(e.GetErrCode()), e.GetErrMsg())
		}
		return nil
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
		reply := c.Agent.Set(ctx, true, rows...)
		if reply.Err != nil {
			return reply.Err
		}
		return expect.Type(reply, usp.SetResp)
	})
}

// cleanupPatience bounds all clean-up of one case.
const cleanupPatience = time.Minute

// cleanUp runs what was registered, last first, and reports each act. dirty says that something could not be put back.
func (c *Case) cleanUp() (acts []result.CleanUp, dirty bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context), cleanupPatience)
	defer cancel()
	for i := len(c.cleanup) - 1; i >= 0; i-- {
		act := result.CleanUp{Name: c.cleanup[i].name}
		if err := c.guarded(ctx, c.cleanup[i].do); err != nil {
			act.Error, dirty = err.Error(), true
		}
		acts = append(acts, act)
	}
	return acts, dirty
}

// guarded turns a panic of a clean-up into its error: the others must still run.
func (c *Case) guarded(ctx context.Context, do func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(err, fmt.Errorf("harness bug: %v", p))
		}
	}()
	return do(ctx)
}
