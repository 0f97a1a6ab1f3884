package messages

import (
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// dataModel is what the Agent says it supports, by supported path with {i}.
type dataModel map[string]*usppb.GetSupportedDMResp_SupportedObjectResult

// supported asks for the supported data model below an object. It is no metric of the cases that need it for comparison.
func supported(c *harness.Case, path string) dataModel {
	reply := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{path}, ReturnParams: true})
	c.DeviceMust(expect.Type(reply, usp.GetSupportedDMResp))
	model := dataModel{}
	for _, q := range reply.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			model[o.GetSupportedObjPath()] = o
		}
	}
	return model
}

// instancesBelow lists the rows of tables, and of the tables inside their rows, as GetInstances tells them.
func instancesBelow(c *harness.Case, tables ...string) []string {
	reply := c.Agent.GetInstances(c, false, tables...)
	c.DeviceMust(expect.Type(reply, usp.GetInstancesResp))
	var out []string
	for _, q := range reply.Body().GetResponse().GetGetInstancesResp().GetReqPathResults() {
		c.DeviceMust(expect.NoError("GetInstances of "+q.GetRequestedPath(), q.GetErrCode(), q.GetErrMsg()))
		for _, i := range q.GetCurrInsts() {
			out = append(out, i.GetInstantiatedObjPath())
		}
	}
	return out
}

// singlesInRows lists the objects inside rows that are no rows themselves, as a Get of them in every row tells. Which of them a row has is
// the Agent's to say: that of another protocol may be absent.
func singlesInRows(c *harness.Case, model dataModel) []string {
	var paths, found []string
	for _, path := range slices.Sorted(maps.Keys(model)) {
		if strings.Contains(path, "{i}") && !strings.HasSuffix(path, "{i}.") {
			paths = append(paths, strings.ReplaceAll(path, "{i}", "*"))
		}
	}
	if len(paths) == 0 {
		return nil
	}
	got := c.Agent.Get(c, paths...)
	c.DeviceMust(expect.Type(got, usp.GetResp))
	for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
		for _, object := range expect.ResolvedPaths(q) {
			if path := schemaOf(object); model[path] != nil && !strings.HasSuffix(path, "{i}.") {
				found = append(found, object)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// tables are the multi-instance objects of a model that are in no other one's rows.
func (model dataModel) tables() []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(model)) {
		if table, ok := strings.CutSuffix(path, "{i}."); ok && !strings.Contains(table, "{i}") {
			out = append(out, table)
		}
	}
	return out
}

// filter keeps the objects of a model that a condition on their paths accepts.
func filter(model dataModel, accept func(path string) bool) dataModel {
	out := maps.Clone(model)
	maps.DeleteFunc(out, func(path string, _ *usppb.GetSupportedDMResp_SupportedObjectResult) bool { return !accept(path) })
	return out
}

// keep keeps the paths that a condition accepts.
func keep(paths []string, accept func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return !accept(p) })
}

// volatile are tables whose rows come and go by themselves, so that two reads may differ.
func volatile(path string) bool { return strings.HasPrefix(path, localAgent+"Request.") }

// complete wants a result to show every readable parameter of the root object, and every object and row below it that the model and the
// instances call for. Objects without parameters may be left out; one object may be split over several elements. Where rows differ in what
// they support, nothing is demanded.
func complete(q *usppb.GetResp_RequestedPathResult, root string, model dataModel, instances []string) error {
	got := expect.Resolved(q)
	var objects []string
	for _, r := range q.GetResolvedPathResults() {
		objects = append(objects, r.GetResolvedPath())
	}
	for _, path := range slices.Sorted(maps.Keys(model)) {
		object := model[path]
		if len(readableParams(object)) == 0 || model.diverges(path) {
			continue
		}
		if !strings.Contains(path, "{i}") {
			if err := showsObject(path, object, got, objects); err != nil {
				return err
			}
			continue
		}
		for _, row := range instances {
			if schemaOf(row) == path && !volatile(row) {
				if err := showsObject(row, object, got, objects); err != nil {
					return err
				}
			}
		}
	}
	for _, o := range objects {
		if _, known := model[schemaOf(o)]; !known && !model.diverges(schemaOf(o)) && strings.HasPrefix(o, root) {
			return &usp.Mismatch{Where: "resolved_path_results", Want: "objects of the supported data model", Got: usp.Quote(o)}
		}
	}
	return nil
}

// showsObject wants a result to show an object with all its readable parameters.
func showsObject(path string, object *usppb.GetSupportedDMResp_SupportedObjectResult, got usp.Params, objects []string) error {
	if !slices.Contains(objects, path) {
		return &usp.Mismatch{Where: "resolved_path_results", Want: path + " with its parameters", Got: "no element for it"}
	}
	for _, name := range readableParams(object) {
		if _, ok := got[path+name]; !ok {
			return &usp.Mismatch{Where: "result_params of " + path, Want: name, Got: "no such parameter"}
		}
	}
	return nil
}

// readableParams are the names of an object's parameters that a Get may show.
func readableParams(object *usppb.GetSupportedDMResp_SupportedObjectResult) []string {
	var names []string
	for _, p := range object.GetSupportedParams() {
		if p.GetAccess() != usppb.GetSupportedDMResp_PARAM_WRITE_ONLY {
			names = append(names, p.GetParamName())
		}
	}
	return names
}

// schemaOf is the path of an object in the supported data model: each row number is {i}.
func schemaOf(path string) string {
	p, err := usp.ParsePath(path)
	if err != nil {
		return path
	}
	return p.Schema()
}
