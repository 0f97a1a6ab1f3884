package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Condition is something that bent a run, in one sentence: a wait that is not the default, a selection, a time scale.
type Condition struct {
	Text string `json:"text"`
	// Widens says that a device can pass with it, or that cases are left out, so that the run proves no conformance.
	Widens bool `json:"widens,omitempty"`
}

// DUTFile is the DUT file of a run.
type DUTFile struct {
	File string `json:"file"`
	// SHA256 is that of the file as it was read, hexadecimal.
	SHA256 string `json:"sha256"`
	// Text is what the file says, as YAML, with asterisks for its secrets.
	Text string `json:"text"`
}

// Patience is a wait of the DUT file that is not the default; times are in milliseconds.
type Patience struct {
	Name      string `json:"name"`
	Is        string `json:"is"` // what is waited for
	DefaultMS int64  `json:"defaultMs"`
	MS        int64  `json:"ms"`
	// Lenient says that a device can pass with it that would fail by default.
	Lenient bool `json:"lenient,omitempty"`
}

// conditions are all that bent the run, what widens a verdict first.
func (r *Run) conditions() []Condition {
	var all []Condition
	add := func(widens bool, format string, args ...any) {
		all = append(all, Condition{fmt.Sprintf(format, args...) + ".", widens})
	}
	if r.TimeScale != 1 {
		add(true, "Protocol intervals were divided by %g on both sides, which only a simulated device can follow", r.TimeScale)
	}
	if tolerant := r.Tolerant(); tolerant != "" {
		add(true, "%s", sentence(tolerant))
	}
	for _, p := range r.Patience {
		is, by := time.Duration(p.MS)*time.Millisecond, time.Duration(p.DefaultMS)*time.Millisecond
		word := "more strict"
		if p.Lenient {
			word = "more lenient"
		}
		switch {
		case p.Name == "tolerance" && p.Lenient: // said above
		case p.Name == "connect":
			add(false, "waits.connect was %s instead of %s, which no verdict depends on", is, by)
		default:
			add(p.Lenient, "waits.%s (%s) was %s instead of %s, which is %s", p.Name, p.Is, is, by, word)
		}
	}
	if r.FailedOf != "" {
		add(true, "The run was limited to what failed or could not be judged in %s", r.FailedOf)
	}
	if len(r.Selectors) > 0 {
		add(true, "The run was limited to %s", strings.Join(r.Selectors, " "))
	}
	if r.Shard != nil {
		add(true, "This is shard %s alone; usptest merge joins all of them", r.Shard)
	}
	for _, name := range r.Filters {
		add(true, "Cases were left out by %s", name)
	}
	if len(r.OtherLinks) > 0 {
		add(true, "The device has links that were not tried: %s", strings.Join(r.OtherLinks, ", "))
	}
	if n := len(r.Waivers); n > 0 {
		add(r.Counts()[Waived] > 0, waives+"%s", plural(n, "case"))
	}
	floods := 0
	for _, e := range r.ExpectedAdvice {
		if slices.Contains(Floods(), e.Check) {
			floods++
		}
	}
	if n := len(r.ExpectedAdvice) - floods; n > 0 {
		add(false, "The DUT file expects the advice of %s", plural(n, "check"))
	}
	if floods > 0 {
		add(false, "The DUT file expects the advice about %s", plural(floods, "flood"))
	}
	if r.StrictPlan {
		add(false, "Verdicts are by the letter of the plan, also where it contradicts itself or the standard")
	}
	if r.Repeat > 1 {
		add(false, "Each case was carried out %d times", r.Repeat)
	}
	slices.SortStableFunc(all, func(a, b Condition) int {
		return cmp.Compare(before(a.Widens), before(b.Widens))
	})
	return all
}

func before(first bool) int {
	if first {
		return 0
	}
	return 1
}

// waives begins the condition of waivers; what they excuse is a reason of its own.
const waives = "The DUT file waives "

// clause is a sentence without its capital and full stop, to be one of several.
func clause(sentence string) string {
	s := strings.TrimSuffix(sentence, ".")
	return strings.ToLower(s[:1]) + s[1:]
}

// sentence begins s with a capital.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
