package plan

import "testing"

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
	if len(p.Features) != 42 || len(p.Chapters) != 11 {
		t.Errorf("features %d, chapters %d: want 42, 11", len(p.Features), len(p.Chapters))
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		mustLoad(b)
	}
}
