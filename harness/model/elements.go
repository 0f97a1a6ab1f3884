package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// object holds one object of the device, with what is in it, against the model.
func (c *comparison) object(path string, o *Object) {
	known := c.model.Objects[path]
	if known == nil {
		c.unknownObject(path)
		return
	}
	if known.Status != "" {
		c.outdated(path, known.Status)
	}
	if (o.Create && !known.Create) || (o.Delete && !known.Delete) {
		c.add(Finding{Kind: Wider, Path: path, Want: "rows that can be " + rowsOf(known.Create, known.Delete),
			Got: "rows that can be " + rowsOf(o.Create, o.Delete), Advice: true}, path)
	}
	for _, name := range o.twice {
		c.add(Finding{Kind: Twice, Path: path + name, Want: "each element once", Got: "more than once"}, path+name)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Params)) {
		c.param(path, name, o.Params[name], known)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Commands)) {
		c.command(path, name, o.Commands[name], known)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Events)) {
		c.event(path, name, o.Events[name], known)
	}
	if o.KeysKnown && strings.HasSuffix(path, "{i}.") {
		c.keys(path, o, known)
	}
}

// unknownObject adds an object that the model does not have, unless the one around it is unknown, too.
func (c *comparison) unknownObject(path string) {
	above := parent(path)
	if vendors(path) || !c.model.covers(path) || (c.model.Objects[above] == nil && c.device.Objects[above] != nil) {
		return
	}
	c.unknown(path, kindObject)
}

func (c *comparison) unknown(path, what string) {
	c.add(Finding{Kind: Unknown, Path: path, Want: "an element of " + c.model.Name + ", or the prefix X_<vendor>_", Got: what + " that is not in the model", Advice: true}, "")
}

func (c *comparison) outdated(path string, s Status) {
	c.add(Finding{Kind: Outdated, Path: path, Want: "an element of the current model", Got: string(s), Advice: true}, path)
}

func (c *comparison) param(path, name string, p Param, in *Object) {
	known, there := in.Params[name]
	switch {
	case !there && vendors(name):
		return
	case !there:
		c.unknown(path+name, kindParameter)
		return
	}
	if known.Status != "" && in.Status == "" {
		c.outdated(path+name, known.Status)
	}
	if c.typed && known.Type != "" && p.Type != known.Type {
		got := p.Type
		if got == "" {
			got = "PARAM_UNKNOWN"
		}
		c.add(Finding{Kind: OtherType, Path: path + name, Want: known.Type, Got: got}, path+name)
	}
	if p.Access.writes() && known.Access == ReadOnly {
		c.add(Finding{Kind: Wider, Path: path + name, Want: string(known.Access), Got: string(p.Access), Advice: true}, path+name)
	}
}

func (c *comparison) command(path, name string, k Command, in *Object) {
	known, there := in.Commands[name]
	switch {
	case !there && vendors(name):
		return
	case !there:
		c.unknown(path+name, kindCommand)
		return
	}
	if known.Status != "" && in.Status == "" {
		c.outdated(path+name, known.Status)
	}
	if known.Kind != "" && k.Kind != known.Kind {
		got := k.Kind
		if got == "" {
			got = "CMD_UNKNOWN"
		}
		c.add(Finding{Kind: OtherKind, Path: path + name, Want: known.Kind, Got: got}, path+name)
	}
	c.arguments(path+name, kindInput, k.In, known.In)
	c.arguments(path+name, kindOutput, k.Out, known.Out)
}

func (c *comparison) event(path, name string, e Event, in *Object) {
	known, there := in.Events[name]
	switch {
	case !there && vendors(name):
		return
	case !there:
		c.unknown(path+name, kindEvent)
		return
	}
	if known.Status != "" && in.Status == "" {
		c.outdated(path+name, known.Status)
	}
	c.arguments(path+name, kindArgument, e.Args, known.Args)
}

// arguments compares those of a command or event.
func (c *comparison) arguments(path, kind string, got, known map[string]Argument) {
	for _, name := range slices.Sorted(maps.Keys(got)) {
		a, there := known[name]
		switch {
		case !there && !vendors(name):
			c.unknown(path+" "+name, kind)
		case a.Status != "":
			c.outdated(path+" "+name, a.Status)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if _, there := got[name]; !there && known[name].Mandatory && kind == kindInput {
			c.add(Finding{Kind: Missing, Path: path + " " + name, Want: "mandatory " + kind, Got: "missing"}, path)
		}
	}
}

// keys compares unique keys. A key counts only when the device has all its parameters: others it cannot have.
func (c *comparison) keys(path string, o, known *Object) {
	explained := map[string]bool{}
	for _, key := range known.Keys {
		if o.hasKey(key) || !o.hasParams(key) {
			continue
		}
		got := "missing"
		var parts []string
		for _, k := range o.Keys {
			if within(k, key) && !known.hasKey(k) {
				parts = append(parts, keyText(k))
				explained[keyText(k)] = true
			}
		}
		switch len(parts) {
		case 0:
		case 1:
			got = "the key " + parts[0]
		default:
			got = "split into " + strings.Join(parts, " and ")
		}
		c.add(Finding{Kind: UniqueKey, Path: path + " " + keyText(key), Want: "a unique key of " + keyText(key), Got: got}, path)
	}
	for _, k := range o.Keys {
		if !known.hasKey(k) && !explained[keyText(k)] && known.hasParams(k) {
			c.add(Finding{Kind: UniqueKey, Path: path + " " + keyText(k), Want: "the unique keys " + keysText(known.Keys),
				Got: fmt.Sprintf("the key %s as well", keyText(k))}, path)
		}
	}
}

func (o *Object) hasParams(names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { _, there := o.Params[n]; return !there })
}

// within reports whether a has fewer names than b, and only names of b.
func within(a, b []string) bool {
	return len(a) < len(b) && !slices.ContainsFunc(a, func(n string) bool { return !slices.Contains(b, n) })
}

func keyText(key []string) string { return strings.Join(key, "+") }

func keysText(keys [][]string) string {
	var all []string
	for _, k := range keys {
		all = append(all, keyText(k))
	}
	if len(all) == 0 {
		return "of the model, which are none"
	}
	return strings.Join(all, ", ")
}
