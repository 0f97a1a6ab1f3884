package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind says what is wrong.
type Kind string

// The kinds of finding.
const (
	Missing      Kind = "missing"         // an element that a claimed profile requires, or a mandatory argument
	Narrower     Kind = "narrower"        // less access than a claimed profile requires; rows that cannot be created or deleted
	Wider        Kind = "wider"           // more access than the model has; advice
	OtherType    Kind = "other-type"      // a parameter of another type
	OtherKind    Kind = "other-kind"      // synchronous against asynchronous
	UniqueKey    Kind = "unique-key"      // a unique key that is missing, split or other
	Outdated     Kind = "outdated"        // an element that is deprecated, obsoleted or deleted; advice
	Unknown      Kind = "unknown"         // an element that is not in the model and has no vendor's prefix; advice
	Twice        Kind = "twice"           // an object, or an element of it, that is described more than once
	Divergence   Kind = "divergence"      // an object with divergent paths that contradict each other or the rest of the reply
	VersionBelow Kind = "claimed-version" // a claimed version below that of what is served
)

// Finding is one thing in which a device differs from the model.
type Finding struct {
	Kind    Kind   `json:"kind"`
	Path    string `json:"path"` // of the element; arguments follow their command or event after a space
	Want    string `json:"want"`
	Got     string `json:"got"`
	Profile string `json:"profile,omitempty"` // the first claimed profile that requires the element
	Advice  bool   `json:"advice,omitempty"`  // worth knowing, no fault
	Event   uint64 `json:"event,omitempty"`   // of the journal that shows it, where there is one
}

// The states of a profile.
const (
	Complete = "complete"
	Partial  = "partial"
	Absent   = "absent"
)

// State is how much of a profile a device has.
type State struct {
	Profile string   `json:"profile"`
	State   string   `json:"state"`
	Has     int      `json:"has"`
	Of      int      `json:"of"`
	Lacks   []string `json:"lacks,omitempty"` // what is missing or narrower
	Status  Status   `json:"status,omitempty"`
}

// Report is what a comparison found.
type Report struct {
	Device   string    `json:"device"` // its data_model_inst_uri
	Model    string    `json:"model"`
	Claimed  []string  `json:"claimed,omitempty"`
	Profiles []State   `json:"profiles"`
	Findings []Finding `json:"findings"`
	Values   int       `json:"values,omitempty"`  // how many values were checked; 0 when none were read
	Journal  string    `json:"journal,omitempty"` // the file with the events that findings name
	Notes    []string  `json:"notes,omitempty"`
}

// Faults counts the findings that make a claim false, and those about values: those about an element that a claimed profile requires, or
// about what the device shows, that are no advice. Without a report there are none.
func (r *Report) Faults() int {
	if r == nil {
		return 0
	}
	n := 0
	for _, f := range r.Findings {
		if (f.Profile != "" || f.Kind.ofValues()) && !f.Advice {
			n++
		}
	}
	return n
}

// Summary is the outcome in a line.
func (r *Report) Summary() string {
	faults, advice := 0, 0
	for _, f := range r.Findings {
		if f.Advice {
			advice++
		} else {
			faults++
		}
	}
	text := fmt.Sprintf("%d faults, %d of them in claimed profiles or values; %d pieces of advice", faults, r.Faults(), advice)
	switch {
	case r.Values > 0:
		text = fmt.Sprintf("%d values checked; ", r.Values) + text
	case len(r.Claimed) == 0 && r.Faults() == 0:
		text = fmt.Sprintf("%d faults, %d pieces of advice; no profile was claimed, so nothing fails", faults, advice)
	}
	return text
}

// maxShownFindings is how many findings of a comparison are shown.
const maxShownFindings = 500

// Shorten puts the faults before the advice, and leaves out findings beyond a number that a person can read; a note says how many.
func (r *Report) Shorten() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return order(a.Advice) - order(b.Advice) })
	if more := len(r.Findings) - maxShownFindings; more > 0 {
		r.Findings = r.Findings[:maxShownFindings]
		r.Notes = append(r.Notes, fmt.Sprintf("%d more findings are left out", more))
	}
}

func order(advice bool) int {
	if advice {
		return 1
	}
	return 0
}

// comparison is one device held against one model.
type comparison struct {
	device, model *Model
	report        Report
	seen          map[string]bool   // kind and path of each finding
	owner         map[string]string // element to the first claimed profile that requires it
	typed         bool              // whether the device tells types at all
	kept          map[bool]int      // findings so far, advice or not
	omitted       int               // findings beyond maxFindings
}

