// Package usp is the wire of the User Services Platform (TR-369 1.4): Records and Messages, Endpoint IDs, path
// names, error codes and parameter values. It parses, checks, builds and describes; it never sends.
//
// Everything that comes from a device is hostile: sizes and counts are bounded, and what is wrong is returned
// as an error that names the place, what is wanted there and what was found (Mismatch).
package usp

import "fmt"

// Version is the USP version that this package speaks, as it stands in Record.version.
const Version = "1.4"

// Mismatch is a violated rule: at this place something else was wanted. It reads "<where>: want <x>, got <y>".
type Mismatch struct {
	Where string // a field ("body.response.get_resp.req_path_results[0].requested_path") or a thing ("endpoint id")
	Want  string // the rule
	Got   string // what was found, strings quoted
}

func (m *Mismatch) Error() string { return m.Where + ": want " + m.Want + ", got " + m.Got }

// mismatch builds a Mismatch whose Got is quoted, and cut when it is long.
func mismatch(where, got, wantFormat string, args ...any) error {
	return &Mismatch{Where: where, Want: fmt.Sprintf(wantFormat, args...), Got: quote(got)}
}

// maxQuoted is how many bytes of a foreign string one line of text shows.
const maxQuoted = 200

// quote shows a foreign string on one line, whatever it holds, and cuts it when it is long.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:maxQuoted], len(s))
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
