package html

import (
	"fmt"
	"time"

	"github.com/usptest/usptest/harness/result"
)

// The places of the time line of retries, in its own units. It is as narrow as a phone.
const (
	retriesBegin = 4   // where its waits begin
	retriesEnd   = 354 // where the longest ends
	retriesWidth = 358
	retryHeight  = 38 // a line of text, and the wait below it
)

// retriesView is a time line for each retry of a case: the range that its wait had to be in, and the wait.
type retriesView struct {
	Width, Height int
	Rows          []retryRow
}

type retryRow struct {
	Text             string
	Y, Top, Line     int // of the text, of the range and of the wait
	Origin, From, At int // where the failure was, where the range begins, and where the attempt came
	Wide             int // of the range, at least what can be seen
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
	v := &retriesView{Width: retriesWidth, Height: retryHeight * len(all)}
	for i, r := range all {
		y := retryHeight * i
		v.Rows = append(v.Rows, retryRow{
			Y: y + 12, Top: y + 17, Line: y + 24, Origin: retriesBegin,
			From: place(r.LeastMS), Wide: max(2, place(r.MostMS)-place(r.LeastMS)), At: place(r.WaitMS),
			Text: fmt.Sprintf("retry %d: %s, allowed %s to %s",
				r.N, milliseconds(r.WaitMS), milliseconds(r.LeastMS), milliseconds(r.MostMS)),
		})
	}
	return v
}

// milliseconds writes a duration as a reader measures it.
func milliseconds(ms float64) string {
	const most = 1e12 // what is much longer does not fit into a Duration
	return time.Duration(max(-most, min(ms, most)) * float64(time.Millisecond)).Round(time.Millisecond).String()
}
