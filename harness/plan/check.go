package plan

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// The labels that tell cases of the plan and checks of our own apart.
const (
	LabelPlan   = "plan:tp469"
	LabelChecks = "plan:tr369"
)

// ChecksChapter is the chapter of the checks of our own: requirements of TR-369 that the plan does not test. The plan's own
// chapters count from 1.
const ChecksChapter = 0

// checkPrefix begins the id of a check, which is that of a requirement of TR-369.
const checkPrefix = "R-"

// IsCheck reports whether a case is a check of our own and not a case of the plan.
func (c Case) IsCheck() bool { return strings.HasPrefix(c.ID, checkPrefix) }

// Source is the document that a case is about: the plan, or TR-369 for a check of our own.
func (p *Plan) Source(c Case) string {
	if c.IsCheck() {
		return "TR-369"
	}
	return p.ID
}

// checkFile is a file of checks.
type checkFile struct {
	Checks []struct {
		ID       string   `yaml:"id"`
		Title    string   `yaml:"title"`
		Requires Requires `yaml:"requires"`
		MTPs     []string `yaml:"mtps"`
		TLS      TLS      `yaml:"tls"`
		Needs    []string `yaml:"needs"`
		Budget   int      `yaml:"budget"` // seconds
		Takes    int      `yaml:"takes"`  // seconds; the budget unless given
		Purpose  string   `yaml:"purpose"`
		Steps    []string `yaml:"steps"`
		Metrics  []struct {
			Text         string   `yaml:"text"`
			Requirements []string `yaml:"requirements"`
			Advice       bool     `yaml:"advice"` // it is about what is only a SHOULD of them
		} `yaml:"metrics"`
	} `yaml:"checks"`
}

// addChecks adds the requirements of TR-369, and the checks of our own to the cases, after those of the plan.
func (p *Plan) addChecks(fsys fs.FS) error {
	all, err := p.requirements(fsys)
	if err != nil {
		return err
	}
	p.Requirements = all
	l := loader{fsys: fsys, plan: p}
	files, err := fs.Glob(fsys, "tr369/checks/*.yaml")
	if err != nil {
		return err
	}
	var checks []Case
	for _, name := range files {
		checks = append(checks, l.checksOf(name, all)...)
	}
	if len(l.problems) > 0 {
		return fmt.Errorf("the data of the checks is broken:\n%w", errors.Join(l.problems...))
	}
	if len(checks) == 0 {
		return nil
	}
	own, err := hashOf(fsys)
	if err != nil {
		return err
	}
	p.hash = fmt.Sprintf("%x", sha256.Sum256([]byte(p.hash+own)))
	slices.SortFunc(checks, func(a, b Case) int { return Compare(a.ID, b.ID) })
	p.Cases = append(p.Cases, checks...)
	p.Chapters = append(p.Chapters, Chapter{ChecksChapter, "Requirements of TR-369 beyond the plan"})
	return nil
}

// checksOf reads one file of checks.
func (l *loader) checksOf(name string, all []Requirement) (checks []Case) {
	var f checkFile
	s, ok := l.decode(name, &f)
	if !ok {
		return nil
	}
	for i, e := range f.Checks {
		where := fmt.Sprintf("$.checks[%d]", i)
		c := Case{ID: e.ID, Chapter: ChecksChapter, Title: e.Title, Status: Active, Obligation: None,
			Requires: e.Requires, MTPs: e.MTPs, TLS: e.TLS, Needs: e.Needs,
			Budget: time.Duration(e.Budget) * time.Second, Takes: l.takes(s, where, e.Takes, e.Budget), Purpose: e.Purpose, Steps: e.Steps}
		if e.Title == "" || e.Purpose == "" || len(e.Steps) == 0 || len(e.Metrics) == 0 {
			l.bad(s, where, "%s: title, purpose, steps and metrics must be given", e.ID)
		}
		l.applicable(s, where, c)
		for n, m := range e.Metrics {
			metric := Metric{N: n + 1, Text: m.Text, Requirements: m.Requirements, Advice: true}
			if m.Text == "" || len(m.Requirements) == 0 {
				l.bad(s, fmt.Sprintf("%s.metrics[%d]", where, n), "text and requirements must be given")
			}
			for _, id := range m.Requirements {
				at := slices.IndexFunc(all, func(r Requirement) bool { return r.ID == id && r.Binds == "agent" })
				if at < 0 {
					l.bad(s, fmt.Sprintf("%s.metrics[%d].requirements", where, n), "%q is no requirement that binds Agents", id)
					continue
				}
				metric.Advice = m.Advice || metric.Advice && all[at].Level != "must"
				if metric.Since == "" || all[at].Since < metric.Since {
					metric.Since = all[at].Since
				}
				if !slices.Contains(c.Requirements, id) {
					c.Requirements = append(c.Requirements, id)
				}
			}
			c.Metrics = append(c.Metrics, metric)
		}
		if !slices.Contains(c.Requirements, e.ID) {
			l.bad(s, where+".id", "want one of the requirements that the check tests, got %q", e.ID)
		}
		if slices.ContainsFunc(checks, func(other Case) bool { return other.ID == e.ID }) {
			l.bad(s, where+".id", "%s is given twice", e.ID)
		}
		checks = append(checks, c)
	}
	return checks
}

// Checks returns where a requirement is tested beyond the plan: the ids of checks, each with the numbers of the metrics.
func (p *Plan) Checks(requirement string) (checks []Place) {
	for _, c := range p.Cases {
		if !c.IsCheck() {
			continue
		}
		var at Place
		for _, m := range c.Metrics {
			if slices.Contains(m.Requirements, requirement) {
				at = Place{c.ID, append(at.Metrics, m.N)}
			}
		}
		if at.ID != "" {
			checks = append(checks, at)
		}
	}
	return checks
}

// Place is where a requirement is tested: a check and some of its metrics.
type Place struct {
	ID      string `json:"id"`
	Metrics []int  `json:"metrics"`
}
