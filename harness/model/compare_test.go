package model

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// small is a model with one of each kind of element.
func small() *Model {
	m := newModel("Device:2.16")
	root := newObject()
	root.Params["Rows"] = Param{Type: "unsignedInt", Access: ReadOnly, Version: "2.12"}
	root.Params["Name"] = Param{Type: "string", Access: ReadWrite, Version: "2.12"}
	root.Params["Old"] = Param{Type: "string", Access: ReadOnly, Version: "2.0", Status: "deprecated"}
	root.Params["New"] = Param{Type: "string", Access: ReadOnly, Version: "2.16"}
	root.Commands["Act()"] = Command{Kind: Sync, In: map[string]Argument{"How": {Mandatory: true}, "Why": {}}, Out: map[string]Argument{"What": {}}, Version: "2.12"}
	root.Events["Done!"] = Event{Args: map[string]Argument{"Cause": {}}, Version: "2.12"}
	table := newObject()
	table.Create, table.Delete, table.Version = true, true, "2.12"
	for _, n := range []string{"Alias", "ID", "Recipient"} {
		table.Params[n] = Param{Type: "string", Access: ReadWrite, Version: "2.12"}
	}
	table.addKey([]string{"Alias"})
	table.addKey([]string{"Recipient", "ID"})
	m.Objects["Device."], m.Objects["Device.Row.{i}."] = root, table
	m.Profiles["All:1"] = &Profile{Name: "All:1", Requirements: []Requirement{
		{Kind: kindObject, Object: "Device.", Access: "present"},
		{Kind: kindParameter, Object: "Device.", Name: "Name", Access: "readWrite"},
		{Kind: kindObject, Object: "Device.Row.{i}.", Access: "createDelete"},
		{Kind: kindParameter, Object: "Device.Row.{i}.", Name: "ID", Access: "readOnly"},
		{Kind: kindCommand, Object: "Device.", Name: "Act()"},
		{Kind: kindOutput, Object: "Device.", Name: "Act()", Arg: "What"},
		{Kind: kindEvent, Object: "Device.", Name: "Done!"},
		{Kind: kindArgument, Object: "Device.", Name: "Done!", Arg: "Cause"},
	}}
	return m
}

