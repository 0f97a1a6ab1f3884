package html

import (
	"math"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

func TestRetriesAreDrawnOnOneScale(t *testing.T) {
	v := retriesOf([]result.Retry{
		{N: 1, WaitMS: 50, LeastMS: 0, MostMS: 100}, {N: 2, WaitMS: 350, LeastMS: 100, MostMS: 200}, {N: 3, WaitMS: 100, LeastMS: 200, MostMS: 200},
	})
	want := []retryRow{
		{Text: "retry 1: 50ms, allowed 0s to 100ms", Y: 12, Top: 17, Line: 24, Origin: 4, From: 4, Wide: 100, At: 54},
		{Text: "retry 2: 350ms, allowed 100ms to 200ms", Y: 50, Top: 55, Line: 62, Origin: 4, From: 104, Wide: 100, At: 354},
		{Text: "retry 3: 100ms, allowed 200ms to 200ms", Y: 88, Top: 93, Line: 100, Origin: 4, From: 204, Wide: 2, At: 104},
	}
	if len(v.Rows) != len(want) {
		t.Fatalf("want %d rows, got %d", len(want), len(v.Rows))
	}
	for i, row := range v.Rows {
		if row != want[i] {
			t.Errorf("row %d:\nwant %+v\n got %+v", i, want[i], row)
		}
	}
}

func TestRetriesOfAnyRunFitTheirPlace(t *testing.T) {
	if v := retriesOf(nil); v != nil {
		t.Errorf("want nothing without retries, got %+v", v)
	}
	hostile := make([]result.Retry, 10*maxList)
	hostile[0] = result.Retry{WaitMS: -math.MaxFloat64, LeastMS: math.MaxFloat64, MostMS: math.MaxFloat64}
	v := retriesOf(hostile)
	if len(v.Rows) != maxList {
		t.Errorf("want %d rows, got %d", maxList, len(v.Rows))
	}
	for _, row := range v.Rows {
		if row.At < retriesBegin || row.At > retriesEnd || row.From < retriesBegin || row.From+row.Wide > retriesEnd+2 {
			t.Fatalf("out of place: %+v", row)
		}
	}
}
