package ci

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks follows every link from one file of the project to another, in all Markdown files.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)|src="([^"]+)"`)
	followed := 0
	err := filepath.WalkDir("..", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(name) != ".md" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			to, section, _ := strings.Cut(m[1]+m[2], "#")
			if strings.Contains(to, "://") {
				continue
			}
			followed++
			target := filepath.Join(filepath.Dir(name), filepath.FromSlash(to))
			if to == "" {
				target = name
			}
			there, err := os.Stat(target)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if section == "" || there.IsDir() {
				continue
			}
			if text, err := os.ReadFile(target); err != nil || !hasSection(string(text), section) {
				t.Errorf("%s: %s has no section %q", name, target, section)
			}
		}
		return nil
	})
	if err != nil || followed == 0 {
		t.Fatalf("%d links were followed, %v", followed, err)
	}
}

// hasSection reports whether a Markdown text has the heading that a link names: small letters, hyphens for blanks, nothing else.
func hasSection(text, name string) bool {
	for line := range strings.Lines(text) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				return r
			}
			return -1
		}, strings.ToLower(strings.TrimSpace(title)))
		if anchor == name {
			return true
		}
	}
	return false
}
