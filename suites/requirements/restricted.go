package requirements

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Elements of the data model that every device with Roles has.
const (
	localAgent    = harness.LocalAgent
	subscriptions = harness.Subscriptions
	controllers   = localAgent + "Controller."
	roles         = localAgent + "ControllerTrust.Role."

	endpointID        = localAgent + "EndpointID"
	subscriptionCount = localAgent + "SubscriptionNumberOfEntries"
)

// rights are the four strings of a Permission.
func rights(param, obj, instance, command string) usp.Params {
	return usp.Params{"Param": param, "Obj": obj, "InstantiatedObj": instance, "CommandEvent": command}
}

// restricted is a second Controller with a Role of its own.
type restricted struct {
	*controller.Controller
	c     *harness.Case
	role  string
	order int
}

// restrict adds a Role with full rights and a second Controller with this Role alone, as fixtures. A Controller may
// inherit a further Role from its certificate, and rights add up; then nothing can be taken away.
func restrict(c *harness.Case) *restricted {
	second, row := c.SecondController()
	added := c.Agent.Add(c, false, usp.Create(roles, usp.Params{"Enable": "true", "Name": c.Fresh("role")}, nil))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	if err != nil {
		c.Unsupported(fmt.Sprintf("the device takes no further Role: %v", err))
	}
	r := &restricted{Controller: second, c: c, role: created.Path}
	r.permit("Device.", rights("rwxn", "rwxn", "rwxn", "rwxn"))
	second.Restrict()
	c.Set(row, usp.Params{"AssignedRole": expect.WithoutDot(r.role)})
	values, err := c.ReadAll(row)
	c.DeviceMust(err)
	if expect.WithoutDot(values[row+"AssignedRole"]) != expect.WithoutDot(r.role) || values[row+"InheritedRole"] != "" {
		c.Unsupported(fmt.Sprintf("the second Controller has further Roles, AssignedRole %s and InheritedRole %s: nothing can be taken away",
			usp.Quote(values[row+"AssignedRole"]), usp.Quote(values[row+"InheritedRole"])))
	}
	return r
}

// permit adds a Permission to the Role, as a fixture; it outranks those before it.
func (r *restricted) permit(targets string, rights usp.Params) {
	r.order++
	params := usp.Params{"Enable": "true", "Order": strconv.Itoa(r.order), "Targets": targets}
	for name, value := range rights {
		params[name] = value
	}
	r.c.Add(r.role+"Permission.", params, nil)
}

