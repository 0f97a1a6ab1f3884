package harness

import (
	"context"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// tagged are the parameters that carry the harness's tag, for the tables in which cases add rows. Whatever a case puts below such a row goes
// with it.
func tagged() []string {
	return []string{
		"Device.LocalAgent.Subscription.*.ID", "Device.LocalAgent.Controller.*.EndpointID", "Device.LocalAgent.Controller.*.BootParameter.*.Alias",
		"Device.BulkData.Profile.*.Alias",
	}
}

// Purge deletes the rows with the harness's tag, which a run that was killed has left on the device. A device may lack any of the tables.
func (b *Bench) Purge(ctx context.Context) error {
	var stray []string
	for _, path := range tagged() {
		param := path[strings.LastIndexByte(path, '.')+1:]
		for _, q := range b.Agent.Get(ctx, path).Body().GetResponse().GetGetResp().GetReqPathResults() {
			for at, value := range expect.Resolved(q) {
				row, ok := strings.CutSuffix(at, param)
				if ok && strings.HasPrefix(strings.TrimPrefix(value, "proto::"), Tag) {
					stray = append(stray, row)
				}
			}
		}
	}
	if len(stray) == 0 {
		return nil
	}
	slices.Sort(stray)
	return deleteFailure(b.Agent.Delete(ctx, true, stray...))
}

// ownUnanswered sees to what a body could not own because it ended while an Add was under way: it waits for the answer to one more request,
// and owns what the device says it has created until then.
func (c *Case) ownUnanswered(ctx context.Context) {
	asked := map[string]bool{}
	own := func() {
		for _, e := range c.Journal.Since(c.start) {
			m, ok := e.Body.(*controller.Message)
			if !ok || e.Layer != journal.LayerMessage {
				continue
			}
			id := m.GetHeader().GetMsgId()
			switch {
			case e.Dir == journal.Out && usp.MsgTypeOf(m.Msg) == usp.Add:
				asked[id] = true
			case e.Dir == journal.In && asked[id]:
				delete(asked, id)
				for _, created := range usp.CreatedBy(m.Msg) {
					if !slices.ContainsFunc(c.cleanup, func(done cleanup) bool { return done.name == deletion(created.Path) }) {
						c.OwnsPath(created.Path)
					}
				}
			}
		}
	}
	if own(); len(asked) > 0 {
		c.Agent.Get(ctx, "Device.LocalAgent.EndpointID")
		own()
	}
}
