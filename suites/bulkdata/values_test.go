package bulkdata

import (
	"testing"

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
