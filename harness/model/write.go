package model

import (
	"cmp"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The kinds of finding about values that are set.
const (
	NotKept Kind = "not-kept" // a value that was accepted, and that a Get does not show
	Accepts Kind = "accepts"  // a value that the parameter cannot have, and that was accepted
	Refuses Kind = "refuses"  // a value that the parameter can have, and that was refused; advice, since a device may have its reasons
)

// Writable returns the parameters of an object that can be set to other values without harm to more than themselves, with what the device
// and the model say of them, and the names of the other writable ones with the reason.
func Writable(device, m *Model, object string) (params map[string]Param, left []string) {
	v := valuation{device: device, model: m.For(device.Name)}
	schema := SchemaPath(object)
	o := device.Objects[schema]
	if o == nil {
		return nil, nil
	}
	known := v.model.Objects[schema]
	if known == nil {
		known = newObject()
	}
	params = map[string]Param{}
	for _, name := range slices.Sorted(maps.Keys(o.Params)) {
		p, standard := o.Params[name], known.Params[name]
		s := v.syntaxOf(schema, name, p)
		isKey := func(key []string) bool { return slices.Contains(key, name) }
		why := ""
		switch {
		case !p.Access.writes():
			continue
		case !p.Access.reads() || s != nil && s.Hidden:
			why = "cannot be read"
		case standard.Access == ReadOnly || standard.Access == WriteOnce:
			why = string(standard.Access) + " in TR-181"
		case slices.ContainsFunc(o.Keys, isKey) || slices.ContainsFunc(known.Keys, isKey):
			why = "part of a unique key"
		case s != nil && s.Refers != nil:
			why = "a reference"
		}
		if why != "" {
			left = append(left, name+" ("+why+")")
			continue
		}
		p.Type, p.Syntax = cmp.Or(p.Type, standard.Type), s
		params[name] = p
	}
	return params, left
}

// Attempt is a Set of one parameter and what came of it.
type Attempt struct {
	Path  string
	Param Param
	Value string // that was set
	Want  string // what it should have been, in words; empty when the parameter can have it
	Error string // of the answer; empty when it was accepted
	Shows string // what a Get shows afterwards
	Event uint64 // of the journal, with the answer
}

// Finding is what is wrong with the outcome; ok when nothing is.
func (a Attempt) Finding() (f Finding, ok bool) {
	f = Finding{Path: a.Path, Event: a.Event}
	quoted := short(strconv.Quote(a.Value))
	switch accepted := a.Error == ""; {
	case a.Want != "" && accepted:
		f.Kind, f.Want, f.Got = Accepts, "an error for "+quoted+": it should be "+a.Want, "success; a Get shows "+short(strconv.Quote(a.Shows))
	case a.Want == "" && !accepted:
		f.Kind, f.Want, f.Got, f.Advice = Refuses, "success for "+quoted, a.Error, true
	case a.Want == "" && !a.Param.same(a.Value, a.Shows):
		f.Kind, f.Want, f.Got = NotKept, quoted+", which was accepted", short(strconv.Quote(a.Shows))
	default:
		return Finding{}, true
	}
	return f, false
}

// same reports whether two values of the parameter mean the same.
func (p Param) same(a, b string) bool {
	switch p.Type {
	case "boolean":
		x, err := strconv.ParseBool(a)
		y, err2 := strconv.ParseBool(b)
		return err == nil && err2 == nil && x == y
	case "int", "long", "unsignedInt", "unsignedLong", "decimal":
		x, ok := new(big.Rat).SetString(a)
		y, ok2 := new(big.Rat).SetString(b)
		return ok && ok2 && x.Cmp(y) == 0
	case "dateTime":
		x, err := time.Parse(time.RFC3339Nano, a)
		y, err2 := time.Parse(time.RFC3339Nano, b)
		return err == nil && err2 == nil && x.Equal(y)
	case "hexBinary":
		return strings.EqualFold(a, b)
	}
	if p.Syntax != nil && p.Syntax.Item != "" {
		return slices.Equal(list(a), list(b))
	}
	return a == b
}
