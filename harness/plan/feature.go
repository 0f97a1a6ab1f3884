package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/model"
)

// Feature is one row of the plan's feature table.
type Feature struct {
	Number   int
	Name     string
	Text     string
	Status   string   // active, removed or deprecated
	Profiles []string // TR-181 profiles that the row speaks of
	// Cases and Except are the plan's own mapping, as ids and globs. What a case requires is in the case.
	Cases, Except []string
	Detect        Rule
}

// The statuses of a Feature.
const (
	FeatureActive     = "active"
	FeatureRemoved    = "removed"
	FeatureDeprecated = "deprecated"
)

// Rule detects a feature from a device's data model. A path is a schema path with {i}; "create <table>" and "write <parameter>" demand
// the access as well.
type Rule struct {
	All    []string          `yaml:"all"`    // every one is there
	Any    []string          `yaml:"any"`    // at least one is there
	Shows  Kind              `yaml:"shows"`  // something of this kind is anywhere in the model
	Values map[string]string `yaml:"values"` // by parameter: an item of its value, a comma-separated list
	None   string            `yaml:"none"`   // why the feature cannot be detected
	Sign   bool              `yaml:"sign"`   // the model is only a sign of it: a device that is declared to have the feature is tried
}

// Kind is a kind of element that a Rule looks for.
type Kind string

// The kinds.
const (
	AnyCommand       Kind = "command"
	CommandArguments Kind = "command-arguments"
	AsyncCommand     Kind = "async-command"
	EventArguments   Kind = "event-arguments"
	NestedTable      Kind = "nested-table"
)

// Detected reports whether a device shows a feature.
type Detected string

// The outcomes of a detection.
const (
	Yes     Detected = "yes"
	No      Detected = "no"
	Unknown Detected = "unknown"
)

// DetectableValues are the parameters whose values the rules ask for, sorted.
func (p *Plan) DetectableValues() []string {
	paths := map[string]bool{}
	for _, f := range p.Features {
		for path := range f.Detect.Values {
			paths[path] = true
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

// DetectIn applies the feature's rule to what a device says of itself: its supported data model, and the values of parameters, of which one
// that nobody read is missing. The text says what settled the matter: what is missing, or why nothing can be said.
func (f Feature) DetectIn(m *model.Model, values map[string]string) (Detected, string) {
	r := f.Detect
	lacks := func(want string) bool { return !has(m, want) }
	if r.None != "" {
		return Unknown, r.None
	}
	if i := slices.IndexFunc(r.All, lacks); i >= 0 {
		return No, "not in the supported data model: " + spelled(r.All[i])
	}
	if len(r.Any) > 0 && !slices.ContainsFunc(r.Any, func(want string) bool { return !lacks(want) }) {
		var wants []string
		for _, want := range r.Any {
			wants = append(wants, spelled(want))
		}
		return No, "not in the supported data model: " + strings.Join(wants, " or ")
	}
	if r.Shows != "" && !shows(m, r.Shows) {
		return No, fmt.Sprintf("not in the supported data model: any %s", r.Shows)
	}
	for _, path := range slices.Sorted(maps.Keys(r.Values)) {
		value, read := values[path]
		if !read {
			return Unknown, path + " was not read"
		}
		items := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		if !slices.Contains(items, r.Values[path]) {
			return No, fmt.Sprintf("%s: want %q in the list, got %q", path, r.Values[path], value)
		}
	}
	return Yes, ""
}

// LackedBy says what a device does not have that every case of the feature needs, whatever the DUT file declares: an element, or an item
// in a list. It is empty where nothing is missing, or where nobody can say. Access is left to the cases, which judge it.
func (f Feature) LackedBy(m *model.Model, values map[string]string) string {
	if f.Detect.Sign {
		return ""
	}
	paths := func(wants []string) (paths []string) {
		for _, want := range wants {
			_, path := splitWant(want)
			paths = append(paths, path)
		}
		return paths
	}
	f.Detect = Rule{All: paths(f.Detect.All), Any: paths(f.Detect.Any), Values: f.Detect.Values, None: f.Detect.None}
	if detected, why := f.DetectIn(m, values); detected == No {
		return why
	}
	return ""
}

// The access that a line of a rule can demand.
const (
	wantCreate = "create"
	wantWrite  = "write"
)

// splitWant takes a line of a rule apart: the access it demands, empty for none, and the path.
func splitWant(want string) (access, path string) {
	if access, path, found := strings.Cut(want, " "); found {
		return access, path
	}
	return "", want
}

// spelled is a line of a rule in words.
func spelled(want string) string {
	switch access, path := splitWant(want); access {
	case wantCreate:
		return path + " with rows that can be added"
	case wantWrite:
		return path + " that can be set"
	}
	return want
}

// has reports whether the model has what one line of a rule wants.
func has(m *model.Model, want string) bool {
	access, path := splitWant(want)
	e, ok := m.Element(path)
	return ok && (access != wantCreate || e.Creatable) && (access != wantWrite || e.Writable)
}

// shows reports whether anything of a kind is in the model.
func shows(m *model.Model, k Kind) bool {
	for path := range m.Paths() {
		e, _ := m.Element(path)
		command, event := strings.HasSuffix(path, ")"), strings.HasSuffix(path, "!")
		switch {
		case k == AnyCommand && command,
			k == CommandArguments && command && len(e.Arguments) > 0,
			k == AsyncCommand && command && e.Async,
			k == EventArguments && event && len(e.Arguments) > 0,
			k == NestedTable && strings.Count(path, ".{i}.") > 1:
			return true
		}
	}
	return false
}
