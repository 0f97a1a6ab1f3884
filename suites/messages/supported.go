package messages

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// supportedObject is one object of a GetSupportedDMResp.
type supportedObject = usppb.GetSupportedDMResp_SupportedObjectResult

// supportedModelOfOneObject is 1.72: everything below Device.LocalAgent. with all options. What must be there at least is what a Get of the
// same object shows, and what TR-181 says of elements that every Agent has.
func supportedModelOfOneObject(c *harness.Case) {
	instantiated, err := c.ReadAll(localAgent)
	c.DeviceMust(err)
	c.Step(1, "get the supported data model of %s with all options", localAgent)
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{
		ObjPaths: []string{localAgent}, ReturnCommands: true, ReturnEvents: true, ReturnParams: true, ReturnUniqueKeySets: true,
	})
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(got, usp.GetSupportedDMResp), got.Evidence()) }) {
		return
	}
	objects := supportedObjects(got)
	judge := func(n int, check func(o *supportedObject) error) {
		c.Metric(n, func(m *harness.Metric) {
			m.Must(nil, got.Evidence())
			for _, o := range objects {
				if err := check(o); err != nil {
					m.Must(fmt.Errorf("%s: %w", o.GetSupportedObjPath(), err))
				}
			}
		})
	}
	c.Metric(2, func(m *harness.Metric) { m.Must(completeModel(got, objects, instantiated), got.Evidence()) })
	judge(3, validParams)
	judge(4, validCommands)
	judge(5, validEvents)
	judge(6, validKeySets)
}

func supportedObjects(got *controller.Reply) []*supportedObject {
	var out []*supportedObject
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		out = append(out, q.GetSupportedObjs()...)
	}
	return out
}

// completeModel wants one result for the requested object, the object itself, no object twice or outside of it, everything that is
// instantiated, and the elements that every Agent has.
func completeModel(got *controller.Reply, objects []*supportedObject, instantiated usp.Params) error {
	results := got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults()
	if err := expect.Count("number of req_obj_results", 1, len(results)); err != nil {
		return err
	}
	if err := expect.SamePath("req_obj_results[0].req_obj_path", localAgent, results[0].GetReqObjPath()); err != nil {
		return err
	}
	if err := expect.NoError("req_obj_results[0].err_code", results[0].GetErrCode(), results[0].GetErrMsg()); err != nil {
		return err
	}
	model := map[string]*supportedObject{}
	for _, o := range objects {
		path := o.GetSupportedObjPath()
		if !strings.HasPrefix(path, localAgent) {
			return &usp.Mismatch{Where: "supported_obj_path", Want: "objects below " + localAgent, Got: fmt.Sprintf("%q", path)}
		}
		if model[path] != nil {
			return &usp.Mismatch{Where: "supported_obj_path", Want: "every object once", Got: fmt.Sprintf("%q twice", path)}
		}
		model[path] = o
	}
	for _, path := range instantiated.Names() {
		object, name := split(path)
		if err := supports(model, schemaOf(object), name); err != nil {
			return err
		}
	}
	// whether the names are well formed is the matter of metric 5
	if root := model[localAgent]; !slices.ContainsFunc(eventNames(root), func(name string) bool { return strings.HasPrefix(name, "Periodic") }) {
		return &usp.Mismatch{Where: localAgent + " supported_events", Want: "Periodic! among them", Got: fmt.Sprintf("%q", eventNames(root))}
	}
	subscription := model[subscriptions+"{i}."]
	if subscription == nil || len(subscription.GetUniqueKeySets()) == 0 {
		return &usp.Mismatch{Where: subscriptions + "{i}. unique_key_sets", Want: "at least one key set", Got: "none"}
	}
	return nil
}

