package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// untrustedRole is 2.9. Whether a Controller that the Agent does not know is let in (trust on first
// use) is a matter of its policy: an Agent that does not answer it is in order, and nothing can be
// judged.
func untrustedRole(c *harness.Case) {
	if c.MTP.AgentDials {
		c.Unsupported("over this link the Agent dials the Controllers that it knows, so that an unknown one cannot reach it")
	}
	untrusted, err := c.Read(trust + "UntrustedRole")
	if err != nil {
		c.Unsupported("the device does not show its UntrustedRole, so that there is nothing to compare with")
	}
	allowFirstUse(c)

	id := "proto::" + c.Fresh("unknown")
	stranger, joined := c.Join(id)
	c.Cleanup("end the sessions of the unknown Controller", func(context.Context) error { joined.Leave(); return nil })
	c.Cleanup("delete the row of the unknown Controller", func(ctx context.Context) error {
		for _, found := range c.Agent.Get(ctx, controllers).Body().GetResponse().GetGetResp().GetReqPathResults() {
			if row := rowOf(expect.Resolved(found), id); row != "" {
				return expect.Type(c.Agent.Delete(ctx, true, row), usp.DeleteResp)
			}
		}
		return nil
	})
	c.Step(1, "get Device.DeviceInfo. as a Controller that the Agent does not know, %s", id)
	got := &controller.Reply{}
	if err := reaches(c, stranger); err == nil {
		got = stranger.Get(c, "Device.DeviceInfo.")
	}
	c.Step(2, "get %s as the Controller that it trusts", controllers)
	values, err := c.ReadAll(controllers)
	c.DeviceMust(err)
	row := rowOf(values, id)
	if row == "" {
		if got.Message != nil && got.Body().GetError() == nil {
			c.Metric(1, func(m *harness.Metric) {
				m.Must(&usp.Mismatch{Where: controllers, Want: "a row for the Controller that was answered, " + id, Got: "none"}, got.Evidence())
			})
			return
		}
		c.Unsupported("the policy of the device is to let no unknown Controller in")
	}
	c.Metric(1, func(m *harness.Metric) {
		assigned := references(values[row+"AssignedRole"])
		if len(assigned) == 0 && values[row+"InheritedRole"] != "" {
			c.Unsupported("the unknown Controller has inherited a Role by its certificate")
		}
		m.Must(expect.SameSet(row+"AssignedRole", references(untrusted), assigned), c.Journal.Mark())
		if values[row+"InheritedRole"] == "" {
			m.Must(shownByRight(c, references(untrusted), got), got.Evidence())
		}
		if len(assigned) == 0 {
			m.Note("both are empty: the device gives an unknown Controller no Role at all")
		}
	})
}

// shownByRight wants a reply to show no parameter where no Permission of the Roles lets any be read.
func shownByRight(c *harness.Case, roles []string, got *controller.Reply) error {
	for _, role := range roles {
		values, err := c.ReadAll(role)
		if err != nil {
			return nil // what it permits is not known
		}
		for path, rights := range values {
			row, isRights := strings.CutSuffix(path, ".Param")
			on, err := usp.ParseBool(values[row+".Enable"])
			if isRights && strings.Contains(rights, "r") && (err != nil || on) {
				return nil
			}
		}
	}
	shown := 0
	for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
		shown += len(expect.Resolved(q))
	}
	return expect.Count("parameters shown to the unknown Controller, whose Role lets it read none", 0, shown)
}

// reaches waits until an unknown Controller can send, over WebSocket until its connection is open.
func reaches(c *harness.Case, stranger *controller.Controller) error {
	ctx, cancel := context.WithTimeout(c, c.ResponseWait().D)
	defer cancel()
	return stranger.Connected(ctx)
}

// allowFirstUse lets unknown Controllers in where the device has TOFUAllowed for that and lets it
// be set.
func allowFirstUse(c *harness.Case) {
	const param = "TOFUAllowed"
	if now, err := c.Read(trust + param); err != nil || now == "true" || now == "1" {
		return
	}
	c.Restore(trust, param)
	set := c.Agent.Set(c, false, usp.Update(trust, usp.Params{param: "true"}, nil))
	if err := expect.Type(set, usp.SetResp); err != nil {
		c.Note("%s%s stays false: %v", trust, param, err)
	}
}

// rowOf is the row of the Controller with an Endpoint ID, or "".
func rowOf(values usp.Params, id string) string {
	for _, row := range controllersIn(values) {
		if values[row+"EndpointID"] == id {
			return row
		}
	}
	return ""
}

// secret is a secured parameter whose value the case knows.
type secret struct{ path, value string }

