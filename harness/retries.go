package harness

import (
	"fmt"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/retry"
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
	if longest := policy.Longest(retry.Enough); longest > patientRetries {
		c.LabMust(fmt.Errorf("%d retries of the device may take %s; configure shorter intervals", retry.Enough, longest))
	}
	return &Retries{
		c: c, policy: policy, tries: tries, failure: moment(failure),
		series: retry.Series{Policy: policy.Scaled(c.Scale), Second: c.Scaled(time.Second)},
	}
}

// Next awaits the next retry and wants its wait to be within its window. A note tells the reader of
// the report.
func (r *Retries) Next(m *Metric) {
	c := r.c
	c.Extend(r.policy.Window(len(r.series.Retries) + 1).Most)
	if r.attempt != nil {
		refused, err := c.Await("refusal of the attempt", c.ResponseWait(), r.attempt.Seq, r.refuses)
		c.LabMust(err)
		r.failure = moment(refused)
	}
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
	c.Note("%s", r.series.Retries[len(r.series.Retries)-1])
	m.Must(err, r.failure.Seq, attempt.Seq)
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
	accept()
	r.Next(m)
	_, err := r.series.Doubt()
	m.Must(err)
}

// refuses matches the harness's answer to the last attempt, or the end of its connection.
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
		if opened.Conn == e.Conn && opened.Layer == journal.LayerTCP && opened.Type == "open" {
			return opened
		}
	}
	return nil
}

func moment(e *journal.Event) retry.Moment { return retry.Moment{At: e.At, Seq: e.Seq} }
