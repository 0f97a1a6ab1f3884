package html

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// filter is what a reader can filter the cases by. The style sheet alone does it; the script adds the search for a text.
type filter struct {
	Verdicts    []choice
	Obligations []choice
	Features    []choice
}

// choice is one answer to choose. Class marks the cases it is for.
type choice struct {
	Class, Name string
	Tone, Icon  string
	N           int
}

// newFilter offers what occurs among the cases of the run.
func newFilter(run *result.Run, p *plan.Plan) filter {
	var f filter
	n := run.Counts()
	for v, checks := range run.Checks() {
		n[v] += checks
	}
	for _, v := range result.CaseVerdicts() {
		if n[v] > 0 {
			f.Verdicts = append(f.Verdicts, choice{Class: "v-" + string(v), Name: string(v), Tone: tone(v), Icon: icon(v), N: n[v]})
		}
	}
	obligations, features := map[string]int{}, map[int]int{}
	for _, l := range run.Links {
		for _, c := range l.Cases {
			known, _ := p.Case(c.ID)
			if o := obligation(known); o != "" {
				obligations[o]++
			}
			for _, n := range required(known) {
				features[n]++
			}
		}
	}
	for _, o := range slices.Sorted(maps.Keys(obligations)) {
		f.Obligations = append(f.Obligations, choice{Class: "o-" + o, Name: o, N: obligations[o]})
	}
	for _, n := range slices.Sorted(maps.Keys(features)) {
		known, _ := p.Feature(n)
		f.Features = append(f.Features, choice{Class: fmt.Sprint("f", n), Name: join(" ", fmt.Sprint(n), known.Name), N: features[n]})
	}
	return f
}

// class is what the filter looks at: the verdicts of a case, its obligation and the features it needs.
func (r *renderer) class(id string, verdicts ...result.Verdict) string {
	known, _ := r.plan.Case(id)
	words := []string{"row"}
	for _, v := range verdicts {
		if word := "v-" + string(v); slices.Contains(result.CaseVerdicts(), v) && !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	if len(words) == 1 {
		words = append(words, "v-other") // nothing to filter by; always shown
	}
	if o := obligation(known); o != "" {
		words = append(words, "o-"+o)
	}
	for _, n := range required(known) {
		words = append(words, fmt.Sprint("f", n))
	}
	return strings.Join(words, " ")
}

// required are the numbers of the features that a case speaks of.
func required(c plan.Case) []int {
	numbers := slices.Concat(c.Requires.Any, c.Requires.All)
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// style is the part of the style sheet that filters. A case is shown when the box of one of its verdicts is ticked, and when it has the
// obligation and the feature that were chosen. Without support for :has everything is shown.
func (f filter) style() string {
	var b strings.Builder
	b.WriteString("@supports selector(:has(a)) {\n.cases .row:not(.v-other) { display: none; }\n")
	for _, v := range f.Verdicts {
		fmt.Fprintf(&b, "#filter:has(#%s:checked) ~ * .row.%s { display: revert; }\n", v.Class, v.Class)
	}
	for _, list := range [][]choice{f.Obligations, f.Features} {
		for _, c := range list {
			fmt.Fprintf(&b, "#filter:has(option[value=%s]:checked) ~ * .row:not(.%s) { display: none !important; }\n", c.Class, c.Class)
		}
	}
	b.WriteString("}\n")
	return b.String()
}
