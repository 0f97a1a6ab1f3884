package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// tagged are the tables in which cases add rows, each with the parameter that carries the harness's tag. Whatever a case puts below such a
// row goes with it.
func (b *Bench) tagged() []struct{ table, param string } {
	nested, _ := b.DUT.Element(dut.RoleNestedTable)
	return []struct{ table, param string }{
		{Subscriptions, "ID"}, {Controllers, "EndpointID"}, {strings.ReplaceAll(strings.TrimSuffix(nested, "{i}."), "{i}", "*"), "Alias"},
		{"Device.BulkData.Profile.", "Alias"},
		{"Device.LocalAgent.ControllerTrust.Role.*.Permission.", "Alias"}, {"Device.LocalAgent.ControllerTrust.Role.", "Name"},
	}
}

// maxPurged bounds how many rows are deleted at once: a device may say that there is any number of them.
const maxPurged = 1000

// Purge deletes the rows with the harness's tag, which a run that was killed has left on the device. A device may lack any of the tables,
// and what it tells that is no row of them is left alone.
func (b *Bench) Purge(ctx context.Context) error {
	var stray []string
	for _, t := range b.tagged() {
		for _, q := range b.Agent.Get(ctx, t.table+"*."+t.param).Body().GetResponse().GetGetResp().GetReqPathResults() {
			for at, value := range expect.Resolved(q) {
				row, ok := strings.CutSuffix(at, t.param)
				ours := strings.HasPrefix(strings.TrimPrefix(value, "proto::"), Tag) && value != b.Agent.ID()
				if ok && ours && isRowOf(row, t.table) {
					stray = append(stray, row)
				}
			}
		}
	}
	if len(stray) == 0 {
		return nil
	}
	slices.Sort(stray)
	stray = slices.Compact(stray)
	err := deleteFailure(b.Agent.Delete(ctx, true, stray[:min(len(stray), maxPurged)]...))
	if more := len(stray) - maxPurged; more > 0 {
		err = errors.Join(err, fmt.Errorf("%d rows more than are deleted at once", more))
	}
	return err
}

// isRowOf reports whether a path that a device tells is that of a row of a table.
func isRowOf(row, table string) bool {
	path, err := usp.ParsePath(row)
	if err != nil {
		return false
	}
	of, err := usp.ParsePath(table)
	return err == nil && path.IsRowOf(of)
}

// answerTries is how often a request is made of a device that may be restarting: once it has answered, it has handled what was sent before.
const answerTries = 3

// ownUnanswered sees to what a body could not own because it ended while an Add was under way: it waits for the answer to one more request,
// and owns what the device says it has created until then. Where an answer is lost, what has the harness's tag is deleted at the end.
func (c *Case) ownUnanswered(ctx context.Context) {
	asked := map[string]*usppb.Msg{} // the Adds without an answer, by msg_id
	own := func() {
		for _, e := range c.Journal.Since(c.start) {
			m, ok := e.Body.(*controller.Message)
			if !ok || e.Layer != journal.LayerMessage {
				continue
			}
			id := m.GetHeader().GetMsgId()
			switch {
			case e.Dir == journal.Out && usp.MsgTypeOf(m.Msg) == usp.Add:
				asked[id] = m.Msg
			case e.Dir == journal.In && asked[id] != nil:
				c.Owns(&controller.Reply{Message: m, Request: asked[id]})
				delete(asked, id)
			}
		}
	}
	if own(); len(asked) > 0 {
		for range answerTries {
			if c.Agent.Get(ctx, EndpointID).Err == nil || c.Reachable(ctx) != nil {
				break
			}
		}
		own()
	}
	if len(asked) > 0 {
		c.cleanup = slices.Insert(c.cleanup, 0, cleanup{"delete what an Add without an answer has created", c.bench.Purge})
	}
}