// restrictedController is R-GET.1 and what else TR-369 says of elements that a Controller may not read.
func restrictedController(c *harness.Case) {
	needs(c, "TimeToLive")
	c.Step(1, "add a Role that may not read %s, %s, nor ID and Enable of Subscriptions, and a second Controller with it",
		controllers, endpointID)
	r := restrict(c)
	r.permit(controllers+","+endpointID, rights("----", "----", "----", "----"))
	r.permit(subscriptions+"*.ID,"+subscriptions+"*.Enable", rights("-w--", "rw--", "rw--", "----"))
	_, err := expect.OneResult(r.Get(c, subscriptionCount), subscriptionCount)
	c.DeviceMust(err)

	c.Step(2, "the second Controller gets %s and %s", endpointID, controllers)
	got := r.Get(c, endpointID, controllers)
	c.Metric(1, func(m *harness.Metric) { m.Must(absent(got, endpointID, controllers), got.Evidence()) })

	c.Step(3, "the second Controller gets the supported data model of %s, alone and with all below it, and of %s", localAgent, controllers)
	first := r.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{localAgent}, FirstLevelOnly: true, ReturnParams: true})
	all := r.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{localAgent}, ReturnParams: true})
	direct := r.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{controllers}, ReturnParams: true})
	c.Metric(2, func(m *harness.Metric) {
		for _, described := range []*controller.Reply{first, all} {
			m.Must(undescribed(described), described.Evidence())
		}
		m.Must(direct.Err, direct.Evidence()) // an Error says nothing of the object
		for _, q := range direct.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
			m.Must(expect.Count("supported_objs of "+controllers+", which may not be read", 0, len(q.GetSupportedObjs())), direct.Evidence())
		}
	})

	c.Step(4, "the second Controller adds Subscriptions")
	rows, ttl := r.subscribe()
	if rows == nil {
		return
	}
	readable, kept, hidden, unseen := rows[0], rows[1], rows[2], rows[3]

	c.Step(5, "make %s undeletable, %s invisible, and %s both", kept.Path, unseen.Path, hidden.Path)
	r.permit(kept.Path, rights("rw--", "rw--", "r---", "----"))
	r.permit(hidden.Path, rights("rw--", "----", "----", "----"))
	r.permit(unseen.Path, rights("rw--", "----", "-w--", "----"))

	search := fmt.Sprintf("%s[ID==%q].", subscriptions, readable.id)
	c.Step(6, "the second Controller gets the instances of %s, of %s, and of %s", subscriptions, search, unseen.Path)
	listed, found, itself := r.GetInstances(c, true, subscriptions), r.GetInstances(c, true, search), r.GetInstances(c, true, unseen.Path)
	c.Metric(4, func(m *harness.Metric) {
		seen, err := expect.OneInstances(listed, subscriptions)
		m.Must(err, listed.Evidence())
		m.Must(expect.Contains("curr_insts, of which one may be read", []string{readable.Path}, seen))
		m.Must(without("curr_insts: instantiated_obj_path", seen, hidden.Path, unseen.Path))
		m.Must(expect.Type(found, usp.GetInstancesResp), found.Evidence())
		for _, q := range found.Body().GetResponse().GetGetInstancesResp().GetReqPathResults() {
			m.Must(expect.Count("curr_insts of "+search, 0, len(q.GetCurrInsts())))
		}
		m.Must(itself.Err, itself.Evidence()) // an Error says nothing of the row
		for _, q := range itself.Body().GetResponse().GetGetInstancesResp().GetReqPathResults() {
			m.Must(expect.Count("curr_insts of "+unseen.Path+", which may not be read", 0, len(q.GetCurrInsts())), itself.Evidence())
		}
	})
	c.Metric(5, func(m *harness.Metric) {
		for _, q := range listed.Body().GetResponse().GetGetInstancesResp().GetReqPathResults() {
			for _, i := range q.GetCurrInsts() {
				if i.GetInstantiatedObjPath() == readable.Path {
					m.Must(noKey("curr_insts for "+readable.Path+": unique_keys", i.GetUniqueKeys()), listed.Evidence())
				}
			}
		}
	})

	c.Step(7, "the second Controller sets Enable of %s", readable.Path)
	set := r.Set(c, false, usp.Update(readable.Path, usp.Params{"Enable": "false"}, nil))
	c.Metric(6, func(m *harness.Metric) {
		o, err := expect.UpdatedObject(set, readable.Path, 1)
		m.Must(err, set.Evidence())
		ok := o.GetOperStatus().GetOperSuccess()
		if ok == nil {
			m.Must(&usp.Mismatch{Where: "updated_obj_results[0].oper_status", Want: "oper_success", Got: "oper_failure"})
		}
		for _, u := range ok.GetUpdatedInstResults() {
			if value, there := u.GetUpdatedParams()["Enable"]; there {
				m.Must(&usp.Mismatch{Where: "updated_params", Want: "without Enable, which may not be read", Got: "Enable " + usp.Quote(value)})
			}
		}
	})

	matching := fmt.Sprintf("%s[TimeToLive==%s].", subscriptions, ttl)
	c.Step(8, "the second Controller deletes %s", matching)
	r.judgeDeletion(r.Delete(c, true, matching), matching, rows)
}

// subscription is a row that the second Controller has added.
type subscription struct {
	usp.Created
	id string
}

// subscribe has the second Controller add four Subscriptions with a TimeToLive that no other one has, and judges the keys that it is shown.
func (r *restricted) subscribe() (rows []subscription, ttl string) {
	c := r.c
	ttl = strconv.Itoa(100_000 + rand.IntN(800_000)) // seconds
	var objects []*usppb.Add_CreateObject
	var ids []string
	for range 4 {
		ids = append(ids, c.Fresh("restricted"))
		objects = append(objects, usp.Create(subscriptions, usp.Params{"ID": ids[len(ids)-1], "NotifType": "ValueChange",
			"ReferenceList": subscriptionCount, "TimeToLive": ttl}, usp.Params{"Enable": "false"}))
	}
	added := r.Add(c, false, objects...)
	c.Owns(added)
	created, err := expect.Created(added, len(objects), 0)
	c.DeviceMust(err)
	for i, row := range created {
		rows = append(rows, subscription{row, ids[i]})
	}
	c.Metric(3, func(m *harness.Metric) {
		for _, row := range created {
			m.Must(noKey("unique_keys of "+row.Path, row.UniqueKeys), added.Evidence())
		}
	})
	return rows, ttl
}

