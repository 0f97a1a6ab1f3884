package plan

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/token"
	quickyaml "go.yaml.in/yaml/v3"
)

// The shapes of the files.
type (
	planFile struct {
		ID      string `yaml:"id"`
		Version string `yaml:"version"`
	}
	chapterFile struct {
		Chapter int         `yaml:"chapter"`
		Title   string      `yaml:"title"`
		Cases   []caseEntry `yaml:"cases"`
	}
	caseEntry struct {
		ID         string     `yaml:"id"`
		Title      string     `yaml:"title"`
		Status     Status     `yaml:"status"`
		Obligation Obligation `yaml:"obligation"`
		Requires   Requires   `yaml:"requires"`
		MTPs       []string   `yaml:"mtps"`
		TLS        TLS        `yaml:"tls"`
		Needs      []string   `yaml:"needs"`
		Budget     int        `yaml:"budget"` // seconds
		Takes      int        `yaml:"takes"`  // seconds; the budget unless given
		Wait       *int       `yaml:"wait"`   // seconds; with every budget
		Metrics    int        `yaml:"metrics"`
	}
	textFile struct {
		Cases []textEntry `yaml:"cases"`
	}
	textEntry struct {
		ID           string   `yaml:"id"`
		Purpose      string   `yaml:"purpose"`
		Steps        []string `yaml:"steps"`
		Metrics      []string `yaml:"metrics"`
		Requirements []string `yaml:"requirements"`
	}
	featureFile struct {
		Features []featureEntry `yaml:"features"`
	}
	featureEntry struct {
		Number   int      `yaml:"number"`
		Name     string   `yaml:"name"`
		Text     string   `yaml:"text"`
		Status   string   `yaml:"status"`
		Profiles []string `yaml:"profiles"`
		Cases    []string `yaml:"cases"`
		Except   []string `yaml:"except"`
		Detect   Rule     `yaml:"detect"`
	}
	profileFile struct {
		Profiles []Profile `yaml:"profiles"`
	}
	needFile struct {
		Needs []Need `yaml:"needs"`
	}
	erratumFile struct {
		Errata []erratumEntry `yaml:"errata"`
	}
	erratumEntry struct {
		ID      string   `yaml:"id"`
		Touches []string `yaml:"touches"`
		Weight  Weight   `yaml:"weight"`
		Wrong   string   `yaml:"wrong"`
		Accept  string   `yaml:"accept"`
		Why     string   `yaml:"why"`
		Strict  string   `yaml:"strict"`
		Kept    string   `yaml:"kept"`
		Adapted bool     `yaml:"adapted"`
	}
)

// loader reads files into a plan and gathers what is wrong with them.
type loader struct {
	fsys     fs.FS
	plan     *Plan
	problems []error
}

// load reads a plan from the files of fsys: plan.yaml, needs.yaml, features.yaml, profiles.yaml, a file for each chapter whose name begins
// with its number, texts/ and errata/.
func load(fsys fs.FS) (*Plan, error) {
	l := loader{fsys: fsys, plan: &Plan{}}
	// Each step builds on those before it, so the first with problems is the last.
	for _, step := range []func(){l.head, l.needs, l.features, l.chapters, l.texts, l.profiles, l.errata} {
		step()
		if len(l.problems) > 0 {
			return nil, fmt.Errorf("the plan's data is broken:\n%w", errors.Join(l.problems...))
		}
	}
	var err error
	l.plan.hash, err = hashOf(fsys)
	return l.plan, err
}

// source is one file, kept to say where in it something is wrong.
type source struct {
	name string
	text []byte
}

// decode reads a file strictly: an unknown key, a key given twice or a wrong type is a problem with file, line, column and key. Every
// process of a run reads the plan, so the quicker of two parsers does it; the other one has words for what is wrong.
func (l *loader) decode(name string, into any) (s source, ok bool) {
	text, err := fs.ReadFile(l.fsys, name)
	if err == nil {
		if err = quick(text, into); err != nil {
			err = cmp.Or(yaml.UnmarshalWithOptions(text, into, yaml.Strict()), err)
		}
	}
	var at yaml.Error
	switch {
	case errors.As(err, &at) && at.GetToken() != nil:
		pos, message := at.GetToken().Position, at.GetMessage()
		if wrong := new(yaml.TypeError); errors.As(err, &wrong) {
			message = fmt.Sprintf("%s: want a value of type %s, got %q", keyOf(wrong.Token), wrong.DstType, wrong.Token.Value)
		}
		l.problems = append(l.problems, fmt.Errorf("%s:%d:%d: %s", name, pos.Line, pos.Column, message))
	case err != nil:
		l.problems = append(l.problems, fmt.Errorf("%s: %w", name, err))
	}
	return source{name, text}, err == nil
}

