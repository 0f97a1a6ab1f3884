package messages

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

func modelResults(got *controller.Reply) []*usppb.GetSupportedDMResp_RequestedObjectResult {
	return got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults()
}

func supportedObjects(got *controller.Reply) []*supportedObject {
	var out []*supportedObject
	for _, q := range modelResults(got) {
		out = append(out, q.GetSupportedObjs()...)
	}
	return out
}

func modelOf(got *controller.Reply) dataModel {
	model := dataModel{}
	for _, o := range supportedObjects(got) {
		model[o.GetSupportedObjPath()] = o
	}
	return model
}

// fullModel asks for everything below some objects with all options, to compare with. It is no metric of the cases that need it.
func fullModel(c *harness.Case, paths ...string) dataModel {
	got := c.Agent.GetSupportedDM(c, allOptions(false, paths...))
	c.DeviceMust(expect.Type(got, usp.GetSupportedDMResp))
	return modelOf(got)
}

// operable asks for the commands and events below an object alone, to compare with. An Agent that does not answer is not compared.
func operable(c *harness.Case, path string) dataModel {
	return modelOf(c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{path}, ReturnCommands: true, ReturnEvents: true}))
}

// objectsFor wants one result, for a path, without an error, and returns its objects.
func objectsFor(got *controller.Reply, path string) ([]*supportedObject, error) {
	results := modelResults(got)
	if err := expect.Count("number of req_obj_results", 1, len(results)); err != nil {
		return nil, err
	}
	if err := expect.SamePath("req_obj_results[0].req_obj_path", path, results[0].GetReqObjPath()); err != nil {
		return nil, err
	}
	return results[0].GetSupportedObjs(), expect.NoError("req_obj_results[0].err_code", results[0].GetErrCode(), results[0].GetErrMsg())
}

func objectPaths(objects []*supportedObject) []string {
	var paths []string
	for _, o := range objects {
		paths = append(paths, o.GetSupportedObjPath())
	}
	return paths
}

func paramNames(o *supportedObject) []string {
	var names []string
	for _, p := range o.GetSupportedParams() {
		names = append(names, p.GetParamName())
	}
	return names
}

func commandNames(o *supportedObject) []string {
	var names []string
	for _, k := range o.GetSupportedCommands() {
		names = append(names, k.GetCommandName())
	}
	return names
}

func eventNames(o *supportedObject) []string {
	var names []string
	for _, e := range o.GetSupportedEvents() {
		names = append(names, e.GetEventName())
	}
	return names
}

// requested reports whether o is one of the objects asked for; a table may be given with or without {i}.
func requested(o *supportedObject, paths []string) bool {
	return slices.Contains(paths, o.GetSupportedObjPath()) || slices.Contains(paths, strings.TrimSuffix(o.GetSupportedObjPath(), "{i}."))
}

// keyed are the objects with a unique key that no Agent can be without: it does not depend on Alias.
func keyed(path string) bool { return path == subscriptions+"{i}." || path == controllers+"{i}." }

// childOf reports whether an object is immediately below another; a table and its row are one level.
func childOf(parent, path string) bool {
	rest, below := strings.CutPrefix(path, parent)
	rest = strings.TrimPrefix(rest, "{i}.")
	return below && strings.Count(strings.TrimSuffix(rest, "{i}."), ".") == 1
}

// firstLevel wants one result for each path, in any order, with the object and its immediate children, each once and nothing else.
func firstLevel(got *controller.Reply, model dataModel, paths []string) error {
	if err := expect.Type(got, usp.GetSupportedDMResp); err != nil {
		return err
	}
	var asked []string
	for _, q := range modelResults(got) {
		asked = append(asked, q.GetReqObjPath())
	}
	if err := expect.SameSet("req_obj_path of each req_obj_results", paths, asked); err != nil {
		return err
	}
	for _, q := range modelResults(got) {
		path := q.GetReqObjPath()
		if err := expect.NoError("result for "+path+": err_code", q.GetErrCode(), q.GetErrMsg()); err != nil {
			return err
		}
		var want []string
		for known, o := range model {
			if requested(o, []string{path}) || childOf(path, known) {
				want = append(want, known)
			}
		}
		if err := expect.SameSet("result for "+path+": supported_obj_path", want, objectPaths(q.GetSupportedObjs())); err != nil {
			return err
		}
	}
	return nil
}

// withoutElements wants an object without parameters, commands and events.
func withoutElements(o *supportedObject) error {
	if names := slices.Concat(paramNames(o), commandNames(o), eventNames(o)); len(names) > 0 {
		return expect.Nothing("supported_params, supported_commands and supported_events", usp.Quote(names[0]))
	}
	return nil
}

