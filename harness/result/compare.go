package result

import (
	"fmt"
	"slices"
	"strings"
)

// ChangeKind says what a change of a case means.
type ChangeKind string

// The kinds of a Change. A case counts as judged when its verdict is pass, fail, flaky, waived, error or aborted.
const (
	Regression ChangeKind = "regression" // it fails or is flaky and did not fail or was waived, another of its metrics fails, or it passed and nothing is proven any more
	Fix        ChangeKind = "fix"        // it passes and did not
	Appeared   ChangeKind = "new"        // it is judged and was not
	Vanished   ChangeKind = "vanished"   // it was judged and is not
	Changed    ChangeKind = "changed"    // it does not pass for another reason than before, or a waiver excuses that
)

// ChangeKinds are all kinds, in the order in which they are reported.
func ChangeKinds() []ChangeKind { return []ChangeKind{Regression, Fix, Changed, Appeared, Vanished} }

// Change is how one case differs between two runs over one link.
type Change struct {
	Kind ChangeKind `json:"kind"`
	ID   string     `json:"id"`
	// Old and New are empty where a run does not have the case.
	Old Verdict `json:"old,omitempty"`
	New Verdict `json:"new,omitempty"`
	// Reason is why it is as it is in the newer run; may be empty.
	Reason string `json:"reason,omitempty"`
}

// LinkDiff is what differs over one link, in the order of the cases in the newer run; vanished ones come last.
type LinkDiff struct {
	Link    string   `json:"link"`
	Changes []Change `json:"changes"`
}

// DiffSchema names the version of the JSON of a Diff.
const DiffSchema = "usptest-diff/v1"

// Diff is what differs between two runs.
type Diff struct {
	Schema string             `json:"schema"`
	Old    RunHead            `json:"old"`
	New    RunHead            `json:"new"`
	Counts map[ChangeKind]int `json:"counts"`
	Links  []LinkDiff         `json:"links"`
}

// NewDiff compares two runs, whose files are named so.
func NewDiff(older, newer *Run, oldFile, newFile string) *Diff {
	d := &Diff{
		Schema: DiffSchema, Old: older.Head(oldFile), New: newer.Head(newFile),
		Counts: map[ChangeKind]int{}, Links: Compare(older, newer),
	}
	for _, kind := range ChangeKinds() {
		d.Counts[kind] = 0
	}
	for _, l := range d.Links {
		for _, c := range l.Changes {
			d.Counts[c.Kind]++
		}
	}
	return d
}

// Compare tells link by link how cases differ between two runs. A link of either run is there, also without changes.
func Compare(older, newer *Run) []LinkDiff {
	var out []LinkDiff
	was, is := index(older), index(newer)
	for _, name := range linkNames(newer, older) {
		d := LinkDiff{Link: name, Changes: []Change{}}
		for _, c := range cases(newer, name) {
			if change, ok := change(was[place{name, c.ID}], c); ok {
				d.Changes = append(d.Changes, change)
			}
		}
		for _, c := range cases(older, name) {
			if _, ok := is[place{name, c.ID}]; !ok && judged(c.Verdict) {
				d.Changes = append(d.Changes, Change{Kind: Vanished, ID: c.ID, Old: c.Verdict, Reason: "not in the newer run"})
			}
		}
		out = append(out, d)
	}
	return out
}

// place is where a case is in a run.
type place struct{ link, id string }

func index(r *Run) map[place]Case {
	all := map[place]Case{}
	for _, l := range r.Links {
		for _, c := range l.Cases {
			all[place{l.Link, c.ID}] = c
		}
	}
	return all
}

// linkNames are the links of all runs, each once.
func linkNames(runs ...*Run) []string {
	var names []string
	for _, r := range runs {
		for _, l := range r.Links {
			if !slices.Contains(names, l.Link) {
				names = append(names, l.Link)
			}
		}
	}
	return names
}

func cases(r *Run, link string) []Case {
	if i := slices.IndexFunc(r.Links, func(l Link) bool { return l.Link == link }); i >= 0 {
		return r.Links[i].Cases
	}
	return nil
}

func judged(v Verdict) bool {
	return slices.Contains([]Verdict{Pass, Fail, Flaky, Advice, Waived, Error, Aborted, PassByHand, FailByHand}, v)
}

