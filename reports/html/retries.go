package html

import (
	"fmt"
	"time"

	"github.com/usptest/usptest/harness/result"
)

// The places of the time line of retries, in its own units: where its waits begin, and where the longest ends.
const (
	retriesBegin = 80
	retriesEnd   = 430
	retryHeight  = 28
)

// retriesView is a time line for each retry of a case: the range that its wait had to be in, and the wait.
type retriesView struct {
	Width, Height int
	Rows          []retryRow
}

type retryRow struct {
	Name, Text       string
	Y, Top, Line     int // of the texts, of the range and of the wait
	Origin, From, At int // where the failure was, where the range begins, and where the attempt came
	Wide             int // of the range, at least what can be seen
	TextX            int
}

// retriesOf draws the retries of a case on one scale; nil without any.
func retriesOf(all []result.Retry) *retriesView {
	all = all[:min(len(all), maxList)]
	if len(all) == 0 {
		return nil
	}
	longest := 1.0
	for _, r := range all {
		longest = max(longest, r.WaitMS, r.MostMS)
	}
	place := func(ms float64) int { return retriesBegin + int(max(0, ms)/longest*(retriesEnd-retriesBegin)) }
	v := &retriesView{Width: chartWidth, Height: retryHeight*len(all) + 8}
	for i, r := range all {
		middle := retryHeight*i + retryHeight/2 + 4
		v.Rows = append(v.Rows, retryRow{
			Name: fmt.Sprint("retry ", r.N), Y: middle + 4, Top: middle - 7, Line: middle, Origin: retriesBegin,
			From: place(r.LeastMS), Wide: max(2, place(r.MostMS)-place(r.LeastMS)), At: place(r.WaitMS), TextX: retriesEnd + 14,
			Text: fmt.Sprintf("%s, allowed %s to %s", milliseconds(r.WaitMS), milliseconds(r.LeastMS), milliseconds(r.MostMS)),
		})
	}
	return v
}

// milliseconds writes a duration as a reader measures it.
func milliseconds(ms float64) string {
	const most = 1e12 // what is much longer does not fit into a Duration
	return time.Duration(max(-most, min(ms, most)) * float64(time.Millisecond)).Round(time.Millisecond).String()
}
