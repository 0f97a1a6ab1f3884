package controller

import (
	"context"

	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Get reads parameters and objects.
func (c *Controller) Get(ctx context.Context, paths ...string) *Reply {
	return c.Do(ctx, usp.NewGet(c.NewMsgID(), paths...))
}

// GetInstances lists the instances of multi-instance objects.
func (c *Controller) GetInstances(ctx context.Context, firstLevelOnly bool, paths ...string) *Reply {
	return c.Do(ctx, usp.NewGetInstances(c.NewMsgID(), firstLevelOnly, paths...))
}

// GetSupportedDM asks for the supported data model; request carries the flags and paths.
func (c *Controller) GetSupportedDM(ctx context.Context, request *usppb.GetSupportedDM) *Reply {
	return c.Do(ctx, usp.NewMsg(c.NewMsgID(), request))
}

// GetSupportedProtocol offers the versions of USP that the Controller speaks, as a comma-separated list.
func (c *Controller) GetSupportedProtocol(ctx context.Context, versions string) *Reply {
	return c.Do(ctx, usp.NewGetSupportedProtocol(c.NewMsgID(), versions))
}

// Add creates instances; usp.Create makes the objects.
func (c *Controller) Add(ctx context.Context, allowPartial bool, objects ...*usppb.Add_CreateObject) *Reply {
	return c.Do(ctx, usp.NewAdd(c.NewMsgID(), allowPartial, objects...))
}

// Set changes parameters; usp.Update makes the objects.
func (c *Controller) Set(ctx context.Context, allowPartial bool, objects ...*usppb.Set_UpdateObject) *Reply {
	return c.Do(ctx, usp.NewSet(c.NewMsgID(), allowPartial, objects...))
}

// Delete removes instances.
func (c *Controller) Delete(ctx context.Context, allowPartial bool, paths ...string) *Reply {
	return c.Do(ctx, usp.NewDelete(c.NewMsgID(), allowPartial, paths...))
}

// Operate runs a command and waits for the OperateResp. Without send_resp an Agent need not answer: Case.OperateSilently.
func (c *Controller) Operate(ctx context.Context, command, key string, args usp.Params) *Reply {
	return c.Do(ctx, usp.NewOperate(c.NewMsgID(), command, key, true, args))
}