// TestFindings breaks an agent with the whole of a small model in one way after the other.
func TestFindings(t *testing.T) {
	t.Parallel()
	param := func(path, name string, p Param) func(*Model) {
		return func(d *Model) { d.Objects[path].Params[name] = p }
	}
	const table = "Device.Row.{i}."
	for name, c := range map[string]struct {
		breaks func(*Model)
		want   Finding
	}{
		"no object":         {func(d *Model) { delete(d.Objects, table) }, Finding{Missing, table, "object", "missing", "All:1", false, 0}},
		"no parameter":      {func(d *Model) { delete(d.Objects["Device."].Params, "Name") }, Finding{Missing, "Device.Name", "parameter, readWrite", "missing", "All:1", false, 0}},
		"no command":        {func(d *Model) { delete(d.Objects["Device."].Commands, "Act()") }, Finding{Missing, "Device.Act()", "command", "missing", "All:1", false, 0}},
		"no event":          {func(d *Model) { delete(d.Objects["Device."].Events, "Done!") }, Finding{Missing, "Device.Done!", "event", "missing", "All:1", false, 0}},
		"no output":         {func(d *Model) { delete(d.Objects["Device."].Commands["Act()"].Out, "What") }, Finding{Missing, "Device.Act() What", "output argument", "missing", "All:1", false, 0}},
		"no input":          {func(d *Model) { delete(d.Objects["Device."].Commands["Act()"].In, "How") }, Finding{Missing, "Device.Act() How", "mandatory input argument", "missing", "All:1", false, 0}},
		"no event argument": {func(d *Model) { delete(d.Objects["Device."].Events["Done!"].Args, "Cause") }, Finding{Missing, "Device.Done! Cause", "event argument", "missing", "All:1", false, 0}},
		"read only":         {param("Device.", "Name", Param{Type: "string", Access: ReadOnly}), Finding{Narrower, "Device.Name", "readWrite", "readOnly", "All:1", false, 0}},
		"write only":        {param(table, "ID", Param{Type: "string", Access: WriteOnly}), Finding{Narrower, table + "ID", "readOnly", "writeOnly", "All:1", false, 0}},
		"writable":          {param("Device.", "Rows", Param{Type: "unsignedInt", Access: ReadWrite}), Finding{Wider, "Device.Rows", "readOnly", "readWrite", "", true, 0}},
		"fixed rows":        {func(d *Model) { d.Objects[table].Create, d.Objects[table].Delete = false, false }, Finding{Narrower, table, "rows that can be created and deleted", "rows that can be read only", "All:1", false, 0}},
		"rows for ever":     {func(d *Model) { d.Objects[table].Delete = false }, Finding{Narrower, table, "rows that can be created and deleted", "rows that can be created", "All:1", false, 0}},
		"another type":      {param("Device.", "Rows", Param{Type: "int", Access: ReadOnly}), Finding{OtherType, "Device.Rows", "unsignedInt", "int", "", false, 0}},
		"no type":           {param("Device.", "Rows", Param{Access: ReadOnly}), Finding{OtherType, "Device.Rows", "unsignedInt", "PARAM_UNKNOWN", "", false, 0}},
		"asynchronous": {func(d *Model) {
			c := d.Objects["Device."].Commands["Act()"]
			c.Kind = Async
			d.Objects["Device."].Commands["Act()"] = c
		}, Finding{OtherKind, "Device.Act()", "sync", "async", "All:1", false, 0}},
		"unknown argument": {func(d *Model) { d.Objects["Device."].Commands["Act()"].In["Huh"] = Argument{} },
			Finding{Unknown, "Device.Act() Huh", "an element of Device:2.16, or the prefix X_<vendor>_", "input argument that is not in the model", "", true, 0}},
		"unknown parameter": {param("Device.", "Huh", Param{Type: "int", Access: ReadOnly}),
			Finding{Unknown, "Device.Huh", "an element of Device:2.16, or the prefix X_<vendor>_", "parameter that is not in the model", "", true, 0}},
		"unknown objects": {func(d *Model) { d.Objects["Device.Huh."], d.Objects["Device.Huh.Hm."] = newObject(), newObject() },
			Finding{Unknown, "Device.Huh.", "an element of Device:2.16, or the prefix X_<vendor>_", "object that is not in the model", "", true, 0}},
		"deprecated":    {param("Device.", "Old", Param{Type: "string", Access: ReadOnly}), Finding{Outdated, "Device.Old", "an element of the current model", "deprecated", "", true, 0}},
		"an old claim":  {func(d *Model) { d.Name = "urn:broadband-forum-org:tr-181-2-12-0" }, Finding{VersionBelow, "data_model_inst_uri", "at least 2.16", "2.12, with Device.New of 2.16", "", false, 0}},
		"twice":         {func(d *Model) { d.twice = []string{table, table} }, Finding{Twice, table, "each object once", "more than once", "All:1", false, 0}},
		"no key":        {func(d *Model) { d.Objects[table].Keys = [][]string{{"Alias"}} }, Finding{UniqueKey, table + " ID+Recipient", "a unique key of ID+Recipient", "missing", "All:1", false, 0}},
		"a split key":   {func(d *Model) { d.Objects[table].Keys = [][]string{{"Alias"}, {"ID"}, {"Recipient"}} }, Finding{UniqueKey, table + " ID+Recipient", "a unique key of ID+Recipient", "split into ID and Recipient", "All:1", false, 0}},
		"a narrow key":  {func(d *Model) { d.Objects[table].Keys = [][]string{{"Alias"}, {"ID"}} }, Finding{UniqueKey, table + " ID+Recipient", "a unique key of ID+Recipient", "the key ID", "All:1", false, 0}},
		"one more key":  {func(d *Model) { d.Objects[table].addKey([]string{"ID"}) }, Finding{UniqueKey, table + " ID", "the unique keys Alias, ID+Recipient", "the key ID as well", "All:1", false, 0}},
		"vendor's name": {param("Device.", "X_ACME_Huh", Param{Type: "int", Access: ReadOnly}), Finding{}},

		"a parameter twice": {func(d *Model) { d.Objects[table].twice = []string{"ID"} },
			Finding{Twice, table + "ID", "each element once", "more than once", "All:1", false, 0}},
		"described rows": {func(d *Model) { d.Objects[table].Diverging = []string{"Device.Row.1."} },
			Finding{Divergence, table, divergent, "divergent_paths, and 5 parameters, commands, events or unique keys", "All:1", false, 0}},
		"another's row": {func(d *Model) { d.Objects[table] = diverging("Device.Row.1.", "Device.Line.1.") },
			Finding{Divergence, table, divergent, `"Device.Line.1.", which is no instance of it`, "All:1", false, 0}},
		"a row twice": {func(d *Model) { d.Objects[table] = diverging("Device.Row.1.", "Device.Row.1.") },
			Finding{Divergence, table, divergent, `"Device.Row.1." more than once`, "All:1", false, 0}},
		"within a row": {func(d *Model) {
			d.Objects[table] = diverging("Device.Row.1.", "Device.Row.2.")
			d.Objects[table+"X_ACME_Lamp."] = newObject()
		}, Finding{Divergence, table + "X_ACME_Lamp.", "nothing of what is in an object with divergent_paths", "described", "", false, 0}},
		"diverging rows": {func(d *Model) { d.Objects[table] = diverging("Device.Row.1.", "Device.Row.2.") }, Finding{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			device := deviceOf(t, small(), true)
			c.breaks(device)
			found := compared(t, device, small(), "All:1")
			var want []Finding
			if c.want.Kind != "" {
				want = append(want, c.want)
			}
			if !slices.Equal(found, want) {
				t.Errorf("want %+v\ngot  %+v", want, found)
			}
		})
	}
	if _, err := Compare(small(), small(), "None:1"); err == nil {
		t.Error("a profile that is not there can be claimed")
	}
}

