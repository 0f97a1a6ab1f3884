package usp

import "testing"

// TestAllowedIn has the union of what TR-369 says in the section of each request and in the table of error codes.
func TestAllowedIn(t *testing.T) {
	everywhere := []codeRange{{7000, 7008}, {7016, 7016}, {7026, 7026}, {7800, 7999}}
	for request, more := range map[MsgType][]codeRange{
		Add:                  {{7009, 7019}, {7021, 7021}, {7025, 7025}},
		Set:                  {{7009, 7015}, {7020, 7021}, {7025, 7025}},
		Delete:               {{7015, 7015}, {7018, 7018}, {7024, 7024}},
		Get:                  {{7010, 7010}},
		GetInstances:         {{7018, 7018}},
		GetSupportedDM:       {},
		GetSupportedProtocol: {},
		Operate:              {{7022, 7023}, {7027, 7027}, {7200, 7299}},
		Notify:               {},
		Register:             {{7028, 7029}},
		Deregister:           {{7030, 7031}},
	} {
		want := map[ErrCode]bool{}
		for _, r := range append(more, everywhere...) {
			for c := r.first; c <= r.last; c++ {
				want[c] = true
			}
		}
		for c := ErrCode(6990); c < 8010; c++ {
			if got := c.AllowedIn(request); got != want[c] {
				t.Errorf("%d in %s: want %v, got %v", c, TypeName(request), want[c], got)
			}
			if c.AllowedIn(request) != c.AllowedIn(ResponseTo(request)) {
				t.Errorf("%d differs between %s and its response", c, TypeName(request))
			}
		}
		if ErrCode(0).AllowedIn(request) {
			t.Errorf("no error is an error code of %s", TypeName(request))
		}
	}
	if !CodeInvalidRecordValue.AllowedIn(Error) || ErrCode(7107).AllowedIn(Error) || CodeInvalidPath.AllowedIn(NoType) {
		t.Error("an Error of its own, or no message")
	}
}

func TestCodeNames(t *testing.T) {
	for code, want := range map[ErrCode]string{
		0: "0 no error", 7026: "7026 Invalid path", 7027: "7027 Invalid command arguments", 7106: "7106 Session Context not allowed",
		7150: "7150 unknown Record error", 7222: "7222 data model defined error", 7800: "7800 vendor defined error",
		7032: "7032 unknown error code", 404: "404 unknown error code",
	} {
		if code.String() != want {
			t.Errorf("want %s, got %s", want, code)
		}
	}
	for code := ErrCode(7000); code <= 7031; code++ {
		if !code.Known() || code.Name() == "unknown error code" {
			t.Errorf("%d is not known", code)
		}
	}
	for code := ErrCode(7100); code <= 7106; code++ {
		if !code.Known() || !code.IsRecordError() {
			t.Errorf("%d is no known Record error", code)
		}
	}
}
