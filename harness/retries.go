package harness

import (
	"fmt"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/retry"
	"github.com/usptest/usptest/harness/usp"
)

// Retries watches a device that fails to connect, by the harness's doing, and tries again.
type Retries struct {
	c       *Case
	policy  retry.Policy // in seconds of the device
	series  retry.Series // in scaled ones
	tries   func(*journal.Event) error
	failure retry.Moment   // what the retry that comes next follows
	attempt *journal.Event // the last one; nil before the first
}

// patientRetries bounds how long the retries that a verdict needs may take.
const patientRetries = time.Hour

// WatchRetries watches how long the device waits before each retry after failure, the harness's own
// act. policy has the values of the device in its own seconds; the time scale divides them. tries
// matches the event with which an attempt shows, such as Case.StartsSession; the attempt began when
// its connection was opened. Whoever calls it makes the broker refuse every attempt, until Rest
// says that the next one is the last.
func (c *Case) WatchRetries(policy retry.Policy, failure *journal.Event, tries func(*journal.Event) error) *Retries {
	c.Uses(plan.NeedTiming, plan.NeedOutage)
	if longest := policy.Longest(retry.Enough); longest > patientRetries {
		c.LabMust(fmt.Errorf("%d retries of the device may take %s; configure shorter intervals", retry.Enough, longest))
	}
	return &Retries{
		c: c, policy: policy, tries: tries, failure: moment(failure),
		series: retry.Series{Policy: policy.Scaled(c.Scale), Second: c.Scaled(time.Second)},
	}
}

// LengthenRetry gives a device whose parameter makes it retry after one second a longer interval, which is put back at the end, and says
// whether it did: a device that counts whole seconds is granted one, which would leave no difference between that and a retry at once.
func (c *Case) LengthenRetry(object, param string) (lengthened bool) {
	const longer = "5"
	if text, err := c.Read(object + param); err != nil || text != "1" {
		return false
	}
	c.Restore(object, param)
	if err := expect.Type(c.Agent.Set(c, false, usp.Update(object, usp.Params{param: longer}, nil)), usp.SetResp); err != nil {
		c.Note("the device keeps its %s of 1 s, so that a retry at once is not told from one in time: %v", param, err)
		return false
	}
	c.SettleConnection()
	return true
}

// Next awaits the next retry and wants its wait to be within its window. A note tells the reader of
// the report.
func (r *Retries) Next(m *Metric) {
	c := r.c
	c.Extend(r.policy.Window(len(r.series.Retries) + 1).Most)
	r.awaitRefusal()
	window, late := r.series.Next(), c.Waits().Tolerance+c.Lag()
	var opened *journal.Event
	// an attempt that was opened in time may take a while to show itself, over TLS above all
	patience := window.Most + late + c.ResponseWait().D
	attempt, err := c.Await("retry", Wait{D: patience, From: r.failure.At}, r.failure.Seq, func(e *journal.Event) error {
		if err := r.tries(e); err != nil {
			return err
		}
		if opened = r.opening(e); opened == nil {
			return journal.ErrSkip // of a connection that was there before
		}
		return nil
	})
	r.series.Grant = retry.Grant{Early: r.series.Second + c.Stall(), Late: late}
	if attempt == nil {
		if c.cutShort(err) {
			m.Must(err)
		}
		m.Must(r.series.Late(r.failure), r.failure.Seq)
	}
	r.attempt = attempt
	err = r.series.Add(r.failure, moment(opened))
	c.NoteRetry(r.series.Retries[len(r.series.Retries)-1])
	m.Must(err, r.failure.Seq, attempt.Seq)
}

// NoteRetry puts a retry into the report, in words and on the time line of the case's retries.
func (c *Case) NoteRetry(r retry.Retry) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	c.retries = append(c.retries, result.Retry{
		N: r.N, Failure: uint64(r.Failure.Seq), Attempt: uint64(r.Attempt.Seq),
		WaitMS: ms(r.Wait()), LeastMS: ms(r.Window.Least), MostMS: ms(r.Window.Most),
	})
	c.Note("%s", r)
}

// Rest awaits the retries that are needed for a verdict. accept makes the broker let in the attempt
// that comes next: it is called before the last one, so that the device is back after it.
func (r *Retries) Rest(m *Metric, accept func()) {
	for {
		open, err := r.series.Doubt()
		m.Must(err)
		if !open && len(r.series.Retries) >= retry.Enough-1 {
			break
		}
		r.Next(m)
	}
	r.awaitRefusal() // or accept would let in the attempt that is there
	accept()
	r.Next(m)
	_, err := r.series.Doubt()
	m.Must(err)
}

// awaitRefusal awaits what the last attempt, if there was one, is answered: the failure that the next retry follows.
func (r *Retries) awaitRefusal() {
	if r.attempt == nil {
		return
	}
	refused, err := r.c.Await("refusal of the attempt", r.c.ResponseWait(), r.attempt.Seq, r.refuses)
	r.c.LabMust(err)
	r.failure = moment(refused)
}

// refuses matches what the harness does about the last attempt: its answer, or that it ends the connection without one. An attempt is
// refused as soon as it is read, so that no device that waits for the answer can end it before.
func (r *Retries) refuses(e *journal.Event) error {
	if e.Conn != r.attempt.Conn || e.Dir != journal.Out || e.Layer == journal.LayerTLS {
		return journal.ErrSkip
	}
	return nil
}

// opening is the event of the connection of e being opened after the last failure, nil when it was
// opened before.
func (r *Retries) opening(e *journal.Event) *journal.Event {
	for _, opened := range r.c.Journal.Since(r.failure.Seq) {
		if opened.Conn == e.Conn && opened.Opens() {
			return opened
		}
	}
	return nil
}

func moment(e *journal.Event) retry.Moment { return retry.Moment{At: e.At, Seq: e.Seq} }

// STOMPRetryPolicy is the retry rule of a STOMP connection with the values of its row. A parameter that is not there counts as its default
// (TR-181).
func (c *Case) STOMPRetryPolicy(row string, values usp.Params) retry.Policy {
	number := func(name string, otherwise uint64) uint64 {
		text, ok := values[row+name]
		if !ok {
			c.Note("the device has no %s, which counts as its default, %d", name, otherwise)
			return otherwise
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			c.DeviceMust(&usp.Mismatch{Where: row + name, Want: "an unsignedInt", Got: usp.Quote(text)})
		}
		return n
	}
	seconds := func(n uint64) time.Duration { return time.Duration(n) * time.Second }
	p := retry.Policy{
		Initial: seconds(number("ServerRetryInitialInterval", 60)), Multiplier: number("ServerRetryIntervalMultiplier", 2000),
		Max: seconds(number("ServerRetryMaxInterval", 30720)), FromZero: true,
	}
	c.Note("the wait before retry n is between 0 and %s * %v^(n-1), at most %s", p.Initial, float64(p.Multiplier)/1000, p.Max)
	return p
}
