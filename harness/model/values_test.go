package model

import (
	"slices"
	"strings"
	"testing"
)

func def(s string) *string { return &s }

// TestLexical: values of each type, and of each facet, that are good and that are not.
func TestLexical(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind      string
		syntax    *Syntax
		good, bad []string
	}{
		"boolean":      {"boolean", nil, []string{"true", "false", "1", "0"}, []string{"", "True", "yes", " true"}},
		"int":          {"int", nil, []string{"0", "-2147483648", "+5", "007"}, []string{"", "2147483648", "1.0", "0x1", "1e3"}},
		"long":         {"long", nil, []string{"-9223372036854775808"}, []string{"9223372036854775808", strings.Repeat("9", 1000)}},
		"unsignedInt":  {"unsignedInt", nil, []string{"4294967295"}, []string{"-1", "4294967296", "١"}},
		"unsignedLong": {"unsignedLong", nil, []string{"18446744073709551615"}, []string{"18446744073709551616"}},
		"decimal":      {"decimal", nil, []string{"-1.5", "2", ".5"}, []string{"1e3", "", "1,5", "."}},
		"dateTime": {"dateTime", nil,
			[]string{"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2024-02-29T12:00:00.25+01:00", "-0001-01-01T00:00:00Z"},
			[]string{"", "2023-02-29T12:00:00Z", "2024-01-01", "2024-01-01 00:00:00Z", "24-01-01T00:00:00Z"}},
		"base64":      {"base64", nil, []string{"", "AAE=", "AA E="}, []string{"A", "AAE*"}},
		"hexBinary":   {"hexBinary", nil, []string{"", "00fF"}, []string{"0", "0x00", "zz"}},
		"unknown":     {"", nil, []string{"", "anything"}, nil},
		"size":        {"string", &Syntax{Sizes: []Bounds{{"1", "3"}}}, []string{"ä", "äöü"}, []string{"", "abcd"}},
		"sizes":       {"hexBinary", &Syntax{Sizes: []Bounds{{"0", "0"}, {"2", "3"}}}, []string{"", "0000"}, []string{"00", "00000000"}},
		"range":       {"int", &Syntax{Ranges: []Bounds{{"-1", "-1"}, {"1", ""}}}, []string{"-1", "1", "99"}, []string{"0", "-2"}},
		"fraction":    {"decimal", &Syntax{Ranges: []Bounds{{"0.5", "1"}}}, []string{"0.5", "1.0"}, []string{"0.49"}},
		"enumeration": {"string", &Syntax{Values: []string{"On", "Off"}}, []string{"On", "X_ACME_Maybe"}, []string{"", "on"}},
		"pattern":     {"string", &Syntax{Patterns: []string{"", "[0-9A-F]{6}"}}, []string{"", "00256D"}, []string{"00256d", "00256D0"}},
		"no pattern":  {"string", &Syntax{Patterns: []string{"(?<bad"}}, []string{"anything"}, nil},
		"default":     {"string", &Syntax{Values: []string{"On"}, Default: def("")}, []string{""}, []string{"Off"}},
		"hidden":      {"string", &Syntax{Values: []string{"On"}, Hidden: true}, []string{""}, []string{"Off"}},
		"list": {"string", &Syntax{Item: "unsignedInt", Count: &Bounds{"2", "3"}},
			[]string{"", "1,2", "1, 2 ,3"}, []string{"1", "1,2,3,4", "1,,2", "1,a"}},
		"whole list": {"string", &Syntax{Item: "string", Whole: []Bounds{{"", "4"}}, Sizes: []Bounds{{"", "2"}}},
			[]string{"ab,c"}, []string{"ab,cd", "abc"}},
		"brackets": {"string", &Syntax{Item: "unsignedInt", Brackets: true}, []string{"[1,2],[3,4]"}, nil},
	} {
		for _, value := range c.good {
			if want := c.syntax.wants(c.kind, value); want != "" {
				t.Errorf("%s: %q is good, got %q", name, value, want)
			}
		}
		for _, value := range c.bad {
			if c.syntax.wants(c.kind, value) == "" {
				t.Errorf("%s: %q is taken for good", name, value)
			}
		}
	}
}

