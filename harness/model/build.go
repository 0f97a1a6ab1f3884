package model

import (
	"maps"
	"slices"
	"strings"
)

// maxNested bounds how deep components, base models and data types may name each other.
const maxNested = 64

// services is the object below which the objects of a service's data model are.
const services = "Device.Services."

// builder makes a Model of documents.
type builder struct {
	m      *Model
	top    *document
	nested int
}

// build makes one Model of all models that the document defines.
func build(d *document) (*Model, error) {
	m := newModel("")
	for _, e := range d.root.kids {
		if e.name != "model" {
			continue
		}
		b := builder{m: newModel(e.get("name")), top: d}
		prefix := ""
		if e.get("isService") == "true" {
			prefix = services
			b.m.Objects[services] = newObject()
		}
		if err := b.model(d, e, prefix); err != nil {
			return nil, err
		}
		m.merge(b.m)
	}
	if m.Name == "" {
		return nil, d.root.at.errorf("no <model>; give the file that defines the root data model, which imports this one")
	}
	return m, nil
}

// enter is called before a reference is followed.
func (b *builder) enter(e *element) error {
	if b.nested++; b.nested > maxNested {
		return e.at.errorf("<%s> leads to itself, or more than %d references follow each other", e.name, maxNested)
	}
	return nil
}

func (b *builder) model(d *document, e *element, prefix string) error {
	if base := e.get("base"); base != "" {
		from, other, err := d.lookup("model "+base, e)
		if err != nil {
			return err
		}
		if err := b.enter(e); err != nil {
			return err
		}
		if err := b.model(from, other, prefix); err != nil {
			return err
		}
		b.nested--
	}
	return b.contents(d, e, prefix)
}