// supports wants a parameter that the Agent has instantiated in the supported model.
func supports(model map[string]*supportedObject, object, name string) error {
	o := model[object]
	if o == nil {
		return &usp.Mismatch{Where: "supported_objs", Want: object + ", of which the Agent has parameters", Got: "no such object"}
	}
	for _, p := range o.GetSupportedParams() {
		if p.GetParamName() == name {
			return nil
		}
	}
	return &usp.Mismatch{Where: object + " supported_params", Want: name + ", which a Get shows", Got: "no such parameter"}
}

func eventNames(o *supportedObject) []string {
	var names []string
	for _, e := range o.GetSupportedEvents() {
		names = append(names, e.GetEventName())
	}
	return names
}

// standard are parameters that every Agent has, with what TR-181 says of them, by supported path. An Agent may refuse to write what the
// standard lets a Controller write, but not the other way round.
var standard = map[string]struct {
	t        usp.ValueType
	readOnly bool
}{
	localAgent + "EndpointID":                  {usp.TypeString, true},
	localAgent + "ControllerNumberOfEntries":   {usp.TypeUnsignedInt, true},
	localAgent + "SubscriptionNumberOfEntries": {usp.TypeUnsignedInt, true},
	subscriptions + "{i}.Enable":               {usp.TypeBoolean, false},
	subscriptions + "{i}.ID":                   {usp.TypeString, false},
	subscriptions + "{i}.NotifType":            {usp.TypeString, false},
	subscriptions + "{i}.ReferenceList":        {usp.TypeString, false},
	subscriptions + "{i}.CreationDate":         {usp.TypeDateTime, true},
	subscriptions + "{i}.TimeToLive":           {usp.TypeUnsignedInt, false},
	controllers + "{i}.EndpointID":             {usp.TypeString, false},
	controllers + "{i}.Enable":                 {usp.TypeBoolean, false},
	controllers + "{i}.PeriodicNotifTime":      {usp.TypeDateTime, false},
}

