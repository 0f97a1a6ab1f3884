package ci

import (
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// variables reports the package-level variables of one declaration that may be more than a name for something that never changes. Lawful
// are embedded data, errors, what cannot be changed by design (regexp, strings.Replacer, time.Time), a table written out as a composite
// literal, a value made once on first use, and flags of a test.
func variables(info *types.Info, d *ast.GenDecl, inTest bool, report func(token.Pos, string)) {
	for _, s := range d.Specs {
		spec := s.(*ast.ValueSpec)
		if embedded(d.Doc) || embedded(spec.Doc) {
			continue
		}
		for i, name := range spec.Names {
			var value ast.Expr
			if len(spec.Values) == len(spec.Names) {
				value = spec.Values[i]
			}
			if o := info.Defs[name]; name.Name != "_" && !lawful(info, o.Type(), value, inTest) {
				report(name.Pos(), "the package-level variable "+name.Name+" is neither embedded data nor an error nor a table")
			}
		}
	}
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func lawful(info *types.Info, t types.Type, value ast.Expr, inTest bool) bool {
	switch value := value.(type) {
	case *ast.CompositeLit:
		return plain(t, map[types.Type]bool{})
	case *ast.CallExpr:
		failure := types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
		if types.Implements(t, failure) || slices.Contains([]string{"time.Time", "*regexp.Regexp", "*strings.Replacer"}, t.String()) {
			return true
		}
		s, ok := value.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		called := info.Uses[s.Sel]
		return isFunc(called, "sync", "OnceValue", "OnceValues") ||
			inTest && called.Pkg() != nil && called.Pkg().Path() == "flag"
	}
	return false
}

// plain reports whether a value of type t is data through and through: nothing in it can be locked, counted, sent to or pointed at.
func plain(t types.Type, seen map[types.Type]bool) bool {
	if seen[t] {
		return true
	}
	seen[t] = true
	if n, ok := t.(*types.Named); ok && n.Obj().Pkg() != nil {
		if p := n.Obj().Pkg().Path(); p == "sync" || p == "sync/atomic" {
			return false
		}
	}
	switch u := t.Underlying().(type) {
	case *types.Chan:
		return false
	case *types.Pointer:
		return t.String() == "*regexp.Regexp"
	case *types.Array:
		return plain(u.Elem(), seen)
	case *types.Slice:
		return plain(u.Elem(), seen)
	case *types.Map:
		return plain(u.Key(), seen) && plain(u.Elem(), seen)
	case *types.Struct:
		for f := range u.Fields() {
			if !plain(f.Type(), seen) {
				return false
			}
		}
	}
	return true
}

// writes reports every place that changes a package-level variable, whoever's it is, or takes its address. A change through a copy of a
// map or slice goes unseen.
func writes(info *types.Info, f *ast.File, report func(token.Pos, string)) {
	target := func(e ast.Expr, act string) {
		if v := global(info, e); v != nil {
			report(e.Pos(), act+" the package-level variable "+v.Name())
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				target(left, "assigns to")
			}
		case *ast.IncDecStmt:
			target(n.X, "counts in")
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				target(n.Key, "assigns to")
				target(n.Value, "assigns to")
			}
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				target(n.X, "takes the address of")
			}
		case *ast.CallExpr:
			if len(n.Args) > 0 && changesFirst(info, n.Fun) {
				target(n.Args[0], "changes")
			}
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && byPointer(info.Selections[s]) {
				target(s.X, "calls a method that may change")
			}
		}
		return true
	})
}

// global is the package-level variable in which e lies, or nil.
func global(info *types.Info, e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			if info.Selections[x] == nil { // a name of another package
				e = x.Sel
			} else {
				e = x.X
			}
		case *ast.Ident:
			v, ok := info.Uses[x].(*types.Var)
			if ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				return v
			}
			return nil
		default:
			return nil
		}
	}
}

// changesFirst reports whether a function changes what its first argument holds.
func changesFirst(info *types.Info, fun ast.Expr) bool {
	switch f := fun.(type) {
	case *ast.Ident:
		b, ok := info.Uses[f].(*types.Builtin)
		return ok && slices.Contains([]string{"delete", "clear", "copy"}, b.Name())
	case *ast.SelectorExpr:
		o := info.Uses[f.Sel]
		return isFunc(o, "slices", "Sort", "SortFunc", "SortStableFunc", "Reverse", "Delete", "DeleteFunc", "Insert", "Replace", "Compact", "CompactFunc") ||
			isFunc(o, "sort", "Strings", "Ints", "Slice", "SliceStable", "Sort", "Stable") ||
			isFunc(o, "maps", "Copy", "DeleteFunc", "Insert")
	}
	return false
}

// byPointer reports whether a method call takes the address of what is before the dot.
func byPointer(s *types.Selection) bool {
	if s == nil || s.Kind() != types.MethodVal {
		return false
	}
	_, wants := s.Obj().(*types.Func).Signature().Recv().Type().(*types.Pointer)
	_, has := s.Recv().(*types.Pointer)
	return wants && !has
}

// shelf has the standard library, and one package of the project.
type shelf struct {
	types.Importer
	own *types.Package
}

