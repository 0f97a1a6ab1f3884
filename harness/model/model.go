// Package model has one type for a supported data model (TR-106, TR-181), whether it comes from a device's GetSupportedDMResp, from the XML
// that the Broadband Forum and vendors publish, or from the embedded facts; and the comparison of one with another.
package model

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Model is a supported data model.
type Model struct {
	Name     string              // Device:2.16; of a device, the data_model_inst_uri of its GetSupportedDMResp
	Covers   []string            // the subtrees that the model has whole; empty when it has everything
	Objects  map[string]*Object  // by supported path: Device.LocalAgent.MTP.{i}.
	Profiles map[string]*Profile // by name and version: LocalAgent:1

	twice   []string  // objects that a device reports more than once
	as      string    // the version that decides where versions differ; empty: that of the name
	earlier []earlier // what older versions had otherwise, the newest change first
}

// Object is an object or, when its path ends with {i}., a table.
type Object struct {
	Create    bool               `json:"create,omitempty"` // rows can be created over USP
	Delete    bool               `json:"delete,omitempty"` // rows can be deleted over USP
	Version   string             `json:"version,omitempty"`
	Status    Status             `json:"status,omitempty"`
	Params    map[string]Param   `json:"params,omitempty"`
	Commands  map[string]Command `json:"commands,omitempty"` // by name with its parentheses
	Events    map[string]Event   `json:"events,omitempty"`   // by name with its exclamation mark
	Keys      [][]string         `json:"keys,omitempty"`     // the unique keys, the names of each sorted
	Always    [][]string         `json:"always,omitempty"`   // those of Keys that hold for disabled rows, too
	KeysKnown bool               `json:"-"`                  // of a device: whether its reply has unique keys at all
	Diverging []string           `json:"-"`                  // of a device: the instances that differ in what they have, as it says

	twice []string // the parameters, commands and events that a device describes more than once
}

// Param is a parameter.
type Param struct {
	Type    string  `json:"type,omitempty"` // in TR-106's words: unsignedInt; empty when unknown
	Access  Access  `json:"access"`
	Version string  `json:"version,omitempty"`
	Status  Status  `json:"status,omitempty"`
	Syntax  *Syntax `json:"syntax,omitempty"` // nil when any value of the type is good
}

// Command is a command.
type Command struct {
	Kind    string              `json:"kind,omitempty"` // sync or async; empty when unknown
	In      map[string]Argument `json:"in,omitempty"`   // by path below the command: Result.{i}.Host
	Out     map[string]Argument `json:"out,omitempty"`
	Version string              `json:"version,omitempty"`
	Status  Status              `json:"status,omitempty"`
}

// The kinds of a command.
const (
	Sync  = "sync"
	Async = "async"
)

// Event is an event.
type Event struct {
	Args    map[string]Argument `json:"args,omitempty"`
	Version string              `json:"version,omitempty"`
	Status  Status              `json:"status,omitempty"`
}

// Argument is an argument of a command or an event.
type Argument struct {
	Mandatory bool   `json:"mandatory,omitempty"`
	Status    Status `json:"status,omitempty"`
}

// Access is what a Controller can do with a parameter, in TR-106's words.
type Access string

// The accesses.
const (
	ReadOnly  Access = "readOnly"
	ReadWrite Access = "readWrite"
	WriteOnce Access = "writeOnceReadOnly"
	WriteOnly Access = "writeOnly" // devices only: PARAM_WRITE_ONLY
)

func (a Access) reads() bool  { return a != WriteOnly }
func (a Access) writes() bool { return a == ReadWrite || a == WriteOnly }

// Status is empty for a current element, else deprecated, obsoleted or deleted.
type Status string

// gone reports whether an element of the status is not part of the model any more.
func (s Status) gone() bool { return s == "obsoleted" || s == "deleted" }

// Profile is a set of requirements with a name.
type Profile struct {
	Name         string        `json:"profile"`
	Version      string        `json:"version,omitempty"`
	Status       Status        `json:"status,omitempty"`
	Base         []string      `json:"base,omitempty"`    // the profiles whose next version it is
	Extends      []string      `json:"extends,omitempty"` // other profiles that it includes
	Requirements []Requirement `json:"requires,omitempty"`

	at place
}

// Visible reports whether a device can claim the profile: names with an underscore are for use inside the XML.
func (p *Profile) Visible() bool { return !strings.HasPrefix(p.Name, "_") && !p.Status.gone() }

// The kinds of element that a profile can require.
const (
	kindObject    = "object"
	kindParameter = "parameter"
	kindCommand   = "command"
	kindEvent     = "event"
	kindInput     = "input argument"
	kindOutput    = "output argument"
	kindArgument  = "event argument"
)

// Requirement is one element that a profile requires.
type Requirement struct {
	Kind   string
	Object string // the path of the object
	Name   string // of the parameter, command or event
	Arg    string // the path below the command or event
	Access string // readOnly, readWrite; present, create, delete, createDelete, notSpecified

	at place
}

