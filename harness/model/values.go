package model

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The kinds of finding about values.
const (
	BadValue  Kind = "value"      // a value that its type, size, range, enumeration, pattern or list does not allow
	Dangling  Kind = "reference"  // a value that refers to what is not there, or to what it must not
	Entries   Kind = "entries"    // a number of entries that is not that of the rows
	NotUnique Kind = "not-unique" // two rows with the same unique key
	Unread    Kind = "unread"     // a described element that a Get does not show; advice
)

// Kinds are all kinds of finding.
func Kinds() []Kind {
	return []Kind{Missing, Narrower, Wider, OtherType, OtherKind, UniqueKey, Outdated, Unknown, Twice, Divergence, VersionBelow,
		BadValue, Dangling, Entries, NotUnique, Unread, NotKept, Accepts, Refuses}
}

// ofValues reports whether a finding of the kind is about what a device shows, not about what it describes.
func (k Kind) ofValues() bool {
	return slices.Contains([]Kind{BadValue, Dangling, Entries, NotUnique, NotKept, Accepts}, k)
}

// Shown is an object of a device with the values that a Get showed.
type Shown struct {
	Path   string // instantiated
	Params map[string]string
	Event  uint64 // of the journal, with the GetResp
}

// valuation is all that a device showed, held against its own description and a model.
type valuation struct {
	device, model *Model
	shown         map[string]Shown
	rows          map[string][]string // by instantiated path of a table, without numbers at its end: the rows
	findings      []Finding
}

// CheckValues holds what a device showed against its own description of types, and against a model where that has the element with
// the same type; in the version that the device claims where the model knows more than one.
func CheckValues(device, m *Model, objects []Shown) []Finding {
	v := valuation{device: device, model: m.For(device.Name), shown: map[string]Shown{}, rows: map[string][]string{}}
	for _, o := range objects {
		v.shown[o.Path] = o
		if table, row := rowOf(o.Path); row {
			v.rows[table] = append(v.rows[table], o.Path)
		}
	}
	for _, rows := range v.rows {
		slices.Sort(rows)
	}
	for _, path := range slices.Sorted(maps.Keys(v.shown)) {
		v.object(v.shown[path])
	}
	for _, table := range slices.Sorted(maps.Keys(v.rows)) {
		v.unique(table)
	}
	return v.findings
}

// Lasting returns the findings that a second reading shows, too: rows come and go between two Gets, but a wrong value is one at any time.
func Lasting(first, second []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(first), func(f Finding) bool {
		again := slices.ContainsFunc(second, func(s Finding) bool { return s.Kind == f.Kind && s.Path == f.Path })
		return f.Kind != BadValue && !again
	})
}

// rowOf is the path of the table when the path is that of a row.
func rowOf(path string) (table string, row bool) {
	above := strings.TrimSuffix(path, ".")
	i := strings.LastIndexByte(above, '.')
	if i < 0 {
		return "", false
	}
	_, err := strconv.ParseUint(above[i+1:], 10, 64)
	return path[:i+1], err == nil
}

// SchemaPath is the path in the supported data model: {i} stands for the numbers of rows.
func SchemaPath(path string) string {
	parts := strings.Split(path, ".")
	for i, part := range parts {
		if part != "" && strings.Trim(part, "0123456789") == "" {
			parts[i] = "{i}"
		}
	}
	return strings.Join(parts, ".")
}

// maxGot is how much of a value a finding has, in bytes.
const maxGot = 200

func short(text string) string {
	if len(text) > maxGot {
		return strings.ToValidUTF8(text[:maxGot], "") + "…"
	}
	return text
}

func (v *valuation) add(kind Kind, path, want, got string, event uint64) {
	v.findings = append(v.findings, Finding{Kind: kind, Path: path, Want: want, Got: short(got), Event: event, Advice: kind == Unread})
}

// object holds the values of one object against their types, and looks for what is described and not shown.
func (v *valuation) object(o Shown) {
	schema := SchemaPath(o.Path)
	described := v.device.Objects[schema]
	diverges := v.device.diverges(schema)
	switch {
	case described == nil && diverges:
		return
	case described == nil:
		v.add(Unread, o.Path, "only objects of the supported data model", "an object that it does not have", o.Event)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(o.Params)) {
		p, there := described.Params[name]
		if !there && diverges {
			continue
		}
		if !there {
			v.add(Unread, o.Path+name, "only parameters of the supported data model", "a parameter that it does not have", o.Event)
			continue
		}
		v.value(o, name, p, v.syntaxOf(schema, name, p))
	}
	for _, name := range slices.Sorted(maps.Keys(described.Params)) {
		if _, there := o.Params[name]; !there && described.Params[name].Access.reads() && !diverges {
			v.add(Unread, o.Path+name, "every parameter that is described and can be read", "a Get without it", o.Event)
		}
	}
}

// syntaxOf is what the model knows of the values, nil when it has no such parameter or one of another type.
func (v *valuation) syntaxOf(object, name string, p Param) *Syntax {
	known := v.model.Objects[object]
	if known == nil || known.Params[name].Type != cmp.Or(p.Type, known.Params[name].Type) {
		return nil
	}
	return known.Params[name].Syntax
}

