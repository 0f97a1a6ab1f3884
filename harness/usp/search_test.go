package usp

import "testing"

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		condition string
		kind      ValueType
		list      bool
		value     string
		want      bool
	}{
		{`A=="eth0"`, TypeString, false, "eth0", true},
		{`A=="eth0"`, TypeString, false, "Eth0", false},
		{`A!="eth0"`, TypeString, false, "eth1", true},
		{`A==""`, TypeString, false, "", true},
		{`A==true`, TypeBoolean, false, "1", true},
		{`A==1`, TypeBoolean, false, "true", true},
		{`A!=0`, TypeBoolean, false, "false", false},
		{`A==+07`, TypeInt, false, "7", true},
		{`A>9`, TypeInt, false, "10", true},
		{`A<-9`, TypeInt, false, "-10", true},
		{`A<=5`, TypeUnsignedInt, false, "5", true},
		{`A>=5`, TypeUnsignedLong, false, "18446744073709551615", true},
		{`A<1.50`, TypeDecimal, false, "1.5", false},
		{`A<2021-06-06T08:00:00Z`, TypeDateTime, false, "2021-06-06T09:00:00+02:00", true},
		{`A<"2021-06-06T08:00:00Z"`, TypeDateTime, false, "2021-06-06T07:59:59Z", true},
		{`A==0001-01-01T00:00:00Z`, TypeDateTime, false, UnknownTime, true},
		{`A==08`, TypeHexBinary, false, "08", true},
		{`A=="aB"`, TypeHexBinary, false, "Ab", true},
		{`A~="b"`, TypeString, true, "a, b ,c", true},
		{`A~="b"`, TypeString, true, "abc", false},
		{`A~="b"`, TypeString, true, "", false},
		{`A~=5`, TypeUnsignedInt, true, "1,05", true},
		{`A=="a,b"`, TypeString, true, "a, b", true},
		{`A!="a,b"`, TypeString, true, "b,a", true},
	} {
		got, err := condition(t, c.condition).Match(c.kind, c.list, c.value)
		if err != nil || got != c.want {
			t.Errorf("%s on %q: want %v, got %v, %v", c.condition, c.value, c.want, got, err)
		}
	}
}

func TestMatchRefuses(t *testing.T) {
	for _, c := range []struct {
		condition string
		kind      ValueType
		list      bool
		value     string
		want      string
	}{
		{`A<"b"`, TypeString, false, "a", "== or != for a string"},
		{`A>=1`, TypeBoolean, false, "1", "== or != for a boolean"},
		{`A<0001-01-01T00:00:00Z`, TypeDateTime, false, "2021-06-06T08:00:00Z", "== or != for a dateTime"},
		{`A<2021-06-06T08:00:00Z`, TypeDateTime, false, UnknownTime, "== or != for a dateTime"},
		{`A~="b"`, TypeString, false, "b", "an operator for a string"},
		{`A<5`, TypeInt, true, "5", "an operator for a list of int"},
		{`A=="true"`, TypeBoolean, false, "true", "without quotes"},
		{`A==5`, TypeString, false, "5", "in quotes"},
		{`A==5`, TypeBoolean, false, "true", "a boolean"},
		{`A==-1`, TypeUnsignedInt, false, "1", "an unsignedInt"},
		{`A~=true`, TypeInt, true, "1", "an int"},
		{`A<5`, TypeInt, false, "five", "an int"},
	} {
		_, err := condition(t, c.condition).Match(c.kind, c.list, c.value)
		wantMismatch(t, c.condition, err, "", c.want)
	}
}

func condition(t *testing.T, text string) Condition {
	t.Helper()
	return mustParse(t, "Device.X.["+text+"].").Last().Conditions[0]
}