// Compare holds a device against a model, in the version that the device claims where the model knows more than one. The error names a
// claimed profile that the model does not have.
func Compare(device, m *Model, claim ...string) (*Report, error) {
	m = m.For(device.Name)
	c := comparison{device: device, model: m, seen: map[string]bool{}, owner: map[string]string{}, kept: map[bool]int{}}
	c.report = Report{Device: device.Name, Model: m.Name, Claimed: claim, Findings: []Finding{}}
	for _, name := range claim {
		if p := m.Profiles[name]; p == nil || !p.Visible() {
			return nil, fmt.Errorf("profile %q is not one of %s; --list shows those it has", name, m.Name)
		}
	}
	c.tellsTypes()
	for _, name := range m.VisibleProfiles() {
		c.report.Profiles = append(c.report.Profiles, c.state(name))
	}
	for _, name := range claim {
		c.profile(name)
	}
	for _, path := range device.twice {
		c.add(Finding{Kind: Twice, Path: path, Want: "each object once", Got: "more than once"}, path)
	}
	for _, path := range slices.Sorted(maps.Keys(device.Objects)) {
		c.object(path, device.Objects[path])
	}
	c.divergence()
	c.version()
	if c.omitted > 0 {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("%d more findings are left out", c.omitted))
	}
	return &c.report, nil
}

// maxFindings bounds the faults and the advice of a comparison each: a device may describe any number of elements.
const maxFindings = 10_000

// tellsTypes finds whether the device tells types and unique keys, which came with later versions of USP.
func (c *comparison) tellsTypes() {
	keys := false
	for _, o := range c.device.Objects {
		keys = keys || o.KeysKnown
		for _, p := range o.Params {
			c.typed = c.typed || p.Type != ""
		}
	}
	if !c.typed {
		c.report.Notes = append(c.report.Notes, "the device does not tell the types of its parameters, so they were not compared")
	}
	if !keys {
		c.report.Notes = append(c.report.Notes, "the reply has no unique keys, so they were not compared")
	}
}

// add adds a finding unless there is one of its kind about its path; element is what a profile may require.
func (c *comparison) add(f Finding, element string) {
	key := string(f.Kind) + " " + f.Path
	if c.seen[key] {
		return
	}
	if c.kept[f.Advice] == maxFindings {
		c.omitted++
		return
	}
	c.kept[f.Advice]++
	c.seen[key] = true
	if f.Profile == "" {
		f.Profile = c.owner[element]
	}
	c.report.Findings = append(c.report.Findings, f)
}

// Wanted returns what a device with the profile must have: each requirement once, without those for which the model itself has no element.
func (m *Model) Wanted(name string) []Requirement {
	seen := map[string]bool{}
	return slices.DeleteFunc(m.Requirements(name), func(r Requirement) bool {
		key := r.Kind + " " + r.Path() + " " + r.Access
		again := seen[key]
		seen[key] = true
		return again || !m.has(r)
	})
}

// state finds how much of a profile the device has. It is absent when nothing of its own is there but objects.
func (c *comparison) state(name string) State {
	p := c.model.Profiles[name]
	s := State{Profile: name, State: Complete, Status: p.Status}
	own := map[string]bool{}
	for _, r := range slices.Concat(slices.Concat(lists(c.model, p.Base)...), p.Requirements) {
		own[r.Kind+r.Path()] = true
	}
	some := false
	for _, r := range c.model.Wanted(name) {
		s.Of++
		if lack := c.lacks(r); lack != nil {
			s.State = Partial
			if lack.Path != "" && !slices.Contains(s.Lacks, lack.Path) {
				s.Lacks = append(s.Lacks, lack.Path)
			}
			continue
		}
		s.Has++
		some = some || (own[r.Kind+r.Path()] && r.Kind != kindObject)
	}
	if s.State == Partial && !some {
		s.State, s.Lacks = Absent, nil
	}
	return s
}

func lists(m *Model, names []string) [][]Requirement {
	var all [][]Requirement
	for _, name := range names {
		all = append(all, m.Requirements(name))
	}
	return all
}

// profile adds what a claimed profile lacks.
func (c *comparison) profile(name string) {
	for _, r := range c.model.Wanted(name) {
		if c.owner[r.Path()] == "" {
			c.owner[r.Path()] = name
		}
		if lack := c.lacks(r); lack != nil && lack.Path != "" {
			lack.Profile = name
			c.add(*lack, r.Path())
		}
	}
}

