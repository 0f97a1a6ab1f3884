package plan

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLock makes a removed or renumbered case, a changed status or number of metrics a visible diff of ids.lock. Write it again with
// USPTEST_UPDATE=1.
func TestLock(t *testing.T) {
	p := mustLoad(t)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s: id, status, number of metrics. Written by TestLock.\n", p.ID, p.Version)
	for _, c := range p.Cases {
		fmt.Fprintln(&b, c.ID, c.Status, len(c.Metrics))
	}
	const file = "ids.lock"
	if os.Getenv("USPTEST_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	locked, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, got := strings.Split(string(locked), "\n"), strings.Split(b.String(), "\n")
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s has %q, the plan has not", file, line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("the plan has %q, %s has not; if that is meant: USPTEST_UPDATE=1 go test ./harness/plan", line, file)
		}
	}
}

// TestFeatureMapping holds what the cases require against the plan's feature table. Where they differ, the reason is here.
func TestFeatureMapping(t *testing.T) {
	p := mustLoad(t)
	beyond := map[string]string{
		"6.8 17":  "heart-beats without STOMP have no meaning; the row of 17 says 6.8 only with 18",
		"8.4 10":  "the tag asks for Reboot:1",
		"9.8 26":  "the row of 28 applies only if 26 is supported",
		"1.101 8": "the procedure calls SendOnBoardRequest()",
		"1.102 8": "the procedure calls SendOnBoardRequest()",
		"1.103 8": "the procedure calls SendOnBoardRequest()",
	}
	substituted := []string{"9.10 30"} // another parameter may stand in for BootFirmwareImage
	table := map[string]bool{}
	for _, f := range p.Features {
		for _, pattern := range f.Cases {
			cases, err := p.Select([]string{pattern})
			if err != nil {
				t.Errorf("feature %d: %v", f.Number, err)
			}
			for _, c := range cases {
				excepted := slices.ContainsFunc(f.Except, func(e string) bool { m, _ := path.Match(e, c.ID); return m })
				if !excepted {
					table[fmt.Sprintf("%s %d", c.ID, f.Number)] = true
				}
			}
		}
	}
	for _, c := range p.Cases {
		if c.IsCheck() {
			continue
		}
		for _, f := range c.Features() {
			pair := fmt.Sprintf("%s %d", c.ID, f)
			if !table[pair] && beyond[pair] == "" {
				t.Errorf("%s requires feature %d, the feature table does not say so", c.ID, f)
			}
			delete(table, pair)
			delete(beyond, pair)
		}
	}
	for pair := range table {
		if slices.Contains(substituted, pair) {
			continue
		}
		t.Errorf("the feature table has %s (case, feature), the case does not require it", pair)
	}
	for pair := range beyond {
		t.Errorf("%s (case, feature) is excused, but the case does not require it", pair)
	}
}

// TestTexts looks over the described cases: plain sentences, requirement ids in the form of TR-369, no metric text twice in a case.
func TestTexts(t *testing.T) {
	p := mustLoad(t)
	requirement := regexp.MustCompile(`^R-[A-Z0-9]+\.\d+[a-z]?$`)
	for _, c := range p.Cases {
		if !c.Described() {
			continue
		}
		texts := append([]string{c.Purpose}, c.Steps...)
		for i, m := range c.Metrics {
			if slices.ContainsFunc(c.Metrics[:i], func(o Metric) bool { return o.Text == m.Text }) {
				t.Errorf("%s: metrics %d says what an earlier one says: %q", c.ID, m.N, m.Text)
			}
			texts = append(texts, m.Text)
		}
		for _, text := range texts {
			if text != strings.TrimSpace(text) || strings.Contains(text, "\n") || strings.Contains(text, "  ") {
				t.Errorf("%s: white space in %q", c.ID, text)
			}
		}
		for _, r := range c.Requirements {
			if !requirement.MatchString(r) {
				t.Errorf("%s: %q is not the id of a requirement", c.ID, r)
			}
		}
	}
}
