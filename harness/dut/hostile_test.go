package dut

import (
	"errors"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestWhateverAFileHolds: a file that somebody made to do harm, or that is no DUT file at all, is refused with its name in a few words that
// can be shown on any screen. Here are those that a parser of YAML may stumble over; TestASingleProblem has the mistakes of people.
func TestWhateverAFileHolds(t *testing.T) {
	p := loadPlan(t)
	full := func(text string) string { return strings.Repeat(text, maxFile/len(text)) }
	some := func(text string) string { return full(text)[:maxFile/8] } // of what takes the square of its length
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for _, pair := range []string{"ab", "bc", "cd", "de", "ef", "fg", "gh", "hi"} {
		bomb += pair[1:] + ": &" + pair[1:] + " [" + strings.Repeat("*"+pair[:1]+",", 9) + "]\n"
	}
	steps := ""
	for n := 0; len(steps)+n < maxFile-2; n++ {
		steps += strings.Repeat(" ", n) + "a:\n"
	}
	for name, text := range map[string]string{
		"aliases that grow":    bomb + shortFile,
		"an alias of itself":   "device: &a {vendor: *a}\n",
		"a merge of itself":    "device: &a {<<: *a, vendor: x}\n",
		"an alias of nothing":  shortFile + "host: *nothing\n",
		"half an alias":        shortFile + "host: *",
		"half an anchor":       shortFile + "host: &",
		"deep lists":           full("["),
		"deep lists, closed":   strings.Repeat("[", maxFile/2) + strings.Repeat("]", maxFile/2),
		"deep mappings":        full("{a: "),
		"deep steps":           steps,
		"deep block lists":     full("- "),
		"deep keys":            some("? "),
		"many keys":            shortFile + full("x: 1\n")[:maxFile-len(shortFile)],
		"many items":           shortFile + "features: [" + full("1,")[:maxFile-len(shortFile)-20] + "]\n",
		"a text without end":   shortFile + "host: \"" + full("x")[:maxFile-len(shortFile)-10],
		"a key without end":    full("x"),
		"a block without end":  "device: |\n" + full(" x\n")[:maxFile-20],
		"NUL":                  strings.Replace(shortFile, "ACME", "AC\x00ME", 1) + "host: \x00\n",
		"nothing but NUL":      full("\x00"),
		"a terminal sequence":  shortFile + "\x1b[2J: 1\n",
		"an escaped one":       shortFile + `"\e[2J\u202e<script>": 1` + "\n",
		"reversed text":        shortFile + "host: [\u202eABC\u2066]\n",
		"not UTF-8":            shortFile + "host: [\xff\xfe]\n",
		"UTF-16":               "\xff\xfed\x00e\x00v\x00i\x00c\x00e\x00:\x00",
		"unusual line ends":    strings.ReplaceAll(shortFile, "\n", "\u2028"),
		"tabs":                 strings.ReplaceAll(shortFile, " ", "\t"),
		"tags":                 shortFile + "host: !!python/object:os.system [x]\n",
		"binary":               shortFile + "host: !!binary \"\xff\"\n",
		"numbers":              shortFile + "features: [-1, 1e99, 99999999999999999999999999, 0x1, .nan, .inf, 1.5, 9223372036854775808]\n",
		"another YAML":         "%YAML 9.9\n---\n" + shortFile + "x: 1\n",
		"a list for a key":     "? [a, b]\n: c\n" + shortFile,
		"many documents":       some("---\na\n"),
		"many ends":            full("...\n"),
		"many opening quotes":  some("\"'"),
		"a program":            "\x7fELF" + full("\x01\x02\x80"),
		"a template in itself": shortFile + `lab: {factoryReset: {exec: ['{{define "a"}}{{template "a"}}{{end}}{{template "a"}}']}}` + "\n",
		"a template that ends": shortFile + "lab: {factoryReset: {exec: ['{{', '{{end}}', '{{.Nope}}', '{{.Dir.Nope}}', '{{call .}}', '{{template \"x\"}}']}}\n",
		"a template that grows": shortFile + `lab: {factoryReset: {exec: ['{{range 1000000000}}xxxxxxxxxx{{end}}', '{{printf "%999999d %999999d" 1 1}}']}}` +
			"\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("lab.yaml", []byte(text), p, today())
			var problems *Problems
			if !errors.As(err, &problems) {
				t.Fatalf("want it refused, got %v", err)
			}
			said := err.Error()
			if !strings.HasPrefix(said, "lab.yaml") || said != result.Visible(said) || len(said) > 16<<10 {
				t.Errorf("got %d bytes: %.600q", len(said), said)
			}
		})
	}
}
