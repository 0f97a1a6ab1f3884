package junit

import (
	"fmt"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"github.com/usptest/usptest/harness/result"
)

// maxFindings is how many findings about the data model a text has.
const maxFindings = 50

// modelSuite is how the device's data model compares with TR-181, a test case for each profile of which it has something: one that it
// claims fails when it lacks something; one that it does not claim is skipped then. A last one, which passes, has the findings about other
// elements.
func modelSuite(id int, run *result.Run) junit.Testsuite {
	m := run.Model
	s := junit.Testsuite{ID: id, Name: "TR-181", Time: seconds(0), Timestamp: run.Started.UTC().Format("2006-01-02T15:04:05")}
	s.AddProperty("device", line(m.Device))
	s.AddProperty("model", line(m.Model))
	for _, n := range m.Notes {
		s.AddProperty("note", line(n))
	}
	claimed := map[string]bool{}
	for _, name := range m.Claimed {
		claimed[name] = true
	}
	for _, p := range m.Profiles {
		if p.State == "absent" && !claimed[p.Profile] {
			continue
		}
		t := junit.Testcase{Classname: "TR-181", Name: line(p.Profile), Time: seconds(0)}
		text := fmt.Sprintf("%s: %d of %d%s", p.State, p.Has, p.Of, words(", without ", strings.Join(p.Lacks, ", "), ""))
		outcome := &junit.Result{Message: message(text), Type: line(p.State)}
		findings := modelFindings(run, p.Profile)
		switch {
		case claimed[p.Profile] && findings != "":
			outcome.Data = findings
			t.Failure = outcome
		case p.State != "complete" && !claimed[p.Profile]:
			t.Skipped = outcome
		}
		s.AddTestcase(t)
	}
	if rest := modelFindings(run, ""); rest != "" {
		s.AddTestcase(junit.Testcase{Classname: "TR-181", Name: "elements of no claimed profile", Time: seconds(0), SystemOut: &junit.Output{Data: rest}})
	}
	return s
}

// modelFindings are the faults about a profile, or what is about none, line by line.
func modelFindings(run *result.Run, profile string) string {
	var lines []string
	for _, f := range run.Model.Findings {
		if len(lines) == maxFindings {
			lines = append(lines, "run.json has all")
			break
		}
		if f.Profile == profile && (profile == "" || !f.Advice) {
			kind := "fault"
			if f.Advice {
				kind = "advice"
			}
			lines = append(lines, line(fmt.Sprintf("%s: %s: want %s, got %s", kind, f.Path, f.Want, f.Got)))
		}
	}
	return strings.Join(lines, "\n")
}