// securedRole is 2.27. A device that has SecuredRoles need not let them be set.
func securedRole(c *harness.Case) {
	if isReadOnly(c, trust, "SecuredRoles") {
		c.Unsupported("by its supported data model, the device does not let " + trust + "SecuredRoles be set, which no profile asks for")
	}
	s := addSecret(c)
	role := roleToSecure(c)
	second, row := c.SecondController()
	c.Set(row, usp.Params{"AssignedRole": expect.WithoutDot(role)})
	secured := c.Restore(trust, "SecuredRoles")

	c.Step(1, "get %s as the second Controller, whose Role is not among SecuredRoles", s.path)
	got := second.Get(c, s.path)
	if !c.Metric(1, func(m *harness.Metric) { s.judge(m, got, "", "an empty value") }) {
		return
	}
	c.Step(3, "add %s to SecuredRoles", role)
	list := append(references(secured), role)
	for i := range list {
		list[i] = expect.WithoutDot(list[i])
	}
	c.Set(trust, usp.Params{"SecuredRoles": strings.Join(list, ",")})
	c.Step(4, "get %s as the second Controller", s.path)
	got = second.Get(c, s.path)
	c.Metric(2, func(m *harness.Metric) { s.judge(m, got, s.value, "the value that the harness gave it") })
	own, err := c.ControllerRow()
	c.DeviceMust(err)
	values, err := c.ReadAll(own)
	c.DeviceMust(err)
	has := append(references(values[own+"AssignedRole"]), references(values[own+"InheritedRole"])...)
	if slices.ContainsFunc(has, func(r string) bool { return slices.Contains(list, expect.WithoutDot(r)) }) {
		return
	}
	c.Beyond("TR-181, LocalAgent.ControllerTrust.SecuredRoles", func(m *harness.Metric) {
		s.judge(m, c.Agent.Get(c, s.path), "", "an empty value for the first Controller, none of whose Roles is among SecuredRoles")
	})
}

// judge wants a GetResp to hold the parameter with a value, which the report does not show.
func (s secret) judge(m *harness.Metric, got *controller.Reply, want, what string) {
	q, err := expect.OneResult(got, s.path)
	m.Must(err, got.Evidence())
	values := expect.Resolved(q)
	value, ok := values[s.path]
	switch {
	case !ok:
		m.Must(&usp.Mismatch{Where: s.path, Want: what, Got: "no such parameter in the GetResp"})
	case value != want && value == s.value:
		m.Must(&usp.Mismatch{Where: s.path, Want: what, Got: "the value that the harness gave it"})
	case value != want && value == "":
		m.Must(&usp.Mismatch{Where: s.path, Want: what, Got: "an empty value"})
	case value != want:
		m.Must(&usp.Mismatch{Where: s.path, Want: what, Got: fmt.Sprintf("another value, of %d bytes", len(value))})
	}
}

// addSecret adds a row with a secured parameter, which it gives a value, to the first table that
// takes one. None of the rows is enabled.
func addSecret(c *harness.Case) secret {
	var tried []string
	for _, place := range []struct{ table, param string }{
		{"Device.MQTT.Client.", "Password"}, {"Device.STOMP.Connection.", "Password"}, {"Device.BulkData.Profile.", "HTTP.Password"},
		{"Device.Users.User.", "Password"},
	} {
		value := c.Fresh("secret")
		added := c.Agent.Add(c, false, usp.Create(place.table, usp.Params{place.param: value}, nil))
		c.Owns(added)
		if created, err := expect.OneCreated(added); err == nil {
			return secret{created.Path + place.param, value}
		}
		tried = append(tried, place.table)
	}
	c.LabMust(fmt.Errorf("the case needs a secured parameter that it can give a value, "+
		"and could add a row with a password to none of %s", strings.Join(tried, ", ")))
	return secret{}
}

// roleToSecure is a Role that may read everything and is not among SecuredRoles: one of its own or,
// where no Role can be added, the one of the harness's Controller.
func roleToSecure(c *harness.Case) string {
	added := c.Agent.Add(c, false, usp.Create(roleTable, nil, usp.Params{"Enable": "true", "Name": c.Fresh("role")}))
	c.Owns(added)
	if role, err := expect.OneCreated(added); err == nil {
		own := &roles{c: c, paths: []string{role.Path}} // its one Permission needs no Order
		reading := usp.Params{"Param": "r---", "Obj": "r---", "InstantiatedObj": "r---", "CommandEvent": "r---"}
		_, err := expect.OneCreated(own.grant("Device.", reading))
		c.LabMust(err)
		return role.Path
	}
	secured, err := c.Read(trust + "SecuredRoles")
	c.DeviceMust(err)
	own := ownRoles(c)
	for _, role := range own.paths {
		if !slices.Contains(references(secured), role) {
			return role
		}
	}
	c.LabMust(fmt.Errorf("the case needs a Role that is not among SecuredRoles: let the harness's Controller add one (%s)", roleTable))
	return ""
}