// The grammar of names (TR-106): parameters, commands and events are NCNames, vendor names begin with X_.
var (
	paramName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	commandName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*\(\)$`)
	eventName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*!$`)
	argName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.{}-]*$`)
)

func validParams(o *supportedObject) error {
	seen := map[string]bool{}
	for _, p := range o.GetSupportedParams() {
		if err := validName("param_name", paramName, p.GetParamName(), seen); err != nil {
			return err
		}
		where := "supported_params " + p.GetParamName()
		if _, known := usppb.GetSupportedDMResp_ParamAccessType_name[int32(p.GetAccess())]; !known {
			return &usp.Mismatch{Where: where + ": access", Want: "an access of the schema", Got: p.GetAccess().String()}
		}
		if _, known := usppb.GetSupportedDMResp_ParamValueType_name[int32(p.GetValueType())]; !known || p.GetValueType() == usppb.GetSupportedDMResp_PARAM_UNKNOWN {
			return &usp.Mismatch{Where: where + ": value_type", Want: "a type", Got: p.GetValueType().String()}
		}
		if _, known := usppb.GetSupportedDMResp_ValueChangeType_name[int32(p.GetValueChange())]; !known || p.GetValueChange() == usppb.GetSupportedDMResp_VALUE_CHANGE_UNKNOWN {
			return &usp.Mismatch{Where: where + ": value_change", Want: "VALUE_CHANGE_ALLOWED or VALUE_CHANGE_WILL_IGNORE", Got: p.GetValueChange().String()}
		}
		known, ok := standard[o.GetSupportedObjPath()+p.GetParamName()]
		switch {
		case ok && known.t != p.GetValueType():
			return &usp.Mismatch{Where: where + ": value_type", Want: known.t.String() + " (TR-181)", Got: p.GetValueType().String()}
		case ok && known.readOnly && p.GetAccess() != usppb.GetSupportedDMResp_PARAM_READ_ONLY:
			return &usp.Mismatch{Where: where + ": access", Want: "PARAM_READ_ONLY (TR-181)", Got: p.GetAccess().String()}
		}
	}
	return nil
}

func validCommands(o *supportedObject) error {
	seen := map[string]bool{}
	for _, k := range o.GetSupportedCommands() {
		if err := validName("command_name", commandName, k.GetCommandName(), seen); err != nil {
			return err
		}
		where := "supported_commands " + k.GetCommandName()
		if t := k.GetCommandType(); t != usppb.GetSupportedDMResp_CMD_SYNC && t != usppb.GetSupportedDMResp_CMD_ASYNC {
			return &usp.Mismatch{Where: where + ": command_type", Want: "CMD_SYNC or CMD_ASYNC", Got: t.String()}
		}
		for _, names := range [][]string{k.GetInputArgNames(), k.GetOutputArgNames()} {
			if err := validNames(where+": argument", names); err != nil {
				return err
			}
		}
	}
	return nil
}

func validEvents(o *supportedObject) error {
	seen := map[string]bool{}
	for _, e := range o.GetSupportedEvents() {
		if err := validName("event_name", eventName, e.GetEventName(), seen); err != nil {
			return err
		}
		if err := validNames("supported_events "+e.GetEventName()+": argument", e.GetArgNames()); err != nil {
			return err
		}
	}
	return nil
}

// validKeySets wants key sets on tables alone, each of names of the object's own parameters, without the table's path.
func validKeySets(o *supportedObject) error {
	if !o.GetIsMultiInstance() {
		return expect.Count("number of unique_key_sets of an object that is no table", 0, len(o.GetUniqueKeySets()))
	}
	for _, set := range o.GetUniqueKeySets() {
		if err := expect.AtLeast("unique_key_sets: number of key_names", 1, len(set.GetKeyNames())); err != nil {
			return err
		}
		for _, key := range set.GetKeyNames() {
			known := slices.ContainsFunc(o.GetSupportedParams(), func(p *usppb.GetSupportedDMResp_SupportedParamResult) bool { return p.GetParamName() == key })
			// a key may be a parameter of a child object, then with a dot; only own parameters can be looked up here
			if !known && !strings.Contains(key, ".") || strings.HasPrefix(key, "Device.") {
				return &usp.Mismatch{Where: "unique_key_sets: key_names", Want: "names of parameters of the object", Got: fmt.Sprintf("%q", key)}
			}
		}
	}
	return nil
}

// validName wants a name of the right form that has not come before.
func validName(where string, form *regexp.Regexp, name string, seen map[string]bool) error {
	if !form.MatchString(name) {
		return &usp.Mismatch{Where: where, Want: "a name of the form " + form.String(), Got: fmt.Sprintf("%q", name)}
	}
	if seen[name] {
		return &usp.Mismatch{Where: where, Want: "every name once", Got: fmt.Sprintf("%q twice", name)}
	}
	seen[name] = true
	return nil
}

func validNames(where string, names []string) error {
	seen := map[string]bool{}
	for _, name := range names {
		if err := validName(where, argName, name, seen); err != nil {
			return err
		}
	}
	return nil
}

// supportedProtocol is 1.80: the Agent's own list of versions.
func supportedProtocol(c *harness.Case) {
	c.Step(1, "get the supported protocol versions")
	got := c.Agent.GetSupportedProtocol(c, "1.0,1.1,1.2,1.3,1.4")
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(got, usp.GetSupportedProtocolResp), got.Evidence()) }) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		list := got.Body().GetResponse().GetGetSupportedProtocolResp().GetAgentSupportedProtocolVersions()
		for _, version := range strings.Split(list, ",") {
			if !protocolVersion.MatchString(strings.TrimSpace(version)) {
				m.Must(&usp.Mismatch{Where: "agent_supported_protocol_versions", Want: "USP versions separated by commas, such as 1.3,1.4", Got: fmt.Sprintf("%q", list)}, got.Evidence())
			}
		}
		m.Must(nil, got.Evidence())
	})
}

var protocolVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)