// judgeDeletion judges what a Delete of all rows says: the first can be deleted, the second cannot, the third neither deleted nor seen, and
// the last deleted and not seen.
func (r *restricted) judgeDeletion(deleted *controller.Reply, path string, rows []subscription) {
	readable, kept, hidden, unseen := rows[0].Path, rows[1].Path, rows[2].Path, rows[3].Path
	var affected, unaffected []string
	for _, o := range deleted.Body().GetResponse().GetDeleteResp().GetDeletedObjResults() {
		ok := o.GetOperStatus().GetOperSuccess()
		affected = append(affected, ok.GetAffectedPaths()...)
		for _, e := range ok.GetUnaffectedPathErrs() {
			unaffected = append(unaffected, e.GetUnaffectedPath())
		}
	}
	r.c.Metric(7, func(m *harness.Metric) {
		m.Must(expect.Type(deleted, usp.DeleteResp), deleted.Evidence())
		m.Must(expect.Contains("affected_paths of "+path, []string{readable}, affected))
		m.Must(expect.Contains("unaffected_path_errs of "+path, []string{kept}, unaffected))
	})
	r.c.Metric(8, func(m *harness.Metric) { m.Must(without("affected_paths", affected, unseen), deleted.Evidence()) })
	r.c.Metric(9, func(m *harness.Metric) {
		m.Must(without("unaffected_path_errs", unaffected, hidden), deleted.Evidence())
	})
}

// absent wants a GetResp in which each of the paths has 7026, and nothing else.
func absent(got *controller.Reply, paths ...string) error {
	if err := expect.Type(got, usp.GetResp); err != nil {
		return err
	}
	results := got.Body().GetResponse().GetGetResp().GetReqPathResults()
	if err := expect.Count("GetResp: number of req_path_results", len(paths), len(results)); err != nil {
		return err
	}
	for _, q := range results {
		path := q.GetRequestedPath()
		if n := len(q.GetResolvedPathResults()); n > 0 {
			return &usp.Mismatch{Where: "req_path_results for " + path, Want: "7026 alone, since it may not be read",
				Got: fmt.Sprintf("%d resolved_path_results", n)}
		}
		code := usp.ErrCode(q.GetErrCode()).String()
		if err := expect.Equal("req_path_results for "+path+": err_code", usp.CodeInvalidPath.String(), code); err != nil {
			return err
		}
	}
	return nil
}

// undescribed wants a supported data model of Device.LocalAgent. without what may not be read.
func undescribed(got *controller.Reply) error {
	if err := expect.Type(got, usp.GetSupportedDMResp); err != nil {
		return err
	}
	count := "SubscriptionNumberOfEntries"
	readable := false
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			if strings.HasPrefix(o.GetSupportedObjPath(), controllers) {
				return &usp.Mismatch{Where: "supported_objs", Want: "without " + controllers + ", which may not be read",
					Got: usp.Quote(o.GetSupportedObjPath())}
			}
			for _, p := range o.GetSupportedParams() {
				readable = readable || o.GetSupportedObjPath() == localAgent && p.GetParamName() == count
				if o.GetSupportedObjPath()+p.GetParamName() == endpointID {
					return &usp.Mismatch{Where: "supported_params of " + localAgent, Want: "without EndpointID, which may not be read", Got: "EndpointID"}
				}
			}
		}
	}
	if !readable {
		return &usp.Mismatch{Where: "supported_params of " + localAgent, Want: count + ", which may be read", Got: "without it"}
	}
	return nil
}

// noKey wants unique keys without ID, which may not be read.
func noKey(where string, keys usp.Params) error {
	if id, there := keys["ID"]; there {
		return &usp.Mismatch{Where: where, Want: "without ID, which may not be read", Got: "ID " + usp.Quote(id)}
	}
	return nil
}

// without wants none of some rows, which may not be read.
func without(where string, got []string, rows ...string) error {
	for _, row := range rows {
		if slices.Contains(got, row) {
			return &usp.Mismatch{Where: where, Want: "without " + row + ", which may not be read", Got: row}
		}
	}
	return nil
}
