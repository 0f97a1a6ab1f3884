package model

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// Valid returns values that the parameter can have, as far as its type and syntax say. What a reference refers to is for the caller.
func (p Param) Valid() []string {
	return slices.DeleteFunc(p.candidates(), func(value string) bool { return p.Syntax.wants(p.Type, value) != "" })
}

// Invalid returns values that the parameter cannot have, each with what it should be, in words.
func (p Param) Invalid() (values, wants []string) {
	for _, value := range p.candidates() {
		if want := p.Syntax.wants(p.Type, value); want != "" {
			values, wants = append(values, value), append(wants, want)
		}
	}
	return values, wants
}

// candidates are values at the edges of the type and the syntax, and just beyond, without doubles.
func (p Param) candidates() []string {
	s := p.Syntax
	if s == nil {
		s = &Syntax{}
	}
	kind := p.Type
	var all []string
	if s.Default != nil {
		all = append(all, *s.Default)
	}
	if s.Item != "" {
		kind = s.Item
		all = append(all, "")
	}
	all = append(all, s.Values...)
	for _, b := range s.Ranges {
		all = append(all, b.Min, beyond(b.Min, -1), b.Max, beyond(b.Max, 1))
	}
	for _, b := range slices.Concat(s.Sizes, s.Whole) {
		all = append(all, sized(kind, b.Min, 0), sized(kind, b.Min, -1), sized(kind, b.Max, 0), sized(kind, b.Max, 1))
	}
	all = append(all, formed(kind)...)
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(value string) bool {
		again := seen[value]
		seen[value] = true
		return again
	})
}

// formed are values of a type, and values that are none of it.
func formed(kind string) []string {
	switch kind {
	case "boolean":
		return []string{"true", "false", "usptest"}
	case "int", "long", "decimal":
		return []string{"0", "1", "-1", "usptest"}
	case "unsignedInt", "unsignedLong":
		return []string{"0", "1", "100", "-1", "usptest"}
	case "dateTime":
		return []string{"0001-01-01T00:00:00Z", "2024-02-29T12:00:00Z", "2023-02-29T12:00:00Z", "usptest"}
	case "hexBinary":
		return []string{"", "00", "0", "usptest"}
	case "base64":
		return []string{"", "AAE=", "*"}
	}
	// for strings with a pattern: addresses, versions, times and the like
	return []string{"", "usptest", "0", "1", "a", "1.0", "2.16", "00256D", "00:25:6D:00:00:01", "00-25-6D-00-00-01", "192.0.2.1",
		"192.0.2.0/24", "2001:db8::1", "2001:db8::/32", "2001:db8::", "00000000-0000-1000-8000-000000000001", "http://192.0.2.1/", "en", "+1",
		"0/0", "00:00",
		"0000", "00000000", "000000000000", "00000000000000", "000000000000000", "0000000000000000", "0:0", "1-0-0", "cpe-usptest", "USI"}
}

// beyond is a number with one added; empty for none.
func beyond(number string, step int64) string {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return ""
	}
	return strconv.FormatInt(n+step, 10)
}

// maxSample bounds a value that is made, in characters.
const maxSample = 4096

// sized is a value of a length, in characters or octets, with step added; empty for none.
func sized(kind, length string, step int) string {
	n, err := strconv.Atoi(length)
	if n += step; err != nil || n < 0 || n > maxSample {
		return ""
	}
	switch kind {
	case "hexBinary":
		return strings.Repeat("00", n)
	case "base64":
		return base64.StdEncoding.EncodeToString(make([]byte, n))
	}
	return strings.Repeat("a", n)
}
