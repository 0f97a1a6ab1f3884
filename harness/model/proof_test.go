package model

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// agentOf is the reply of a generated agent that has all of a model, or all that is current in it.
func agentOf(m *Model, current bool) *usppb.GetSupportedDMResp {
	has := func(s Status) bool { return !current || s == "" }
	q := &usppb.GetSupportedDMResp_RequestedObjectResult{ReqObjPath: "Device.",
		DataModelInstUri: "urn:broadband-forum-org:tr-181-" + strings.ReplaceAll(strings.TrimPrefix(m.Name, "Device:"), ".", "-") + "-0-usp"}
	for _, path := range slices.Sorted(maps.Keys(m.Objects)) {
		o := m.Objects[path]
		if !has(o.Status) {
			continue
		}
		r := &replyObject{SupportedObjPath: path, IsMultiInstance: strings.HasSuffix(path, "{i}.")}
		if o.Create {
			r.Access = usppb.GetSupportedDMResp_OBJ_ADD_DELETE
		}
		for name, p := range o.Params {
			if !has(p.Status) {
				continue
			}
			sp := &usppb.GetSupportedDMResp_SupportedParamResult{ParamName: name, ValueType: typeCode(p.Type)}
			if p.Access == ReadWrite {
				sp.Access = usppb.GetSupportedDMResp_PARAM_READ_WRITE
			}
			r.SupportedParams = append(r.SupportedParams, sp)
		}
		for name, c := range o.Commands {
			if !has(c.Status) {
				continue
			}
			kind := usppb.GetSupportedDMResp_CMD_SYNC
			if c.Kind == Async {
				kind = usppb.GetSupportedDMResp_CMD_ASYNC
			}
			r.SupportedCommands = append(r.SupportedCommands, &usppb.GetSupportedDMResp_SupportedCommandResult{CommandName: name, CommandType: kind,
				InputArgNames: argNames(c.In, has), OutputArgNames: argNames(c.Out, has)})
		}
		for name, e := range o.Events {
			if has(e.Status) {
				r.SupportedEvents = append(r.SupportedEvents, &usppb.GetSupportedDMResp_SupportedEventResult{EventName: name, ArgNames: argNames(e.Args, has)})
			}
		}
		for _, k := range o.Keys {
			if there := slices.ContainsFunc(k, func(n string) bool { return !has(o.Params[n].Status) }); !there {
				r.UniqueKeySets = append(r.UniqueKeySets, &usppb.GetSupportedDMResp_SupportedUniqueKeySet{KeyNames: k})
			}
		}
		q.SupportedObjs = append(q.SupportedObjs, r)
	}
	return &usppb.GetSupportedDMResp{ReqObjResults: []*usppb.GetSupportedDMResp_RequestedObjectResult{q}}
}

func argNames(args map[string]Argument, has func(Status) bool) []string {
	var names []string
	for name, a := range args {
		if has(a.Status) {
			names = append(names, name)
		}
	}
	return names
}

func typeCode(name string) usppb.GetSupportedDMResp_ParamValueType {
	for t := range usppb.GetSupportedDMResp_ParamValueType_name {
		if code := usppb.GetSupportedDMResp_ParamValueType(t); typeName(code) == name {
			return code
		}
	}
	return usppb.GetSupportedDMResp_PARAM_UNKNOWN
}

