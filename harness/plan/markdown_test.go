package plan

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// planDir names the environment variable that holds the folder of the plan's Markdown.
const planDir = "USPTEST_PLAN_DIR"

// markdownCase is a case as the plan's Markdown has it.
type markdownCase struct {
	title, tag string
	procedure  string // and what stands before it, in one line
	metrics    int
}

// TestMarkdown compares titles, obligations, metric counts and waits of all cases with the plan itself, and the feature table with ours.
func TestMarkdown(t *testing.T) {
	dir := os.Getenv(planDir)
	if dir == "" {
		t.Logf("NOT COMPARED WITH THE PLAN: set %s to the folder of the Markdown files of BroadbandForum/usp-test", planDir)
		t.Skipf("%s is not set", planDir)
	}
	files, err := filepath.Glob(filepath.Join(dir, "[0-9][0-9]-*.md"))
	if err != nil || len(files) != 12 {
		t.Fatalf("%s: want the introduction and 11 chapters (NN-name.md), got %d files, %v", dir, len(files), err)
	}
	p := mustLoad(t)
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(filepath.Base(file), "00-") {
			compareFeatures(t, p, string(text))
			continue
		}
		for id, m := range readCases(string(text)) {
			seen[id] = true
			compareCase(t, p, id, m)
		}
	}
	for _, c := range p.Cases {
		if !seen[c.ID] && !c.IsCheck() {
			t.Errorf("%s is not in the Markdown", c.ID)
		}
	}
}

func compareCase(t *testing.T, p *Plan, id string, m markdownCase) {
	c, ok := p.Case(id)
	if !ok {
		t.Errorf("%s %q is missing in our data", id, m.title)
		return
	}
	if c.Title != m.title {
		t.Errorf("%s title: want %q, got %q", id, m.title, c.Title)
	}
	if len(c.Metrics) != m.metrics {
		t.Errorf("%s metrics: want %d, got %d", id, m.metrics, len(c.Metrics))
	}
	want := None
	switch tag := strings.Trim(m.tag, "'"); {
	case strings.HasPrefix(tag, "Mandatory"):
		want = Mandatory
	case regexp.MustCompile(`^Conditional(ly|ity)? Mandatory`).MatchString(tag):
		want = Conditional
	}
	if c.Obligation != want {
		t.Errorf("%s obligation: want %s (tag %q), got %s", id, want, m.tag, c.Obligation)
	}
	// The plan marks a withdrawn case in its heading, in its tag or, 7.3, in its first words alone.
	withdrawn := regexp.MustCompile(`(?i)deprecated|deleted|future work`).MatchString(m.title) || m.tag == "Deprecated" || m.tag == "N/A"
	if withdrawn == (c.Status == Active) {
		t.Errorf("%s status: got %s, heading %q, tag %q", id, c.Status, m.title, m.tag)
	}
	if c.Status == Active {
		compareWait(t, c, m.procedure)
	}
}

// compareWait wants a wait to have room for every one that the procedure gives in seconds, and for a reboot. Where the plan does not say
// how long one is, as that for an event, ours is an estimate; where it has none, ours is zero. One that is over when something comes ("up
// to") is no wait.
func compareWait(t *testing.T, c Case, procedure string) {
	var least time.Duration
	for _, wait := range regexp.MustCompile(`Wait (?:at least |for )?(\d+ ?s)econds`).FindAllStringSubmatch(procedure, -1) {
		d, err := time.ParseDuration(strings.ReplaceAll(wait[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		least += d
	}
	if regexp.MustCompile(`(?i)\breboot(s|ed|ing)?\b[^(:]`).MatchString(procedure) { // not a command or a profile
		least += time.Minute
	}
	waits := regexp.MustCompile(`(?i)\b(wait|allow|(re)?boot(s|ed|ing)?)\b`).MatchString(procedure)
	if c.Wait < least || c.Wait > 0 && !waits {
		t.Errorf("%s wait: the procedure has %s at least, got %s", c.ID, least, c.Wait)
	}
}

// readCases finds the cases of a chapter. Headings differ in level, stars and escapes; 11.9 calls its procedure metrics, so the last
// section of that name counts.
func readCases(text string) map[string]markdownCase {
	heading := regexp.MustCompile(`(?m)^## +\**(\d+\.\d+) (.*?)\**$`)
	tagged := regexp.MustCompile(`(?ms)^### Functionality Tags?$\s*(.*?)\s*^#`)
	metrics := regexp.MustCompile(`(?m)^###\s+Test Metrics$`)
	numbered := regexp.MustCompile(`(?m)^ {0,2}\d+\. `)
	cases := map[string]markdownCase{}
	starts := heading.FindAllStringSubmatchIndex(text, -1)
	for i, s := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		body := text[s[1]:end]
		m := markdownCase{title: strings.Join(strings.Fields(strings.ReplaceAll(text[s[4]:s[5]], `\_`, "_")), " ")}
		if tag := tagged.FindStringSubmatch(body); tag != nil {
			m.tag = strings.Join(strings.Fields(tag[1]), " ")
		}
		if at := metrics.FindAllStringIndex(body, -1); at != nil {
			last := at[len(at)-1]
			m.metrics = len(numbered.FindAllString(body[last[1]:], -1))
			m.procedure = strings.Join(strings.Fields(body[:last[0]]), " ")
		}
		cases[text[s[2]:s[3]]] = m
	}
	return cases
}

// compareFeatures holds the mapping of features.yaml against the feature table of the introduction.
func compareFeatures(t *testing.T, p *Plan, text string) {
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|([^|]*)\|([^|]*)\|(.*)$`).FindAllStringSubmatch(text, -1)
	if len(rows) != len(p.Features) {
		t.Fatalf("feature table: want %d rows, got %d", len(p.Features), len(rows))
	}
	id := regexp.MustCompile(`\d+\.(\d+|\*)`)
	for i, row := range rows {
		f := p.Features[i]
		if got := id.FindAllString(row[3], -1); !slices.Equal(got, f.Cases) {
			t.Errorf("feature %d: the plan maps %v, features.yaml %v", f.Number, got, f.Cases)
		}
		var except []string
		if strings.Contains(row[4], "Excludes") {
			except = id.FindAllString(strings.ReplaceAll(row[4], "5.0", ""), -1)
		}
		if !slices.Equal(except, f.Except) {
			t.Errorf("feature %d: the plan excepts %v, features.yaml %v", f.Number, except, f.Except)
		}
		if removed := strings.Contains(strings.ToLower(row[2]), "removed"); removed != (f.Status == FeatureRemoved) {
			t.Errorf("feature %d: row %q, status %s", f.Number, row[2], f.Status)
		}
	}
}
