package bulkdata

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// collection is what a profile reports in a case: one entry of its table of parameters, and what then has to be in a report.
type collection struct {
	name, reference string
	named           func(path string) string // of a parameter: the name that it has in a report
	holds           func(where string, r *report) error
	alone           bool   // nothing else may be in a report
	wildcards       bool   // reference has some
	whole           bool   // what a Get shows has to be there, which no metric asks for
	layout          string // of JSON in the neighbour; "" is NameValuePair

	before usp.Params // what a Get of reference has shown
}

// upTimeAlone is the collection of most cases: UpTime, and nothing else.
func upTimeAlone(*harness.Case) *collection {
	return &collection{name: upTime, reference: deviceUpTime, alone: true, named: func(string) string { return upTime }, holds: holdsUpTime}
}

// holdsUpTime wants UpTime in a report and nothing else.
func holdsUpTime(where string, r *report) error {
	if err := expect.SameSet(where+": names of the parameters", []string{upTime}, r.names()); err != nil {
		return err
	}
	return valid(where, upTime, usp.TypeUnsignedInt, r.values[upTime])
}

// valid wants a value of a type.
func valid(where, name string, t usp.ValueType, v value) error {
	if usp.Valid(t, v.text) == nil {
		return nil
	}
	return &usp.Mismatch{Where: v.named(where, name), Want: "a value of the type " + usp.ValueTypeName(t), Got: usp.Quote(v.text)}
}

const controllers = harness.Controllers

// enabledNames are the names that R-BULK.9 makes for Enabled, of the Controller and its BootParameter by their instance numbers.
var enabledNames = regexp.MustCompile(`^Enabled\.[1-9][0-9]*\.[1-9][0-9]*$`)

// bootParameters are the Enable of all BootParameters of all Controllers, by one path with two wildcards. Two are the harness's
// Controller's.
func bootParameters(c *harness.Case) *collection {
	const name = "Enabled"
	named := func(path string) string { // of Device.LocalAgent.Controller.1.BootParameter.2.Enable
		parts := strings.Split(strings.TrimPrefix(path, controllers), ".")
		return strings.Join([]string{name, parts[0], parts[2]}, ".")
	}
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	var own []string
	for _, reported := range []string{harness.EndpointID, "Device.LocalAgent.SoftwareVersion"} {
		own = append(own, named(bootParameter(c, row+"BootParameter.", reported)+"Enable"))
	}
	return &collection{name: name, reference: controllers + "*.BootParameter.*.Enable", wildcards: true, whole: true, named: named,
		holds: func(where string, r *report) error {
			names := r.names()
			for _, name := range names {
				if !enabledNames.MatchString(name) {
					return &usp.Mismatch{Where: where + ": name of a parameter", Want: "Enabled.<Controller>.<BootParameter>", Got: usp.Quote(name)}
				}
				if err := valid(where, name, usp.TypeBoolean, r.values[name]); err != nil {
					return err
				}
			}
			return expect.Contains(where+": names of the parameters", own, names)
		}}
}

// bootParameter is the row of a table that names a parameter. One that the device does not have is added.
func bootParameter(c *harness.Case, table, param string) string {
	rows, err := c.ReadAll(table)
	c.DeviceMust(err)
	for _, path := range rows.Names() {
		if row, name := usp.SplitName(path); name == "ParameterName" && rows[path] == param {
			return row
		}
	}
	return c.Add(table, usp.Params{"ParameterName": param}, usp.Params{"Enable": "true"}).Path
}

// ownController is all that the device has of the harness's Controller, by one path. It must be in a report by the words of the plan, too.
func ownController(c *harness.Case) *collection {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	o := below(row, "TestController")
	o.alone, o.whole = true, false
	o.holds = func(where string, r *report) error {
		if err := prefixed(where, o.name+".", r.names()); err != nil {
			return err
		}
		return whole(where, r.names(), o.names(o.before), o.names(o.read(c)))
	}
	return o
}

// besides is what the neighbour of a profile with a collection reports: an object path without a name, in a hierarchy, or the same. Behind
// wildcards, it is the whole table that the parameters are in; by its paths, or under a name where there is one.
func (o *collection) besides(c *harness.Case, name string) *collection {
	u := *o
	u.name, u.whole = name, true
	if o.wildcards {
		u.reference = controllers + "*.BootParameter."
		u.before = u.read(c)
	} else {
		u.layout = objectHierarchy
	}
	u.named = func(path string) string { return path }
	prefix, _, _ := strings.Cut(u.reference, "*")
	if name != "" {
		prefix = name + "."
		u.named = func(path string) string { // of Device.LocalAgent.Controller.1.BootParameter.2.Enable
			controller, rest, _ := strings.Cut(strings.TrimPrefix(path, controllers), ".BootParameter.")
			return strings.Join([]string{name, controller, rest}, ".")
		}
	}
	u.holds = func(where string, r *report) error { return prefixed(where, prefix, r.names()) }
	return &u
}

// allControllers is the whole table of Controllers, by its path.
func allControllers(*harness.Case) *collection {
	o := below(controllers, "Controller")
	o.holds = func(where string, r *report) error { return prefixed(where, o.name+".", r.names()) }
	return o
}