// Import implements types.Importer.
func (s shelf) Import(path string) (*types.Package, error) {
	if path == s.own.Path() {
		return s.own, nil
	}
	return s.Importer.Import(path)
}

// TestCodeRefuse proves that each rule can be broken.
func TestCodeRefuse(t *testing.T) {
	const head = "package p\n"
	fset := token.NewFileSet()
	library := shelf{importer.ForCompiler(fset, "gc", nil), types.NewPackage(module+"harness/dut", "dut")}
	library.own.Scope().Insert(types.NewConst(token.NoPos, library.own, "UDS", types.Typ[types.String], constant.MakeString("uds")))
	library.own.MarkComplete()
	for _, c := range []struct{ name, source, want string }{
		{"an error", `import "errors"; var err = errors.New("x")`, ""},
		{"an error of its own type", `type e struct{}; func (*e) Error() string { return "" }; func f() *e { return nil }; var err = f()`, ""},
		{"a form", `import "regexp"; var form = regexp.MustCompile("x")`, ""},
		{"a table", `var t = map[string][]struct{f func()}{"a": nil}`, ""},
		{"embedded data", "import _ \"embed\"\n//go:embed x\nvar text string", ""},
		{"made once", `import "sync"; var x = sync.OnceValue(func() int { return 1 })`, ""},
		{"a local variable", `import "time"; func f() { x := 1; x = 2; x++; y := time.Time{}; _ = &y; m := map[int]int{}; m[1] = x; delete(m, 1) }`, ""},
		{"reads", `var t = [...]int{1}; func f() int { for _, x := range t { return x }; return t[0] + len(t[:]) }`, ""},

		{"init", `func init() {}`, "an init function"},
		{"dot import", `import . "errors"; var err = New("x")`, "a dot import"},
		{"sleep", `import "time"; func f() { time.Sleep(1) }`, "time.Sleep"},
		{"asks for an MTP", `import "` + module + `harness/dut"; func f(mtp string) bool { return mtp == dut.UDS }`, "asks which MTP"},
		{"switches on it", `import "` + module + `harness/dut"; func f(mtp string) { switch mtp { case dut.UDS: } }`, "asks which MTP"},
		{"sleep as a value", `import "time"; func f() { s := time.Sleep; s(1) }`, "time.Sleep"},
		{"empty", `var x int`, "variable x is neither"},
		{"a constant", `var x = "text"`, "variable x is neither"},
		{"a group", `var (a = 1; b = []int{1})`, "variable a is neither"},
		{"several at once", `func f() (int, int) { return 1, 2 }; var a, b = f()`, "variable a is neither"},
		{"made", `var x = make(map[string]int)`, "variable x is neither"},
		{"a pointer", `var x = &struct{ n int }{}`, "variable x is neither"},
		{"pointers", `var x = []*int{}`, "variable x is neither"},
		{"a lock", `import "sync"; var x = struct{ sync.Mutex }{}`, "variable x is neither"},
		{"a counter", `import "sync/atomic"; var x = [1]atomic.Int64{}`, "variable x is neither"},
		{"a channel", `var x = []chan int{}`, "variable x is neither"},
		{"a flag", `import "flag"; var x = flag.Bool("x", false, "")`, "variable x is neither"},

		{"assigned", `import "errors"; var err = errors.New("x"); func f() { err = nil }`, "assigns to the package-level variable err"},
		{"element", `var t = map[int]int{}; func f() { t[1] = 2 }`, "assigns to the package-level variable t"},
		{"field", `var t = []struct{ n int }{}; func f() { t[0].n += 2 }`, "assigns to the package-level variable t"},
		{"counted", `var t = [1]int{}; func f() { t[0]++ }`, "counts in the package-level variable t"},
		{"range", `var t = [1]int{}; func f() { for t[0] = range 3 {} }`, "assigns to the package-level variable t"},
		{"address", `var t = [1]int{}; func f() *int { return &t[0] }`, "takes the address of the package-level variable t"},
		{"method", `type l [1]int; func (*l) add() {}; var t = l{}; func f() { t.add() }`, "calls a method that may change the package-level variable t"},
		{"deleted", `var t = map[int]int{}; func f() { delete(t, 1) }`, "changes the package-level variable t"},
		{"sorted", `import "slices"; var t = []int{2, 1}; func f() { slices.Sort(t[:1]) }`, "changes the package-level variable t"},
		{"another's", `import "os"; func f() { os.Args = nil }`, "assigns to the package-level variable Args"},
	} {
		parsed, err := parser.ParseFile(fset, "p.go", head+c.source, parser.ParseComments)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		info := &types.Info{
			Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
		}
		check := types.Config{Importer: library}
		if _, err := check.Check("p", fset, []*ast.File{parsed}, info); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		found := inspect(room{name: "p", info: info, fset: fset}, file{File: parsed, name: "p.go"})
		switch {
		case c.want == "" && len(found) == 0:
		case c.want == "" || len(found) == 0 || !strings.Contains(found[0], c.want):
			t.Errorf("%s: want %q, got %q", c.name, c.want, found)
		}
	}
}
