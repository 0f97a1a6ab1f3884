package result

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	for name, c := range map[string]struct{ in, block, line string }{
		"plain":          {"Device.Time. ü 漢 שלום", "Device.Time. ü 漢 שלום", "Device.Time. ü 漢 שלום"},
		"lines":          {"a\r\n\tb", "a\n\tb", `a\r\n\tb`},
		"terminal":       {"\x1b[2Jx\a\x00", `\x1b[2Jx\a\x00`, `\x1b[2Jx\a\x00`},
		"C1 control":     {"\u009b2J", `\u009b2J`, `\u009b2J`},
		"invalid UTF-8":  {"a\xff\xc3", `a\xff\xc3`, `a\xff\xc3`},
		"replacement":    {"\ufffd", "\ufffd", "\ufffd"},
		"right to left":  {"\u202egpj.exe\u2066", `\u202egpj.exe\u2066`, `\u202egpj.exe\u2066`},
		"zero width":     {"a\u200bb\ufeff", `a\u200bb\ufeff`, `a\u200bb\ufeff`},
		"blanks":         {"a\u00a0b\u2028", `a\u00a0b\u2028`, `a\u00a0b\u2028`},
		"not in XML":     {"\uffff", `\uffff`, `\uffff`},
		"quotes":         {`'"<&>\`, `'"<&>\`, `'"<&>\`},
		"tag characters": {"\U000e0041", `\U000e0041`, `\U000e0041`},
	} {
		if got := Visible(c.in); got != c.block {
			t.Errorf("%s: Visible: want %q, got %q", name, c.block, got)
		}
		if got := VisibleLine(c.in); got != c.line {
			t.Errorf("%s: VisibleLine: want %q, got %q", name, c.line, got)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		head  string
		left  int
	}{
		{"abc", 3, "abc", 0},
		{"abcd", 3, "abc", 1},
		{"aüb", 2, "a", 3},
		{"\x80\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80\x80", 1},
		{"", 0, "", 0},
	} {
		if head, left := Cut(c.in, c.limit); head != c.head || left != c.left {
			t.Errorf("Cut(%q, %d): want %q, %d, got %q, %d", c.in, c.limit, c.head, c.left, head, left)
		}
	}
	s := strings.Repeat("漢", 1000)
	if head, _ := Cut(s, 100); !utf8.ValidString(head) || len(head) != 99 {
		t.Errorf("want 99 bytes of valid UTF-8, got %d", len(head))
	}
}

func TestCutWords(t *testing.T) {
	for _, test := range []struct {
		s     string
		limit int
		want  string
	}{
		{"as it is", 8, "as it is"},
		{"cut at a word, and not within", 16, "cut at a word …"},
		{"cut after a word", 9, "cut after …"},
		{"Ünbroken-and-much-too-long", 10, "Ünbroken- …"},
		{"a much-too-long-word", 12, "a much-too-l …"},
	} {
		if got := CutWords(test.s, test.limit); got != test.want {
			t.Errorf("%q: want %q, got %q", test.s, test.want, got)
		}
	}
}
