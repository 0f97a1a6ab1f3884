package ci

import (
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// room is one package with the files that belong to it.
type room struct {
	name  string // its import path without the module's name
	files []file
	info  *types.Info
	fset  *token.FileSet
}

type file struct {
	*ast.File
	name string
	test bool
}

// inspect returns what may not be in a file of any package, each with its place. Generated code is left alone.
func inspect(r room, f file) []string {
	if ast.IsGenerated(f.File) {
		return nil
	}
	var found []string
	report := func(at token.Pos, text string) {
		found = append(found, r.fset.Position(at).String()+": "+text)
	}
	for _, i := range f.Imports {
		if i.Name != nil && i.Name.Name == "." {
			report(i.Pos(), "a dot import hides where a name comes from")
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				report(d.Pos(), "an init function runs unseen; call it where it is needed")
			}
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				variables(r.info, d, f.test, report)
			}
		}
	}
	writes(r.info, f.File, report)
	if !f.test && r.name != "harness/dut" && !(r.name == "harness/runner" && filepath.Base(f.name) == "connect.go") {
		asksMTP(r.info, f.File, report)
	}
	ast.Inspect(f.File, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && isFunc(r.info.Uses[s.Sel], "time", "Sleep") {
			report(s.Pos(), "time.Sleep: wait for an event, or on a timer beside a context")
		}
		return true
	})
	return found
}

// isFunc reports whether o is one of the functions of the package with this path.
func isFunc(o types.Object, pkg string, names ...string) bool {
	f, ok := o.(*types.Func)
	return ok && f.Pkg() != nil && f.Pkg().Path() == pkg && f.Signature().Recv() == nil && slices.Contains(names, f.Name())
}

// asksMTP reports comparisons with the MTPs of a DUT file. A Link owns what differs between them; only its constructor and the DUT file's
// own keys depend on which one it is.
func asksMTP(info *types.Info, f *ast.File, report func(token.Pos, string)) {
	ast.Inspect(f, func(n ast.Node) bool {
		var compared []ast.Expr
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if n.Op == token.EQL || n.Op == token.NEQ {
				compared = []ast.Expr{n.X, n.Y}
			}
		case *ast.CaseClause:
			compared = n.List
		}
		for _, e := range compared {
			s, ok := e.(*ast.SelectorExpr)
			if !ok {
				continue
			}
			o, ok := info.Uses[s.Sel].(*types.Const)
			if ok && o.Pkg().Path() == module+"harness/dut" && slices.Contains([]string{"MQTT", "STOMP", "WebSocket", "UDS"}, o.Name()) {
				report(s.Pos(), "asks which MTP it is; that is a matter of the Link")
			}
		}
		return true
	})
}

// TestSuitesKnowNoVendor: what differs from device to device is in its DUT file, never in a case.
func TestSuitesKnowNoVendor(t *testing.T) {
	vendor := regexp.MustCompile(`(?i)obuspa|ob-usp`)
	looked := 0
	err := filepath.WalkDir("../suites", func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		looked++
		if word := vendor.Find(text); word != nil {
			t.Errorf("%s names %q", name, word)
		}
		return nil
	})
	if err != nil || looked == 0 {
		t.Fatalf("%d files of the suites were looked at, %v", looked, err)
	}
}
