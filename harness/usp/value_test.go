package usp

import (
	"reflect"
	"strings"
	"testing"
)

func TestValid(t *testing.T) {
	for _, c := range []struct {
		kind      ValueType
		good, bad []string
	}{
		{TypeBoolean, []string{"true", "false", "1", "0"}, []string{"", "True", "TRUE", "yes", " 1", "2"}},
		{TypeInt, []string{"0", "-1", "+7", "007", "2147483647", "-2147483648"}, []string{"", "1.0", "2147483648", "1_0", "0x1", " 1"}},
		{TypeLong, []string{"-9223372036854775808"}, []string{"9223372036854775808"}},
		{TypeUnsignedInt, []string{"0", "4294967295"}, []string{"", "-1", "4294967296"}},
		{TypeUnsignedLong, []string{"18446744073709551615"}, []string{"18446744073709551616"}},
		{TypeDecimal, []string{"1", "-1.5", "+.5", "5.", "00.10"}, []string{"", ".", "-", "1e3", "1.2.3", "NaN"}},
		{TypeDateTime, []string{UnknownTime, "0001-01-01T00:00:05Z", "2026-02-28T23:59:59.123456Z", "2026-01-01T00:00:00+05:30",
			"2026-01-01T00:00:00", "9999-12-31T23:59:59Z"},
			[]string{"", "2026-02-29T00:00:00Z", "2026-01-01", "2026-01-01 00:00:00Z", "2026-01-01T0:00:00Z", "2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00z"}},
		{TypeBase64, []string{"", "AQID", "AQI=", "AQ\r\n ID"}, []string{"AQI", "A-_D", "===="}},
		{TypeHexBinary, []string{"", "00fF"}, []string{"0", "0g", "0x00"}},
		{TypeString, []string{"", "ü\x00"}, []string{"\xff"}},
		{TypeUnknown, []string{"anything"}, []string{"\xff"}},
	} {
		for _, v := range c.good {
			if err := Valid(c.kind, v); err != nil {
				t.Errorf("%s %q: %v", ValueTypeName(c.kind), v, err)
			}
		}
		for _, v := range c.bad {
			wantMismatch(t, ValueTypeName(c.kind)+" "+v, Valid(c.kind, v), "value", "")
		}
	}
}

func TestEqualValues(t *testing.T) {
	for _, c := range []struct {
		kind ValueType
		a, b string
		want bool
	}{
		{TypeBoolean, "1", "true", true}, {TypeBoolean, "0", "true", false}, {TypeBoolean, "TRUE", "true", false},
		{TypeInt, "+07", "7", true}, {TypeInt, "-0", "0", true}, {TypeInt, "7", "8", false},
		{TypeUnsignedLong, "18446744073709551615", "018446744073709551615", true},
		{TypeDecimal, "1.50", "01.5", true}, {TypeDecimal, "-1.5", "1.5", false}, {TypeDecimal, "-0.0", "0", true},
		{TypeDateTime, "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000Z", true},
		{TypeDateTime, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", false},
		{TypeHexBinary, "aB", "Ab", true}, {TypeBase64, "AQ ID", "AQID", true}, {TypeBase64, "AQID", "aqid", false},
		{TypeString, "a", "A", false}, {TypeString, "a", "a", true}, {TypeUnknown, "1", "true", false},
		{TypeInt, "x", "x", true}, {TypeInt, "x", "1", false},
	} {
		if got := EqualValues(c.kind, c.a, c.b); got != c.want {
			t.Errorf("%s %q and %q: want %v, got %v", ValueTypeName(c.kind), c.a, c.b, c.want, got)
		}
	}
}

func TestCompare(t *testing.T) {
	ascending := map[ValueType][]string{
		TypeInt:      {"-10", "-9", "0", "+9", "10"},
		TypeDecimal:  {"-1.5", "-1.49", "-.1", "0", "0.09", "0.1", "1", "1.05", "1.5", "10", strings.Repeat("9", 400)},
		TypeDateTime: {UnknownTime, "2026-01-01T00:00:00+01:00", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"},
	}
	for kind, values := range ascending {
		for i, a := range values {
			for j, b := range values {
				order, err := Compare(kind, a, b)
				if err != nil || (order < 0) != (i < j) || (order > 0) != (i > j) {
					t.Errorf("%s %s and %s: got %d, %v", ValueTypeName(kind), a, b, order, err)
				}
			}
		}
	}
	for _, kind := range []ValueType{TypeString, TypeBoolean, TypeBase64, TypeHexBinary} {
		if _, err := Compare(kind, "0", "0"); err == nil {
			t.Errorf("a %s has an order", ValueTypeName(kind))
		}
	}
	_, err := Compare(TypeInt, "1", "x")
	wantMismatch(t, "x", err, "value", "an int")
}

func TestLists(t *testing.T) {
	if got, want := SplitList(" a,b%2Cc , d%20e,Device.X.[A==%22%25%22].,"), []string{"a", "b,c", "d e", "Device.X.[A==%22%25%22].", ""}; !reflect.DeepEqual(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
	if got := SplitList("  "); got != nil {
		t.Errorf("an empty list has items: %q", got)
	}
	if !EqualLists(TypeBoolean, "1, 0", "true,false") || EqualLists(TypeInt, "1", "1,1") || EqualLists(TypeInt, "1,2", "2,1") {
		t.Error("lists do not compare item by item")
	}
	wantMismatch(t, "list", ValidList(TypeInt, "1,x,3"), "value", "an int")
	if err := ValidList(TypeInt, "1, 2"); err != nil {
		t.Error(err)
	}
}

func TestTypeNames(t *testing.T) {
	for name, kind := range typesByName {
		if ValueTypeName(kind) != name {
			t.Errorf("%v is not called %s", kind, name)
		}
	}
	if ValueTypeName(TypeUnknown) == "" {
		t.Error("a type that is none has a name")
	}
}