// divergent is what is wanted of an object with divergent paths.
const divergent = "divergent_paths that name instances of the object, each once, and no elements"

// diverging is a table whose rows differ in what they have.
func diverging(rows ...string) *Object {
	o := newObject()
	o.Create, o.Delete, o.Diverging = true, true, rows
	return o
}

// TestStates: complete, partial and absent.
func TestStates(t *testing.T) {
	t.Parallel()
	m := small()
	m.Profiles["More:1"] = &Profile{Name: "More:1", Extends: []string{"All:1"}, Requirements: []Requirement{{Kind: kindParameter, Object: "Device.", Name: "New", Access: "readOnly"}}}
	device := deviceOf(t, m, true)
	delete(device.Objects["Device."].Params, "New")
	delete(device.Objects["Device."].Params, "Name")
	r, err := Compare(device, m)
	if err != nil {
		t.Fatal(err)
	}
	want := []State{{"All:1", Partial, 7, 8, []string{"Device.Name"}, ""}, {"More:1", Absent, 7, 9, nil, ""}}
	if !slices.EqualFunc(r.Profiles, want, func(a, b State) bool {
		return a.Profile == b.Profile && a.State == b.State && a.Has == b.Has && a.Of == b.Of && slices.Equal(a.Lacks, b.Lacks)
	}) || len(r.Findings) > 0 {
		t.Errorf("want %+v, got %+v and %+v", want, r.Profiles, r.Findings)
	}
}

