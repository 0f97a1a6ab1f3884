package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// addingRole is 2.10. That Roles can be added is not in the profile ControllerTrust:1; a device may
// have those alone that it was made with.
func addingRole(c *harness.Case) {
	c.Uses(plan.NeedRole)
	name := c.Fresh("role")
	c.Step(1, "add a Role with the Name %s", name)
	added := c.Agent.Add(c, false, usp.Create(roleTable, nil, usp.Params{"Enable": "true", "Name": name}))
	c.Owns(added)
	if added.Body().GetError() != nil && !rolesCanBeAdded(c) {
		c.Unsupported("by its supported data model, the device does not let Controllers add Roles, " +
			"which the profile ControllerTrust:1 does not ask for")
	}
	if expect.IsFull(added) {
		_, err := expect.OneCreated(added)
		c.LabMust(fmt.Errorf("%w; make room for a Role in the configuration of the device", err))
	}
	c.Metric(1, func(m *harness.Metric) {
		role, err := expect.OneCreated(added)
		m.Must(err, added.Evidence())
		got := c.Agent.Get(c, role.Path)
		q, err := expect.OneResult(got, role.Path)
		m.Must(err, got.Evidence())
		values := expect.Resolved(q)
		m.Must(expect.Equal(role.Path+"Name", name, values[role.Path+"Name"]))
		m.Must(expect.Value(role.Path+"Enable", usp.TypeBoolean, "true", values[role.Path+"Enable"]))
	})
}

// rolesCanBeAdded reports whether the supported data model lets Controllers add Roles.
func rolesCanBeAdded(c *harness.Case) bool {
	access := supported(c, roleTable+"{i}.").GetAccess()
	return access == usppb.GetSupportedDMResp_OBJ_ADD_DELETE || access == usppb.GetSupportedDMResp_OBJ_ADD_ONLY
}

// isReadOnly reports whether the supported data model lets no Controller write a parameter.
func isReadOnly(c *harness.Case, object, param string) bool {
	return slices.ContainsFunc(supported(c, object).GetSupportedParams(), func(p *usppb.GetSupportedDMResp_SupportedParamResult) bool {
		return p.GetParamName() == param && p.GetAccess() == usppb.GetSupportedDMResp_PARAM_READ_ONLY
	})
}

// supports reports whether the supported data model has a parameter.
func supports(c *harness.Case, object, param string) bool {
	return slices.ContainsFunc(supported(c, object).GetSupportedParams(), func(p *usppb.GetSupportedDMResp_SupportedParamResult) bool {
		return p.GetParamName() == param
	})
}

// supported is what the supported data model says of one object; nil where it has none.
func supported(c *harness.Case, object string) *usppb.GetSupportedDMResp_SupportedObjectResult {
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{object}, FirstLevelOnly: true, ReturnParams: true})
	c.DeviceMust(expect.Type(got, usp.GetSupportedDMResp))
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			if o.GetSupportedObjPath() == object {
				return o
			}
		}
	}
	return nil
}

// unwritable is what 2.25 and 2.26 have in common: a Permission that keeps Enable of Subscriptions
// from being written. That a Subscription can be added with it otherwise is tried first.
func unwritable(c *harness.Case) (own *roles, passed bool) {
	own = ownRoles(c)
	path, _ := c.Subscribe(nil)
	c.DeviceMust(expect.Type(c.Agent.Delete(c, false, path), usp.DeleteResp))

	const enable = subscriptions + "*.Enable"
	denial := usp.Params{"Param": "r---"}
	c.Step(1, "add a Permission to the Controller's Role that lets it only read %s", enable)
	if _, ok := c.Created(1, own.grant(enable, denial)); !ok {
		return own, false
	}
	own.withholdElsewhere(permission{enable, denial})
	return own, true
}

// subscription is what the cases add in step 2, with more required parameters where they want some.
func subscription(c *harness.Case, id string, required usp.Params) *usppb.Add_CreateObject {
	all := usp.Params{"ReferenceList": c.Element(dut.RoleReadable)}
	for name, value := range required {
		all[name] = value
	}
	return usp.Create(subscriptions, all, usp.Params{"ID": id, "NotifType": "ValueChange"})
}

// unwritableParameterOmitted is 2.25.
func unwritableParameterOmitted(c *harness.Case) {
	if _, ok := unwritable(c); !ok {
		return
	}
	c.Step(2, "add a Subscription without Enable")
	added := c.Agent.Add(c, false, subscription(c, c.Fresh("omitted"), nil))
	c.Owns(added)
	created, ok := c.Created(2, added)
	if !ok {
		return
	}
	c.Step(4, "get Enable of %s", created.Path)
	c.Metric(3, func(m *harness.Metric) { mustHaveEnable(c, m, created.Path, "false") })
}

// unwritableParameterIncluded is 2.26.
func unwritableParameterIncluded(c *harness.Case) {
	own, ok := unwritable(c)
	if !ok {
		return
	}
	id := c.Fresh("included")
	c.Step(2, "add a Subscription with Enable as a required parameter, allow_partial true")
	added := c.Agent.Add(c, true, subscription(c, id, usp.Params{"Enable": "true"}))
	c.Owns(added)
	if !c.Metric(2, func(m *harness.Metric) {
		_, err := expect.Created(added, 0, 1)
		m.Must(own.decides(err), added.Evidence())
		mustFailDenied(c, m, added)
	}) {
		return
	}
	c.Step(4, "get %s", subscriptions)
	c.Metric(3, func(m *harness.Metric) {
		got := c.Agent.Get(c, subscriptions)
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() { // of an empty table there may be an error
			for path, value := range expect.Resolved(q) {
				if strings.HasSuffix(path, ".ID") && value == id {
					c.OwnsPath(strings.TrimSuffix(path, "ID"))
					m.Must(expect.Nothing("Subscription with the ID "+id, path))
				}
			}
		}
	})
}

// mustFailDenied wants each oper_failure of an AddResp to report a missing permission (7006), or the required parameter that failed for
// want of it (7021): the failure of an object has no parameter errors.
func mustFailDenied(c *harness.Case, m *harness.Metric, added *controller.Reply) {
	for i, o := range added.Body().GetResponse().GetAddResp().GetCreatedObjResults() {
		f := o.GetOperStatus().GetOperFailure()
		if f == nil {
			continue
		}
		where, got := fmt.Sprintf("created_obj_results[%d].oper_failure: err_code", i), usp.ErrCode(f.GetErrCode())
		if got != usp.CodeRequiredParameterFailed || c.Strict("required-parameter-that-is-denied") {
			m.Must(expect.Equal(where, usp.CodePermissionDenied.String(), got.String()), added.Evidence())
			continue
		}
		m.Note("%s is %s, for want of the permission to write a required parameter", where, got)
	}
}