// below is all below an object, under the names that R-BULK.10 makes.
func below(object, name string) *collection {
	return &collection{name: name, reference: object, whole: true,
		named: func(path string) string { return name + "." + strings.TrimPrefix(path, object) }}
}

// prefixed wants names, all of which have a prefix.
func prefixed(where, prefix string, names []string) error {
	i := slices.IndexFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	switch {
	case len(names) == 0:
		return &usp.Mismatch{Where: where + ": names of the parameters", Want: prefix + "…", Got: "none"}
	case i >= 0:
		return &usp.Mismatch{Where: where + ": name of a parameter", Want: prefix + "…", Got: usp.Quote(names[i])}
	}
	return nil
}

// whole wants among names all that are in both lists, and none that is in neither.
func whole(where string, names, before, after []string) error {
	known := map[string]int{}
	for _, name := range slices.Concat(before, after) {
		known[name]++
	}
	reported := map[string]bool{}
	for _, name := range names {
		if reported[name] = true; known[name] == 0 {
			return &usp.Mismatch{Where: where + ": name of a parameter", Want: "one that a Get shows as well", Got: usp.Quote(name)}
		}
	}
	for _, name := range before {
		if known[name] > 1 && !reported[name] {
			return &usp.Mismatch{Where: where + ": names of the parameters", Want: usp.Quote(name) + " among them, which a Get shows",
				Got: fmt.Sprintf("%d others", len(names))}
		}
	}
	return nil
}

// takesWildcards ends the case where the device does not take wildcards, which TR-181 leaves to it. One that says so must refuse them.
func takesWildcards(p *profile, reference string) {
	const param = bulkData + "ParameterWildCardSupported"
	text, err := p.c.Read(param)
	if err != nil {
		return // older than the parameter: the Add will tell
	}
	if on, err := usp.ParseBool(text); err != nil || on {
		return
	}
	added := p.c.Agent.Add(p.c, false, usp.Create(p.path+"Parameter.", usp.Params{"Reference": reference}, nil))
	p.c.Owns(added)
	p.c.Beyond("TR-181, BulkData.Profile.{i}.Parameter.{i}.Reference", func(m *harness.Metric) {
		if _, err := expect.OneCreated(added); err == nil {
			m.Must(&usp.Mismatch{Where: "Add of a Reference with wildcards", Want: "a refusal, for " + param + " is false", Got: "AddResp"}, added.Evidence())
		}
	})
	p.c.Unsupported(param + " is false")
}

// add is step 4. It ends the case where the device does not take wildcards.
func (o *collection) add(p *profile) {
	if o.wildcards {
		takesWildcards(p, o.reference)
	}
	p.c.Step(4, "add %s to %s under the name %s", o.reference, p.path, o.name)
	p.c.Add(p.path+"Parameter.", nil, usp.Params{"Name": o.name, "Reference": o.reference})
	o.before = o.read(p.c)
}

func (o *collection) read(c *harness.Case) usp.Params {
	values, err := c.ReadAll(o.reference)
	c.DeviceMust(err)
	return values
}

// names are the names in a report of what a Get has shown.
func (o *collection) names(values usp.Params) (names []string) {
	for _, path := range values.Names() {
		names = append(names, o.named(path))
	}
	return names
}

// judge judges in a metric what the reports hold.
func (o *collection) judge(p *profile, metric int) (passed bool) {
	return p.holds(metric, o.alone, o.holds)
}

// finePrint judges what lies beyond the metrics.
func (o *collection) finePrint(p *profile) {
	after := o.read(p.c)
	if o.whole {
		p.c.Beyond("TR-369, bulk data, wildcards and object paths", func(m *harness.Metric) {
			p.each(m, func(where string, r *report) error { return whole(where, r.names(), o.names(o.before), o.names(after)) })
		})
	}
	types := map[string]usp.ValueType{}
	for path, t := range typesOf(p.c, after) {
		types[o.named(path)] = t
	}
	o.judgeValues(p, after, types)
	p.finePrint(types)
}

// each calls check with every report instance of every transfer.
func (p *profile) each(m *harness.Metric, check func(where string, r *report) error) {
	for n, e := range p.transfers {
		data, err := p.content(e)
		m.Must(err, e.Seq)
		reports, err := p.format.reports(data, false)
		m.Must(err, e.Seq)
		for i := range reports {
			m.Must(check(p.where(n+1), &reports[i]), e.Seq)
		}
	}
}

// typesOf are the types of parameters by path, as the supported data model has them. What it does not tell is left out.
func typesOf(c *harness.Case, values usp.Params) map[string]usp.ValueType {
	var objects []string
	for path := range values {
		object, _ := usp.SplitName(model.SchemaPath(path))
		objects = append(objects, object)
	}
	slices.Sort(objects)
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: slices.Compact(objects), FirstLevelOnly: true, ReturnParams: true})
	described := map[string]usp.ValueType{}
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			for _, p := range o.GetSupportedParams() {
				described[o.GetSupportedObjPath()+p.GetParamName()] = p.GetValueType()
			}
		}
	}
	types := map[string]usp.ValueType{}
	for path := range values {
		types[path] = described[model.SchemaPath(path)]
	}
	return types
}
