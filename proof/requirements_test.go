package proof

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/harness/plan"
)

// testedInContexts names, for each live requirement of TR-369's chapter "End to End Message Exchange", a test of the Controller's or of the
// reference agent's end, or the case that has a defect for it.
var testedInContexts = map[string]string{
	"R-E2E.1":   "case 2.2",
	"R-E2E.3":   "TestRulesOfReception",
	"R-E2E.4":   "TestRulesOfReception",
	"R-E2E.5":   "case R-E2E.24",
	"R-E2E.6":   "TestRulesOfReception",
	"R-E2E.6a":  "case R-E2E.6a",
	"R-E2E.6b":  "case R-E2E.6a",
	"R-E2E.7":   "TestExpirationAndStatus",
	"R-E2E.8":   "TestRulesOfReception",
	"R-E2E.10":  "case 3.5",
	"R-E2E.12":  "case 3.5",
	"R-E2E.14":  "TestRulesOfReception",
	"R-E2E.15":  "TestEveryMessageArrivesOnceAndInOrder",
	"R-E2E.16":  "TestEveryMessageArrivesOnceAndInOrder",
	"R-E2E.17":  "TestRulesOfReception",
	"R-E2E.18":  "TestClearRecord",
	"R-E2E.19":  "TestAnotherPayloadSecurityEndsTheContext",
	"R-E2E.20":  "TestRulesOfReception",
	"R-E2E.21":  "TestRulesOfReception",
	"R-E2E.22":  "case R-E2E.24",
	"R-E2E.23":  "case R-E2E.24",
	"R-E2E.24":  "TestRulesOfReception",
	"R-E2E.25":  "TestRulesOfReception",
	"R-E2E.26":  "TestPlainCarriesOneMessageInOneRecord",
	"R-E2E.29":  "TestMessagesThroughTLS",
	"R-E2E.30":  "TestIntegrity",
	"R-E2E.31":  "TestASignatureCoversTheFields",
	"R-E2E.32":  "TestProtectedFields",
	"R-E2E.33":  "TestMAC",
	"R-E2E.34":  "TestMAC",
	"R-E2E.35":  "TestMAC",
	"R-E2E.36":  "TestMAC",
	"R-E2E.37":  "TestMAC",
	"R-E2E.38":  "TestMAC",
	"R-E2E.39":  "TestMAC",
	"R-E2E.40":  "TestMessagesThroughTLS",
	"R-E2E.40a": "TestMessagesThroughTLS",
	"R-E2E.40b": "TestASignatureCoversTheFields",
	"R-E2E.41":  "TestMessagesThroughTLS",
	"R-E2E.42":  "TestRenegotiation",
	"R-E2E.43":  "TestMessagesThroughTLS",
}

// untestedInContexts says why a requirement has no test.
var untestedInContexts = map[string]string{
	"R-E2E.9":  "no test sends this many Records",
	"R-E2E.11": "the reference agent does not end its retries at SessionExpiration",
	"R-E2E.13": "the reference agent keeps no count over a reboot, but no test looks at it",
	"R-E2E.28": "what the MTP protects is taken from the link",
}

// TestSessionRequirementsAreAccountedFor holds the two tables against the requirements of the plan and against the tests that there are.
func TestSessionRequirementsAreAccountedFor(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	var live []string
	for _, r := range p.Requirements {
		if strings.HasPrefix(r.ID, "R-E2E.") {
			live = append(live, r.ID)
		}
	}
	for _, id := range live {
		_, has := testedInContexts[id]
		if _, not := untestedInContexts[id]; has == not {
			t.Errorf("%s: want it in one of the two tables", id)
		}
	}
	tests := testNames(t, "../harness/session", "../fixtures/agent/session")
	for _, id := range slices.Concat(slices.Collect(maps.Keys(testedInContexts)), slices.Collect(maps.Keys(untestedInContexts))) {
		if !slices.Contains(live, id) {
			t.Errorf("%s is no live requirement", id)
		}
		name := testedInContexts[id]
		c, isCase := strings.CutPrefix(name, "case ")
		switch {
		case isCase && !hasDefect(p, c, id):
			t.Errorf("%s: there is no defect of %s for it", id, name)
		case !isCase && name != "" && !tests[name]:
			t.Errorf("%s: there is no %s", id, name)
		}
	}
}

// hasDefect reports whether a case has a defect, and a check one of a metric that tests the requirement.
func hasDefect(p *plan.Plan, id, requirement string) bool {
	c, known := p.Case(id)
	return known && slices.ContainsFunc(defects.Defects(), func(d defects.Defect) bool {
		if d.Case != id {
			return false
		}
		return !c.IsCheck() || d.Metric > 0 && slices.Contains(c.Metrics[d.Metric-1].Requirements, requirement)
	})
}

// testNames are the tests in folders.
func testNames(t *testing.T, folders ...string) map[string]bool {
	names := map[string]bool{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if d, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(d.Name.Name, "Test") {
					names[d.Name.Name] = true
				}
			}
		}
	}
	return names
}
