package result

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sealed is a folder with a run.json, a journal and a report, sealed.
func sealed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{RunFile: "{}", "journal/mqtt5/1.1.jsonl": "{}", "report.html": "<p>", ".reserve": "room"} {
		put(t, dir, name, text)
	}
	var sums bytes.Buffer
	if err := Seal(&sums, dir); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(sums.String(), "\n"); got != 3 {
		t.Fatalf("want 3 seals, got\n%s", &sums)
	}
	put(t, dir, SumsFile, sums.String())
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func all(string) bool { return true }

func TestUnsealNamesWhatDiffers(t *testing.T) {
	for name, test := range map[string]struct {
		change func(dir string)
		want   []string // in the error; none: no error
	}{
		"untouched":     {func(string) {}, nil},
		"never sealed":  {func(dir string) { os.Remove(filepath.Join(dir, SumsFile)) }, nil},
		"edited":        {func(dir string) { put(t, dir, RunFile, "{} ") }, []string{"run.json: want SHA-256 44136fa355b3…, got "}},
		"removed":       {func(dir string) { os.RemoveAll(filepath.Join(dir, "journal")) }, []string{"journal/mqtt5/1.1.jsonl: missing"}},
		"without a run": {func(dir string) { put(t, dir, SumsFile, "") }, []string{"run.json: want a line"}},
		"led astray": {func(dir string) { put(t, dir, SumsFile, strings.Repeat("0", 64)+"  ../../etc/passwd\n") },
			[]string{"../../etc/passwd: ", "escapes"}},
		"garbage": {func(dir string) { put(t, dir, SumsFile, "ab  run.json\n") }, []string{SumsFile + ":1", `got "ab  run.json"`}},
		"endless": {func(dir string) { put(t, dir, SumsFile, strings.Repeat(strings.Repeat("0", 64)+"  x\n", maxSeals+1)) },
			[]string{SumsFile + ": want 100000 lines at most"}},
		"a line without end": {func(dir string) { put(t, dir, SumsFile, strings.Repeat("0", 1<<20)) }, []string{SumsFile + ": ", "too long"}},
		"bad word":           {func(dir string) { put(t, dir, SumsFile, strings.Repeat("g", 64)+"  run.json\n") }, []string{SumsFile + ":1"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := sealed(t)
			test.change(dir)
			err := Unseal(dir, all)
			if err == nil && len(test.want) > 0 || err != nil && len(test.want) == 0 {
				t.Fatalf("want an error with %q, got %v", test.want, err)
			}
			for _, text := range test.want {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("want %q in %v", text, err)
				}
			}
		})
	}
}

func TestWhatDoesNotMatterMayChange(t *testing.T) {
	dir := sealed(t)
	put(t, dir, "report.html", "<b>")
	if err := Unseal(dir, func(name string) bool { return name != "report.html" }); err != nil {
		t.Error(err)
	}
}

func TestReseal(t *testing.T) {
	dir := sealed(t)
	put(t, dir, "report.html", "<b>")
	if err := Unseal(dir, all); err == nil {
		t.Fatal("the change was not noticed")
	}
	if err := Reseal(dir, "report.html"); err != nil {
		t.Fatal(err)
	}
	if err := Unseal(dir, all); err != nil {
		t.Error(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, SumsFile))
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "notes.txt", "mine")
	if err := Reseal(dir, "notes.txt"); err != nil {
		t.Error(err)
	}
	after, err := os.ReadFile(filepath.Join(dir, SumsFile))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("a file without a seal changed the seals: %v", err)
	}
	if err := Reseal(t.TempDir(), "report.html"); err != nil {
		t.Error(err)
	}
}
