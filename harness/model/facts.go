package model

import (
	"bufio"
	"bytes"
	_ "embed" // for the facts
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// The facts are made from TR-181's XML: names, types, access, kinds, keys and the members of profiles, nothing else. CI does not make them
// again, since the XML is not in the repository; TestFacts compares them with the XML where it is there.
//
//go:generate go run ./gen facts.jsonl

//go:embed facts.jsonl
var facts []byte

// Facts is what the program itself knows of TR-181: all that belongs to USP, and the profiles of TP-469's feature table.
func Facts() (*Model, error) { return read(bytes.NewReader(facts)) }

// subtrees are the objects of TR-181 that TR-369 and TP-469 speak of.
func subtrees() []string {
	return []string{"Device.BulkData.", "Device.DeviceInfo.", "Device.LocalAgent.", "Device.MQTT.", "Device.STOMP.", "Device.SoftwareModules.",
		"Device.Time.", "Device.USPServices.", "Device.UnixDomainSockets."}
}

// featured are the profiles of TP-469's feature table that need more than those subtrees.
func featured() []string { return []string{"TraceRoute:1"} }

// Subset is the part of a whole TR-181 that Facts has.
func (m *Model) Subset() *Model {
	s := newModel(m.Name)
	s.Covers = subtrees()
	more := map[string]bool{"Device.": true}
	for _, name := range featured() {
		for _, r := range m.Requirements(name) {
			more[r.Object] = true
		}
	}
	for path, o := range m.Objects {
		if s.covers(path) || more[path] {
			s.Objects[path] = o
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Profiles)) {
		if len(m.Requirements(name)) > 0 && !slices.ContainsFunc(m.Requirements(name), func(r Requirement) bool { return !s.has(r) }) {
			s.Profiles[name] = m.Profiles[name]
		}
	}
	return s
}

// The lines of a written model: one head, then one for each object and each profile, and for what older versions had otherwise.
type (
	head struct {
		Model  string   `json:"model"`
		Covers []string `json:"covers,omitempty"`
	}
	objectLine struct {
		Until string `json:"until,omitempty"` // the version that changed it
		Path  string `json:"object"`
		*Object
	}
	profileLine struct {
		Until string `json:"until,omitempty"`
		*Profile
	}
)

// Write writes the model as JSON lines, always in the same order.
func (m *Model) Write(w io.Writer) error {
	out := json.NewEncoder(w)
	if err := out.Encode(head{m.Name, m.Covers}); err != nil {
		return err
	}
	for _, part := range append([]earlier{{"", m.Objects, m.Profiles}}, m.earlier...) {
		for _, path := range slices.Sorted(maps.Keys(part.objects)) {
			if err := out.Encode(objectLine{part.until, path, part.objects[path]}); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(part.profiles)) {
			if err := out.Encode(profileLine{part.until, part.profiles[name]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads what Write wrote.
func read(r io.Reader) (*Model, error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	m := newModel("")
	for n := 1; s.Scan(); n++ {
		if err := m.readLine(n, s.Bytes()); err != nil {
			return nil, fmt.Errorf("facts, line %d: %w", n, err)
		}
	}
	return m, s.Err()
}

func (m *Model) readLine(n int, b []byte) error {
	rest := b
	if bytes.HasPrefix(b, []byte(`{"until":`)) {
		_, rest, _ = bytes.Cut(b, []byte(","))
	}
	switch {
	case n == 1:
		var h head
		err := json.Unmarshal(b, &h)
		m.Name, m.Covers = h.Model, h.Covers
		return err
	case bytes.HasPrefix(bytes.TrimPrefix(rest, []byte("{")), []byte(`"object":`)):
		o := objectLine{Object: newObject()}
		err := json.Unmarshal(b, &o)
		m.part(o.Until).objects[o.Path] = o.Object
		return err
	}
	p := profileLine{Profile: &Profile{}}
	err := json.Unmarshal(b, &p)
	m.part(p.Until).profiles[p.Name] = p.Profile
	return err
}

// part is what the model has, or had until a version.
func (m *Model) part(until string) earlier {
	if until == "" {
		return earlier{"", m.Objects, m.Profiles}
	}
	if n := len(m.earlier); n == 0 || m.earlier[n-1].until != until {
		m.earlier = append(m.earlier, earlier{until, map[string]*Object{}, map[string]*Profile{}})
	}
	return m.earlier[len(m.earlier)-1]
}

// MarshalText writes a requirement as its parts with spaces between: "parameter Device.LocalAgent. EndpointID - readOnly". A part that is
// empty is a hyphen.
func (r Requirement) MarshalText() ([]byte, error) {
	parts := []string{strings.ReplaceAll(r.Kind, " ", "-"), r.Object, r.Name, r.Arg, r.Access}
	for i, p := range parts {
		if p == "" {
			parts[i] = "-"
		}
	}
	return []byte(strings.Join(parts, " ")), nil
}

// UnmarshalText reads what MarshalText wrote.
func (r *Requirement) UnmarshalText(b []byte) error {
	parts := strings.Split(string(b), " ")
	if len(parts) != 5 {
		return fmt.Errorf("requirement %q: want 5 parts, got %d", b, len(parts))
	}
	for i, p := range parts {
		if p == "-" {
			parts[i] = ""
		}
	}
	*r = Requirement{Kind: strings.ReplaceAll(parts[0], "-", " "), Object: parts[1], Name: parts[2], Arg: parts[3], Access: parts[4]}
	return nil
}
