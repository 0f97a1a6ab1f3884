package result

import (
	"fmt"
	"slices"
	"strings"
)

// The floods that a tester wants to know of, in whatever case. Neither TR-369 nor the protocols below it forbid one: each is advice of
// metric 0.
const (
	FloodOfPings       = "flood of PINGs"
	FloodOfConnections = "flood of connections"
	FloodOfNotifies    = "flood of Notifies"
)

// Floods are the names of all.
func Floods() []string { return []string{FloodOfPings, FloodOfConnections, FloodOfNotifies} }

// BeyondPlan begins the note of a metric 0 that is about another source than the plan.
const BeyondPlan = "beyond the plan: "

// Flood is the name of the flood that the metric advises against, "" when it is about something else.
func (m Metric) Flood() string {
	name, beyond := strings.CutPrefix(m.Note, BeyondPlan)
	if m.N != 0 || m.Verdict != Advice || !beyond || !slices.Contains(Floods(), name) {
		return ""
	}
	return name
}

// Flooded reports whether the device flooded the harness in this case, and nobody expects that.
func (c Case) Flooded() bool {
	return slices.ContainsFunc(c.Metrics, func(m Metric) bool { return m.Flood() != "" && !m.Expected })
}

// FloodLine says in a line in which cases the device flooded the harness; empty when it did in none.
func (r *Run) FloodLine() string {
	var floods []string
	for _, name := range Floods() {
		var places []string
		expected := true
		for _, l := range r.Links {
			for _, c := range l.Cases {
				for _, m := range c.Metrics {
					if m.Flood() == name {
						places, expected = append(places, l.Link+" "+c.ID), expected && m.Expected
					}
				}
			}
		}
		const most = 5
		if len(places) == 0 {
			continue
		}
		text := name + " in " + plural(len(places), "case")
		if expected {
			text += ", as expected"
		}
		text += " (" + strings.Join(places[:min(most, len(places))], ", ")
		if len(places) > most {
			text += ", …"
		}
		floods = append(floods, text+")")
	}
	if len(floods) == 0 {
		return ""
	}
	return fmt.Sprintf("advice of any case: %s", strings.Join(floods, "; "))
}
