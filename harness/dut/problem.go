package dut

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/usptest/usptest/harness/plan"
)

// maxProblems is how many problems of one file are worth reading at once.
const maxProblems = 100

// Problem is one fault in a DUT file.
type Problem struct {
	File         string // the DUT file, or a template it names
	Line, Column int    // counted from 1; 0 when the file as a whole is meant
	Key          string // such as links[0].version; empty when the text is not YAML
	Value        string // what was found, quoted if it was text; empty when nothing was
	Allowed      string // what would have been right
	Remedy       string // what to do about it, when Allowed does not say so already
}

// String is "file:line:column: key: got value; allowed …; remedy".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	for _, n := range []int{p.Line, p.Column} {
		if n > 0 {
			b.WriteString(":" + strconv.Itoa(n))
		}
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	var parts []string
	if p.Value != "" {
		parts = append(parts, "got "+p.Value)
	}
	if p.Allowed != "" {
		parts = append(parts, "allowed: "+p.Allowed)
	}
	if p.Remedy != "" {
		parts = append(parts, p.Remedy)
	}
	return b.String() + strings.Join(parts, "; ")
}

// Problems are all faults of a DUT file, in the order of the file.
type Problems struct {
	List []Problem
}

// Error is one line for each problem.
func (p *Problems) Error() string {
	lines := make([]string, 0, len(p.List))
	for _, q := range p.List {
		lines = append(lines, q.String())
	}
	return strings.Join(lines, "\n")
}

// suggest names what was probably meant, else all there is.
func suggest(name string, names []string) string {
	if near := plan.Near(name, names); len(near) > 0 {
		return fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
	}
	return "; there are " + strings.Join(names, ", ")
}