// quick reads YAML strictly, and says little of what is wrong.
func quick(text []byte, into any) error {
	d := quickyaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return d.Decode(into)
}

// keyOf names the key whose value a token is, or is part of.
func keyOf(t *token.Token) string {
	for t = t.Prev; t != nil; t = t.Prev {
		if t.Type == token.MappingValueType && t.Prev != nil {
			return t.Prev.Value
		}
	}
	return "the file"
}

// bad notes a problem with the value at a YAML path such as $.cases[3].title, or with its nearest parent that is there.
func (l *loader) bad(s source, where, format string, args ...any) {
	key := where
	for where != "$" {
		p, err := yaml.PathString(where)
		if err != nil {
			break
		}
		if node, err := p.ReadNode(strings.NewReader(string(s.text))); err == nil {
			pos := node.GetToken().Position
			l.problems = append(l.problems, fmt.Errorf("%s:%d:%d: %s: %s", s.name, pos.Line, pos.Column, key, fmt.Sprintf(format, args...)))
			return
		}
		where = where[:strings.LastIndexAny(where, ".[")]
	}
	l.problems = append(l.problems, fmt.Errorf("%s: %s: %s", s.name, key, fmt.Sprintf(format, args...)))
}

func (l *loader) head() {
	var f planFile
	s, ok := l.decode("plan.yaml", &f)
	if !ok {
		return
	}
	if f.ID == "" || f.Version == "" {
		l.bad(s, "$", "id and version must be given")
	}
	l.plan.ID, l.plan.Version = f.ID, f.Version
}

func (l *loader) needs() {
	var f needFile
	s, ok := l.decode("needs.yaml", &f)
	if !ok {
		return
	}
	for i, n := range f.Needs {
		where := fmt.Sprintf("$.needs[%d]", i)
		if n.Name == "" || n.Text == "" {
			l.bad(s, where, "name and text must be given")
		}
		if n.By != ByHarness && n.By != ByLab {
			l.bad(s, where+".by", "want harness or lab, got %q", n.By)
		}
		if _, twice := l.plan.Need(n.Name); twice {
			l.bad(s, where+".name", "%q is given twice", n.Name)
		}
		l.plan.Needs = append(l.plan.Needs, n)
	}
}

func (l *loader) features() {
	var f featureFile
	s, ok := l.decode("features.yaml", &f)
	if !ok {
		return
	}
	for i, e := range f.Features {
		where := fmt.Sprintf("$.features[%d]", i)
		if e.Status == "" {
			e.Status = FeatureActive
		}
		if !slices.Contains([]string{FeatureActive, FeatureRemoved, FeatureDeprecated}, e.Status) {
			l.bad(s, where+".status", "want active, removed or deprecated, got %q", e.Status)
		}
		if e.Number != i+1 {
			l.bad(s, where+".number", "want %d, got %d: features are numbered without a gap", i+1, e.Number)
		}
		if e.Name == "" || e.Text == "" && e.Status != FeatureRemoved {
			l.bad(s, where, "name and text must be given")
		}
		l.rule(s, where+".detect", e.Detect)
		l.plan.Features = append(l.plan.Features, Feature(e))
	}
}

// rule checks that a rule says something, and only what a Rule can say.
func (l *loader) rule(s source, where string, r Rule) {
	says := len(r.All)+len(r.Any)+len(r.Values) > 0 || r.Shows != ""
	if says == (r.None != "") {
		l.bad(s, where, "want either a rule or the reason why there is none")
	}
	if !slices.Contains([]Kind{"", AnyCommand, CommandArguments, AsyncCommand, EventArguments, NestedTable}, r.Shows) {
		l.bad(s, where+".shows", "unknown kind %q", r.Shows)
	}
	for _, want := range slices.Concat(r.All, r.Any) {
		access, path := splitWant(want)
		if !slices.Contains([]string{"", wantCreate, wantWrite}, access) || !strings.HasPrefix(path, "Device.") {
			l.bad(s, where, "want a path, or create or write and a path, got %q", want)
		}
	}
}

