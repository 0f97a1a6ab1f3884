package plan

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func requirements(t *testing.T) []Requirement {
	t.Helper()
	return mustLoad(t).Requirements
}

// TestRequirementsBindAgents counts the requirements that bind Agents: each of them is tested by the plan in full or by a check, or says
// why not.
func TestRequirementsBindAgents(t *testing.T) {
	p := mustLoad(t)
	agents := 0
	for _, r := range requirements(t) {
		if r.Binds != "agent" {
			continue
		}
		agents++
		switch {
		case r.Coverage != "full" && len(p.Checks(r.ID)) == 0 && r.Untested == "":
			t.Errorf("%s is tested neither in full nor by a check: say why in untested", r.ID)
		case r.Coverage == "full" && r.Untested != "":
			t.Errorf("%s is tested in full: remove untested, or say part", r.ID)
		}
	}
	if agents < 320 {
		t.Errorf("want at least 320 requirements that bind Agents, got %d", agents)
	}
}

// TestTextsNameLiveRequirements holds the requirements that the cases rest on against those of TR-369.
func TestTextsNameLiveRequirements(t *testing.T) {
	all := requirements(t)
	p, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Cases {
		for _, id := range c.Requirements {
			if strings.HasPrefix(id, "R-") && !slices.ContainsFunc(all, func(r Requirement) bool { return r.ID == id }) {
				t.Errorf("%s rests on %s, which is no live requirement of TR-369", c.ID, id)
			}
		}
	}
}

// TestRequirementsOfTR369 compares ids and levels with TR-369's own text, both ways, where USPTEST_TR369_DIR names the folder of its
// specification.
func TestRequirementsOfTR369(t *testing.T) {
	dir := os.Getenv("USPTEST_TR369_DIR")
	if dir == "" {
		t.Skip("USPTEST_TR369_DIR names no folder with TR-369's specification: the requirements were NOT compared")
	}
	level := regexp.MustCompile(`\b(MUST|SHOULD|MAY)\b`)
	live := regexp.MustCompile(`(?m)^(?:\*\*)?\[(R-[A-Z0-9]+\.[0-9]+[a-z]*)\]\{\}(\*\*.*| - .*)$`)
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".md" {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range live.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(m[2], "(DEPRECATED)") && !strings.HasPrefix(m[1], "R-COAP.") {
				found[m[1]] = m[2]
			}
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%d live requirements in %s, %v", len(found), dir, err)
	}
	for _, r := range requirements(t) {
		text, ok := found[r.ID]
		switch {
		case !ok:
			t.Errorf("%s is no live requirement of TR-369", r.ID)
		case level.MatchString(text) && !slices.Contains(level.FindAllString(text, -1), strings.ToUpper(r.Level)):
			t.Errorf("%s: want a text with %s, got %s", r.ID, strings.ToUpper(r.Level), text)
		}
		delete(found, r.ID)
	}
	for id := range found {
		t.Errorf("%s is a live requirement of TR-369 and missing here", id)
	}
}

// TestSince: a case came with the first of its requirements.
func TestSince(t *testing.T) {
	all := []Requirement{{ID: "R-A.1", Since: "1.2"}, {ID: "R-A.2", Since: "1.4"}, {ID: "R-A.3", Since: "1.0"}}
	for want, ids := range map[string][]string{"1.2": {"R-A.2", "R-A.1"}, "1.4": {"R-A.2"}, "1.0": {"R-A.1", "R-A.3"}} {
		if got := Since(Case{Requirements: ids}, all); got != want {
			t.Errorf("%v: want %s, got %s", ids, want, got)
		}
	}
	if got := Since(Case{}, all); got != "1.0" {
		t.Errorf("want the first version for a case without requirements, got %s", got)
	}
}

func TestBrokenRequirements(t *testing.T) {
	p, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	const good = `{id: R-GET.0, level: must, binds: agent, plan: full, text: "a"}` // which cases name
	for name, test := range map[string]struct{ text, want string }{
		"good":            {good, ""},
		"level":           {strings.Replace(good, "must", "shall", 1), `R-GET.0: level: want one of must, should, may, got "shall"`},
		"since":           {strings.Replace(good, "must", `must, since: "0.9"`, 1), `since: want one of`},
		"binds":           {strings.Replace(good, "agent", "router", 1), `binds: want one of`},
		"everywhere":      {strings.Replace(good, "R-GET.0", "R-ARC.6, everywhere: true", 1), ""},
		"no place":        {strings.Replace(good, "R-GET.0", "R-ARC.1", 1), `plan: want none, as no case names it, got "full"`},
		"no part":         {strings.Replace(good, "full", "none, seen: lab", 1), `plan: want full or part, as cases test it (1.41 1.42), got "none"`},
		"not an agent's":  {strings.Replace(good, "agent, plan: full", "server", 1), `plan: want full or part, as cases test it (1.41 1.42), got ""`},
		"no reason":       {strings.Replace(good, "full", "part", 1), "seen: want one of controller, lab, nobody"},
		"no text":         {strings.Replace(good, `"a"`, `""`, 1), "text: say"},
		"another's place": {strings.Replace(good, "agent", "server", 1), "plan: want one of"},
		"twice":           {good + "\n  - " + good, "R-GET.0 is there twice"},
		"unknown key":     {strings.Replace(good, "level", "grade", 1), "tr369/x.yaml:3:"},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{"tr369/x.yaml": {Data: []byte("chapter: Messages\nrequirements:\n  - " + test.text + "\n")}}
			_, err := p.requirements(files)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("want an error with %q, got %v", test.want, err)
			}
		})
	}
}
