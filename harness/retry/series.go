package retry

import (
	"fmt"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// Enough is how many retries are judged at least: the fourth wait is the first that an Agent with a
// wrong multiplier rarely gets right.
const Enough = 4

// Moment is an event of the journal: when it came, and its number.
type Moment struct {
	At  time.Time
	Seq journal.Mark
}

// Retry is one attempt after a failure.
type Retry struct {
	N       int    // counts from 1
	Failure Moment // the harness's own act that the device saw
	Attempt Moment
	Window  Window
}

// Wait is how long the device waited.
func (r Retry) Wait() time.Duration { return r.Attempt.At.Sub(r.Failure.At) }

// String implements fmt.Stringer: "retry 2: 4.1s after event 51, allowed 2s to 4s".
func (r Retry) String() string {
	return fmt.Sprintf("retry %d: %s after event %d, allowed %s", r.N, short(r.Wait()), r.Failure.Seq, r.Window)
}

// Grant is what a measured wait may be too short or too long by. Early is a second of the device: one
// that counts whole seconds has waited up to one less than it drew, since its own clock was within a
// second when the wait began.
type Grant struct{ Early, Late time.Duration }

// Series is what was seen of a device that tries again and again.
type Series struct {
	Policy  Policy
	Grant   Grant
	Second  time.Duration // a second of the device, which may count in whole ones; 0 means a real one
	Retries []Retry
}

// Add appends the next retry and returns an error when its wait is outside its window.
func (s *Series) Add(failure, attempt Moment) error {
	r := Retry{N: len(s.Retries) + 1, Failure: failure, Attempt: attempt, Window: s.Next()}
	s.Retries = append(s.Retries, r)
	if wait := r.Wait(); wait < r.Window.Least-s.Grant.Early || wait > r.Window.Most+s.Grant.Late {
		return &usp.Mismatch{Where: fmt.Sprintf("wait before retry %d", r.N), Want: s.allowed(r.Window),
			Got: fmt.Sprintf("%s after event %d", short(wait), failure.Seq)}
	}
	return nil
}

// Next is the window of the retry that comes next.
func (s *Series) Next() Window { return s.Policy.Window(len(s.Retries) + 1) }

// Late is the error for the retry that has not come by the end of its window.
func (s *Series) Late(failure Moment) error {
	return &usp.Mismatch{Where: fmt.Sprintf("wait before retry %d", len(s.Retries)+1), Want: s.allowed(s.Next()),
		Got: fmt.Sprintf("no attempt by then after event %d", failure.Seq)}
}

func (s *Series) allowed(w Window) string {
	if s.Grant.Early > 0 && !s.Policy.FromZero {
		return fmt.Sprintf("%s (up to %s early or %s late)", w, short(s.Grant.Early), short(s.Grant.Late))
	}
	return fmt.Sprintf("%s (up to %s late)", w, short(s.Grant.Late))
}

// chance is how improbable a series must be before it is no accident any more.
const chance = 1e-6

// Doubt reports whether the waits look as if a rule was not kept that no single wait can show,
// because the window begins at 0: that the waits are waits at all, and that they grow. It is
// settled when a wait refutes it, or when chance alone would hardly bring it about: then err says
// what is wrong. While open is true another retry helps; it takes long only from a device that is
// in order.
func (s *Series) Doubt() (open bool, err error) {
	if !s.Policy.FromZero || len(s.Retries) == 0 {
		return false, nil
	}
	initial := s.Policy.Window(1).Most
	bounds := []struct {
		most time.Duration
		want string
	}{
		{initial / 10, "random waits between 0 and the end of each window"},
		{initial + min(s.Grant.Late, initial/4), "windows that grow with the multiplier"},
	}
	for _, b := range bounds {
		probability, holds := s.allBelow(b.most)
		switch {
		case !holds:
		case probability <= chance:
			return false, &usp.Mismatch{Where: fmt.Sprintf("the waits before %d retries", len(s.Retries)), Want: b.want,
				Got: fmt.Sprintf("none longer than %s, which comes about by chance less than once in a million times", short(s.longestWait()))}
		case s.Next().Most > b.most && len(s.Retries) < lastGrowing:
			open = true
		}
	}
	return open, nil
}

// allBelow reports whether no wait is longer than most, and how probable that is at the highest for
// a device that draws its waits at random, to the whole second or finer.
func (s *Series) allBelow(most time.Duration) (probability float64, holds bool) {
	second := s.Second
	if second == 0 {
		second = time.Second
	}
	probability = 1
	for _, r := range s.Retries {
		if r.Wait() > most {
			return 0, false
		}
		probability *= min(1, float64(most+second)/float64(r.Window.Most+second))
	}
	return probability, true
}

func (s *Series) longestWait() (d time.Duration) {
	for _, r := range s.Retries {
		d = max(d, r.Wait())
	}
	return d
}