// valued is a model with what values can be about, and a device with good values in it.
func valued() (*Model, map[string]map[string]string) {
	m := newModel("Device:2.16")
	root, row, ref := newObject(), newObject(), newObject()
	root.Params["RowNumberOfEntries"] = Param{Type: "unsignedInt", Access: ReadOnly}
	root.Params["Modes"] = Param{Type: "string", Access: ReadOnly, Syntax: &Syntax{Item: "string"}}
	for name, s := range map[string]*Syntax{
		"Alias": {Sizes: []Bounds{{"", "64"}}}, "ID": nil, "Mode": {Refers: &Reference{Among: "#.Modes", Null: "none"}},
	} {
		row.Params[name] = Param{Type: "string", Access: ReadWrite, Syntax: s}
	}
	row.Params["Enable"] = Param{Type: "boolean", Access: ReadWrite}
	row.addKey([]string{"Alias"})
	row.addKey([]string{"ID"})
	row.Always = [][]string{{"Alias"}}
	ref.Params["Strong"] = Param{Type: "string", Access: ReadWrite,
		Syntax: &Syntax{Item: "string", Refers: &Reference{Strong: true, Rows: true, Below: []string{".Row."}}}}
	ref.Params["Weak"] = Param{Type: "string", Access: ReadWrite,
		Syntax: &Syntax{Refers: &Reference{Rows: true, Below: []string{"#.Row."}}}}
	m.Objects["Device."], m.Objects["Device.Row.{i}."], m.Objects["Device.Ref."] = root, row, ref
	return m, map[string]map[string]string{
		"Device.":       {"RowNumberOfEntries": "3", "Modes": "a,b"},
		"Device.Row.1.": {"Alias": "cpe-1", "ID": "x", "Mode": "a", "Enable": "true"},
		"Device.Row.2.": {"Alias": "cpe-2", "ID": "", "Mode": "none", "Enable": "true"},
		"Device.Row.4.": {"Alias": "cpe-4", "ID": "x", "Mode": "X_ACME_c", "Enable": "false"},
		"Device.Ref.":   {"Strong": "Device.Row.1,Device.Row.4.", "Weak": "Device.Row.9"},
	}
}

// TestValues spoils a device in one way after the other.
func TestValues(t *testing.T) {
	t.Parallel()
	one := func(kind Kind, path, want, got string) []Finding {
		return []Finding{{Kind: kind, Path: path, Want: want, Got: got, Advice: kind == Unread}}
	}
	long := strings.Repeat("a", 65)
	for name, c := range map[string]struct {
		path, value string
		want        []Finding
	}{
		"good": {"Device.Ref.Weak", "", nil},
		"no boolean": {"Device.Row.1.Enable", "yes", one(BadValue, "Device.Row.1.Enable",
			"boolean: true, false, 1 or 0", `"yes"`)},
		"too long": {"Device.Row.1.Alias", long, one(BadValue, "Device.Row.1.Alias",
			"string of at most 64 characters", `"`+long+`"`)},
		"miscounted": {"Device.RowNumberOfEntries", "2", one(Entries, "Device.RowNumberOfEntries",
			"3, the number of rows of Device.Row. that a Get shows", "2")},
		"same key": {"Device.Row.2.ID", "x", one(NotUnique, "Device.Row.2. ID",
			"a unique key that no other row has", `"x" as Device.Row.1.`)},
		"same alias": {"Device.Row.4.Alias", "cpe-1", one(NotUnique, "Device.Row.4. Alias",
			"a unique key that no other row has", `"cpe-1" as Device.Row.1.`)},
		"not among": {"Device.Row.1.Mode", "c", one(Dangling, "Device.Row.1.Mode",
			`one of the values of Device.Modes, "a", "b"`, `"c"`)},
		"no such row": {"Device.Ref.Strong", "Device.Row.1,Device.Row.3", one(Dangling, "Device.Ref.Strong",
			"a row that is there, or nothing", `"Device.Row.3"`)},
		"of another table": {"Device.Ref.Weak", "Device.Ref", one(Dangling, "Device.Ref.Weak",
			"a row of Device.Row.{i}.", `"Device.Ref"`)},
		"not described": {"Device.Ref.More", "1", one(Unread, "Device.Ref.More",
			"only parameters of the supported data model", "a parameter that it does not have")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, values := valued()
			i := strings.LastIndexByte(c.path, '.') + 1
			values[c.path[:i]][c.path[i:]] = c.value
			var shown []Shown
			for path, params := range values {
				shown = append(shown, Shown{Path: path, Params: params})
			}
			found := CheckValues(deviceOf(t, m, true), m, shown)
			if !slices.Equal(found, c.want) {
				t.Errorf("want %+v\ngot  %+v", c.want, found)
			}
			if len(found) > 0 && (len(Lasting(found, found)) != 1 || len(Lasting(found, nil)) > 0 != (found[0].Kind == BadValue)) {
				t.Errorf("lasting: %+v", Lasting(found, nil))
			}
		})
	}
	m, _ := valued()
	rows := deviceOf(t, m, true)
	rows.Objects["Device.Row.{i}."] = diverging("Device.Row.1.", "Device.Row.2.")
	inRows := []Shown{{Path: "Device.Row.1.", Params: map[string]string{"X": ""}}, {Path: "Device.Row.1.In."}}
	if found := CheckValues(rows, m, inRows); len(found) > 0 {
		t.Errorf("what diverging rows show: %+v", found)
	}
	found := CheckValues(deviceOf(t, m, true), m, []Shown{{Path: "Device.Ref.", Params: map[string]string{"Weak": ""}}, {Path: "Device.Huh."}})
	if len(found) != 2 || found[0].Path != "Device.Huh." || found[1].Path != "Device.Ref.Strong" || !found[0].Advice || !found[1].Advice {
		t.Errorf("what a Get does not show: %+v", found)
	}
}

