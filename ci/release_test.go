package ci

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// release is what .goreleaser.yaml may say, in the names of GoReleaser's schema (version 2). A key that is not here is a fault: whoever
// needs another one checks the file with goreleaser and adds it.
type release struct {
	Version int    `json:"version"`
	Project string `json:"project_name"`
	Before  struct {
		Hooks []string `json:"hooks"`
	} `json:"before"`
	Builds []struct {
		Main         string   `json:"main"`
		Env          []string `json:"env"`
		Flags        []string `json:"flags"`
		LDFlags      []string `json:"ldflags"`
		Systems      []string `json:"goos"`
		Architecture []string `json:"goarch"`
		Timestamp    string   `json:"mod_timestamp"`
	} `json:"builds"`
	Archives []struct {
		Name      string   `json:"name_template"`
		Formats   []string `json:"formats"`
		Overrides []struct {
			System  string   `json:"goos"`
			Formats []string `json:"formats"`
		} `json:"format_overrides"`
		Files []string `json:"files"`
	} `json:"archives"`
	Checksum struct {
		Name      string `json:"name_template"`
		Algorithm string `json:"algorithm"`
	} `json:"checksum"`
	Changelog struct {
		Use string `json:"use"`
	} `json:"changelog"`
}

// TestRelease holds the configuration of releases against what CI builds and vets: each system and each processor, since no file is for a
// pair of them. Where goreleaser is installed, its own checker has the last word.
func TestRelease(t *testing.T) {
	text, err := os.ReadFile("../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var r release
	decode(t, text, &r)
	if r.Version != 2 || len(r.Builds) != 1 || len(r.Archives) != 1 {
		t.Fatalf("want version 2 with one build and one archive, got %+v", r)
	}
	script, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	loop := regexp.MustCompile(`(?m)^for target in (.*); do$`).FindSubmatch(script)
	if loop == nil {
		t.Fatal(".ci/run vets for no other targets")
	}
	vetted := append(strings.Fields(string(loop[1])), "linux/amd64") // go vet ./...
	for i, released := range [][]string{r.Builds[0].Systems, r.Builds[0].Architecture} {
		part := map[string]bool{}
		for _, target := range vetted {
			part[strings.Split(target, "/")[i]] = true
		}
		if vetted := slices.Sorted(maps.Keys(part)); !slices.Equal(vetted, slices.Sorted(slices.Values(released))) {
			t.Errorf("CI vets for %v, releases are for %v", vetted, released)
		}
	}
	for _, pattern := range append(r.Archives[0].Files, r.Builds[0].Main+"/main.go") {
		if found, err := filepath.Glob("../" + strings.ReplaceAll(pattern, "**", "*")); err != nil || len(found) == 0 {
			t.Errorf("%s matches no file", pattern)
		}
	}
	if _, err := exec.LookPath("goreleaser"); err != nil {
		t.Skip("SKIPPED: goreleaser is not installed; its schema was checked, its own rules were not")
	}
	folder := t.TempDir() // the checker wants a clone of something
	if err := os.WriteFile(filepath.Join(folder, ".goreleaser.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"git init -q", "git remote add origin https://github.com/usptest/usptest.git", "goreleaser check"} {
		words := strings.Fields(command)
		run := exec.CommandContext(t.Context(), words[0], words[1:]...)
		run.Dir = folder
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
}
