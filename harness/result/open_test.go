package result

import (
	"reflect"
	"slices"
	"testing"
)

func TestWhatFailedOrCouldNotBeJudgedIsOpen(t *testing.T) {
	open := []Verdict{Fail, Flaky, Waived, Error, Aborted}
	for _, v := range CaseVerdicts() {
		r := over("mqtt5", Case{ID: "1.1", Verdict: v}, Case{ID: "1.2", Verdict: Pass})
		want := slices.Contains(open, v)
		if got := r.Open("mqtt5", "1.1"); got != want {
			t.Errorf("%s: want %v, got %v", v, want, got)
		}
		if r.Open("mqtt5", "1.2") || r.Open("stomp", "1.1") || r.Open("mqtt5", "1.3") {
			t.Errorf("%s: what passed, or is not in the run, is open", v)
		}
		var links []string
		if want {
			links = []string{"mqtt5"}
		}
		if got := r.OpenLinks(); !reflect.DeepEqual(got, links) {
			t.Errorf("%s: want the links %v, got %v", v, links, got)
		}
	}
}
