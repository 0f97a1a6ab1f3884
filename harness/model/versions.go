package model

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// earlier is what a model had below a version and has no more: whole elements, each instead of the one of its name; of an object also its
// access, status and keys.
type earlier struct {
	until    string
	objects  map[string]*Object
	profiles map[string]*Profile
}

// For is the model in the version of TR-181 that a data_model_inst_uri claims. Newer elements are kept, since a device may claim less than
// it has. When no version is claimed, nothing is said of what versions differ in.
func (m *Model) For(uri string) *Model {
	says := claimed(uri)
	if len(m.earlier) == 0 {
		return m
	}
	if says == "" {
		return m.undisputed()
	}
	at := m
	for _, e := range m.earlier {
		if newer(e.until, says) {
			at = at.with(e, says)
		}
	}
	if at != m {
		at.as = says
	}
	return at
}

// with is the model as it was before a version, in what was there already in the version that is claimed.
func (m *Model) with(e earlier, says string) *Model {
	was := *m
	was.Objects, was.Profiles = maps.Clone(m.Objects), maps.Clone(m.Profiles)
	maps.Copy(was.Profiles, e.profiles)
	for path, old := range e.objects {
		now := was.Objects[path]
		if now == nil {
			was.Objects[path] = old
			continue
		}
		if newer(now.Version, says) {
			continue
		}
		o := *now
		o.Create, o.Delete, o.Status, o.Keys, o.Always = old.Create, old.Delete, old.Status, old.Keys, old.Always
		o.Params, o.Commands, o.Events = maps.Clone(now.Params), maps.Clone(now.Commands), maps.Clone(now.Events)
		for name, p := range old.Params {
			if current, still := now.Params[name]; still {
				if newer(current.Version, says) {
					continue
				}
				p.Syntax = either(p.Syntax, current.Syntax)
			}
			o.Params[name] = p
		}
		for name, c := range old.Commands {
			c.In, c.Out = known(c.In, now.Commands[name].In), known(c.Out, now.Commands[name].Out)
			o.Commands[name] = c
		}
		for name, v := range old.Events {
			v.Args = known(v.Args, now.Events[name].Args)
			o.Events[name] = v
		}
		was.Objects[path] = &o
	}
	return &was
}

// either is a syntax that allows what one of two versions of it allows: a device that claims less than it has
// may have the values of later versions, too.
func either(then, now *Syntax) *Syntax {
	if then == nil || now == nil || then.Item != now.Item {
		return nil
	}
	s := *now
	s.Values = union(then.Values, now.Values)
	s.Patterns = union(then.Patterns, now.Patterns)
	s.Sizes, s.Ranges, s.Whole = union(then.Sizes, now.Sizes), union(then.Ranges, now.Ranges), union(then.Whole, now.Whole)
	s.Hidden, s.Brackets = then.Hidden || now.Hidden, then.Brackets || now.Brackets
	if !reflect.DeepEqual(then.Count, now.Count) {
		s.Count = nil
	}
	if !reflect.DeepEqual(then.Refers, now.Refers) {
		s.Refers = nil
	}
	return &s
}

// union is what is in one of two lists, each of which allows what is in it; nil, which allows everything, when one does.
func union[T comparable](then, now []T) []T {
	if len(then) == 0 || len(now) == 0 {
		return nil
	}
	return append(slices.Clone(now), slices.DeleteFunc(slices.Clone(then), func(v T) bool { return slices.Contains(now, v) })...)
}

// known are the arguments of a version with those that came later, none of which is mandatory.
func known(then, now map[string]Argument) map[string]Argument {
	all := maps.Clone(then)
	if all == nil {
		all = map[string]Argument{}
	}
	for name, a := range now {
		if _, there := then[name]; !there {
			a.Mandatory = false
			all[name] = a
		}
	}
	return all
}

// undisputed is the model without the types, kinds and mandatory arguments in which versions differ.
func (m *Model) undisputed() *Model {
	at := *m
	at.Objects = maps.Clone(m.Objects)
	for _, e := range m.earlier {
		for path, old := range e.objects {
			if m.Objects[path] == nil {
				continue
			}
			o := *at.Objects[path]
			o.Params, o.Commands = maps.Clone(o.Params), maps.Clone(o.Commands)
			for name, was := range old.Params {
				if p, there := o.Params[name]; there && p.Type != was.Type {
					p.Type, p.Syntax = "", nil
					o.Params[name] = p
				}
			}
			for name, was := range old.Commands {
				c, there := o.Commands[name]
				if !there {
					continue
				}
				if c.Kind != was.Kind {
					c.Kind = ""
				}
				c.In = known(was.In, c.In)
				for arg, a := range c.In {
					a.Mandatory = a.Mandatory && m.Objects[path].Commands[name].In[arg].Mandatory
					c.In[arg] = a
				}
				o.Commands[name] = c
			}
			at.Objects[path] = &o
		}
	}
	return &at
}

// version is that of TR-181 in the name of the model, 2.16 of Device:2.16; empty when there is none.
func (m *Model) version() string {
	_, after, _ := strings.Cut(m.Name, "Device:")
	version, _, _ := strings.Cut(after, ",")
	return version
}

// WithEarlier is a part of a model that also knows what older versions of it, the newest first, had otherwise.
func (m *Model) WithEarlier(older ...*Model) *Model {
	all := *m
	now := m
	for _, then := range older {
		e := earlier{until: now.version(), objects: map[string]*Object{}, profiles: map[string]*Profile{}}
		for path, o := range then.Objects {
			if m.Objects[path] == nil && !m.covers(path) {
				continue
			}
			if was := o.before(now.Objects[path]); was != nil {
				e.objects[path] = was
			}
		}
		for name, p := range then.Profiles {
			if q := now.Profiles[name]; q != nil && m.Profiles[name] != nil && !p.same(q) {
				e.profiles[name] = p
			}
		}
		all.earlier = append(all.earlier, e)
		now = then
	}
	return &all
}

// before is what an object has otherwise than a newer version of it, nil for nothing.
func (o *Object) before(now *Object) *Object {
	if now == nil {
		return o
	}
	was := *o
	was.Params = differing(o.Params, now.Params, func(p *Param) { p.Version = "" })
	was.Commands = differing(o.Commands, now.Commands, func(c *Command) { c.Version = "" })
	was.Events = differing(o.Events, now.Events, func(e *Event) { e.Version = "" })
	same := o.Create == now.Create && o.Delete == now.Delete && o.Status == now.Status &&
		sameKeys(o.Keys, now.Keys) && sameKeys(o.Always, now.Always)
	if same && len(was.Params)+len(was.Commands)+len(was.Events) == 0 {
		return nil
	}
	return &was
}

// differing are the elements that are gone or different now, with the version in which they came.
func differing[T any](then, now map[string]T, forget func(*T)) map[string]T {
	some := map[string]T{}
	for name, old := range then {
		current, there := now[name]
		before := old
		forget(&before)
		forget(&current)
		if !there || !reflect.DeepEqual(before, current) {
			some[name] = old
		}
	}
	return some
}

func sameKeys(a, b [][]string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(k []string) bool {
		return !slices.ContainsFunc(b, func(other []string) bool { return slices.Equal(k, other) })
	})
}

// same reports whether two versions of a profile require the same.
func (p *Profile) same(q *Profile) bool {
	return p.Status == q.Status && slices.Equal(p.Base, q.Base) && slices.Equal(p.Extends, q.Extends) &&
		slices.EqualFunc(p.Requirements, q.Requirements, func(a, b Requirement) bool {
			a.at, b.at = place{}, place{}
			return a == b
		})
}
