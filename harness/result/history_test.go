package result

import (
	"cmp"
	"slices"
	"testing"
	"time"
)

// tested is a run of a device's software on a day, with one case over links that have these verdicts.
func tested(model, software string, day int, id string, links map[string]Verdict) *Run {
	r := &Run{Device: Device{Vendor: "ACME", Model: model, Software: software}, Started: time.Date(2026, 3, day, 9, 30, 0, 0, time.UTC)}
	for _, name := range []string{"mqtt5", "stomp"} {
		if v := links[name]; v != "" {
			r.Links = append(r.Links, Link{Link: name, Cases: []Case{{ID: id, Title: "Add", Verdict: v}, {ID: "1.63", Verdict: Deprecated}}})
		}
	}
	r.Conclude()
	return r
}

func TestHistory(t *testing.T) {
	runs := []*Run{
		tested("X1", "4.3", 3, "1.1", map[string]Verdict{"mqtt5": Pass}),
		tested("X2", "1.0", 1, "1.1", map[string]Verdict{"mqtt5": Pass}),
		tested("X1", "4.2", 2, "1.1", map[string]Verdict{"mqtt5": Fail}),
		tested("X1", "4.4", 4, "1.36", map[string]Verdict{"mqtt5": Pass}),
	}
	h := NewHistory(runs, []string{"later", "other", "first", "last"}, cmp.Compare[string])
	if len(h.Devices) != 2 || h.Devices[0].Model != "X2" || h.Devices[1].Model != "X1" {
		t.Fatalf("want a matrix for each of two devices, got %+v", h.Devices)
	}
	d := h.Devices[1]
	if len(d.Runs) != 3 || d.Runs[0].File != "first" || d.Runs[1].Device.Software != "4.3" || d.Runs[2].Counts[Pass] != 1 {
		t.Fatalf("want the runs by their time, got %+v", d.Runs)
	}
	if len(d.Cases) != 2 || d.Cases[0].ID != "1.1" || d.Cases[1].ID != "1.36" {
		t.Fatalf("want the cases that a run judged, got %+v", d.Cases)
	}
	var verdicts []Verdict
	for _, o := range d.Cases[0].Runs {
		verdicts = append(verdicts, o.Verdict)
	}
	if !slices.Equal(verdicts, []Verdict{Fail, Pass, ""}) || !d.Cases[0].Changed || d.Cases[1].Changed {
		t.Errorf("want 1.1 to fail, then to pass, then to be absent, and 1.36 not to change; got %v, %+v", verdicts, d.Cases)
	}
}

// TestTheHeavierVerdictIsShown compares what a cell says of a case whose links differ.
func TestTheHeavierVerdictIsShown(t *testing.T) {
	for _, x := range []struct {
		links map[string]Verdict
		want  Verdict
		over  []string
	}{
		{map[string]Verdict{"mqtt5": Pass, "stomp": Fail}, Fail, []string{"stomp"}},
		{map[string]Verdict{"mqtt5": Error, "stomp": Pass}, Error, []string{"mqtt5"}},
		{map[string]Verdict{"mqtt5": Pass, "stomp": Unsupported}, Pass, nil},
		{map[string]Verdict{"mqtt5": Fail, "stomp": Fail}, Fail, nil},
	} {
		h := NewHistory([]*Run{tested("X1", "4.2", 1, "1.1", x.links)}, []string{""}, cmp.Compare[string])
		got := h.Devices[0].Cases[0].Runs[0]
		if got.Verdict != x.want || !slices.Equal(got.Over(), x.over) {
			t.Errorf("%v: want %s over %v, got %s over %v", x.links, x.want, x.over, got.Verdict, got.Over())
		}
	}
}