// deviceOf is the model of such an agent.
func deviceOf(tb testing.TB, m *Model, current bool) *Model {
	tb.Helper()
	d, err := FromReply(agentOf(m, current))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func compared(tb testing.TB, device, m *Model, claim ...string) []Finding {
	tb.Helper()
	r, err := Compare(device, m, claim...)
	if err != nil {
		tb.Fatal(err)
	}
	return r.Findings
}

// whole are the models that the proof goes through: the facts always, TR-181 2.16 where its XML is.
func whole(t *testing.T, prove func(t *testing.T, m *Model)) {
	t.Run("facts", func(t *testing.T) {
		t.Parallel()
		m, err := Facts()
		if err != nil {
			t.Fatal(err)
		}
		prove(t, m)
	})
	t.Run("TR-181", func(t *testing.T) {
		t.Parallel()
		m, _, err := Load(published(t, "tr-181-2-16-0-usp-full.xml"))
		if err != nil {
			t.Fatal(err)
		}
		prove(t, m)
	})
}

// TestWholeModel: an agent with the whole current model has no finding; one that has what is outdated as well and claims every profile has
// advice on that alone.
func TestWholeModel(t *testing.T) {
	t.Parallel()
	whole(t, func(t *testing.T, m *Model) {
		if found := compared(t, deviceOf(t, m, true), m); len(found) > 0 {
			t.Errorf("%d findings, the first %+v", len(found), found[0])
		}
		for _, f := range compared(t, deviceOf(t, m, false), m, m.VisibleProfiles()...) {
			if f.Kind != Outdated || !f.Advice {
				t.Errorf("%+v", f)
			}
		}
	})
}

// TestEachRequirement takes each requirement of each profile away, and then its access alone: exactly its finding is found.
func TestEachRequirement(t *testing.T) {
	t.Parallel()
	whole(t, func(t *testing.T, m *Model) {
		gone, narrowed := 0, 0
		for _, name := range m.VisibleProfiles() {
			part := m.partFor(name)
			for _, r := range m.Requirements(name) {
				if !m.has(r) {
					continue
				}
				if r.Access != "notSpecified" {
					exactly(t, part, name, Missing, r, without)
					gone++
				}
				if r.Access == string(ReadWrite) || r.Access == "createDelete" {
					exactly(t, part, name, Narrower, r, narrower)
					narrowed++
				}
			}
		}
		t.Logf("%s: %d requirements taken away, %d made narrower", m.Name, gone, narrowed)
		if gone < 500 || narrowed < 50 {
			t.Error("too few were tried")
		}
	})
}

// exactly takes something from an agent with all of the model and wants one fault.
func exactly(t *testing.T, m *Model, profile string, kind Kind, r Requirement, take func(*Model, Requirement)) {
	t.Helper()
	device := deviceOf(t, m, false)
	take(device, r)
	var faults []Finding
	for _, f := range compared(t, device, m, profile) {
		if !f.Advice {
			faults = append(faults, f)
		}
	}
	if len(faults) != 1 || faults[0].Kind != kind || faults[0].Path != r.Path() || faults[0].Profile != profile {
		t.Errorf("profile %s without %s %s: want one fault about it, got %+v", profile, r.Kind, r.Path(), faults)
	}
}

// without takes what is required from the device; with an object goes all that is below it.
func without(device *Model, r Requirement) {
	o := device.Objects[r.Object]
	switch r.Kind {
	case kindObject:
		maps.DeleteFunc(device.Objects, func(path string, _ *Object) bool { return strings.HasPrefix(path, r.Object) })
	case kindParameter:
		delete(o.Params, r.Name)
		o.Keys = slices.DeleteFunc(o.Keys, func(k []string) bool { return slices.Contains(k, r.Name) })
	case kindCommand:
		delete(o.Commands, r.Name)
	case kindEvent:
		delete(o.Events, r.Name)
	case kindInput:
		delete(o.Commands[r.Name].In, r.Arg)
	case kindOutput:
		delete(o.Commands[r.Name].Out, r.Arg)
	case kindArgument:
		delete(o.Events[r.Name].Args, r.Arg)
	}
}

// narrower takes from the device that what is required can be written, or created and deleted.
func narrower(device *Model, r Requirement) {
	o := device.Objects[r.Object]
	if r.Kind == kindObject {
		o.Create, o.Delete = false, false
		return
	}
	p := o.Params[r.Name]
	p.Access = ReadOnly
	o.Params[r.Name] = p
}

// partFor is the part of the model that a profile is about, so that thousands of comparisons are quick.
func (m *Model) partFor(profile string) *Model {
	part := newModel(m.Name)
	part.Profiles[profile] = &Profile{Name: profile, Requirements: m.Requirements(profile)}
	for _, r := range m.Requirements(profile) {
		for path := r.Object; path != "" && m.Objects[path] != nil; path = parent(path) {
			part.Objects[path] = m.Objects[path]
		}
	}
	return part
}

// TestFacts compares the embedded facts with the XML from which they were made.
func TestFacts(t *testing.T) {
	t.Parallel()
	versions, _, err := LoadVersions(published(t, ""))
	if err != nil || len(versions) == 0 {
		t.Fatal(len(versions), err)
	}
	var want strings.Builder
	if err := versions[0].Subset().WithEarlier(versions[1:]...).Write(&want); err != nil {
		t.Fatal(err)
	}
	if want.String() != string(facts) {
		t.Error("facts.jsonl is not what the newest TR-181 gives: run go generate in harness/model")
	}
}

func BenchmarkLoad(b *testing.B) {
	name := published(b, "tr-181-2-16-0-usp-full.xml")
	for b.Loop() {
		m, _, err := Load(name)
		if err != nil {
			b.Fatal(err)
		}
		compared(b, deviceOf(b, m, false), m)
	}
}

func BenchmarkFacts(b *testing.B) {
	m, err := Facts()
	if err != nil {
		b.Fatal(err)
	}
	device := deviceOf(b, m, false)
	for b.Loop() {
		m, err := Facts()
		if err != nil {
			b.Fatal(err)
		}
		compared(b, device, m)
	}
}
