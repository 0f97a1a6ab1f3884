package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// sources are all texts in which a message of usptest can stand: code without its tests, golden files and the tables of the plan.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		golden := strings.Contains(name, "testdata") && filepath.Ext(name) == ".txt"
		if golden || filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
			text, err := os.ReadFile(name)
			all.Write(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// a message that goes on in the next line of the code is one message
	return regexp.MustCompile(`" \+\s*"`).ReplaceAllString(all.String(), "")
}

// quoted are the messages in the first column of the tables of a Markdown text, in the parts between what differs.
func quoted(markdown string) map[string][]string {
	parts := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(markdown, -1) {
		for part := range strings.SplitSeq(m[1], "…") {
			if part = strings.TrimSpace(part); len(part) > 1 {
				parts[m[1]] = append(parts[m[1]], part)
			}
		}
	}
	return parts
}

// absent is the first part of a message that no text has.
func absent(all string, parts []string) string {
	for _, part := range parts {
		if part != "lab.yaml:" && !strings.Contains(all, part) {
			return part
		}
	}
	return ""
}

// TestEveryMessageInTheDocumentsExists looks for what the documents quote in the code.
func TestEveryMessageInTheDocumentsExists(t *testing.T) {
	all := sources(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	messages := quoted(string(text))
	if len(messages) < 30 {
		t.Errorf("only %d messages are quoted", len(messages))
	}
	for message, parts := range messages {
		if part := absent(all, parts); part != "" {
			t.Errorf("%q is quoted, but nothing says %q", message, part)
		}
	}
	if absent(all, quoted("| `the device sulks …` | x |")["the device sulks …"]) == "" {
		t.Error("a message that nobody prints is found")
	}
}

func TestEveryExitCodeIsExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "exit-codes.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []int{result.ExitPassed, result.ExitDeviceFault, result.ExitUsage, result.ExitError, result.ExitInterrupted} {
		if !strings.Contains(string(text), fmt.Sprintf("\n| %d | ", code)) {
			t.Errorf("exit code %d is missing", code)
		}
	}
}

// documents are the Markdown files for users.
func documents(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(names) == 0 {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range append(names, filepath.Join("..", "..", "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(text)
	}
	return all
}

// TestCommandsThatNeedNoDevice runs what the documents show and this machine can run at once: lists, certificates, single cases of the
// reference agent. Of the other command lines TestCommandLines sees that they are accepted; they need a device, or half a minute each.
func TestCommandsThatNeedNoDevice(t *testing.T) {
	t.Parallel()
	docs, dir := documents(t), t.TempDir()
	ran := 0
	for name, text := range docs {
		for _, words := range examples(t, blocks(text)) {
			line := strings.Join(words, " ")
			want := result.ExitPassed
			switch {
			case slices.Contains([]string{"list", "show", "certs", "completion"}, words[0]), line == "agent --list-defects":
			case words[0] == "run" && slices.Contains(words, "--defect") && slices.Contains(words, "1.52"):
				want = result.ExitDeviceFault
			default:
				continue
			}
			ran++
			var p program.Program
			cmd := p.Command(t, self(t), words...)
			cmd.Dir = dir
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if p.Wait(t, cmd) != want {
				t.Errorf("%s: usptest %s ends with %d\n%s%s", name, line, p.Exit, &p.Stdout, &p.Stderr)
			}
		}
	}
	if ran < 3 {
		t.Errorf("only %d command lines were run", ran)
	}
}

// TestTheGuideWithOBUSPA runs what the vendor guide shows of OB-USP-Agent, but for the run of everything.
func TestTheGuideWithOBUSPA(t *testing.T) {
	needsOBUSPA(t)
	_, section, ok := strings.Cut(documents(t)["vendor-guide.md"], "## 8. ")
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if !ok || err != nil {
		t.Fatalf("the guide has no section 8: %v", err)
	}
	t.Chdir(t.TempDir())
	if err := os.Symlink(filepath.Join(root, "fixtures"), "fixtures"); err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{}
	for _, words := range examples(t, blocks(section)) {
		if words[0] == "run" && !slices.Contains(words, "--profile") {
			continue
		}
		p := usptest(t, words...)
		ran[words[0]] = true
		if p.Exit != result.ExitPassed && words[0] != "run" || p.Exit == result.ExitUsage || p.Exit == result.ExitError {
			t.Errorf("usptest %q ends with %d\n%s%s", words, p.Exit, &p.Stdout, &p.Stderr)
		}
	}
	if !ran["check"] || !ran["init"] || !ran["run"] {
		t.Errorf("ran only %v", ran)
	}
}
