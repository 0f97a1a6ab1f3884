package messages

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// root is the root object of the data model.
const root = "Device."

// supportedObject is one object of a GetSupportedDMResp.
type supportedObject = usppb.GetSupportedDMResp_SupportedObjectResult

// allOptions asks for commands, events, parameters and unique keys.
func allOptions(firstLevelOnly bool, paths ...string) *usppb.GetSupportedDM {
	return &usppb.GetSupportedDM{ObjPaths: paths, FirstLevelOnly: firstLevelOnly,
		ReturnCommands: true, ReturnEvents: true, ReturnParams: true, ReturnUniqueKeySets: true}
}

// supportedModelOfOneObject is 1.72: everything below Device.LocalAgent. with all options. What must be there at least is what a Get of the
// same object shows, the commands and events that come when they alone are asked for, and what TR-181 says of elements that every Agent
// has.
func supportedModelOfOneObject(c *harness.Case) {
	values, err := c.ReadAll(localAgent)
	c.DeviceMust(err)
	named := operable(c, localAgent)
	c.Step(1, "get the supported data model of %s with all options", localAgent)
	got := c.Agent.GetSupportedDM(c, allOptions(false, localAgent))
	if !c.Answered(1, got, usp.GetSupportedDMResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) { m.Must(completeModel(got, localAgent, values, named), got.Evidence()) })
	s := standardOf(c, got)
	judgeObjects(c, got, 3, s.validParams, s.validCommands, validEvents, s.validKeySets(modelOf(got)))
}

// supportedModelOfRoot is 1.76: the whole supported data model.
func supportedModelOfRoot(c *harness.Case) {
	values, err := c.ReadAll(root)
	c.DeviceMust(err)
	named := operable(c, root)
	c.Step(1, "get the supported data model of %s with all options", root)
	got := c.Agent.GetSupportedDM(c, allOptions(false, root))
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetSupportedDMResp), got.Evidence())
		m.Must(completeModel(got, root, values, named))
	}) {
		return
	}
	s := standardOf(c, got)
	judgeObjects(c, got, 2, s.validParams, s.validCommands, validEvents, s.validKeySets(modelOf(got)))
}

// supportedFirstLevel is 1.73 and 1.75: the objects themselves with all they have, their children without.
func supportedFirstLevel(paths ...string) harness.Body {
	return func(c *harness.Case) {
		model := fullModel(c, paths...)
		c.Step(1, "get the supported data model of %s with all options, first_level_only", strings.Join(paths, " and "))
		got := c.Agent.GetSupportedDM(c, allOptions(true, paths...))
		if !c.Metric(1, func(m *harness.Metric) { m.Must(firstLevel(got, model, paths), got.Evidence()) }) {
			return
		}
		c.Metric(2, func(m *harness.Metric) {
			for _, o := range supportedObjects(got) {
				check := withoutElements
				if requested(o, paths) {
					check = func(o *supportedObject) error { return hasAllOf(o, model[o.GetSupportedObjPath()]) }
				}
				m.Must(about(o, check), got.Evidence())
			}
		})
		s := standardOf(c, got)
		judgeObjects(c, got, 3, s.validParams, s.validCommands, validEvents, func(o *supportedObject) error {
			if keyed(o.GetSupportedObjPath()) && requested(o, paths) {
				if err := expect.AtLeast("number of unique_key_sets", 1, len(o.GetUniqueKeySets())); err != nil {
					return err
				}
			}
			return s.validKeySets(model)(o)
		})
	}
}

// supportedFirstLevelWithoutOptions is 1.74: the objects and nothing of what they have.
func supportedFirstLevelWithoutOptions(c *harness.Case) {
	model := fullModel(c, localAgent)
	c.Step(1, "get the supported data model of %s without options, first_level_only", localAgent)
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{localAgent}, FirstLevelOnly: true})
	if !c.Metric(1, func(m *harness.Metric) { m.Must(firstLevel(got, model, []string{localAgent}), got.Evidence()) }) {
		return
	}
	judgeObjects(c, got, 2, func(o *supportedObject) error {
		if err := withoutElements(o); err != nil {
			return err
		}
		return expect.Count("number of unique_key_sets", 0, len(o.GetUniqueKeySets()))
	})
}

// supportedModelOfUnknownObject is 1.77.
func supportedModelOfUnknownObject(c *harness.Case) {
	const path = localAgent + "UnsupportedObject."
	c.Step(1, "get the supported data model of %s", path)
	got := c.Agent.GetSupportedDM(c, allOptions(false, path))
	c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetSupportedDMResp), got.Evidence())
		results := modelResults(got)
		m.Must(expect.Count("number of req_obj_results", 1, len(results)))
		m.Must(expect.SamePath("req_obj_results[0].req_obj_path", path, results[0].GetReqObjPath()))
		m.Must(expect.Code("req_obj_results[0].err_code", results[0].GetErrCode(), usp.GetSupportedDM))
	})
}

