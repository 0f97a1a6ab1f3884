package gate

import (
	"slices"
	"testing"
)

func TestRoster(t *testing.T) {
	var r Roster[string]
	step := func(name string, change func(), want ...string) {
		t.Helper()
		before, changed := r.All(), r.Changed()
		kept := slices.Clone(before)
		change()
		select {
		case <-changed:
		default:
			t.Errorf("%s wakes nobody", name)
		}
		if got := r.All(); !slices.Equal(got, want) {
			t.Errorf("%s: want %q, got %q", name, want, got)
		}
		if !slices.Equal(before, kept) {
			t.Errorf("%s changes what a reader holds: %q is %q", name, kept, before)
		}
	}
	step("Add", func() { r.Add("a") }, "a")
	step("Add", func() { r.Add("b") }, "a", "b")
	step("Touch", r.Touch, "a", "b")
	step("Remove", func() { r.Remove("a") }, "b")
	step("Clear", func() {
		if was := r.Clear(); !slices.Equal(was, []string{"b"}) {
			t.Errorf("Clear returns %q", was)
		}
	})
}
