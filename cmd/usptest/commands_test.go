package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-shellwords"
	"github.com/spf13/cobra"
)

// valid says what is wrong with a command line of usptest, without carrying it out.
func valid(words []string) error {
	cmd, args, err := rootCommand(nil).Find(words)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(args); err != nil {
		return err
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return err
	}
	if err := cmd.ValidateFlagGroups(); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// examples are the command lines of usptest in a text, without the program's name. Expansions of shells and pipelines stand for a word.
func examples(t *testing.T, text string) [][]string {
	t.Helper()
	text = strings.ReplaceAll(text, "\\\n", " ")
	text = regexp.MustCompile(`\$\{\{.*?\}\}|\$\(\(.*?\)\)`).ReplaceAllString(text, "1")
	var all [][]string
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:- |run: |while |\w+=\S+ )*usptest ([a-z].*)$`).FindAllStringSubmatch(text, -1) {
		line, _, _ := strings.Cut(m[1], " #")
		words, err := shellwords.Parse(strings.ReplaceAll(line, `"$@"`, ""))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		all = append(all, words)
	}
	return all
}

// blocks are the parts of a Markdown text that are set as code.
func blocks(markdown string) string {
	var out strings.Builder
	fenced := false
	for line := range strings.Lines(markdown) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case strings.Contains(line, "──"): // a drawing
		case fenced || strings.HasPrefix(line, "    "):
			out.WriteString(line)
		}
	}
	return out.String()
}

// TestCommandLines tries every command line of usptest that is in a document, in a pipeline template or in a help text.
func TestCommandLines(t *testing.T) {
	texts := map[string]string{}
	for _, top := range []string{"README.md", "docs", "fixtures/duts", "ci/templates"} {
		root := filepath.Join("..", "..", filepath.FromSlash(top))
		err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || filepath.Ext(name) == ".png" {
				return err
			}
			text, err := os.ReadFile(name)
			if texts[name] = string(text); filepath.Ext(name) == ".md" {
				texts[name] = blocks(string(text))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var helps func(cmd *cobra.Command)
	helps = func(cmd *cobra.Command) {
		texts[cmd.CommandPath()+" --help"] = cmd.Example
		for _, c := range cmd.Commands() {
			helps(c)
		}
	}
	helps(rootCommand(nil))
	tried := map[string]int{}
	for name, text := range texts {
		for _, words := range examples(t, text) {
			if err := valid(words); err != nil {
				t.Errorf("%s: usptest %q: %v", name, words, err)
			}
			tried[words[0]]++
		}
	}
	var never []string
	for _, c := range rootCommand(nil).Commands() {
		if tried[c.Name()] == 0 && !c.Hidden && !slices.Contains([]string{"completion", "help"}, c.Name()) {
			never = append(never, c.Name())
		}
	}
	if len(never) > 0 {
		t.Errorf("no example shows %q", never)
	}
}

func TestCommandLinesThatAreWrong(t *testing.T) {
	for _, line := range []string{"rum --dut lab.yaml", "run --duts lab.yaml", "check", "diff one.json", "merge part1", "run --quiet --verbose", "report a b"} {
		if err := valid(strings.Fields(line)); err == nil {
			t.Errorf("usptest %s is found valid", line)
		}
	}
}
