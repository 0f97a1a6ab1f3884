package html

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/result"
)

func (r *renderer) identity() []fact {
	d, run := r.run.Device, r.run
	var facts []fact
	add := func(name, value string, code bool) {
		if value != "" {
			facts = append(facts, fact{name, line(value, maxIdentity), code})
		}
	}
	add("Vendor", d.Vendor, false)
	add("Model", d.Model, false)
	add("Software version", d.Software, false)
	add("Serial number", d.Serial, true)
	add("Endpoint ID", d.Endpoint, true)
	add("Speaks USP", d.USP, false)
	for _, m := range d.Mismatches() {
		add("Mismatch", m.Mismatch(), false)
	}
	add("Firmware banks", bankCount(d.Firmware), false)
	for _, b := range d.Firmware {
		add(fmt.Sprintf("Firmware bank %d", b.Instance), bankLine(b), false)
	}
	add("Supported features", declared(run.Features), false)
	add("Alternates used", alternatesUsed(run.Alternates), false)
	add("Laboratory", run.Laboratory, false)
	add("Tested by", run.Tester, false)
	if run.DUT != nil {
		add("DUT file", run.DUT.File, true)
		add("DUT file, SHA-256", run.DUT.SHA256, true)
	}
	add("Test plan", run.Plan.ID+" "+run.Plan.Version, false)
	add("Plan data, SHA-256", run.Plan.Hash, true)
	add("Test tool", run.Tool.Name+" "+run.Tool.Version, false)
	if !run.Started.IsZero() {
		add("Started", run.Started.UTC().Format("2 January 2006, 15:04:05 MST"), false)
	}
	add("Duration", duration(run.WallMS), false)
	if !run.Limited {
		add("Waiting", run.WaitLine(), false)
	}
	add("Time scale", scale(run.TimeScale), false)
	if run.Coverage != nil {
		add("Plan coverage", run.Coverage.String(), false)
	}
	return facts
}

// departures say on the first page how far the run is from the plan's letter: by errata that touched a verdict, and by waivers.
func departures(p page) []fact {
	var facts []fact
	if n := len(p.Decided); n > 0 || len(p.Errata) > 0 {
		facts = append(facts, fact{Name: "Errata that decided", Value: text{Head: fmt.Sprintf("%d; the procedure is adapted for %d", n, p.Adapted)}})
	}
	if n := len(p.Waivers); n > 0 {
		facts = append(facts, fact{Name: "Waivers", Value: text{Head: fmt.Sprint(n)}})
	}
	return facts
}

// bankCount is how many firmware banks the device showed; nothing where it showed none.
func bankCount(banks []result.FirmwareBank) string {
	if len(banks) == 0 {
		return ""
	}
	return fmt.Sprint(len(banks))
}

// bankLine is what a firmware bank holds and what the device does with it.
func bankLine(b result.FirmwareBank) string {
	say := func(yes bool, what string) string {
		if yes {
			return what
		}
		return ""
	}
	return join(": ", join(", ", say(b.Active, "active"), say(b.Boot, "boots next")), join(" ", b.Name, b.Version, words("(", b.Status, ")")))
}

// declared are the numbers of the features that the device's owner declared.
func declared(features []result.Feature) string {
	var numbers []string
	for _, f := range features {
		if f.Declared {
			numbers = append(numbers, fmt.Sprint(f.Number))
		}
	}
	return strings.Join(numbers, ", ")
}

// alternatesUsed are the elements that were used in the place of the plan's own, by role.
func alternatesUsed(alternates []result.Alternate) string {
	if len(alternates) == 0 {
		return "none"
	}
	var used []string
	for _, a := range alternates {
		used = append(used, a.Role+": "+cmp.Or(a.Path, "nothing"))
	}
	slices.Sort(used)
	return strings.Join(slices.Compact(used), "; ")
}

func scale(s float64) string {
	if s == 1 {
		return "real time"
	}
	return fmt.Sprintf("protocol intervals divided by %g", s)
}

// sentence begins s with a capital.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// conclude shows a conclusion with its reasons, less those that are among the conditions.
func conclude(c result.Conclusion, conditions []result.Condition) conclusion {
	v := conclusion{Word: result.VisibleLine(c.Value), Tone: "rest", Icon: "–"}
	reasons := c.Reasons
	if len(reasons) == 0 { // an earlier version wrote one alone
		reasons = []string{c.Reason}
	}
	reasons = slices.DeleteFunc(slices.Clone(reasons), func(reason string) bool {
		return len(reasons) > 1 && slices.ContainsFunc(conditions, func(c result.Condition) bool { return strings.EqualFold(c.Text, reason+".") })
	})
	for _, reason := range reasons[:min(len(reasons), maxReasons)] {
		v.Reasons = append(v.Reasons, line(sentence(reason)+".", maxText))
	}
	if more := len(reasons) - maxReasons; more > 0 {
		v.Reasons = append(v.Reasons, text{Head: fmt.Sprintf("%d more; run.json has them.", more)})
	}
	switch c.Value {
	case result.Conformant:
		v.Tone, v.Icon, v.Word = "pass", "✓", "Conformant"
	case result.Limited:
		v.Word = "Limited report"
	case result.Partial:
		v.Tone, v.Icon, v.Word = "error", "!", "Partial"
	case result.NotConformant:
		v.Tone, v.Icon, v.Word = "fail", "✕", "Not conformant"
	}
	return v
}

// notices are what a reader must know before the figures: what was tested in truth, and what went wrong as a whole.
func (r *renderer) notices() []notice {
	run := r.run
	var n []notice
	if run.Device.Reference {
		s := "The device is the reference agent that comes with the test tool, not a product."
		if len(run.Device.Defects) > 0 {
			s += " It was broken on purpose: " + strings.Join(run.Device.Defects, ", ") + "."
		}
		n = append(n, notice{Tone: "rest", Text: line(s, maxText)})
	}
	if run.Baseline != nil {
		n = append(n, baselineNotice(run))
	}
	for _, l := range run.Links {
		if l.Trouble == "" {
			continue
		}
		t := notice{Tone: "error", Text: line(l.Link+": "+l.Trouble, maxText)}
		for _, s := range l.DeviceLog[max(0, len(l.DeviceLog)-maxLogLines):] {
			t.Log = append(t.Log, line(s, maxText))
		}
		n = append(n, t)
	}
	return n
}