// change compares one case; was is the zero value when it was not there. ok is false when nothing is to be reported.
func change(was, is Case) (c Change, ok bool) {
	c = Change{ID: is.ID, Old: was.Verdict, New: is.Verdict, Reason: is.Reason}
	newly := newly(Fail, was, is)
	switch before, now := judged(was.Verdict), judged(is.Verdict); {
	case !before && !now:
		return c, false
	case !before:
		c.Kind = Appeared
	case !now:
		c.Kind = Vanished
	case is.Verdict == was.Verdict && is.Failed() && len(newly) > 0:
		c.Kind, c.Reason = Regression, passedBefore(newly)+"; "+is.Reason
		if is.Verdict == Waived {
			c.Kind = Changed
		}
	case is.Verdict == was.Verdict:
		return c, false
	case is.sameByHand(was):
		c.Kind = Changed
	case is.Verdict == Pass:
		c.Kind = Fix
	case is.Verdict == Fail || is.Verdict == FailByHand ||
		is.Verdict == Flaky && was.Verdict != Fail || was.Verdict == Pass && is.Verdict != Waived && is.Verdict != Advice:
		c.Kind = Regression
	default:
		c.Kind = Changed
	}
	return c, true
}

// sameByHand reports whether usptest judged one of two cases and a person the other, and both pass or both fail.
func (c Case) sameByHand(other Case) bool {
	byHand := map[Verdict]Verdict{Pass: PassByHand, Fail: FailByHand}
	return other.Verdict == byHand[c.Verdict] || c.Verdict == byHand[other.Verdict]
}

// newly are the numbers of the metrics with a verdict that were fine. A universal metric (0) is there only where it was broken.
func newly(v Verdict, was, is Case) []int {
	var numbers []int
	for _, m := range is.Metrics {
		i := slices.IndexFunc(was.Metrics, func(o Metric) bool { return o.N == m.N })
		fine := m.N == 0 && i < 0 || i >= 0 && slices.Contains([]Verdict{Pass, NotApplicable}, was.Metrics[i].Verdict)
		if m.Verdict == v && fine && !slices.Contains(numbers, m.N) {
			numbers = append(numbers, m.N)
		}
	}
	return numbers
}

// passedBefore says it of some metrics.
func passedBefore(numbers []int) string {
	if len(numbers) == 1 {
		return fmt.Sprintf("metric %d was fine before", numbers[0])
	}
	return fmt.Sprintf("metrics %s were fine before", strings.Join(strings.Fields(strings.Trim(fmt.Sprint(numbers), "[]")), ", "))
}

// Difference is one field in which two things differ that ought to be the same.
type Difference struct{ Field, One, Other string }

// String is the difference in one line.
func (d Difference) String() string {
	return fmt.Sprintf("%s: %q and %q", d.Field, VisibleLine(d.One), VisibleLine(d.Other))
}

// The fields in which two Devices can differ.
const (
	FieldVendor    = "vendor"
	FieldModel     = "model"
	FieldSoftware  = "software"
	FieldEndpoint  = "endpoint"
	FieldReference = "reference agent"
	FieldDefects   = "defects"
)

// Differences are the fields in which two devices differ, of those that matter.
func (d Device) Differences(other Device, matter ...string) []Difference {
	return differences([]Difference{
		{FieldVendor, d.Vendor, other.Vendor}, {FieldModel, d.Model, other.Model}, {FieldSoftware, d.Software, other.Software},
		{FieldEndpoint, d.Endpoint, other.Endpoint}, {FieldReference, fmt.Sprint(d.Reference), fmt.Sprint(other.Reference)},
		{FieldDefects, strings.Join(d.Defects, " "), strings.Join(other.Defects, " ")},
	}, matter)
}

// Mismatches are the fields in which the DUT file (One) and the device (Other) do not say the same. The reference agent has the name and
// version that the tool gives it.
func (d Device) Mismatches() []Difference {
	if d.Says == nil || d.Reference {
		return nil
	}
	said := Device{Vendor: d.Says.Vendor, Model: d.Says.Model, Software: d.Says.Software}
	all := d.Differences(said, FieldVendor, FieldModel, FieldSoftware)
	return slices.DeleteFunc(all, func(d Difference) bool { return d.Other == "" })
}

// Mismatch says in a line that the device does not say of a field what the DUT file says.
func (d Difference) Mismatch() string {
	return fmt.Sprintf("%s: the DUT file says %q, the device says %q", d.Field, VisibleLine(d.One), VisibleLine(d.Other))
}

func differences(pairs []Difference, matter []string) []Difference {
	return slices.DeleteFunc(pairs, func(d Difference) bool { return d.One == d.Other || !slices.Contains(matter, d.Field) })
}
