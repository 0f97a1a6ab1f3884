// Package retry judges how long an Agent waits before it tries again: the range that TR-369 and
// TR-181 give each wait, whether a wait kept to it, and whether a series of waits can have come
// about by chance. It knows times alone; what an attempt and a failure are is known to who watches
// the device.
package retry

import (
	"fmt"
	"math"
	"time"
)

// Policy is a retry rule with the values of the device's own parameters. Retries count from 1; the
// wait before retry n is drawn at random from a range that grows with n up to the tenth (R-STOMP.7,
// R-WS.19, R-BULK.3, and TR-181 for MQTT.Client.{i}.ConnectRetryTime).
type Policy struct {
	// Initial is such as ServerRetryInitialInterval.
	Initial time.Duration

	// Multiplier counts thousandths, such as ServerRetryIntervalMultiplier. What is below 1000 counts as
	// 1000. k stands for a thousandth of it below.
	Multiplier uint64

	// Max is such as ServerRetryMaxInterval: a wait that would be longer is exactly this long. 0 means
	// that there is none.
	Max time.Duration

	// FromZero is the rule of STOMP: the wait before retry n is between 0 and Initial*k^(n-1). Otherwise
	// it is between Initial*k^(n-1) and Initial*k^n.
	FromZero bool

	// Steady is the rule of Unix domain sockets (R-UDS.5): the range is that of the first retry each time.
	Steady bool
}

// lastGrowing is the retry from which on the range stays as it is.
const lastGrowing = 10

// longest is the longest wait that is reckoned with: four of them fit into a Duration.
const longest = 1 << 61

// Window is the range in which a wait lies, both ends included.
type Window struct{ Least, Most time.Duration }

// String implements fmt.Stringer: "2s to 4s".
func (w Window) String() string {
	if w.Least == w.Most {
		return short(w.Least)
	}
	return short(w.Least) + " to " + short(w.Most)
}

// Window is the range of the wait before retry n, which counts from 1.
func (p Policy) Window(n int) Window {
	n = min(max(n, 1), lastGrowing)
	if p.Steady {
		n = 1
	}
	w := Window{p.grown(n - 1), p.grown(n)}
	if p.FromZero {
		w = Window{0, p.grown(n - 1)}
	}
	if p.Max > 0 {
		w = Window{min(w.Least, p.Max), min(w.Most, p.Max)}
	}
	return w
}

// grown is Initial multiplied e times. It stops growing where a Duration would overflow.
func (p Policy) grown(e int) time.Duration {
	k := float64(max(p.Multiplier, 1000)) / 1000
	return time.Duration(min(float64(p.Initial)*math.Pow(k, float64(e)), longest))
}

// Scaled is the policy of a simulated device, whose intervals are divided by scale.
func (p Policy) Scaled(scale float64) Policy {
	p.Initial, p.Max = time.Duration(float64(p.Initial)/scale), time.Duration(float64(p.Max)/scale)
	return p
}

// Longest is how long n retries take at most, without the attempts themselves.
func (p Policy) Longest(n int) (sum time.Duration) {
	for i := range n {
		sum += min(p.Window(i+1).Most, longest-sum)
	}
	return sum
}

// short writes a duration as a reader measures it: to the millisecond, without trailing zeros.
func short(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	return fmt.Sprint(d.Round(time.Millisecond))
}
