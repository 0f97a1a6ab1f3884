package ci

import (
	"fmt"
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const module = "github.com/usptest/usptest/"

// house is the table of floors, from the roof down; docs/architecture.md tells what each is for. A package may import packages of
// strictly lower floors alone, and is on exactly one floor: the one that names it, else the one with a pattern that matches it.
var house = [][]string{
	{"cmd/usptest"},
	{"proof", "proof/*", "ci"},
	{"harness/runner", "reports/*", "fixtures/reference"},
	{"suites"},
	{"suites/*"},
	{"harness"},
	{"harness/expect", "harness/retry"},
	{"harness/controller"},
	{"harness/session", "harness/lab"},
	{"harness/link", "harness/dut"},
	{"brokers/*"},
	{"brokers/gate"},
	{"fixtures/agent/defects"},
	{"fixtures/*"},
	{"fixtures/agent/*"},
	{"fixtures/agent/datamodel", "fixtures/agent/retry", "fixtures/agent/trust"},
	{"fixtures/events"},
	{"harness/model/gen", "harness/matrix"},
	{"harness/network", "harness/usp", "harness/journal", "harness/plan", "harness/pki", "harness/result"},
	{"harness/model", "fixtures/isolated"},
	{"harness/usp/usppb"},
}

// knows names rooms that may know less of the project than their floor allows, the first match counts; inTests is what their tests may
// know besides.
var knows = []struct {
	room          string
	only, inTests []string
}{
	{"reports/*", []string{"harness/result", "harness/plan", "harness/matrix"}, []string{"fixtures/runs"}},
	{"brokers/gate", []string{"harness/journal"}, []string{"harness/pki", "fixtures/events"}},
	{"brokers/*", []string{"harness/journal", "brokers/gate"},
		[]string{"harness/pki", "harness/network", "fixtures/events", "fixtures/isolated"}},
	// the agent is written from TR-369; it must not know what judges it
	{"fixtures/agent/retry", nil, nil},
	{"fixtures/agent/trust", nil, nil},
	{"fixtures/agent/datamodel", []string{"harness/usp", "harness/usp/usppb"}, nil},
	{"fixtures/agent/defects", []string{"fixtures/agent", "fixtures/agent/*", "harness/usp", "harness/usp/usppb"}, nil},
	{"fixtures/agent/discovery", nil, []string{"harness/network", "fixtures/isolated"}},
	{"fixtures/agent/*", []string{"fixtures/agent/datamodel", "fixtures/agent/retry", "fixtures/agent/trust",
		"harness/usp", "harness/usp/usppb"}, nil},
	{"fixtures/agent", []string{"fixtures/agent/*", "harness/usp", "harness/usp/usppb"}, []string{"fixtures/events"}},
	{"fixtures/runs", []string{"harness/result", "harness/plan", "harness/model"}, nil},
	// a state machine on Records, which sends nothing itself
	{"harness/session", []string{"harness/usp", "harness/usp/usppb"}, nil},
	{"fixtures/events", []string{"harness/journal", "harness/pki"}, nil},
	{"fixtures/program", nil, nil},
	{"fixtures/isolated", nil, nil},
}

// guests may be let in by few: rooms of the project that only these may import, and libraries that have one home, in which they can be
// replaced.
var guests = []struct {
	imported string // a prefix of the import path; the project's rooms without the module's name
	by       []string
}{
	{"fixtures/agent", []string{"cmd/usptest", "fixtures/agent", "fixtures/agent/*", "fixtures/reference", "proof", "proof/*"}},
	{"fixtures/reference", []string{"cmd/usptest", "proof"}},
	{"fixtures/program", []string{"cmd/usptest", "proof", "proof/*", "ci"}},
	{"fixtures/isolated",
		[]string{"harness/network", "brokers/discovery", "fixtures/agent/discovery", "cmd/usptest", "proof", "proof/hostile"}},
	{"fixtures/runs", []string{"reports/*", "cmd/usptest"}},
	{"harness/runner", []string{"cmd/usptest", "proof"}},
	{"github.com/vishvananda", []string{"harness/network", "fixtures/agent/discovery"}},
	{"github.com/insomniacslk", []string{"brokers/discovery", "fixtures/agent/discovery", "fixtures/agent/defects"}},
	{"github.com/onsi/ginkgo", []string{"harness/runner"}},
	{"github.com/spf13/cobra", []string{"cmd/usptest"}},
	{"github.com/gopacket/gopacket", []string{"reports/pcap"}},
	{"github.com/testcontainers", []string{"harness/lab", "cmd/usptest"}},
	{"github.com/moby/moby", []string{"harness/lab", "cmd/usptest"}},
	{"github.com/chromedp", []string{"reports/html"}},
	{"go.yaml.in/yaml", []string{"harness/plan"}},
	{"github.com/goccy/go-yaml", []string{"harness/plan", "harness/dut", "cmd/usptest"}},
}

// TestArchitecture walks the import graph, that of the tests too, and then the code.
func TestArchitecture(t *testing.T) {
	rooms := load(t)
	t.Run("floors", func(t *testing.T) {
		for _, e := range imports(rooms) {
			if err := e.lawful(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("code", func(t *testing.T) {
		for _, r := range rooms {
			for _, f := range r.files {
				for _, finding := range inspect(r, f) {
					t.Error(finding)
				}
			}
		}
	})
	t.Run("seams", func(t *testing.T) {
		told, err := os.ReadFile("../docs/architecture.md")
		if err != nil {
			t.Fatal(err)
		}
		offered, listed := fields(rooms, "fixtures/agent", "Seams"), seamsIn(string(told))
		if !slices.Equal(offered, listed) {
			t.Errorf("agent.Seams has %v, and the table in docs/architecture.md %v", offered, listed)
		}
	})
}

// fields are the names of the fields of a struct, sorted.
func fields(rooms []room, in, name string) (names []string) {
	for _, r := range rooms {
		for _, f := range r.files {
			ast.Inspect(f.File, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok || r.name != in || spec.Name.Name != name {
					return true
				}
				for _, field := range spec.Type.(*ast.StructType).Fields.List {
					for _, n := range field.Names {
						names = append(names, n.Name)
					}
				}
				return false
			})
		}
	}
	slices.Sort(names)
	return names
}

// seamsIn are the names in the first column of the table of seams, sorted.
func seamsIn(text string) (names []string) {
	_, table, _ := strings.Cut(text, "\n| seam | is |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		for _, name := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cells[1], -1) {
			names = append(names, name[1])
		}
	}
	slices.Sort(names)
	return names
}

// TestFloorsRefuse proves that the rules can be broken.
func TestFloorsRefuse(t *testing.T) {
	for _, c := range []struct {
		edge edge
		want string // a part of the error; empty: lawful
	}{
		{edge{"harness", "harness/controller", false}, ""},
		{edge{"harness/controller", "harness", false}, "not on a lower floor"},
		{edge{"harness/link", "harness/dut", false}, "not on a lower floor"},
		{edge{"harness/dut", "harness/lab", false}, "not on a lower floor"},
		{edge{"brokers/mqtt", "brokers/stomp", true}, "not on a lower floor"},
		{edge{"brokers/mqtt", "brokers/gate", false}, ""},
		{edge{"brokers/gate", "brokers/mqtt", false}, "not on a lower floor"},
		{edge{"brokers/mqtt", "harness/usp", false}, "may know"},
		{edge{"brokers/mqtt", "harness/pki", false}, "may know"},
		{edge{"brokers/mqtt", "harness/pki", true}, ""},
		{edge{"reports/html", "harness/journal", false}, "may know"},
		{edge{"fixtures/agent", "harness/plan", true}, "may know"},
		{edge{"fixtures/agent", "fixtures/agent/mtp", false}, ""},
		{edge{"fixtures/agent/mtp", "fixtures/agent", true}, "not on a lower floor"},
		{edge{"fixtures/agent/mtp", "fixtures/agent/bulkdata", false}, "not on a lower floor"},
		{edge{"fixtures/agent/retry", "harness/usp", false}, "may know"},
		{edge{"suites/mqtt", "fixtures/agent", false}, "may be imported by"},
		{edge{"suites/mqtt", "fixtures/agent/datamodel", false}, "may be imported by"},
		{edge{"fixtures/agent", "fixtures/agent/datamodel", false}, ""},
		{edge{"fixtures/agent", "fixtures/agent/defects", true}, "not on a lower floor"},
		{edge{"fixtures/agent/mtp", "fixtures/agent/defects", false}, "not on a lower floor"},
		{edge{"fixtures/agent/datamodel", "fixtures/agent/mtp", false}, "not on a lower floor"},
		{edge{"fixtures/agent/defects", "fixtures/agent", false}, ""},
		{edge{"fixtures/agent/defects", "harness/plan", false}, "may know"},
		{edge{"suites/mqtt", "suites", false}, "not on a lower floor"},
		{edge{"proof", "harness/runner", true}, ""},
		{edge{"proof/hostile", "harness/runner", true}, "may be imported by"},
		{edge{"suites/mqtt", "github.com/onsi/ginkgo/v2", true}, "may be imported by"},
		{edge{"suites/mqtt", "github.com/onsi/gomega", true}, ""},
		{edge{"harness/novel", "harness/usp", false}, "stands on no floor"},
	} {
		switch err := c.edge.lawful(); {
		case err == nil && c.want == "":
		case err == nil || c.want == "" || !strings.Contains(err.Error(), c.want):
			t.Errorf("%+v: want an error with %q, got %v", c.edge, c.want, err)
		}
	}
}

// edge is one import of the graph.
type edge struct {
	from, to string // import paths, those of the project without the module's name
	inTest   bool
}

func (e edge) lawful() error {
	from, here := floor(e.from)
	if !here {
		return fmt.Errorf("%s stands on no floor; give it one in the table", e.from)
	}
	if to, ours := floor(e.to); ours && to <= from {
		return fmt.Errorf("%s imports %s, which is not on a lower floor", e.from, e.to)
	}
	for _, g := range guests {
		if under(e.to, g.imported) && e.from != g.imported && !matches(e.from, g.by) {
			return fmt.Errorf("%s imports %s, which may be imported by %s alone", e.from, e.to, strings.Join(g.by, " and "))
		}
	}
	for _, k := range knows {
		if !matches(e.from, []string{k.room}) {
			continue
		}
		if _, ours := floor(e.to); ours && !matches(e.to, k.only) && !(e.inTest && matches(e.to, k.inTests)) {
			return fmt.Errorf("%s imports %s, but of the project it may know %s alone", e.from, e.to, strings.Join(k.only, " and "))
		}
		break
	}
	return nil
}

// floor is the place of a package in the house, 0 for the roof.
func floor(pkg string) (n int, found bool) {
	n = slices.IndexFunc(house, func(rooms []string) bool { return slices.Contains(rooms, pkg) })
	if n < 0 {
		n = slices.IndexFunc(house, func(rooms []string) bool { return matches(pkg, rooms) })
	}
	return n, n >= 0
}

func matches(pkg string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, pkg)
		return ok && err == nil
	})
}

