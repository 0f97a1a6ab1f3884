package usp

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// ValueType is a primitive type of TR-106, as GetSupportedDM reports it.
type ValueType = usppb.GetSupportedDMResp_ParamValueType

// The primitive types of TR-106. TypeUnknown accepts everything, as a string does.
const (
	TypeUnknown      = usppb.GetSupportedDMResp_PARAM_UNKNOWN
	TypeBase64       = usppb.GetSupportedDMResp_PARAM_BASE_64
	TypeBoolean      = usppb.GetSupportedDMResp_PARAM_BOOLEAN
	TypeDateTime     = usppb.GetSupportedDMResp_PARAM_DATE_TIME
	TypeDecimal      = usppb.GetSupportedDMResp_PARAM_DECIMAL
	TypeHexBinary    = usppb.GetSupportedDMResp_PARAM_HEX_BINARY
	TypeInt          = usppb.GetSupportedDMResp_PARAM_INT
	TypeLong         = usppb.GetSupportedDMResp_PARAM_LONG
	TypeString       = usppb.GetSupportedDMResp_PARAM_STRING
	TypeUnsignedInt  = usppb.GetSupportedDMResp_PARAM_UNSIGNED_INT
	TypeUnsignedLong = usppb.GetSupportedDMResp_PARAM_UNSIGNED_LONG
)

// UnknownTime is the dateTime of a device that has no clock yet (TR-106 3.2.1). Other times of the year 1 count from boot.
const UnknownTime = "0001-01-01T00:00:00Z"

// typesByName lists the types under their names in TR-106.
var typesByName = map[string]ValueType{
	"base64": TypeBase64, "boolean": TypeBoolean, "dateTime": TypeDateTime, "decimal": TypeDecimal,
	"hexBinary": TypeHexBinary, "int": TypeInt, "long": TypeLong, "string": TypeString,
	"unsignedInt": TypeUnsignedInt, "unsignedLong": TypeUnsignedLong,
}

// ValueTypeName is the name of a type in TR-106: "unsignedInt".
func ValueTypeName(t ValueType) string {
	for name, known := range typesByName {
		if known == t {
			return name
		}
	}
	return "value of unknown type"
}

// Valid returns a Mismatch when value is not written as TR-369 R-ENC.6 demands for the type.
func Valid(t ValueType, value string) error {
	ok := true
	switch t {
	case TypeBoolean:
		_, err := ParseBool(value)
		return err
	case TypeInt:
		_, err := strconv.ParseInt(value, 10, 32)
		ok = err == nil
	case TypeLong:
		_, err := strconv.ParseInt(value, 10, 64)
		ok = err == nil
	case TypeUnsignedInt:
		_, err := strconv.ParseUint(value, 10, 32)
		ok = err == nil
	case TypeUnsignedLong:
		_, err := strconv.ParseUint(value, 10, 64)
		ok = err == nil
	case TypeDecimal:
		_, ok = parseDecimal(value)
	case TypeDateTime:
		_, err := ParseDateTime(value)
		return err
	case TypeBase64:
		_, err := base64.StdEncoding.DecodeString(stripBlanks(value))
		ok = err == nil
	case TypeHexBinary:
		_, err := hex.DecodeString(value)
		ok = err == nil
	default:
		ok = utf8.ValidString(value)
	}
	if !ok {
		return Differs("value", Quote(value), "%s", rules[t])
	}
	return nil
}

// rules says how a value of each type is written.
var rules = map[ValueType]string{
	TypeUnknown:      "text in UTF-8",
	TypeString:       "text in UTF-8",
	TypeInt:          "an int, -2147483648 to 2147483647",
	TypeLong:         "a long, -9223372036854775808 to 9223372036854775807",
	TypeUnsignedInt:  "an unsignedInt, 0 to 4294967295",
	TypeUnsignedLong: "an unsignedLong, 0 to 18446744073709551615",
	TypeDecimal:      "a decimal such as -1.25",
	TypeBase64:       "base64",
	TypeHexBinary:    "hexBinary, pairs of hex digits",
}

