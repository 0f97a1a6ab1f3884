// Package expect has the checks of case bodies. A check returns nil, or an error that says where, what was wanted and what was got:
// a *usp.Mismatch wherever two things are compared. A missing reply fails every check with what was seen instead.
package expect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
)

// quote shows a string of the device on one line.
func quote(s string) string { return usp.Quote(s) }

// told is what an element of a Message with an error code and a text says of an error.
func told(e interface {
	GetErrCode() uint32
	GetErrMsg() string
}) string {
	return fmt.Sprintf("%s: %s", usp.ErrCode(e.GetErrCode()), quote(e.GetErrMsg()))
}

// quoteAll shows some strings of the device on one line.
func quoteAll(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	const most = 8
	shown := make([]string, 0, most+1)
	for _, s := range list[:min(most, len(list))] {
		shown = append(shown, quote(s))
	}
	if len(list) > most {
		shown = append(shown, fmt.Sprintf("and %d more", len(list)-most))
	}
	return strings.Join(shown, ", ")
}

// Equal compares two strings.
func Equal(where, want, got string) error {
	if want == got {
		return nil
	}
	return usp.Differs(where, quote(got), "%q", want)
}

// Count compares a number of things.
func Count(where string, want, got int) error {
	if want == got {
		return nil
	}
	return usp.Differs(where, fmt.Sprint(got), "%d", want)
}

// AnyOf is a list of lawful sets of names.
type AnyOf [][]string

// errNoReply is the error of a reply that nobody has tried to get.
var errNoReply = errors.New("no reply")

// Type reports whether the reply is there and of the wanted type.
func Type(r *controller.Reply, want usp.MsgType) error {
	if r.Message == nil {
		return cmp.Or(r.Err, errNoReply)
	}
	got := usp.MsgTypeOf(r.Msg)
	if got == want {
		return nil
	}
	shown := usp.TypeName(got)
	if e := r.Body().GetError(); e != nil && got == usp.Error {
		shown = "Error " + told(e)
	}
	return usp.Differs("reply to "+usp.TypeName(usp.MsgTypeOf(r.Request)), shown, "%s", usp.TypeName(want))
}

// Code reports whether an error code may be in the answer to a request of type t.
func Code(where string, code uint32, t usp.MsgType) error {
	if c := usp.ErrCode(code); !c.AllowedIn(t) {
		return usp.Differs(where, c.String(), "a code that TR-369 allows for %s, one of %s or 7800-7999",
			usp.TypeName(t), usp.AllowedCodes(t))
	}
	return nil
}

// Keys compares the names of a map with the lawful sets, in any order.
func Keys(where string, got usp.Params, want AnyOf) error {
	names := got.Names()
	var lawful []string
	for _, set := range want {
		sorted := slices.Sorted(slices.Values(set))
		if slices.Equal(sorted, names) {
			return nil
		}
		lawful = append(lawful, strings.Join(sorted, ", "))
	}
	return usp.Differs(where, orNone(strings.Join(names, ", ")), "%s", strings.Join(lawful, "; or "))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Value compares two values of type t by value: "1" and "true" are the same boolean.
func Value(where string, t usp.ValueType, want, got string) error {
	if usp.EqualValues(t, want, got) {
		return nil
	}
	return usp.Differs(where, quote(got), "%q", want)
}

// WithoutDot removes the final dot, which references to objects may have or lack.
func WithoutDot(path string) string { return strings.TrimSuffix(path, ".") }

// SamePath compares two paths; the final dot of an object path does not count.
func SamePath(where, want, got string) error {
	if WithoutDot(want) == WithoutDot(got) {
		return nil
	}
	return usp.Differs(where, quote(got), "%q", want)
}

// AtLeast compares a number of things with the least that is lawful.
func AtLeast(where string, least, got int) error {
	if got >= least {
		return nil
	}
	return usp.Differs(where, fmt.Sprint(got), "at least %d", least)
}

// OneOf wants one of the lawful strings.
func OneOf(where string, lawful []string, got string) error {
	if slices.Contains(lawful, got) {
		return nil
	}
	return usp.Differs(where, quote(got), "one of %s", quoteAll(lawful))
}

// NotEqual wants any string but one.
func NotEqual(where, unwanted, got string) error {
	if got != unwanted {
		return nil
	}
	return usp.Differs(where, quote(got), "anything but %q", unwanted)
}

// NoError wants a result without an error code.
func NoError(where string, code uint32, text string) error {
	if code == 0 {
		return nil
	}
	return usp.Differs(where, fmt.Sprintf("%s: %s", usp.ErrCode(code), quote(text)), "no error")
}

// Nothing wants nothing; got says what there was, in words.
func Nothing(where, got string) error { return usp.Differs(where, got, "none") }
