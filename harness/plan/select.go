package plan

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// UnknownError says that a name given by the user matches nothing, and what was probably meant.
type UnknownError struct {
	Kind string // selector, label or profile
	Name string
	Near []string
}

// Error is one line: what matched nothing, and the near matches.
func (e *UnknownError) Error() string {
	text := fmt.Sprintf("%s %q matches nothing", e.Kind, e.Name)
	if len(e.Near) > 0 {
		text += "; did you mean " + strings.Join(e.Near, ", ") + "?"
	}
	return text
}

// Select returns the cases that match any of the selectors, in the plan's order and each once: an id (1.10), a glob (1.*), the number of
// a chapter (11), or the id of a requirement that is no check's (R-GIN.0), for the checks that test it. No selector selects everything.
// The error joins one *UnknownError for each selector that matches nothing, and one error for each malformed glob.
func (p *Plan) Select(selectors []string) ([]Case, error) {
	if len(selectors) == 0 {
		return slices.Clone(p.Cases), nil
	}
	chosen := make([]bool, len(p.Cases))
	var problems []error
	for _, s := range selectors {
		if _, err := path.Match(s, ""); err != nil {
			problems = append(problems, fmt.Errorf("selector %q is malformed: a [ has no ]", s))
			continue
		}
		found := false
		_, isID := p.Case(s)
		for i, c := range p.Cases {
			// An id has no slash, so path.Match's * spans all of it.
			match, _ := path.Match(s, c.ID)
			chapter, requirement := s == strconv.Itoa(c.Chapter), slices.Contains(c.Requirements, s)
			if match || chapter && !c.IsCheck() || requirement && c.IsCheck() && !isID {
				chosen[i], found = true, true
			}
		}
		if !found {
			problems = append(problems, &UnknownError{Kind: "selector", Name: s, Near: p.nearCases(s)})
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	var cases []Case
	for i, c := range p.Cases {
		if chosen[i] {
			cases = append(cases, c)
		}
	}
	return cases, nil
}

// nearCases looks for a selector among the ids, or among the titles when it is a word.
func (p *Plan) nearCases(selector string) []string {
	var ids, titled []string
	word := strings.ToLower(selector)
	for _, c := range p.Cases {
		ids = append(ids, c.ID)
		if len(word) > 2 && strings.Contains(strings.ToLower(c.Title), word) {
			titled = append(titled, c.ID)
		}
	}
	if len(titled) > 0 {
		return titled[:min(len(titled), nearMax)]
	}
	return Near(selector, ids)
}

// Labels are all labels that any case has, sorted.
func (p *Plan) Labels() []string {
	all := []string{LabelPlan, LabelChecks} // also before there are cases
	for _, c := range p.Cases {
		all = append(all, c.Labels()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// CheckLabels says which labels of a label expression no case has: one *UnknownError for each, joined. Regular expressions and set
// operations ("mtp: containsAny {…}") are not looked into; whether the expression is well formed is for its parser to say.
func (p *Plan) CheckLabels(expression string) error { return checkLabels(p.Labels(), expression) }

func checkLabels(known []string, expression string) error {
	plain := regexp.MustCompile(`/[^/]*/|[^\s:&|!,()/]+:\s+\w+(\s*\{[^}]*\}|[^&|!,()/]*)`).ReplaceAllString(expression, "")
	var problems []error
	for _, label := range strings.FieldsFunc(plain, func(r rune) bool { return strings.ContainsRune("&|!,()", r) }) {
		label = strings.TrimSpace(label)
		same := func(l string) bool { return strings.EqualFold(l, label) }
		if label != "" && !slices.ContainsFunc(known, same) {
			problems = append(problems, &UnknownError{Kind: "label", Name: label, Near: Near(label, known)})
		}
	}
	return errors.Join(problems...)
}