// under reports whether pkg is the package of the path parent, or below it.
func under(pkg, parent string) bool { return pkg == parent || strings.HasPrefix(pkg, parent+"/") }

// imports are all edges that leave a package of the project, but for those of this one.
func imports(rooms []room) []edge {
	var edges []edge
	for _, r := range rooms {
		for _, f := range r.files {
			for _, i := range f.Imports {
				to := strings.TrimPrefix(strings.Trim(i.Path.Value, `"`), module)
				if to != r.name {
					edges = append(edges, edge{r.name, to, f.test})
				}
			}
		}
	}
	return edges
}

// load reads, parses and type-checks every package of the project with its tests, but for this one.
func load(t *testing.T) []room {
	t.Helper()
	mode := packages.NeedName | packages.NeedFiles | packages.NeedForTest | packages.NeedImports |
		packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo
	found, err := packages.Load(&packages.Config{Context: t.Context(), Mode: mode, Dir: "..", Tests: true}, "./...")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("there is no package to look at")
	}
	var rooms []room
	seen := map[string]bool{} // a package with tests is loaded twice, alone and with them
	for _, p := range found {
		for _, e := range p.Errors {
			t.Fatal(e) // half a package proves nothing
		}
		r := room{name: strings.TrimPrefix(strings.TrimSuffix(p.PkgPath, "_test"), module), info: p.TypesInfo, fset: p.Fset}
		if r.name == "ci" || under(r.name, "ci") || strings.HasSuffix(p.ID, ".test") {
			continue
		}
		for _, f := range p.Syntax {
			name := p.Fset.File(f.FileStart).Name()
			if !seen[name] {
				seen[name] = true
				r.files = append(r.files, file{File: f, name: name, test: strings.HasSuffix(name, "_test.go")})
			}
		}
		rooms = append(rooms, r)
	}
	return rooms
}
