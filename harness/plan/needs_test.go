package plan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// TestEachNeedHasAName holds the constants against needs.yaml.
func TestEachNeedHasAName(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "needs.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var named, known []string
	ast.Inspect(file, func(n ast.Node) bool {
		if text, ok := n.(*ast.BasicLit); ok {
			name, _ := strconv.Unquote(text.Value)
			named = append(named, name)
		}
		return true
	})
	for _, need := range mustLoad(t).Needs {
		known = append(known, need.Name)
	}
	if !slices.Equal(named, known) {
		t.Errorf("needs.go names\n%q\nneeds.yaml has\n%q", named, known)
	}
}