func (v *valuation) value(o Shown, name string, p Param, s *Syntax) {
	path, value := o.Path+name, o.Params[name]
	kind := cmp.Or(p.Type, v.typeOf(SchemaPath(o.Path), name))
	if want := s.wants(kind, value); want != "" {
		v.add(BadValue, path, want, strconv.Quote(value), o.Event)
		return
	}
	if table, counts := strings.CutSuffix(name, "NumberOfEntries"); counts {
		v.entries(o, path, o.Path+table+".", value)
	}
	if s == nil || s.Refers == nil || value == "" || value == s.Refers.Null {
		return
	}
	items := []string{value}
	if s.Item != "" {
		items = list(value)
	}
	for _, item := range items {
		if want := v.refers(o.Path, item, s.Refers); want != "" {
			v.add(Dangling, path, want, strconv.Quote(item), o.Event)
			return
		}
	}
}

func (v *valuation) typeOf(object, name string) string {
	if known := v.model.Objects[object]; known != nil {
		return known.Params[name].Type
	}
	return ""
}

// entries compares a number of entries with the rows that were shown. Of a table that shows nothing in its rows they are not known.
func (v *valuation) entries(o Shown, path, table, value string) {
	t := v.device.Objects[SchemaPath(table)+"{i}."]
	if t == nil || !slices.ContainsFunc(slices.Collect(maps.Values(t.Params)), func(p Param) bool { return p.Access.reads() }) {
		return
	}
	if n, err := strconv.Atoi(value); err == nil && n != len(v.rows[table]) {
		v.add(Entries, path, fmt.Sprintf("%d, the number of rows of %s that a Get shows", len(v.rows[table]), table), value, o.Event)
	}
}

// refers is what a reference should name, in words; empty when it does.
func (v *valuation) refers(object, value string, r *Reference) string {
	if r.Among != "" {
		return v.among(object, value, r.Among)
	}
	row := strings.TrimSuffix(value, ".") + "."
	if !r.Rows {
		return "" // parameters: all references to them are weak
	}
	var tables []string
	for _, t := range r.Below {
		table := SchemaPath(relative(SchemaPath(object), t)) + "{i}."
		if v.model.Objects[table] == nil {
			return "" // the reference is to a part of the data model of which nothing is known
		}
		tables = append(tables, table)
	}
	if tables != nil && !slices.Contains(tables, SchemaPath(row)) && !vendors(row) {
		return "a row of " + strings.Join(tables, " or ")
	}
	if _, there := v.shown[row]; there || !r.Strong || !v.readable(row) {
		return ""
	}
	return "a row that is there, or nothing"
}

// readable reports whether a row would have been shown if it were there.
func (v *valuation) readable(row string) bool {
	o := v.device.Objects[SchemaPath(row)]
	return o == nil || slices.ContainsFunc(slices.Collect(maps.Values(o.Params)), func(p Param) bool { return p.Access.reads() })
}

// among wants a value to be one of the list in another parameter. A list that was not shown, or is empty, says nothing.
func (v *valuation) among(object, value, param string) string {
	path := relative(object, param)
	i := strings.LastIndexByte(path, '.')
	values := list(v.shown[path[:i+1]].Params[path[i+1:]])
	if len(values) == 0 || slices.Contains(values, value) || vendors(value) {
		return ""
	}
	return "one of the values of " + path + ", " + some(values)
}

// relative finds what a path of TR-181's XML means that is relative to an object: a dot begins at Device., and # goes up to the object
// around it (TR-106, A.2.3.4).
func relative(object, path string) string {
	switch {
	case strings.HasPrefix(path, "."):
		return "Device" + path
	case strings.HasPrefix(path, "Device."):
		return path
	}
	for strings.HasPrefix(path, "#") {
		path = path[1:]
		if table, row := rowOf(object); row {
			object = table
		}
		object = parent(object)
	}
	return object + strings.TrimPrefix(path, ".")
}

// unique looks for rows with the same unique key. Those of a table with rows that can be disabled count among the enabled rows, unless
// the key always holds; a key with an empty value in it is none yet.
func (v *valuation) unique(table string) {
	schema := SchemaPath(table) + "{i}."
	described := v.device.Objects[schema]
	if described == nil {
		return
	}
	keys, known := described.Keys, v.model.Objects[schema]
	if known != nil {
		keys = known.Keys
	}
	for _, key := range keys {
		always := known != nil && slices.ContainsFunc(known.Always, func(k []string) bool { return slices.Equal(k, key) })
		seen := map[string]string{}
		for _, row := range v.rows[table] {
			value, ok := v.keyOf(row, key, always)
			if !ok {
				continue
			}
			if first := seen[value]; first != "" {
				v.add(NotUnique, row+" "+keyText(key), "a unique key that no other row has", value+" as "+first, v.shown[row].Event)
				continue
			}
			seen[value] = row
		}
	}
}

// keyOf is the unique key of a row; not ok when it does not count.
func (v *valuation) keyOf(row string, key []string, always bool) (string, bool) {
	params := v.shown[row].Params
	if enable, can := params["Enable"]; can && !always && enable != "true" && enable != "1" {
		return "", false
	}
	var values []string
	for _, name := range key {
		if params[name] == "" {
			return "", false
		}
		values = append(values, strconv.Quote(params[name]))
	}
	return strings.Join(values, "+"), true
}