// contents adds what a model, a component or an object holds; path is that of the object around it.
func (b *builder) contents(d *document, e *element, path string) error {
	for _, k := range e.kids {
		var err error
		switch k.name {
		case "object":
			err = b.object(d, k, path)
		case "component":
			err = b.component(d, k, func(from *document, c *element) error { return b.contents(from, c, path+k.get("path")) })
		case "profile":
			err = b.profile(k, path)
		case "parameter", "command", "event", "uniqueKey":
			o := b.m.Objects[path]
			if o == nil {
				return k.at.errorf("<%s> outside of an object", k.name)
			}
			err = b.member(d, k, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) component(d *document, k *element, add func(*document, *element) error) error {
	key := "component " + k.get("ref")
	from, c, err := d.lookup(key, k)
	if err != nil {
		return err
	}
	if c.get("virtual") == "true" { // the root document says what it is for USP
		if above, instead, err := b.top.lookup(key, k); err == nil {
			from, c = above, instead
		}
	}
	if err := b.enter(k); err != nil {
		return err
	}
	defer func() { b.nested-- }()
	return add(from, c)
}

// nameOf is the name of an element, or of the one that it changes.
func nameOf(e *element) (name string, changes bool, err error) {
	if name = e.get("name"); name != "" {
		return name, false, nil
	}
	if name = e.get("base"); name != "" {
		return name, true, nil
	}
	return "", false, e.at.errorf("<%s> has neither name nor base", e.name)
}

func (b *builder) object(d *document, e *element, prefix string) error {
	name, changes, err := nameOf(e)
	if err != nil {
		return err
	}
	path := prefix + name
	if !strings.HasSuffix(path, ".") {
		return e.at.errorf("object %q; the path of an object ends with a dot", path)
	}
	o := b.m.Objects[path]
	if o == nil {
		if changes {
			return e.at.errorf("object %s is to be changed, but is not there", path)
		}
		o = newObject()
		b.m.Objects[path] = o
	}
	if access := e.get("access"); access != "" {
		o.Create = access == "readWrite" && strings.HasSuffix(path, "{i}.")
		o.Delete = o.Create
	}
	inherit(e, &o.Version, &o.Status, "")
	return b.contents(d, e, path)
}

// inherit sets version and status where the element has them; the version of the element around it stands for one that is missing.
func inherit(e *element, version *string, status *Status, around string) {
	if v := e.get("version"); v != "" {
		*version = v
	} else if *version == "" {
		*version = around
	}
	switch s := e.get("status"); s {
	case "":
	case "current":
		*status = ""
	default:
		*status = Status(s)
	}
}

func (b *builder) member(d *document, e *element, o *Object) error {
	if e.name == "uniqueKey" {
		var names []string
		for _, k := range e.kids {
			names = append(names, k.get("ref"))
		}
		o.addKey(names)
		if e.get("functional") == "false" {
			o.Always = append(o.Always, slices.Sorted(slices.Values(names)))
		}
		return nil
	}
	name, changes, err := nameOf(e)
	if err != nil {
		return err
	}
	there := false
	switch e.name {
	case "parameter":
		var p Param
		p, there = o.Params[name]
		if !changes && p.Access == "" {
			p.Access = ReadOnly // the schema's default
		}
		err = b.param(d, e, &p)
		inherit(e, &p.Version, &p.Status, o.Version)
		o.Params[name] = p
	case "command":
		var c Command
		c, there = o.Commands[name]
		err = b.command(d, e, &c)
		inherit(e, &c.Version, &c.Status, o.Version)
		o.Commands[name] = c
	case "event":
		var v Event
		v, there = o.Events[name]
		v.Args, err = b.arguments(d, e, v.Args)
		inherit(e, &v.Version, &v.Status, o.Version)
		o.Events[name] = v
	}
	if err == nil && changes && !there {
		err = e.at.errorf("%s %s is to be changed, but is not there", e.name, name)
	}
	return err
}

func (b *builder) param(d *document, e *element, p *Param) error {
	if a := e.get("access"); a != "" {
		p.Access = Access(a)
	}
	for _, k := range e.kids {
		if k.name != "syntax" {
			continue
		}
		var s Syntax
		t, err := b.syntax(d, k, &s)
		if err != nil {
			return err
		}
		if p.Syntax != nil { // an element that is changed keeps the values that it had
			s.Values, s.Patterns = append(s.Values, p.Syntax.Values...), append(s.Patterns, p.Syntax.Patterns...)
		}
		if t != "" {
			p.Type = t
		}
		s.Hidden = k.get("hidden") == "true" || k.get("secured") == "true"
		if p.Syntax = nil; !s.isZero() {
			p.Syntax = &s
		}
	}
	return nil
}

func (b *builder) command(d *document, e *element, c *Command) (err error) {
	switch e.get("async") {
	case "true":
		c.Kind = Async
	case "false":
		c.Kind = Sync
	case "":
		if c.Kind == "" {
			c.Kind = Sync
		}
	}
	for _, k := range e.kids {
		switch k.name {
		case "input":
			c.In, err = b.arguments(d, k, c.In)
		case "output":
			c.Out, err = b.arguments(d, k, c.Out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// arguments adds what an input, an output or an event holds.
func (b *builder) arguments(d *document, e *element, into map[string]Argument) (map[string]Argument, error) {
	if into == nil {
		into = map[string]Argument{}
	}
	return into, b.addArguments(d, e, "", into)
}

func (b *builder) addArguments(d *document, e *element, prefix string, into map[string]Argument) error {
	for _, k := range e.kids {
		switch k.name {
		case "component":
			err := b.component(d, k, func(from *document, c *element) error {
				return b.addArguments(from, c, prefix+k.get("path"), into)
			})
			if err != nil {
				return err
			}
		case "parameter", "object":
			name, _, err := nameOf(k)
			if err != nil {
				return err
			}
			if k.name == "object" {
				if err := b.addArguments(d, k, prefix+name, into); err != nil {
					return err
				}
				continue
			}
			a := into[prefix+name]
			if m := k.get("mandatory"); m != "" {
				a.Mandatory = m == "true"
			}
			var version string
			inherit(k, &version, &a.Status, "")
			into[prefix+name] = a
		}
	}
	return nil
}

func (b *builder) profile(e *element, prefix string) error {
	p := &Profile{at: e.at, Name: e.get("name"), Base: words(e.get("base")), Extends: words(e.get("extends"))}
	if p.Name == "" {
		return e.at.errorf("a profile without name")
	}
	inherit(e, &p.Version, &p.Status, "")
	if slices.ContainsFunc(e.kids, func(k *element) bool { return k.name != kindObject }) {
		p.Requirements = append(p.Requirements, Requirement{Kind: kindObject, Object: prefix, Access: "present", at: e.at})
	}
	if err := b.required(e, prefix, p); err != nil {
		return err
	}
	b.m.Profiles[p.Name] = p
	return nil
}

// required adds what a profile, or an object in it, requires of the object of the path.
func (b *builder) required(e *element, path string, p *Profile) error {
	for _, k := range e.kids {
		r := Requirement{Kind: k.name, Object: path, Name: k.get("ref"), Access: k.get("requirement"), at: k.at}
		switch k.name {
		case kindObject:
			r.Object, r.Name = path+r.Name, ""
			p.Requirements = append(p.Requirements, r)
			if err := b.required(k, r.Object, p); err != nil {
				return err
			}
		case kindParameter, kindCommand, kindEvent:
			if path == "" {
				return k.at.errorf("profile %s requires <%s> outside of an object", p.Name, k.name)
			}
			p.Requirements = append(p.Requirements, r)
			for _, io := range k.kids {
				if k.name == kindCommand {
					p.require(io, r, io.name+" argument", "")
				}
			}
			if k.name == kindEvent {
				p.require(k, r, kindArgument, "")
			}
		}
	}
	return nil
}

// require adds the arguments of a command or event.
func (p *Profile) require(e *element, of Requirement, kind, prefix string) {
	for _, k := range e.kids {
		switch k.name {
		case "object":
			p.require(k, of, kind, prefix+k.get("ref"))
		case "parameter":
			p.Requirements = append(p.Requirements, Requirement{Kind: kind, Object: of.Object, Name: of.Name, Arg: prefix + k.get("ref"), at: k.at})
		}
	}
}

// checkProfiles drops from the profiles what the model does not have, and returns a note about each.
func (m *Model) checkProfiles() (notes []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(m.Profiles)) {
		p := m.Profiles[name]
		for _, other := range slices.Concat(p.Base, p.Extends) {
			if m.Profiles[other] == nil {
				return nil, p.at.errorf("profile %s includes %s, which is not there", name, other)
			}
		}
		for _, r := range p.Requirements {
			if !m.has(r) {
				notes = append(notes, r.at.errorf("profile %s requires the %s %s, which the model does not have", name, r.Kind, r.Path()).Error())
			}
		}
	}
	return notes, nil
}

// has reports whether the model has what is required, whatever its access.
func (m *Model) has(r Requirement) bool {
	o := m.Objects[r.Object]
	if o == nil {
		return false
	}
	var there bool
	switch r.Kind {
	case kindObject:
		there = true
	case kindParameter:
		_, there = o.Params[r.Name]
	case kindCommand:
		_, there = o.Commands[r.Name]
	case kindEvent:
		_, there = o.Events[r.Name]
	case kindInput:
		_, there = o.Commands[r.Name].In[r.Arg]
	case kindOutput:
		_, there = o.Commands[r.Name].Out[r.Arg]
	case kindArgument:
		_, there = o.Events[r.Name].Args[r.Arg]
	}
	return there
}
