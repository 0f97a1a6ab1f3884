package ci

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// top is what lies at the top of the repository. A new thing finds its place in one of these.
var top = []string{
	".ci", ".gitignore", ".goreleaser.yaml", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "brokers", "ci", "cmd", "docs", "fixtures", "go.mod", "go.sum", "harness", "proof", "reports", "suites",
}

// TestTop compares the top of the repository with the list, leaving out what Git ignores.
func TestTop(t *testing.T) {
	ignored, err := os.ReadFile("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	left := append(strings.Fields(strings.ReplaceAll(string(ignored), "/", "")), ".git")
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		if !slices.Contains(left, e.Name()) {
			found = append(found, e.Name())
		}
	}
	if !slices.Equal(found, top) {
		t.Errorf("want %v,\ngot %v", top, found)
	}
}

// TestOneProgram: cmd holds one program.
func TestOneProgram(t *testing.T) {
	entries, err := os.ReadDir("../cmd")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != "usptest" {
		t.Errorf("want cmd/usptest alone, got %v", entries)
	}
}