// hasAllOf wants an object with all elements that it has in another answer. Whether their names are well formed is the matter of other
// metrics.
func hasAllOf(o, known *supportedObject) error {
	for _, kind := range []struct {
		where string
		names func(*supportedObject) []string
		mark  string
	}{{"supported_params", paramNames, ""}, {"supported_commands", commandNames, "()"}, {"supported_events", eventNames, "!"}} {
		bare := func(o *supportedObject) []string {
			var names []string
			for _, name := range kind.names(o) {
				names = append(names, strings.TrimSuffix(name, kind.mark))
			}
			return names
		}
		if err := expect.Contains(kind.where, bare(known), bare(o)); err != nil {
			return err
		}
	}
	return nil
}

// onlyKind wants every object of the model that has names of a kind, with these names; others counts what else an object shows, which
// must be nothing, keys neither.
func onlyKind(got *controller.Reply, model dataModel, names func(*supportedObject) []string, others func(*supportedObject) int) error {
	objects, err := objectsFor(got, root)
	if err != nil {
		return err
	}
	found := map[string]*supportedObject{}
	for _, o := range objects {
		path := o.GetSupportedObjPath()
		if others(o) > 0 || len(o.GetUniqueKeySets()) > 0 {
			return &usp.Mismatch{Where: path, Want: "elements of the kind asked for alone", Got: "other elements or unique_key_sets too"}
		}
		if found[path] != nil {
			return &usp.Mismatch{Where: "supported_obj_path", Want: "every object once", Got: fmt.Sprintf("%q twice", path)}
		}
		found[path] = o
	}
	bare := func(o *supportedObject) []string {
		var out []string
		for _, name := range names(o) {
			out = append(out, strings.TrimRight(name, "()!"))
		}
		return out
	}
	for path, o := range model {
		if err := expect.Contains(path+" in the answer", bare(o), bare(found[path])); err != nil {
			return err
		}
	}
	return nil
}

// completeModel wants one result for the requested object, the object itself, no object twice or outside of it, everything that is
// instantiated or has been named in another answer, and the elements that every Agent has.
func completeModel(got *controller.Reply, path string, instantiated usp.Params, named dataModel) error {
	objects, err := objectsFor(got, path)
	if err != nil {
		return err
	}
	model := dataModel{}
	for _, o := range objects {
		object := o.GetSupportedObjPath()
		if !strings.HasPrefix(object, path) {
			return &usp.Mismatch{Where: "supported_obj_path", Want: "objects below " + path, Got: usp.Quote(object)}
		}
		if model[object] != nil {
			return &usp.Mismatch{Where: "supported_obj_path", Want: "every object once", Got: fmt.Sprintf("%q twice", object)}
		}
		model[object] = o
	}
	if model[path] == nil {
		return &usp.Mismatch{Where: "supported_obj_path", Want: path + " itself", Got: "no such object"}
	}
	for _, element := range instantiated.Names() {
		object, name := usp.SplitName(element)
		if err := model.supports(schemaOf(object), name); err != nil {
			return err
		}
	}
	for _, object := range slices.Sorted(maps.Keys(named)) {
		if err := hasAllOf(model[object], named[object]); err != nil {
			return fmt.Errorf("%s: %w", object, err)
		}
	}
	// whether the names are well formed is the matter of another metric
	if own := model[localAgent]; !slices.ContainsFunc(eventNames(own), func(name string) bool { return strings.HasPrefix(name, "Periodic") }) {
		return &usp.Mismatch{Where: localAgent + " supported_events", Want: "Periodic! among them", Got: fmt.Sprintf("%q", eventNames(own))}
	}
	subscription := model[subscriptions+"{i}."]
	if len(subscription.GetUniqueKeySets()) == 0 {
		return &usp.Mismatch{Where: subscriptions + "{i}. unique_key_sets", Want: "at least one key set", Got: "none"}
	}
	return nil
}

// diverges reports whether an object is in a table whose rows differ in what they support: the model tells nothing of what they have.
func (model dataModel) diverges(object string) bool {
	for above := object; above != ""; above = above[:strings.LastIndexByte(strings.TrimSuffix(above, "."), '.')+1] {
		if len(model[above].GetDivergentPaths()) > 0 {
			return true
		}
	}
	return false
}

// supports wants a parameter that the Agent has instantiated in the supported model.
func (model dataModel) supports(object, name string) error {
	if model.diverges(object) {
		return nil
	}
	if model[object] == nil {
		return &usp.Mismatch{Where: "supported_objs", Want: object + ", of which the Agent has parameters", Got: "no such object"}
	}
	if !slices.Contains(paramNames(model[object]), name) {
		return &usp.Mismatch{Where: object + " supported_params", Want: name + ", which a Get shows", Got: "no such parameter"}
	}
	return nil
}