// supportedCommands is 1.97: the root with return_commands alone. Objects without commands may be there or not.
func supportedCommands(c *harness.Case) {
	model := fullModel(c, root)
	c.Step(1, "get the commands of the supported data model of %s", root)
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{root}, ReturnCommands: true})
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetSupportedDMResp), got.Evidence())
		m.Must(onlyKind(got, model, commandNames, func(o *supportedObject) int { return len(o.GetSupportedParams()) + len(o.GetSupportedEvents()) }))
	}) {
		return
	}
	judgeObjects(c, got, 2, validCommandNames, standardOf(c, got).validCommandTypes)
	c.Metric(4, func(m *harness.Metric) {
		arguments := 0
		for _, o := range supportedObjects(got) {
			m.Must(about(o, validInputArgs), got.Evidence())
			for _, k := range o.GetSupportedCommands() {
				arguments += len(k.GetInputArgNames())
			}
		}
		m.Must(expect.AtLeast("number of input_arg_names of all commands", 1, arguments))
	})
}

// supportedEvents is 1.98: the root with return_events alone. Objects without events may be there or not.
func supportedEvents(c *harness.Case) {
	model := fullModel(c, root)
	c.Step(1, "get the events of the supported data model of %s", root)
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{root}, ReturnEvents: true})
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetSupportedDMResp), got.Evidence())
		m.Must(onlyKind(got, model, eventNames, func(o *supportedObject) int { return len(o.GetSupportedParams()) + len(o.GetSupportedCommands()) }))
	}) {
		return
	}
	judgeObjects(c, got, 2, validEventNames)
	c.Metric(3, func(m *harness.Metric) {
		arguments := 0
		for _, o := range supportedObjects(got) {
			m.Must(about(o, validEventArgs), got.Evidence())
			for _, e := range o.GetSupportedEvents() {
				arguments += len(e.GetArgNames())
			}
		}
		m.Must(expect.AtLeast("number of arg_names of all events", 1, arguments))
	})
}

// supportedKeySets is 1.99: the unique keys of a Subscription. The one of Alias is due when the Agent has the parameter.
func supportedKeySets(c *harness.Case) {
	const row = subscriptions + "{i}."
	want := []string{"ID, Recipient"}
	if slices.Contains(paramNames(fullModel(c, subscriptions)[row]), "Alias") {
		want = append(want, "Alias")
	} else {
		c.Note("the Agent does not support Alias, so no key set is due for it")
	}
	table := subscriptions
	if c.Strict("table-path-without-a-dot") {
		table = expect.WithoutDot(table)
	}
	c.Step(1, "get the unique keys of %s", table)
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{table}, ReturnUniqueKeySets: true})
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetSupportedDMResp), got.Evidence())
		objects, err := objectsFor(got, subscriptions)
		m.Must(err)
		m.Must(expect.Contains("supported_obj_path", []string{row}, objectPaths(objects)))
		for _, o := range objects {
			m.Must(about(o, withoutElements))
		}
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		var sets []string
		for _, o := range supportedObjects(got) {
			for _, set := range o.GetUniqueKeySets() {
				if o.GetSupportedObjPath() == row {
					sets = append(sets, strings.Join(slices.Sorted(slices.Values(set.GetKeyNames())), ", "))
				}
			}
		}
		m.Must(expect.SameSet("unique_key_sets of "+row, want, sets), got.Evidence())
	})
}

// supportedElement is 1.105 and 1.106, of the element that plays a role.
func supportedElement(role string) harness.Body {
	return func(c *harness.Case) { supportedElementAt(c.Element(role))(c) }
}

// supportedElementAt is 1.107 too: of one command, event or parameter the Agent tells that one alone, whatever the options say.
func supportedElementAt(path string) harness.Body {
	return func(c *harness.Case) {
		c.Step(1, "get the supported data model of %s with all options", path)
		got := c.Agent.GetSupportedDM(c, allOptions(false, path))
		s := standardOf(c, got)
		c.Metric(1, func(m *harness.Metric) {
			m.Must(expect.Type(got, usp.GetSupportedDMResp), got.Evidence())
			objects, err := objectsFor(got, path)
			m.Must(err)
			object, name := usp.SplitName(path)
			m.Must(expect.SameSet("supported_obj_path", []string{schemaOf(object)}, objectPaths(objects)))
			o := objects[0]
			m.Must(expect.SameSet("elements of "+object, []string{name}, slices.Concat(paramNames(o), commandNames(o), eventNames(o))))
			m.Must(expect.Count("number of unique_key_sets", 0, len(o.GetUniqueKeySets())))
			for _, check := range []func(*supportedObject) error{s.validParams, s.validCommands, validEvents} {
				m.Must(about(o, check))
			}
		})
	}
}

// judgeObjects judges one metric after the other, from the first on, by one check of every object each.
func judgeObjects(c *harness.Case, got *controller.Reply, first int, checks ...func(*supportedObject) error) {
	for i, check := range checks {
		c.Metric(first+i, func(m *harness.Metric) {
			m.Saw(got.Evidence())
			for _, o := range supportedObjects(got) {
				m.Must(about(o, check))
			}
		})
	}
}

// about says of which object a check speaks.
func about(o *supportedObject, check func(*supportedObject) error) error {
	if err := check(o); err != nil {
		return fmt.Errorf("%s: %w", o.GetSupportedObjPath(), err)
	}
	return nil
}
