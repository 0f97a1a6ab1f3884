package bulkdata

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usptest/usptest/harness/usp"
)

// encoding reads transfers of one profile: its EncodingType with the layout that the profile is set to.
type encoding interface {
	// name is the value of EncodingType: JSON or CSV.
	name() string
	// layout is the value of ReportFormat that the profile is set to, "" when the device does not say.
	layout() string
	// wellFormed reports whether data can be read at all. The error says in which line and column it cannot.
	wellFormed(data []byte) error
	// reports returns the report instances in data in their order. A layout other than that of the profile is an error. byLetter says that
	// the time of collection is a value like any other.
	reports(data []byte, byLetter bool) ([]report, error)
}

// report is one report instance: what was collected at one time.
type report struct {
	time   *value           // when it was collected, as the report says; nil when it does not
	values map[string]value // by name; nested names are joined by dots
	twice  []string         // names that are in it more than once
	layout error            // what is not as the layout of the profile has it, though it can be read
}

// value is a reported value as text.
type value struct {
	text string
	kind kind
	spot spot
	base *value // the ParameterType of a CSV report, or nil
}

// spot is where a value is in the text, each counted from 1. JSON has no fields.
type spot struct{ line, column, field int }

// String implements fmt.Stringer: "line 2, column 17, field 3".
func (s spot) String() string {
	if s.field == 0 {
		return fmt.Sprintf("line %d, column %d", s.line, s.column)
	}
	return fmt.Sprintf("line %d, column %d, field %d", s.line, s.column, s.field)
}

// named is a value in a report, as a finding speaks of it.
func (v value) named(where, name string) string {
	if v.spot.line == 0 {
		return where + ": " + name
	}
	return fmt.Sprintf("%s, %s: %s", where, v.spot, name)
}

// kind is how a value is written.
type kind string

// The kinds of value. Text is what CSV has.
const (
	kindText    kind = "text"
	kindString  kind = "a string"
	kindNumber  kind = "a number"
	kindBoolean kind = "a boolean"
	kindNull    kind = "null"
	kindArray   kind = "an array"
)

// add keeps a value under its name.
func (r *report) add(name string, v value) error {
	if _, there := r.values[name]; there {
		r.twice = append(r.twice, name)
	}
	if len(r.values) >= maxValues || len(r.twice) >= maxValues {
		return errTooMuch
	}
	r.values[name] = v
	return nil
}

// names are the names of what was collected, sorted.
func (r *report) names() []string {
	names := make([]string, 0, len(r.values))
	for name := range r.values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// What a report may hold: an honest one has some thousand values, few levels deep.
const (
	maxReport    = 1 << 20 // bytes
	maxValues    = 10_000
	maxInstances = 1_000
	maxDepth     = 32
)

// errTooMuch is the fault of a report beyond the bounds.
var errTooMuch = errors.New("longer, with more values or deeper nested than a report of these parameters can be")

// place is where in a text an offset is: line and column, both from 1. Columns count characters.
func place(data []byte, offset int64) string {
	before := string(data[:min(max(offset, 0), int64(len(data)))])
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
}

// misread is the error of a text that cannot be read at an offset.
func misread(what string, data []byte, offset int64, want, got string) error {
	return &usp.Mismatch{Where: fmt.Sprintf("%s, %s", what, place(data, offset)), Want: want, Got: got}
}

// around shows the text at an offset.
func around(data []byte, offset int64) string {
	const most = 40
	at := min(max(offset, 0), int64(len(data)))
	return usp.Quote(string(data[at:min(at+most, int64(len(data)))]))
}
