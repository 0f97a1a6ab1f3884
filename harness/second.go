package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// SecondController adds a Controller to the device as a fixture and plays it: it has a row of its own, the Roles of the harness's own
// Controller and the same way to the Agent, but for a topic, destination or WebSocket of its own. It returns when the Agent has answered
// the second Controller, and at the end the row is deleted. A device that does not take it proves nothing, which is an error of the case.
func (c *Case) SecondController() (second *controller.Controller, row string) {
	second, row, err := c.NewController()
	if err != nil {
		err = fmt.Errorf("the device does not take a second Controller: %w; "+
			"let the harness's Controller add one (%s), its MTP and its AssignedRole", err, Controllers)
	}
	c.LabMust(err)
	return second, row
}

// NewController is SecondController for a case that judges whether the device takes one.
func (c *Case) NewController() (second *controller.Controller, row string, err error) {
	own, err := c.ControllerRow()
	c.DeviceMust(err)
	values, err := c.ReadAll(own)
	c.DeviceMust(err)
	id, roles := "proto::"+c.Fresh("controller"), values[own+"AssignedRole"]
	if roles == "" {
		roles = values[own+"InheritedRole"]
	}
	added := c.Agent.Add(c, false, usp.Create(Controllers, usp.Params{"EndpointID": id, "Enable": "true"},
		usp.Params{"AssignedRole": roles}))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	if err != nil {
		return nil, "", err
	}
	further, joined := c.Join(id) // not before the Agent knows it: the link may dial
	c.Cleanup("end the sessions of the second Controller", func(context.Context) error {
		further.FallSilent()
		joined.Leave()
		return nil
	})
	if err := c.leadTo(joined, own, values, created.Path); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(c, c.ReconnectWait().D)
	defer cancel()
	if err := further.Connected(ctx); err != nil {
		return nil, "", err
	}
	return further, created.Path, expect.Type(further.Get(c, EndpointID), usp.GetResp)
}

// Join has a further Controller take part, which the Agent need not know. Leave ends that.
func (c *Case) Join(id string) (further *controller.Controller, joined link.Joined) {
	c.Uses(plan.NeedSecondController)
	return c.Agent.Join(id)
}

// leadTo gives the Controller in row an MTP like that of the harness's own, but with the address where it has joined. An Agent that the
// harness dials need not have one.
func (c *Case) leadTo(joined link.Joined, own string, values usp.Params, row string) error {
	mtp := c.MTP
	from := ""
	for _, path := range values.Names() {
		at, ok := strings.CutSuffix(path, ".Protocol")
		if ok && from == "" && strings.HasPrefix(path, own+"MTP.") && values[path] == mtp.Name {
			from = at + "."
		}
	}
	switch {
	case from == "" && joined.Address() == "":
		return nil
	case from == "":
		return fmt.Errorf("%sMTP.: want a row whose Protocol is %s, to copy it, got none", own, mtp.Name)
	}
	added := c.Agent.Add(c, false, usp.Create(row+"MTP.", usp.Params{"Protocol": mtp.Name}, nil))
	created, err := expect.OneCreated(added)
	if err != nil {
		return err
	}
	address, like := usp.Params{}, usp.Params{}
	if joined.Address() != "" {
		address[mtp.ControllerAddress] = joined.Address()
	}
	for path, value := range values {
		name, ok := strings.CutPrefix(path, from+mtp.Name+".")
		if _, set := address[name]; ok && !set {
			like[name] = value // of those that cannot be written, the device says so, and goes on
		}
	}
	return errors.Join(
		expect.Type(c.Agent.Set(c, false, usp.Update(created.Path+mtp.Name+".", address, like)), usp.SetResp),
		expect.Type(c.Agent.Set(c, false, usp.Update(created.Path, usp.Params{"Enable": "true"}, nil)), usp.SetResp),
	)
}