func (l *loader) chapters() {
	files, err := fs.Glob(l.fsys, "[0-9]*.yaml")
	if err != nil {
		l.problems = append(l.problems, err)
	}
	for _, name := range files {
		var f chapterFile
		s, ok := l.decode(name, &f)
		if !ok {
			continue
		}
		if number, _, _ := strings.Cut(path.Base(name), "-"); strings.TrimLeft(number, "0") != strconv.Itoa(f.Chapter) || f.Title == "" {
			l.bad(s, "$.chapter", "want the number that the file's name begins with, and a title")
		}
		l.plan.Chapters = append(l.plan.Chapters, Chapter{f.Chapter, f.Title})
		for i, e := range f.Cases {
			l.entry(s, fmt.Sprintf("$.cases[%d]", i), f.Chapter, e)
		}
	}
}

// entry checks one case and adds it to the plan.
func (l *loader) entry(s source, where string, chapter int, e caseEntry) {
	if e.Status == "" {
		e.Status = Active
	}
	if !strings.HasPrefix(e.ID, strconv.Itoa(chapter)+".") {
		l.bad(s, where+".id", "want a case of chapter %d, got %q", chapter, e.ID)
	}
	if n := len(l.plan.Cases); n > 0 && Compare(l.plan.Cases[n-1].ID, e.ID) >= 0 {
		l.bad(s, where+".id", "%s stands after %s", e.ID, l.plan.Cases[n-1].ID)
	}
	if e.Title == "" {
		l.bad(s, where, "%s has no title", e.ID)
	}
	if !slices.Contains([]Status{Active, Deprecated, Deleted, Future}, e.Status) {
		l.bad(s, where+".status", "want active, deprecated, deleted or future, got %q", e.Status)
	}
	if !slices.Contains([]Obligation{Mandatory, Conditional, None}, e.Obligation) {
		l.bad(s, where+".obligation", "want mandatory, conditional or none, got %q", e.Obligation)
	}
	if active := e.Status == Active; active && (e.Obligation == None || e.Metrics < 1) {
		l.bad(s, where, "%s is active and must have an obligation and metrics", e.ID)
	}
	if e.Obligation == Conditional && e.Status == Active && len(e.Requires.Any)+len(e.Requires.All) == 0 {
		l.bad(s, where, "%s is conditional and must require a feature", e.ID)
	}
	if e.Budget < 0 {
		l.bad(s, where+".budget", "want seconds, got %d", e.Budget)
	}
	wait := 0
	switch {
	case e.Wait != nil:
		wait = *e.Wait
	case e.Budget > 0:
		l.bad(s, where+".wait", "want the seconds that the plan's text makes a tester wait; a budget of %d is there", e.Budget)
	}
	if wait < 0 {
		l.bad(s, where+".wait", "want seconds, got %d", wait)
	}
	c := Case{
		ID: e.ID, Chapter: chapter, Title: e.Title, Status: e.Status, Obligation: e.Obligation,
		Requires: e.Requires, MTPs: e.MTPs, TLS: e.TLS, Needs: e.Needs, Budget: time.Duration(e.Budget) * time.Second,
		Takes: l.takes(s, where, e.Takes, e.Budget), Wait: time.Duration(wait) * time.Second,
	}
	l.applicable(s, where, c)
	for n := range e.Metrics {
		c.Metrics = append(c.Metrics, Metric{N: n + 1})
	}
	l.plan.Cases = append(l.plan.Cases, c)
}

// applicable checks what a case says of where it applies and what it needs.
func (l *loader) applicable(s source, where string, c Case) {
	for _, f := range c.Features() {
		if row, ok := l.plan.Feature(f); !ok || row.Status == FeatureRemoved {
			l.bad(s, where+".requires", "there is no feature %d", f)
		}
	}
	for _, m := range c.MTPs {
		if !slices.Contains([]string{"mqtt", "mqtt5", "stomp", "websocket", "uds", "coap"}, m) {
			l.bad(s, where+".mtps", "want mqtt, mqtt5, stomp, websocket, uds or coap, got %q", m)
		}
	}
	if !slices.Contains([]TLS{TLSEither, TLSRequired, TLSForbidden}, c.TLS) {
		l.bad(s, where+".tls", "want required or forbidden, got %q", c.TLS)
	}
	for _, n := range c.Needs {
		if _, ok := l.plan.Need(n); !ok {
			l.bad(s, where+".needs", "%q is not in needs.yaml", n)
		}
	}
}

// takes is about how long a case takes that may take some seconds at worst.
func (l *loader) takes(s source, where string, seconds, budget int) time.Duration {
	if seconds < 0 || seconds > budget {
		l.bad(s, where+".takes", "want seconds, at most those of the budget, got %d", seconds)
	}
	return time.Duration(cmp.Or(seconds, budget)) * time.Second
}

