package model

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// wants is what a value should be, in words; empty when it is that. Everything about one value is decided here and in lexical.
func (s *Syntax) wants(kind, value string) string {
	if s == nil {
		return lexical(kind, value)
	}
	if s.Default != nil && value == *s.Default || s.Hidden && value == "" {
		return ""
	}
	if s.Item == "" {
		return s.item(kind, value)
	}
	if s.Whole != nil && !inBounds(s.Whole, strconv.Itoa(utf8.RuneCountInString(value))) {
		return "a list of " + boundsText(s.Whole) + " characters"
	}
	items := list(value)
	if s.Count != nil && len(items) > 0 && !inBounds([]Bounds{*s.Count}, strconv.Itoa(len(items))) {
		return "a list of " + boundsText([]Bounds{*s.Count}) + " items"
	}
	if s.Brackets {
		return ""
	}
	for _, item := range items {
		if want := s.item(s.Item, item); want != "" {
			return "a list, each item of which is " + want
		}
	}
	return ""
}

// list takes a comma-separated list apart (TR-106, 3.2.3). White space around an item is none of it.
func list(value string) []string {
	if strings.TrimSpace(value) == "" {
		return nil
	}
	items := strings.Split(value, ",")
	for i, item := range items {
		items[i] = strings.TrimSpace(item)
	}
	return items
}

// item is mismatch for a value that is no list, or an item of one.
func (s *Syntax) item(kind, value string) string {
	if want := lexical(kind, value); want != "" {
		return want
	}
	if s.Ranges != nil && !inBounds(s.Ranges, value) {
		return kind + " of " + boundsText(s.Ranges)
	}
	if s.Sizes != nil && !inBounds(s.Sizes, strconv.Itoa(length(kind, value))) {
		return kind + " of " + boundsText(s.Sizes) + " " + unit(kind)
	}
	if s.Values != nil && !slices.Contains(s.Values, value) && !vendors(value) {
		return "one of " + some(s.Values)
	}
	if s.Patterns != nil && !matches(s.Patterns, value) {
		return "a value that matches " + some(s.Patterns)
	}
	return ""
}

// length is that of a value in characters, of base64 and hexBinary in octets before their encoding (TR-106, table 3).
func length(kind, value string) int {
	switch kind {
	case "base64":
		b, _ := base64.StdEncoding.DecodeString(value)
		return len(b)
	case "hexBinary":
		return len(value) / 2
	}
	return utf8.RuneCountInString(value)
}

func unit(kind string) string {
	if kind == "base64" || kind == "hexBinary" {
		return "octets"
	}
	return "characters"
}

// maxShown is how many values of an enumeration a finding names.
const maxShown = 12

func some(values []string) string {
	var quoted []string
	for _, v := range values {
		if len(quoted) == maxShown {
			return strings.Join(quoted, ", ") + fmt.Sprintf(" and %d more", len(values)-maxShown)
		}
		quoted = append(quoted, strconv.Quote(v))
	}
	return strings.Join(quoted, ", ")
}

// inBounds reports whether a number is within one of the bounds.
func inBounds(bounds []Bounds, number string) bool {
	n, ok := new(big.Rat).SetString(number)
	return ok && slices.ContainsFunc(bounds, func(b Bounds) bool {
		least, some := new(big.Rat).SetString(b.Min)
		most, any := new(big.Rat).SetString(b.Max)
		return (!some || n.Cmp(least) >= 0) && (!any || n.Cmp(most) <= 0)
	})
}

func boundsText(bounds []Bounds) string {
	var texts []string
	for _, b := range bounds {
		switch {
		case b.Min == "":
			texts = append(texts, "at most "+b.Max)
		case b.Max == "" || b.Max == "unbounded":
			texts = append(texts, "at least "+b.Min)
		case b.Min == b.Max:
			texts = append(texts, b.Min)
		default:
			texts = append(texts, b.Min+" to "+b.Max)
		}
	}
	return strings.Join(texts, " or ")
}

// matches reports whether a pattern matches the whole value. One that this language of regular expressions does not have matches all.
func matches(patterns []string, value string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		expression, err := regexp.Compile(`^(?:` + p + `)$`)
		return err != nil || expression.MatchString(value)
	})
}

// The lexical forms of TR-106's types (3.2), which are those of XML Schema.
const (
	integerForm  = `^[+-]?[0-9]+$`
	decimalForm  = `^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$`
	dateTimeForm = `^(-?[0-9]{4,})-([0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?$`
)

// maxDigits bounds a number, so that none takes long to compare.
const maxDigits = 40

// lexical is what a value of a type looks like, in words; empty when this one does, or when the type is not known.
func lexical(kind, value string) string {
	good, text := true, kind
	switch kind {
	case "boolean":
		good, text = slices.Contains([]string{"true", "false", "1", "0"}, value), "boolean: true, false, 1 or 0"
	case "int":
		good = integer(value, "-2147483648", "2147483647")
	case "long":
		good = integer(value, "-9223372036854775808", "9223372036854775807")
	case "unsignedInt":
		good = integer(value, "0", "4294967295")
	case "unsignedLong":
		good = integer(value, "0", "18446744073709551615")
	case "decimal":
		good = len(value) <= maxDigits && form(decimalForm, value)
	case "dateTime":
		good, text = dateTime(value), "dateTime such as 2006-01-02T15:04:05Z"
	case "base64":
		_, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
		good = err == nil
	case "hexBinary":
		_, err := hex.DecodeString(value)
		good = err == nil
	}
	if good {
		return ""
	}
	return text
}

func form(expression, value string) bool { return regexp.MustCompile(expression).MatchString(value) }

func integer(value, least, most string) bool {
	return len(value) <= maxDigits && form(integerForm, value) && inBounds([]Bounds{{least, most}}, value)
}

// dateTime reports whether a value is one. Unknown and infinite time have years 1 and 9999; a relative time counts from year 1.
func dateTime(value string) bool {
	parts := regexp.MustCompile(dateTimeForm).FindStringSubmatch(value)
	if parts == nil {
		return false
	}
	year := parts[1]
	if len(year) != 4 { // package time has no others; the leap day does not matter
		year = "2004"
	}
	_, err := time.Parse("2006-01-02T15:04:05", year+"-"+parts[2])
	return err == nil
}
