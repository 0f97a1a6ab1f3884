package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// Erratum is a place where the plan contradicts itself, TR-369 or TR-181, or leaves open what matters, and what usptest makes of it.
type Erratum struct {
	ID      string // a few words with hyphens, such as set-search-path-reply
	Touches []Touch
	Weight  Weight
	Wrong   string // what is wrong or open
	Accept  string // what usptest therefore accepts or does
	Why     string // why that is right, with the requirement it rests on
	// Strict is what the plan's letter demands instead; empty where it does not differ in a verdict.
	Strict string
	// Kept says why even a run by the plan's letter does what Accept says; empty where it does what Strict says.
	Kept string
	// Adapted is true when the procedure differs from the plan's.
	Adapted bool
}

// Touch is a metric of a case, or the whole case when Metric is 0.
type Touch struct {
	Case   string
	Metric int
}

// Weight says what an erratum can do.
type Weight string

// The weights, heaviest first.
const (
	ChangesVerdict Weight = "verdict"        // can change a verdict
	Interpretation Weight = "interpretation" // needs a stated reading
	Editorial      Weight = "editorial"      // a slip in the text
)

// ByLetter reports whether a run by the plan's letter judges otherwise than Accept says.
func (e Erratum) ByLetter() bool { return e.Strict != "" && e.Kept == "" }

// Concerns reports whether the erratum touches a metric of a case; metric 0 stands for any.
func (e Erratum) Concerns(id string, metric int) bool {
	for _, t := range e.Touches {
		if t.Case == id && (metric == 0 || t.Metric == 0 || t.Metric == metric) {
			return true
		}
	}
	return false
}

// parseTouch reads "1.20" (all metrics) or "1.20/1" (metric 1).
func parseTouch(s string) (Touch, error) {
	id, n, found := strings.Cut(s, "/")
	if !found {
		return Touch{Case: id}, nil
	}
	metric, err := strconv.Atoi(n)
	if err != nil || metric < 1 {
		return Touch{}, fmt.Errorf("%q: want a case, or a case and a metric such as 1.20/1", s)
	}
	return Touch{Case: id, Metric: metric}, nil
}
