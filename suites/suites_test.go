package suites

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/plan"
)

// TestPlanAndBodies compares plan and bodies in both directions: who carries out a case also says what it is about, and what is written
// about is carried out.
func TestPlanAndBodies(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	bodies, written := Bodies(), 0
	for id, body := range bodies {
		c, ok := p.Case(id)
		switch {
		case !ok:
			t.Errorf("%s has a body and is no case of the plan", id)
		case body == nil:
			t.Errorf("%s has an empty body", id)
		case c.Status != plan.Active:
			t.Errorf("%s has a body, but the plan calls it %s", id, c.Status)
		case c.Purpose == "" || len(c.Steps) == 0 || len(c.Requirements) == 0:
			t.Errorf("%s has a body, but the plan's data lack its purpose, steps or requirements: write them in harness/plan/tp469/texts", id)
		}
		for _, m := range c.Metrics {
			if m.Text == "" {
				t.Errorf("%s has a body, but metric %d has no text", id, m.N)
			}
		}
	}
	for _, c := range p.Cases {
		if c.Purpose == "" {
			continue
		}
		written++
		if bodies[c.ID] == nil {
			t.Errorf("%s has its texts, but no body: name one in Bodies of its chapter's package in suites, and the package in chapters of suites.go", c.ID)
		}
	}
	sum := 0
	for _, chapter := range chapters() {
		sum += len(chapter)
	}
	if sum != len(bodies) || written == 0 {
		t.Errorf("the chapters have %d bodies for %d cases: two have a body for one; %d cases have texts", sum, len(bodies), written)
	}
}

// TestBodiesAndRequirements compares bodies and requirements: a rule by which the bodies of a chapter find a device at fault, beside the
// metrics, is a requirement that a case of the chapter names.
func TestBodiesAndRequirements(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	source, id := regexp.MustCompile(`(?:Beyond\(|contents += )"([^"]*R-[^"]*)"`), regexp.MustCompile(`R-[A-Z0-9]+\.\d+[a-z]*`)
	rules := 0
	for folder, chapter := range map[string]int{"messages": 1, "access": 2, "records": 3, "mtp": 4, "stomp": 6, "websocket": 7, "discovery": 8,
		"functionality": 9, "bulkdata": 10, "mqtt": 11} {
		var named []string
		for _, c := range p.Cases {
			if c.Chapter == chapter {
				named = append(named, c.Requirements...)
			}
		}
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil || len(files) == 0 || len(named) == 0 {
			t.Fatalf("%s: %d files, %d requirements, %v", folder, len(files), len(named), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, m := range source.FindAllStringSubmatch(string(text), -1) {
				for _, rule := range id.FindAllString(m[1], -1) {
					if rules++; !slices.Contains(named, rule) {
						t.Errorf("%s judges %s, and no case of chapter %d names it in its requirements", file, rule, chapter)
					}
				}
			}
		}
	}
	if rules < 20 {
		t.Errorf("want at least 20 rules beside the metrics, got %d: does the pattern still fit?", rules)
	}
}

var update = flag.Bool("update", false, "write the number of automated cases into README.md")

// TestReadmeCounts keeps the README true about how much of the plan is automated; with -update it writes the number.
func TestReadmeCounts(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	active, automated := 0, 0
	for _, c := range p.Cases {
		if c.IsCheck() {
			continue
		}
		if Bodies()[c.ID] != nil {
			automated++
		}
		if c.Status == plan.Active {
			active++
		}
	}
	const readme = "../README.md"
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	says := regexp.MustCompile(`\d+ of the \d+ active cases`)
	want := says.ReplaceAllString(string(text), fmt.Sprintf("%d of the %d active cases", automated, active))
	switch {
	case !says.Match(text):
		t.Errorf("README.md: want a sentence that begins with %q", "N of the N active cases")
	case want == string(text):
	case *update:
		if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("README.md: the number of automated cases is %d of %d; go test ./suites -update writes it", automated, active)
	}
}
