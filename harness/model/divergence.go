package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// conceals reports whether a requirement is about what is in a diverging object, of which only that object itself is described.
func (m *Model) conceals(r Requirement) bool {
	if r.Kind == kindObject {
		return m.diverges(parent(r.Object))
	}
	return m.diverges(r.Object)
}

// divergence adds what contradicts itself where the device says that instances differ. The reply then has nothing of such an object but its
// access and the instances, and nothing of the objects in it (TR-369, messages: GetSupportedDM, "Diverging Supported Data Model").
func (c *comparison) divergence() {
	some := false
	for _, path := range slices.Sorted(maps.Keys(c.device.Objects)) {
		o := c.device.Objects[path]
		around := c.device.diverges(parent(path))
		some = some || len(o.Diverging) > 0
		switch got := contradiction(path, o); {
		case around:
			c.add(Finding{Kind: Divergence, Path: path, Want: "nothing of what is in an object with divergent_paths", Got: "described"}, path)
		case got != "":
			const want = "divergent_paths that name instances of the object, each once, and no elements"
			c.add(Finding{Kind: Divergence, Path: path, Want: want, Got: got}, path)
		}
	}
	if some {
		c.report.Notes = append(c.report.Notes, "some objects have divergent_paths; what is in them was not compared")
	}
}

// contradiction is what contradicts the divergent paths of an object, in words.
func contradiction(path string, o *Object) string {
	if len(o.Diverging) == 0 {
		return ""
	}
	if n := len(o.Params) + len(o.Commands) + len(o.Events) + len(o.Keys); n > 0 {
		return fmt.Sprintf("divergent_paths, and %d parameters, commands, events or unique keys", n)
	}
	seen := map[string]bool{}
	for _, instance := range o.Diverging {
		switch {
		case !strings.HasPrefix(SchemaPath(instance), path) || instance == path:
			return fmt.Sprintf("%q, which is no instance of it", instance)
		case seen[instance]:
			return fmt.Sprintf("%q more than once", instance)
		}
		seen[instance] = true
	}
	return ""
}
