package requirements

import (
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// numbered is a row and the ID by which it is known.
type numbered struct{ row, id string }

// instanceNumbers is R-ARC.8: rows keep their numbers when others are deleted, and across a reboot.
func instanceNumbers(c *harness.Case) {
	c.Step(1, "add three persistent Subscriptions, and delete the second")
	var rows []numbered
	for range 3 {
		row, id := c.Subscribe(usp.Params{"Enable": "false", "Persistent": "true"})
		rows = append(rows, numbered{row, id})
	}
	deleted := rows[1].row
	c.DeviceMust(expect.Type(c.Agent.Delete(c, false, deleted), usp.DeleteResp))
	kept := []numbered{rows[0], rows[2]}
	if !c.Metric(1, func(m *harness.Metric) { m.Must(sameNumbers(c, kept), c.Journal.Mark()) }) {
		return
	}

	c.Step(2, "reboot the device")
	c.BackAfter(c.Reboot())
	if !c.Metric(2, func(m *harness.Metric) { m.Must(sameNumbers(c, kept), c.Journal.Mark()) }) {
		return
	}

	c.Step(3, "add another Subscription")
	id := c.Fresh("number")
	added := c.Agent.Add(c, false, usp.Create(subscriptions,
		usp.Params{"ID": id, "NotifType": "ValueChange", "ReferenceList": subscriptionCount}, usp.Params{"Enable": "false"}))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	c.DeviceMust(err)
	c.Metric(3, func(m *harness.Metric) {
		m.Must(sameNumbers(c, append(kept, numbered{created.Path, id})), added.Evidence())
		if created.Path == deleted {
			m.Note("it has the number of the row that was deleted, which TR-369 does not forbid")
		}
	})
}

// sameNumbers wants each row to be where it was, with its ID, and to be found there by it.
func sameNumbers(c *harness.Case, rows []numbered) error {
	for _, r := range rows {
		path := fmt.Sprintf("%s[ID==%q].", subscriptions, r.id)
		q, err := expect.OneResult(c.Agent.Get(c, path+"ID"), path+"ID")
		if err != nil {
			return err
		}
		if err := expect.SameSet("resolved_path of "+path+"ID", []string{r.row}, expect.ResolvedPaths(q)); err != nil {
			return err
		}
		id, err := c.Read(r.row + "ID")
		if err != nil {
			return err
		}
		if err := expect.Equal(r.row+"ID", r.id, id); err != nil {
			return err
		}
	}
	return nil
}