// Path is the full path of what is required; that of an argument is its command's or event's with the argument after a space.
func (r Requirement) Path() string {
	if r.Arg != "" {
		return r.Object + r.Name + " " + r.Arg
	}
	return r.Object + r.Name
}

// Requirements returns all that a profile requires, with what it takes from others, in the order of the XML. An element can be there more
// than once.
func (m *Model) Requirements(name string) []Requirement {
	return m.requirements(name, map[string]bool{})
}

func (m *Model) requirements(name string, above map[string]bool) []Requirement {
	p := m.Profiles[name]
	if p == nil || above[name] {
		return nil
	}
	above[name] = true
	defer delete(above, name)
	var all []Requirement
	for _, other := range slices.Concat(p.Base, p.Extends) {
		all = append(all, m.requirements(other, above)...)
	}
	return append(all, p.Requirements...)
}

// VisibleProfiles returns the names of the profiles that a device can claim, sorted.
func (m *Model) VisibleProfiles() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.Profiles)) {
		if m.Profiles[name].Visible() {
			names = append(names, name)
		}
	}
	return names
}

// Counts says how much a model has.
type Counts struct {
	Objects, Params, Commands, Async, Events, Keys, Profiles, Visible, Requirements int
}

// Count counts what the model has, deleted elements included; the requirements are those of the visible profiles.
func (m *Model) Count() Counts {
	c := Counts{Objects: len(m.Objects), Profiles: len(m.Profiles)}
	for _, o := range m.Objects {
		c.Params += len(o.Params)
		c.Commands += len(o.Commands)
		c.Events += len(o.Events)
		c.Keys += len(o.Keys)
		for _, k := range o.Commands {
			if k.Kind == Async {
				c.Async++
			}
		}
	}
	for _, name := range m.VisibleProfiles() {
		c.Visible++
		c.Requirements += len(m.Requirements(name))
	}
	return c
}

// diverges reports whether an object, or one around it, has instances that differ in what they have, so that the model has nothing of what
// is in it.
func (m *Model) diverges(path string) bool {
	for ; path != ""; path = parent(path) {
		if o := m.Objects[path]; o != nil && len(o.Diverging) > 0 {
			return true
		}
	}
	return false
}

// covers reports whether the model says everything about what is below the path.
func (m *Model) covers(path string) bool {
	return len(m.Covers) == 0 || slices.ContainsFunc(m.Covers, func(tree string) bool { return strings.HasPrefix(path, tree) })
}

// merge adds what another model has; where both have an element, the other's counts.
func (m *Model) merge(other *Model) {
	if m.Name != "" {
		m.Name += ", "
	}
	m.Name += other.Name
	maps.Copy(m.Profiles, other.Profiles)
	for path, o := range other.Objects {
		if mine := m.Objects[path]; mine != nil {
			maps.Copy(mine.Params, o.Params)
			maps.Copy(mine.Commands, o.Commands)
			maps.Copy(mine.Events, o.Events)
			for _, key := range o.Keys {
				mine.addKey(key)
			}
			mine.Always = append(mine.Always, o.Always...)
			mine.Create, mine.Delete = mine.Create || o.Create, mine.Delete || o.Delete
			continue
		}
		m.Objects[path] = o
	}
}

func newModel(name string) *Model {
	return &Model{Name: name, Objects: map[string]*Object{}, Profiles: map[string]*Profile{}}
}

func newObject() *Object {
	return &Object{Params: map[string]Param{}, Commands: map[string]Command{}, Events: map[string]Event{}}
}

// addKey adds a unique key unless it is there.
func (o *Object) addKey(names []string) {
	key := slices.Sorted(slices.Values(names))
	if !o.hasKey(key) {
		o.Keys = append(o.Keys, key)
	}
}

func (o *Object) hasKey(key []string) bool {
	return slices.ContainsFunc(o.Keys, func(k []string) bool { return slices.Equal(k, key) })
}

// parent is the path of the object that holds the object of the path, empty for the root.
func parent(path string) string {
	path = strings.TrimSuffix(strings.TrimSuffix(path, "."), ".{i}")
	return path[:strings.LastIndexByte(path, '.')+1]
}

// vendors reports whether a path or name has a part that a vendor named: X_<OUI or domain>_ (TR-106, 3.3).
func vendors(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "."), func(s string) bool { return strings.HasPrefix(s, "X_") })
}

// newer reports whether version a is above b; both are numbers with dots, and an empty one is below all.
func newer(a, b string) bool {
	return slices.Compare(numbers(a), numbers(b)) > 0
}

func numbers(version string) []int {
	var ns []int
	for _, s := range strings.Split(version, ".") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return ns
		}
		ns = append(ns, n)
	}
	return ns
}