// TestRelative: how paths of TR-181's XML are relative to an object.
func TestRelative(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"Device.LocalAgent.Subscription.1.", "#.Controller.", "Device.LocalAgent.Controller."},
		{"Device.LocalAgent.Controller.{i}.MTP.{i}.", "###.STOMP.Connection.", "Device.STOMP.Connection."},
		{"Device.LocalAgent.ControllerTrust.", "Role.", "Device.LocalAgent.ControllerTrust.Role."},
		{"Device.A.", ".IP.Interface.", "Device.IP.Interface."},
		{"Device.A.", "Device.IP.Interface.", "Device.IP.Interface."},
		{"Device.MQTT.Client.2.", "##.Capabilities.Versions", "Device.Capabilities.Versions"},
	} {
		if got := relative(c[0], c[1]); got != c[2] {
			t.Errorf("%s from %s: want %s, got %s", c[1], c[0], c[2], got)
		}
	}
}

// BenchmarkValues checks a value of every parameter of TR-181 2.16, in one row of each table.
func BenchmarkValues(b *testing.B) {
	m, _, err := Load(published(b, "tr-181-2-16-0-usp-full.xml"))
	if err != nil {
		b.Fatal(err)
	}
	device, count := deviceOf(b, m, false), 0
	var shown []Shown
	for path, o := range m.Objects {
		s := Shown{Path: strings.ReplaceAll(path, "{i}", "1"), Params: map[string]string{}}
		for name := range o.Params {
			s.Params[name] = "00256D"
			count++
		}
		shown = append(shown, s)
	}
	for b.Loop() {
		if len(CheckValues(device, m, shown)) == 0 {
			b.Fatal("a value of the same form is good for every parameter")
		}
	}
	b.ReportMetric(float64(count), "values")
}

// TestOddNames: names that are empty, without dots, too deep or there twice give findings, and never a panic.
func TestOddNames(t *testing.T) {
	t.Parallel()
	m, _ := valued()
	reply := agentOf(m, true)
	q := reply.ReqObjResults[0]
	for _, path := range []string{"", ".", "Device", "Device.{i}.", "Device.Row.{i}.{i}.", "Device.Row.{i}.", strings.Repeat("Device.", 5000), "é\xff."} {
		q.SupportedObjs = append(q.SupportedObjs, &replyObject{SupportedObjPath: path, SupportedParams: q.SupportedObjs[0].SupportedParams})
	}
	device, err := FromReply(reply)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []Kind
	for _, f := range compared(t, device, m) {
		kinds = append(kinds, f.Kind)
	}
	if !slices.Contains(kinds, Twice) || !slices.Contains(kinds, Unknown) {
		t.Errorf("got %v", kinds)
	}
	var shown []Shown
	for _, path := range []string{"", ".", "1.", "Device", "Device.1.", "Device.Row.1.1.", "Device.Row.99999999999999999999999.", "Device.Ref."} {
		shown = append(shown, Shown{Path: path, Params: map[string]string{"": "", "Strong": "..,1,.", "Mode": ".", "RowNumberOfEntries": "-1"}})
	}
	if len(CheckValues(device, m, shown)) == 0 {
		t.Error("nothing is found")
	}
}
