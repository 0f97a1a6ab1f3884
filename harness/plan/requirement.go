package plan

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

//go:embed tr369
var requirementData embed.FS

// Requirement is one live requirement of TR-369 1.4.1 (CoAP is left out), in our own words.
type Requirement struct {
	ID      string // such as R-GET.0
	Chapter string // of TR-369
	Level   string // must, should or may
	Binds   string // agent, controller, server (a broker or collector), nobody (a permission, or a policy of deployment)
	Text    string // what it asks for
	Since   string // the version of USP that it came with, such as 1.2; or in which it became what it asks for now
	// Coverage says how far the cases of TP-469, as they are carried out here, test a requirement that binds Agents: full, part or none.
	// Empty for the others.
	Coverage string
	// Cases are the ids of the cases of TP-469 that test it: those that name it. Everywhere says that every case does, by a universal metric.
	Cases      []string
	Everywhere bool
	// Seen says who could see a requirement broken that the plan does not test in full: controller, lab or nobody.
	Seen string
	// Untested says why no check of ours tests what the plan does not or, where there is a check, what it leaves out and why; empty for one
	// that the plan tests in full, and where nothing is left out.
	Untested string
}

// requirements reads the requirements of TR-369. An error names the file, the line and the key, and means that the data in this package is
// broken.
func (p *Plan) requirements(fsys fs.FS) ([]Requirement, error) {
	l := loader{fsys: fsys, plan: p}
	names, err := fs.Glob(fsys, "tr369/*.yaml")
	if err != nil {
		return nil, err
	}
	var all []Requirement
	for _, name := range names {
		all = append(all, l.requirementsOf(name)...)
	}
	if len(l.problems) > 0 {
		return nil, fmt.Errorf("the data of TR-369's requirements is broken:\n%w", errors.Join(l.problems...))
	}
	return all, nil
}

// firstVersion is the version of USP that most requirements came with.
const firstVersion = "1.0"

// Since returns the version of USP with which the first of a case's requirements came: a device of an earlier one cannot be held to the
// case.
func Since(c Case, all []Requirement) string {
	first := ""
	for _, id := range c.Requirements {
		for _, r := range all {
			if r.ID == id && (first == "" || r.Since < first) {
				first = r.Since
			}
		}
	}
	return cmp.Or(first, firstVersion)
}

// RequirementsIn are the ids of requirements of TR-369 that a text of ours names.
func RequirementsIn(text string) []string {
	var ids []string
	for _, id := range requirementID.FindAllString(text, -1) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

var requirementID = regexp.MustCompile(`\bR-[A-Z0-9]+\.[0-9]+[a-z]?\b`)

// requirementsOf reads one file.
func (l *loader) requirementsOf(name string) []Requirement {
	var file struct {
		Chapter      string `yaml:"chapter"`
		Requirements []struct {
			ID         string `yaml:"id"`
			Level      string `yaml:"level"`
			Binds      string `yaml:"binds"`
			Plan       string `yaml:"plan"`
			Seen       string `yaml:"seen"`
			Everywhere bool   `yaml:"everywhere"`
			Text       string `yaml:"text"`
			Since      string `yaml:"since"`
			Untested   string `yaml:"untested"`
		} `yaml:"requirements"`
	}
	if _, ok := l.decode(name, &file); !ok {
		return nil
	}
	cases := map[string][]string{} // by the requirement that they name
	for _, c := range l.plan.Cases {
		for _, id := range c.Requirements {
			if !c.IsCheck() {
				cases[id] = append(cases[id], c.ID)
			}
		}
	}
	var read []Requirement
	for _, e := range file.Requirements {
		r := Requirement{ID: e.ID, Chapter: file.Chapter, Level: e.Level, Since: cmp.Or(e.Since, firstVersion), Binds: e.Binds, Text: e.Text,
			Coverage: e.Plan, Cases: cases[e.ID], Everywhere: e.Everywhere, Seen: e.Seen, Untested: e.Untested}
		for _, problem := range l.wrongWith(r) {
			l.problems = append(l.problems, fmt.Errorf("%s: %s: %s", name, r.ID, problem))
		}
		if slices.ContainsFunc(read, func(other Requirement) bool { return other.ID == r.ID }) {
			l.problems = append(l.problems, fmt.Errorf("%s: %s is there twice", name, r.ID))
		}
		read = append(read, r)
	}
	return read
}

// wrongWith says what is wrong with a requirement.
func (l *loader) wrongWith(r Requirement) []string {
	var wrong []string
	oneOf := func(key, value string, words ...string) {
		if !slices.Contains(words, value) {
			wrong = append(wrong, fmt.Sprintf("%s: want one of %s, got %q", key, strings.Join(words, ", "), value))
		}
	}
	oneOf("level", r.Level, "must", "should", "may")
	oneOf("since", r.Since, "1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
	oneOf("binds", r.Binds, "agent", "controller", "server", "nobody")
	switch {
	case r.Binds != "agent":
		oneOf("plan", r.Coverage, "")
	case r.Coverage == "full":
		oneOf("seen", r.Seen, "")
	default:
		oneOf("plan", r.Coverage, "part", "none")
		oneOf("seen", r.Seen, "controller", "lab", "nobody")
	}
	switch tested := len(r.Cases) > 0 || r.Everywhere; {
	case tested && r.Coverage != "full" && r.Coverage != "part":
		wrong = append(wrong, fmt.Sprintf("plan: want full or part, as cases test it (%s), got %q", strings.Join(r.Cases, " "), r.Coverage))
	case !tested && (r.Coverage == "full" || r.Coverage == "part"):
		wrong = append(wrong, fmt.Sprintf("plan: want none, as no case names it, got %q", r.Coverage))
	}
	if r.Text == "" {
		wrong = append(wrong, "text: say in our own words what it asks for")
	}
	return wrong
}