// TestBadXML: each file is refused with its name, the line and what is wrong; or a note says what was ignored.
func TestBadXML(t *testing.T) {
	t.Parallel()
	const begin, end = "<document>\n", "</document>"
	const device = `<model name="Device:2.0"><object name="Device." access="readOnly">`
	long := begin + strings.Repeat("<object>", maxDepth+1)
	for name, c := range map[string]struct{ text, err, note string }{
		"cut":               {begin + device, "m.xml:2: the file ends within <object>", ""},
		"cut in words":      {begin + "<description>abc", "m.xml:2: the file ends within <description>", ""},
		"not XML":           {"hello", "m.xml:1: no XML element", ""},
		"JSON":              {"{\"a\": 1}\n", "m.xml:2: no XML element", ""},
		"broken":            {begin + "<model name=>", "m.xml:2: not XML: ", ""},
		"crossed":           {begin + "<model><object></model>", "m.xml:2: </model> ends what was not begun", ""},
		"another document":  {"<html></html>", "m.xml:1: <html> where one <document>", ""},
		"deep":              {long, "more than 64 elements within each other", ""},
		"an entity":         {begin + device + "&lol;", "m.xml:2: not XML: invalid character entity", ""},
		"entities":          {"<!DOCTYPE d [\n<!ENTITY a \"aaaa\">\n<!ENTITY b \"&a;&a;\">]>\n" + begin + `<model name="&b;:1"/>` + end, "", ""},
		"no model":          {begin + end, "m.xml:1: no <model>", ""},
		"import missing":    {begin + `<import file="away.xml"><component name="A"/></import>` + end, "m.xml:2: the import away.xml () is not in ", ""},
		"import of folders": {begin + `<import file="../m.xml"><component name="A"/></import>` + end, `m.xml:2: the import names "../m.xml"`, ""},
		"import in circles": {begin + `<import file="m.xml"><component name="A"/></import>` + end, "m.xml:2: the import of m.xml goes in a circle", ""},
		"no component":      {begin + `<model name="D:1"><component ref="A"/></model>` + end, "m.xml:2: component A is neither defined nor imported", ""},
		"component circles": {begin + `<component name="A"><component ref="A"/></component><model name="D:1"><component ref="A"/></model>` + end, "leads to itself", ""},
		"no such profile":   {begin + `<model name="D:1"><profile name="A:1" extends="B:1"/></model>` + end, "m.xml:2: profile A:1 includes", ""},
		"long text":         {begin + "<description>" + strings.Repeat("x", 2*maxToken), "m.xml:2: more than 1 MB in one tag", ""},
		"many elements":     {begin + strings.Repeat("<dataType/>", maxElements+1), "m.xml:2: more than 500000 elements", ""},
		"model circles":     {begin + `<model name="D:1" base="D:1"></model>` + end, "leads to itself", ""},
		"type circles":      {begin + `<dataType name="T" base="T"/>` + device + `<parameter name="P"><syntax><dataType ref="T"/></syntax></parameter></object></model>` + end, "leads to itself", ""},
		"base missing":      {begin + `<model name="D:1"><object base="Device."/></model>` + end, "m.xml:2: object Device. is to be changed, but is not there", ""},
		"no path":           {begin + `<model name="D:1"><object name="Device"/></model>` + end, "m.xml:2: object \"Device\"; the path", ""},
		"profile of none": {begin + device + `</object><profile name="P:1"><object ref="Device." requirement="present"><parameter ref="A" requirement="readOnly"/></object></profile></model>` + end,
			"", "m.xml:2: profile P:1 requires the parameter Device.A, which the model does not have"},
		"profile of profiles": {begin + device + `</object><profile name="P:1" extends="Q:1"><object ref="Device." requirement="present"/></profile></model>` + end,
			"m.xml:2: profile P:1 includes Q:1, which is not there", ""},
		"unknown element": {begin + device + `<wish/></object></model>` + end, "", "m.xml:2: <wish> is not known and was ignored"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "m.xml")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			m, notes, err := Load(path)
			switch {
			case c.err == "" && err != nil, c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("want an error with %q, got %v", c.err, err)
			case c.note != "" && !slices.Contains(notes, c.note):
				t.Errorf("want the note %q, got %q", c.note, notes)
			case name == "entities" && m.Name != "&b;:1":
				t.Errorf("an entity was expanded: %q", m.Name)
			}
		})
	}
}

// endless is a file without an end: it begins with the first text and goes on with the second. Its error comes beyond all bounds.
type endless struct {
	next, again string
	read        int
}

func (e *endless) Read(b []byte) (int, error) {
	if e.read > maxXML {
		return 0, errors.New("read on and on")
	}
	n := copy(b, e.next)
	if e.next = e.next[n:]; e.next == "" {
		e.next = e.again
	}
	e.read += n
	return n, nil
}

// TestEndlessXML: a file without an end, whatever is in it, is refused at a bound that memory can hold.
func TestEndlessXML(t *testing.T) {
	t.Parallel()
	const begin = "<document>"
	for name, c := range map[string]struct{ begin, again, want string }{
		"nothing":    {"", " ", "more than 1 MB in one tag, text or comment"},
		"zeros":      {"", "\x00", "not XML: illegal character code U+0000"},
		"text":       {begin, "hello ", "more than 1 MB in one tag, text or comment"},
		"comment":    {begin + "<!--", "hello ", "more than 1 MB in one tag, text or comment"},
		"name":       {begin + "<", "hello", "more than 1 MB in one tag, text or comment"},
		"attribute":  {begin + `<model name="`, "hello ", "more than 1 MB in one tag, text or comment"},
		"attributes": {begin + "<model ", `a="" `, "more than 1 MB in one tag, text or comment"},
		"depth":      {begin, "<object>", "more than 64 elements within each other"},
		"skipped":    {begin, "<description>" + strings.Repeat("hello ", 1000), "the file is larger than 32 MB"},
		"elements":   {begin, "<object/>", "more than 500000 elements"},
		"directives": {"", `<!DOCTYPE d [<!ENTITY a "">` + strings.Repeat(" ", 10_000) + "]>", "the file is larger than 32 MB"},
		"entities":   {"<!DOCTYPE d [", `<!ENTITY a "">`, "more than 1 MB in one tag, text or comment"},
		"expanding": {`<!DOCTYPE d [<!ENTITY a "` + strings.Repeat("a", maxEntity) + `">]>` + begin + `<model name="`, "&a;",
			"more than 100000 references"},
		"descriptive": {begin, "<description>&lt;</description>", "more than 100000 references"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parser{file: "m.xml", warn: func(place, string) {}}
			_, err := p.read(&endless{next: c.begin, again: strings.Repeat(c.again, 1000)})
			if want := "m.xml:1: " + c.want; err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("want %q, got %v", want, err)
			}
			if len(p.d.Entity) > maxEntities {
				t.Errorf("%d entities are kept", len(p.d.Entity))
			}
		})
	}
}

