package bulkdata

import (
	"testing"
	"time"

	"github.com/usptest/usptest/harness/usp"
)

func TestAValueIsThatOfItsParameter(t *testing.T) {
	for _, test := range []struct {
		t         usp.ValueType
		parameter string
		reported  value
		want      bool
	}{
		{usp.TypeString, "a", value{text: "a", kind: kindString}, true},
		{usp.TypeString, "a", value{text: "A", kind: kindText}, false},
		{usp.TypeString, "", value{text: "null", kind: kindNull}, true},
		{usp.TypeString, "null", value{text: "null", kind: kindNull}, true},
		{usp.TypeString, "a", value{text: "null", kind: kindNull}, false},
		{usp.TypeBoolean, "1", value{text: "true", kind: kindBoolean}, true},
		{usp.TypeBoolean, "true", value{text: "1", kind: kindText}, true},
		{usp.TypeBoolean, "true", value{text: "false", kind: kindBoolean}, false},
		{usp.TypeUnknown, "1", value{text: "true", kind: kindBoolean}, true},
		{usp.TypeUnknown, "x", value{text: "true", kind: kindBoolean}, false},
		{usp.TypeUnsignedLong, "18446744073709551615", value{text: "18446744073709551616", kind: kindNumber}, true},
		{usp.TypeUnsignedLong, "18446744073709551615", value{text: "18446744073709551616", kind: kindText}, false},
		{usp.TypeInt, "100", value{text: "1E2", kind: kindNumber}, true},
		{usp.TypeInt, "100", value{text: "101", kind: kindNumber}, false},
		{usp.TypeInt, "100", value{text: "1e999999999", kind: kindNumber}, false},
		{usp.TypeDecimal, "0.50", value{text: "0.5", kind: kindString}, true},
		{usp.TypeDateTime, "2026-05-01T12:00:00Z", value{text: "2026-05-01T14:00:00+02:00", kind: kindString}, true},
		{usp.TypeHexBinary, "0A", value{text: "0a", kind: kindString}, true},
	} {
		if got := test.reported.is(test.t, test.parameter); got != test.want {
			t.Errorf("%s %q, reported as %s %q: got %t, want %t", usp.ValueTypeName(test.t), test.parameter,
				test.reported.kind, test.reported.text, got, test.want)
		}
	}
}

// A Date is one whether its day has one digit or two, and the first is advised against.
func TestDatesOfHTTP(t *testing.T) {
	for text, want := range map[string]struct{ date, fixed bool }{
		"Tue, 01 Dec 2026 00:37:29 GMT":   {true, true},
		"Tue, 1 Dec 2026 00:37:29 GMT":    {true, false},
		"Tuesday, 01-Dec-26 00:37:29 GMT": {true, true},
		"Tue, 1 Dec 2026 00:37:29 CET":    {false, false},
		"2026-12-01T00:37:29Z":            {false, false},
	} {
		date, err := dateOf(text)
		if (err == nil) != want.date || want.date && !date.Equal(time.Date(2026, 12, 1, 0, 37, 29, 0, time.UTC)) {
			t.Errorf("%q: got %s, %v", text, date, err)
		}
		if err := ofFixedLength("transfer 1", []string{text}); (err == nil) != want.fixed {
			t.Errorf("%q: of fixed length: %v", text, err)
		}
	}
}