// texts adds purpose, steps, metrics and requirements to the cases that have them.
func (l *loader) texts() {
	files, err := fs.Glob(l.fsys, "texts/*.yaml")
	if err != nil {
		l.problems = append(l.problems, err)
	}
	for _, name := range files {
		var f textFile
		s, ok := l.decode(name, &f)
		if !ok {
			continue
		}
		for i, e := range f.Cases {
			where := fmt.Sprintf("$.cases[%d]", i)
			at := slices.IndexFunc(l.plan.Cases, func(c Case) bool { return c.ID == e.ID })
			if at < 0 {
				l.bad(s, where+".id", "there is no case %q", e.ID)
				continue
			}
			c := &l.plan.Cases[at]
			if c.Described() {
				l.bad(s, where+".id", "%s is described twice", e.ID)
			}
			if e.Purpose == "" || len(e.Steps) == 0 || len(e.Requirements) == 0 {
				l.bad(s, where, "%s: purpose, steps and requirements must be given", e.ID)
			}
			if len(e.Metrics) != len(c.Metrics) || slices.Contains(e.Metrics, "") {
				l.bad(s, where+".metrics", "%s: want %d texts, got %d", e.ID, len(c.Metrics), len(e.Metrics))
				continue
			}
			c.Purpose, c.Steps, c.Requirements = e.Purpose, e.Steps, e.Requirements
			for n, text := range e.Metrics {
				c.Metrics[n].Text = text
			}
		}
	}
}

func (l *loader) profiles() {
	var f profileFile
	s, ok := l.decode("profiles.yaml", &f)
	if !ok {
		return
	}
	known := l.plan.Labels()
	for i, p := range f.Profiles {
		where := fmt.Sprintf("$.profiles[%d]", i)
		if p.Name == "" || p.Text == "" || p.Select == "" {
			l.bad(s, where, "name, text and select must be given")
		}
		if slices.ContainsFunc(l.plan.Profiles, func(q Profile) bool { return strings.EqualFold(p.Name, q.Name) }) {
			l.bad(s, where+".name", "%q is given twice", p.Name)
		}
		if err := checkLabels(known, p.Select); err != nil {
			l.bad(s, where+".select", "%v", err)
		}
		l.plan.Profiles = append(l.plan.Profiles, p)
	}
	for _, row := range l.plan.Features {
		for _, name := range row.Profiles {
			if _, err := l.plan.Profile(name); err != nil {
				l.bad(s, "$.profiles", "feature %d: %v", row.Number, err)
			}
		}
	}
}

func (l *loader) errata() {
	files, err := fs.Glob(l.fsys, "errata/*.yaml")
	if err != nil {
		l.problems = append(l.problems, err)
	}
	for _, name := range files {
		var f erratumFile
		s, ok := l.decode(name, &f)
		if !ok {
			continue
		}
		for i, e := range f.Errata {
			l.erratum(s, fmt.Sprintf("$.errata[%d]", i), e)
		}
	}
}

// erratum checks one erratum and adds it to the plan.
func (l *loader) erratum(s source, where string, e erratumEntry) {
	if e.ID == "" || e.Wrong == "" || e.Accept == "" || e.Why == "" || len(e.Touches) == 0 {
		l.bad(s, where, "id, touches, wrong, accept and why must be given")
	}
	if slices.ContainsFunc(l.plan.Errata, func(o Erratum) bool { return o.ID == e.ID }) {
		l.bad(s, where+".id", "%q is given twice", e.ID)
	}
	if !slices.Contains([]Weight{ChangesVerdict, Interpretation, Editorial}, e.Weight) {
		l.bad(s, where+".weight", "want verdict, interpretation or editorial, got %q", e.Weight)
	}
	if e.Kept != "" && e.Strict == "" {
		l.bad(s, where+".kept", "strict must be given too: what the letter would be")
	}
	erratum := Erratum{ID: e.ID, Weight: e.Weight, Wrong: e.Wrong, Accept: e.Accept, Why: e.Why, Strict: e.Strict, Kept: e.Kept, Adapted: e.Adapted}
	for _, text := range e.Touches {
		t, err := parseTouch(text)
		if c, ok := l.plan.Case(t.Case); err == nil && (!ok || t.Metric > len(c.Metrics)) {
			err = fmt.Errorf("there is no %s", text)
		}
		if err != nil {
			l.bad(s, where+".touches", "%v", err)
		}
		erratum.Touches = append(erratum.Touches, t)
	}
	l.plan.Errata = append(l.plan.Errata, erratum)
	for i, c := range l.plan.Cases {
		if erratum.ByLetter() && erratum.Concerns(c.ID, 0) {
			l.plan.Cases[i].Letters = append(c.Letters, erratum)
		}
	}
}