// ParseBool reads a boolean: true, 1, false or 0, in lower case.
func ParseBool(s string) (bool, error) {
	switch s {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, Differs("value", Quote(s), "a boolean: true, false, 1 or 0")
}

// ParseDateTime reads a dateTime. A time without zone is taken as UTC; the unknown time has the zero time.Time.
func ParseDateTime(s string) (time.Time, error) {
	if zone := dateTimeForm.FindStringSubmatch(s); zone != nil {
		layout := "2006-01-02T15:04:05"
		if zone[1] != "" {
			layout += "Z07:00"
		}
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, Differs("value", Quote(s), "a dateTime such as 2026-01-31T23:59:59Z")
}

// dateTimeForm is stricter than package time, which takes hours of one digit and a decimal comma.
var dateTimeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(Z|[+-]\d\d:\d\d)?$`)

// isUnknownTime reports whether s is a dateTime that means the unknown time.
func isUnknownTime(s string) bool {
	t, err := ParseDateTime(s)
	return err == nil && t.IsZero()
}

// EqualValues compares by value and not by spelling: the booleans 1 and true are equal, and so are the ints 7 and +07.
// When either is not valid for the type, they are compared as text.
func EqualValues(t ValueType, a, b string) bool {
	if a == b {
		return true
	}
	if Valid(t, a) != nil || Valid(t, b) != nil {
		return false
	}
	switch t {
	case TypeBoolean:
		x, _ := ParseBool(a)
		y, _ := ParseBool(b)
		return x == y
	case TypeHexBinary:
		return strings.EqualFold(a, b)
	case TypeBase64:
		return stripBlanks(a) == stripBlanks(b)
	}
	order, err := Compare(t, a, b)
	return err == nil && order == 0
}

// Compare orders two numbers or times: negative when a comes before b. The error says which value is none, or that the
// type has no order.
func Compare(t ValueType, a, b string) (int, error) {
	for _, value := range []string{a, b} {
		if err := Valid(t, value); err != nil {
			return 0, err
		}
	}
	switch t {
	case TypeInt, TypeLong, TypeUnsignedInt, TypeUnsignedLong, TypeDecimal:
		x, _ := parseDecimal(a)
		y, _ := parseDecimal(b)
		return x.compare(y), nil
	case TypeDateTime:
		x, _ := ParseDateTime(a)
		y, _ := ParseDateTime(b)
		return x.Compare(y), nil
	}
	return 0, &Mismatch{"value", "a type with an order", ValueTypeName(t)}
}

// SplitList takes a comma-separated list apart. Blanks around items do not count. Percent-encoded commas and spaces
// within them are resolved (TR-106 3.2.3), nothing else: an item may be a path with escapes of its own. An empty
// text is a list without items.
func SplitList(list string) []string {
	if strings.TrimSpace(list) == "" {
		return nil
	}
	items := strings.Split(list, ",")
	for i, item := range items {
		items[i] = strings.NewReplacer("%2C", ",", "%2c", ",", "%20", " ").Replace(strings.TrimSpace(item))
	}
	return items
}

// ValidList is Valid for each item of a comma-separated list.
func ValidList(t ValueType, list string) error {
	for _, item := range SplitList(list) {
		if err := Valid(t, item); err != nil {
			return err
		}
	}
	return nil
}

// EqualLists compares two comma-separated lists item by item, in order.
func EqualLists(t ValueType, a, b string) bool {
	x, y := SplitList(a), SplitList(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if !EqualValues(t, x[i], y[i]) {
			return false
		}
	}
	return true
}

// decimal is a number of any length as text, so that comparing costs no more than its length.
type decimal struct {
	negative bool
	whole    string // without leading zeros
	fraction string // without trailing zeros
}

func parseDecimal(s string) (decimal, bool) {
	d := decimal{negative: strings.HasPrefix(s, "-")}
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if whole+fraction == "" || !all(whole, isDigit) || !all(fraction, isDigit) {
		return d, false
	}
	d.whole, d.fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	d.negative = d.negative && d.whole+d.fraction != ""
	return d, true
}

func (d decimal) compare(e decimal) int {
	if d.negative != e.negative {
		if d.negative {
			return -1
		}
		return 1
	}
	order := cmp.Or(cmp.Compare(len(d.whole), len(e.whole)), cmp.Compare(d.whole, e.whole),
		cmp.Compare(d.fraction, e.fraction))
	if d.negative {
		return -order
	}
	return order
}

// stripBlanks removes the white space that base64 may hold (XML Schema, base64Binary).
func stripBlanks(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
}