// implied is the answer of lacks for what is missing because something around it is, which has its own finding.
func implied() *Finding { return &Finding{} }

// lacks returns what is wrong with an element that a profile requires, nil when nothing is.
func (c *comparison) lacks(r Requirement) *Finding {
	if c.device.conceals(r) {
		return nil
	}
	if c.device.has(r) {
		return c.narrow(r)
	}
	want := r.Kind
	if r.Access != "" && r.Kind == kindParameter {
		want += ", " + r.Access
	}
	missing := &Finding{Kind: Missing, Path: r.Path(), Want: want, Got: "missing"}
	switch r.Kind {
	case kindObject:
		if r.Access == "notSpecified" {
			return nil
		}
		if above := parent(r.Object); above != "" && c.device.Objects[above] == nil && c.model.Objects[above] != nil {
			missing.Path = topmost(c.device, c.model, r.Object)
		}
	case kindInput, kindOutput, kindArgument:
		r.Kind = kindCommand
		if strings.HasSuffix(r.Name, "!") {
			r.Kind = kindEvent
		}
		if !c.device.has(r) {
			return implied()
		}
	default:
		if c.device.Objects[r.Object] == nil {
			missing.Path, missing.Want = topmost(c.device, c.model, r.Object), kindObject
		}
	}
	return missing
}

// topmost is the outermost object around the path, itself included, that the device does not have.
func topmost(device, m *Model, path string) string {
	for above := parent(path); above != "" && device.Objects[above] == nil && m.Objects[above] != nil; above = parent(path) {
		path = above
	}
	return path
}

// narrow returns what the device allows less than a profile requires.
func (c *comparison) narrow(r Requirement) *Finding {
	o := c.device.Objects[r.Object]
	f := &Finding{Kind: Narrower, Path: r.Path()}
	switch r.Kind {
	case kindObject:
		create := (r.Access == "create" || r.Access == "createDelete") && !o.Create
		remove := (r.Access == "delete" || r.Access == "createDelete") && !o.Delete
		if !create && !remove {
			return nil
		}
		f.Want, f.Got = "rows that can be "+rowsOf(r.Access != "delete", r.Access != "create"), "rows that can be "+rowsOf(o.Create, o.Delete)
	case kindParameter:
		p := o.Params[r.Name]
		if p.Access.reads() && (p.Access.writes() || r.Access != string(ReadWrite)) {
			return nil
		}
		f.Want, f.Got = r.Access, string(p.Access)
	default:
		return nil
	}
	return f
}

func rowsOf(create, remove bool) string {
	switch {
	case create && remove:
		return "created and deleted"
	case create:
		return "created"
	case remove:
		return "deleted"
	}
	return "read only"
}

// version compares the version that the device claims with what it serves.
func (c *comparison) version() {
	says := claimed(c.device.Name)
	if says == "" {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("the device's data_model_inst_uri %q does not name a version of TR-181", c.device.Name))
		return
	}
	switch of := c.model.version(); {
	case c.model.as != "":
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("where versions of TR-181 differ, %s decides, which the device claims", c.model.as))
	case of == "":
	case newer(says, of):
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("the device claims TR-181 %s, the model is %s: what is unknown may be newer", says, of))
	case newer(of, says):
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("the device claims TR-181 %s, the model is %s: "+
			"what differs may be of another version; --model takes the XML of %s", says, of, says))
	}
	var first, since string
	count := 0
	look := func(path, version string) {
		if newer(version, says) {
			count++
			if newer(version, since) {
				first, since = path, version
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(c.device.Objects)) {
		o, known := c.device.Objects[path], c.model.Objects[path]
		if known == nil {
			continue
		}
		look(path, known.Version)
		for _, name := range slices.Sorted(maps.Keys(o.Params)) {
			look(path+name, known.Params[name].Version)
		}
		for _, name := range slices.Sorted(maps.Keys(o.Commands)) {
			look(path+name, known.Commands[name].Version)
		}
		for _, name := range slices.Sorted(maps.Keys(o.Events)) {
			look(path+name, known.Events[name].Version)
		}
	}
	if count > 0 {
		got := fmt.Sprintf("%s, with %s of %s", says, first, since)
		if count > 1 {
			got = fmt.Sprintf("%s, with %d newer elements, such as %s of %s", says, count, first, since)
		}
		c.add(Finding{Kind: VersionBelow, Path: "data_model_inst_uri", Want: "at least " + since, Got: got}, "")
	}
}
