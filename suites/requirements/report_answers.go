package requirements

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/retry"
)

// reportAnswers is R-BULK.2: which answers of a collector make a report come again. Those that do not succeed follow each other in one
// report, so that the retries for each are seen in one interval.
func reportAnswers(c *harness.Case) {
	failures := []int{http.StatusInternalServerError, http.StatusNotFound, http.StatusUnauthorized}
	policy := retry.Policy{Initial: time.Second, Multiplier: 1000} // each wait is a second
	every := reportingInterval(c, 40*time.Second)
	c.Extend(2 * every)
	c.Step(1, "add a profile with retries that reports on itself every %s, and enable it", every)
	row := retryingProfile(c, every, policy)
	c.HTTP().Status(append(failures, http.StatusTemporaryRedirect, http.StatusAccepted, http.StatusNoContent)...)
	mark, _ := enableProfile(c, row)
	c.Step(2, "let the collector answer %d, %d, and 202 at last", failures, http.StatusTemporaryRedirect)
	patience := harness.Wait{D: c.Scaled(2*every+10*time.Second) + c.Waits().Tolerance + c.Lag()}
	first, err := c.Await("transfer to the collector", patience, mark, brings)
	c.DeviceMust(err)
	due := first.At.Add(c.Scaled(every) - c.ScaledTolerance(5*time.Second) - c.Stall()) // what comes from then on may be the next report
	last := first
	again := func(m *harness.Metric, status int) {
		wait := harness.Wait{D: c.Scaled(policy.Longest(1)) + c.ScaledTolerance(3*time.Second) + c.Lag(), From: last.At}
		next, err := c.Await(fmt.Sprintf("further transfer of a report that was answered with %d", status), wait, last.Seq, func(e *journal.Event) error {
			if err := brings(e); err != nil || e.At.Before(due) {
				return err
			}
			return errors.New("it comes when the next report is due")
		})
		m.Must(err, last.Seq)
		m.Saw(next.Seq)
		last = next
	}
	if !c.Metric(1, func(m *harness.Metric) {
		for _, status := range failures {
			again(m, status)
		}
	}) {
		return
	}
	if !c.Metric(2, func(m *harness.Metric) { again(m, http.StatusTemporaryRedirect) }) {
		return
	}
	c.Step(3, "wait for the next report, which the collector answers with 204")
	c.Metric(3, func(m *harness.Metric) {
		next, err := c.Await("next report", patience, last.Seq, brings)
		m.Must(err, last.Seq)
		if next.At.Before(due) {
			m.Must(expect.Nothing("transfers of a report that was answered with 202", next.Text), last.Seq, next.Seq)
		}
		c.MustBeQuiet(m, "transfers of a report that was answered with 204", policy.Longest(1)+3*time.Second, next.Seq, brings)
	})
}

// brings matches what carries a report of the profile to the collector, or to where it leads.
func brings(e *journal.Event) error {
	r, ok := e.Body.(*collector.Request)
	if ok && (r.Path == reportURL || r.Path == reportURL+collector.Elsewhere) && (r.Method == http.MethodPost || r.Method == http.MethodPut) {
		return nil
	}
	return journal.ErrSkip
}