// TestVendorXML: a vendor's XML adds to the model that it imports, and a folder is read whole.
func TestVendorXML(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"tr-181-2-9-0-usp.xml": `<document/>`,
		"tr-181-2-16-0-usp.xml": `<document><import file="tr-181-2-common.xml" spec="urn:broadband-forum-org:tr-181-2-16-common"><model name="_D" ref="D:1"/></import>
<model name="Device:2.16" base="_D"><object base="Device."><parameter name="B" access="readWrite"><syntax><list/><int/></syntax></parameter></object></model></document>`,
		"tr-181-2-16-0-common.xml": `<document/>`,
		"tr-181-2-16-1-common.xml": `<document><dataType name="T"><unsignedInt/></dataType><component name="C"><parameter name="A"><syntax><dataType ref="T"/></syntax></parameter></component>
<model name="D:1"><object name="Device."><component ref="C"/></object></model></document>`,
		"acme.xml": `<document><import file="tr-181-2-16-0-usp.xml"><model name="Device:2.16"/></import>
<model name="X_ACME:1.0" base="Device:2.16"><object name="Device.X_ACME_Lamp.{i}." access="readWrite"/></model></document>`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, notes, err := Load(dir)
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	root, lamp := m.Objects["Device."], m.Objects["Device.X_ACME_Lamp.{i}."]
	if root == nil || root.Params["A"] != (Param{Type: "unsignedInt", Access: ReadOnly}) || root.Params["B"].Type != "string" || root.Params["B"].Access != ReadWrite || root.Params["B"].Syntax.Item != "int" {
		t.Errorf("Device.: %+v", root)
	}
	if lamp == nil || !lamp.Create || !lamp.Delete {
		t.Errorf("the vendor's table: %+v", lamp)
	}
	elsewhere := filepath.Join(t.TempDir(), "acme.xml")
	if err := os.Rename(filepath.Join(dir, "acme.xml"), elsewhere); err != nil {
		t.Fatal(err)
	}
	m, _, err = Load(elsewhere, filepath.Join(dir, "tr-181-2-16-0-usp.xml"))
	if err != nil || m.Objects["Device.X_ACME_Lamp.{i}."] == nil {
		t.Errorf("an import from the folder of another file: %v", err)
	}
	if _, _, err := Load(elsewhere); err == nil || !strings.Contains(err.Error(), "give it as well") {
		t.Errorf("an import that is nowhere: %v", err)
	}
	if _, _, err := Load(t.TempDir()); err == nil {
		t.Error("an empty folder is a model")
	}
}

func TestFindingsAreBounded(t *testing.T) {
	facts, err := Facts()
	if err != nil {
		t.Fatal(err)
	}
	device := newModel("Device:2")
	o := newObject()
	const more = 5
	for i := range maxFindings + more {
		o.Params[fmt.Sprintf("Unknown%d", i)] = Param{Access: ReadOnly}
	}
	device.Objects["Device."] = o
	r, err := Compare(device, facts)
	if err != nil {
		t.Fatal(err)
	}
	advice := 0
	for _, f := range r.Findings {
		if f.Advice {
			advice++
		}
	}
	if want := fmt.Sprintf("%d more findings are left out", more); advice != maxFindings || !slices.Contains(r.Notes, want) {
		t.Errorf("want %d pieces of advice and %q, got %d and %q", maxFindings, want, advice, r.Notes)
	}
}
