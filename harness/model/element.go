package model

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// Element is one element of a model of whatever kind, as a feature or a role asks about it.
type Element struct {
	Type      string   // of a parameter, in TR-106's words; empty when the device does not tell
	Writable  bool     // a parameter can be set
	Creatable bool     // rows of a table can be added
	Deletable bool     // rows of a table can be deleted
	Async     bool     // a command runs asynchronously
	Arguments []string // the input arguments of a command, the arguments of an event
}

// Element finds an element by its path in the supported data model, such as Device.LocalAgent.Subscription.{i}.ID.
func (m *Model) Element(path string) (Element, bool) {
	at := strings.LastIndexByte(path, '.') + 1
	o, name := m.Objects[path[:at]], path[at:]
	switch {
	case o == nil:
		return Element{}, false
	case name == "":
		return Element{Creatable: o.Create, Deletable: o.Delete}, true
	case strings.HasSuffix(name, "()"):
		c, there := o.Commands[name]
		return Element{Async: c.Kind == Async, Arguments: slices.Sorted(maps.Keys(c.In))}, there
	case strings.HasSuffix(name, "!"):
		e, there := o.Events[name]
		return Element{Arguments: slices.Sorted(maps.Keys(e.Args))}, there
	}
	p, there := o.Params[name]
	return Element{Type: p.Type, Writable: p.Access != ReadOnly}, there
}

// Current reports whether an object and all around it are neither deprecated nor gone.
func (m *Model) Current(path string) bool {
	for ; path != ""; path = parent(path) {
		if o := m.Objects[path]; o != nil && o.Status != "" {
			return false
		}
	}
	return true
}

// Paths yields the paths of all elements.
func (m *Model) Paths() iter.Seq[string] {
	return func(yield func(string) bool) {
		for path, o := range m.Objects {
			if !yield(path) {
				return
			}
			for name := range o.names() {
				if !yield(path + name) {
					return
				}
			}
		}
	}
}

// names yields the names of the parameters, commands and events of an object.
func (o *Object) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, names := range []iter.Seq[string]{maps.Keys(o.Params), maps.Keys(o.Commands), maps.Keys(o.Events)} {
			for name := range names {
				if !yield(name) {
					return
				}
			}
		}
	}
}
