package usp

import (
	"fmt"
	"strconv"
	"strings"
)

// Mismatch is a violated rule: at this place something else was wanted. It reads "<where>: want <x>, got <y>".
type Mismatch struct {
	Where string // a field ("body.response.get_resp.req_path_results[0].requested_path") or a thing ("endpoint id")
	Want  string // the rule
	Got   string // what was found, strings quoted
}

// Error implements error.
func (m *Mismatch) Error() string { return m.Where + ": want " + m.Want + ", got " + m.Got }

// Differs returns a Mismatch. A got that is a string of the device is quoted by the caller.
func Differs(where, got, wantFormat string, args ...any) error {
	return &Mismatch{Where: where, Want: fmt.Sprintf(wantFormat, args...), Got: got}
}

// at puts a place before that of a Mismatch which was found within it. Other errors, and nil, pass.
func at(place string, err error) error {
	m, ok := err.(*Mismatch)
	if !ok {
		return err
	}
	if m.Where != "" {
		place += "." + m.Where
	}
	return &Mismatch{place, m.Want, m.Got}
}

// Quote shows a foreign string on one line, whatever it holds, and cuts it when it is long.
func Quote(s string) string { return quoteUpTo(s, 200) }

// quoteUpTo quotes s, and no more than its first max bytes.
func quoteUpTo(s string, max int) string {
	if len(s) <= max {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%q… (%d bytes)", strings.ToValidUTF8(s[:max], ""), len(s))
}
