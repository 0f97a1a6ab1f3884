package plan

import (
	"slices"
	"strings"
	"testing"
)

func mustLoad(t testing.TB) *Plan {
	t.Helper()
	p, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLoadCounts(t *testing.T) {
	p := mustLoad(t)
	p.Cases = slices.DeleteFunc(p.Cases, Case.IsCheck)
	if got := len(p.Cases); got != 230 {
		t.Errorf("cases: want 230, got %d", got)
	}
	active, mandatory, metrics := 0, 0, 0
	for _, c := range p.Cases {
		if c.Status != Active {
			continue
		}
		active++
		metrics += len(c.Metrics)
		if c.Obligation == Mandatory {
			mandatory++
		}
	}
	if active != 213 || mandatory != 83 || metrics != 504 {
		t.Errorf("active %d, of them mandatory %d, metrics %d: want 213, 83, 504", active, mandatory, metrics)
	}
	if len(p.Features) != 42 || len(p.Chapters) != 12 {
		t.Errorf("features %d, chapters %d: want 42, 12 with that of the checks", len(p.Features), len(p.Chapters))
	}
}

// TestDescribed names the cases whose texts are written: a case may join them, none may leave.
func TestDescribed(t *testing.T) {
	p := mustLoad(t)
	const described = `1.1 1.2 1.3 1.4 1.6 1.11 1.16 1.19 1.20 1.24 1.28 1.34 1.36 1.39 1.41 1.47 1.52 1.54 1.57 1.59 1.61 1.64 1.66 1.72 1.79
		1.80 1.89 2.1 2.2 2.11 2.16 3.1 4.1 6.2 6.4 6.5 6.8 7.1 7.7 7.12 10.1 10.10 11.2 11.4 11.8 11.11 11.12`
	for _, id := range strings.Fields(described) {
		if c, ok := p.Case(id); !ok || !c.Described() {
			t.Errorf("%s is not described", id)
		}
	}
	if _, ok := p.Case("1.69"); !ok {
		t.Error("1.69 must be found although it was deleted")
	}
	if _, ok := p.Case("12.1"); ok {
		t.Error("12.1 must not be found")
	}
}

func TestErrataFor(t *testing.T) {
	p := mustLoad(t)
	ids := func(errata []Erratum) []string {
		var out []string
		for _, e := range errata {
			out = append(out, e.ID)
		}
		return out
	}
	for _, test := range []struct {
		id     string
		metric int
		want   []string
	}{
		{"1.20", 1, []string{"set-search-path-reply"}},
		{"1.20", 2, []string{"error-codes-of-a-message", "set-search-path-reply", "set-may-stop-at-the-first-error"}},
		{"1.20", 3, []string{"subscriptions-of-others"}},
		{"1.28", 3, []string{"subscriptions-of-others", "dot-inside-the-placeholder"}},
		{"1.28", 0, []string{"subscriptions-of-others", "error-codes-of-a-message", "dot-inside-the-placeholder"}},
		{"1.69", 0, nil},
	} {
		if got := ids(p.ErrataFor(test.id, test.metric)); !slices.Equal(got, test.want) {
			t.Errorf("%s/%d: want %v, got %v", test.id, test.metric, test.want, got)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		mustLoad(b)
	}
}
