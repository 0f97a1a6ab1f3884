package result

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible returns s with every character that could steer or deceive a reader's screen written as a Go escape: control characters and
// terminal sequences (\x1b), bytes that are not UTF-8 (\xff), right-to-left and zero-width marks (\u202e), unusual blanks,
// noncharacters. What remains is printable, valid in XML, and may be shown anywhere. Newlines and tabs are kept; a carriage return
// before a newline is dropped.
func Visible(s string) string { return visible(s, true) }

// VisibleLine is Visible for a place that has one line: newlines and tabs are escaped too.
func VisibleLine(s string) string { return visible(s, false) }

func visible(s string, lines bool) string {
	harmless := func(r rune) bool { return unicode.IsPrint(r) || lines && (r == '\n' || r == '\t') }
	if lines {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !harmless(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case harmless(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		i += size
	}
	return b.String()
}

// CutWords shortens s to about limit bytes at a space, with an ellipsis in the place of the rest. A word that is too long is cut itself.
func CutWords(s string, limit int) string {
	head, left := Cut(s, limit)
	if left == 0 {
		return s
	}
	if at := strings.LastIndexByte(head, ' '); at > limit/2 && s[len(head)] != ' ' {
		head = head[:at]
	}
	return strings.TrimRight(head, " ,;:") + " …"
}

// Cut shortens s to at most limit bytes without splitting a character, and says how many bytes it left out.
func Cut(s string, limit int) (head string, left int) {
	if len(s) <= limit {
		return s, 0
	}
	for back := 0; back < utf8.UTFMax && limit-back >= 0; back++ {
		if utf8.RuneStart(s[limit-back]) {
			limit -= back
			break
		}
	}
	return s[:limit], len(s) - limit
}
