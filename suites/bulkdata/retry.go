package bulkdata

import (
	"errors"
	"strconv"
	"time"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/retry"
	"github.com/usptest/usptest/harness/usp"
)

// failures is how often the collector refuses a report in 10.7, before it takes it.
const failures = 3

// retried is 10.7: a report that the collector refuses is sent again, in intervals that grow, until it is taken.
func retried(c *harness.Case) {
	policy := retry.Policy{Initial: 5 * time.Second, Multiplier: 2000}
	what, by := upTimeAlone(c), overHTTP(c)
	// an interval that the longest waits fit in, and the wait that would follow them: the next report would end them
	p := addProfile(c, intervalFrom(c, policy.Longest(failures+1)+20*time.Second), encodingType(c), by,
		usp.Params{"HTTP.RetryEnable": "true", "HTTP.RetryMinimumWaitInterval": "5", "HTTP.RetryIntervalMultiplier": "2000"})
	what.add(p)
	c.Step(5, "let the collector answer 503 %d times", failures)
	c.HTTP().Status(503, 503, 503)
	p.enable(6)
	c.Step(7, "wait for the first attempt and %d retries", failures)
	attempts, passed := retries(c, p, policy)
	if !passed {
		return
	}
	c.Step(10, "wait for the next report")
	last := attempts[failures]
	var surplus, next *journal.Event
	until := c.Scaled(2*p.every+10*time.Second) + c.Waits().Tolerance + c.Lag() - last.At.Sub(p.enabledAt)
	c.Metric(1, func(m *harness.Metric) {
		m.Saw(last.Seq)
		_, err := c.Await("second transfer that the collector takes", harness.Wait{D: until, From: last.At}, last.Seq, func(e *journal.Event) error {
			switch {
			case !p.carries(e):
				return journal.ErrSkip
			case e.At.Before(due(c, p, attempts[0]).Add(-c.ScaledTolerance(slack) - c.Stall())):
				surplus = e
				return errors.New("it comes before the interval has ended")
			}
			next = e
			return nil
		})
		if next != nil {
			err = nil
			m.Saw(next.Seq)
		}
		m.Must(err)
	})
	c.Metric(4, func(m *harness.Metric) {
		if surplus != nil {
			m.Must(&usp.Mismatch{Where: "transfers between the one that the collector has taken and the next interval", Want: "none",
				Got: "one after " + rounded(surplus.At.Sub(last.At))}, last.Seq, surplus.Seq)
		}
		m.Saw(last.Seq)
	})
	p.transfers = attempts
	if next != nil {
		p.transfers = append(p.transfers, next)
	}
	p.identified(3)
	if next != nil {
		p.afterRetries(what)
		judgeRetained(c, what)
	}
}

// due is when the interval ends that began with the one whose end was the first attempt.
func due(c *harness.Case, p *profile, first *journal.Event) time.Time {
	return first.At.Add(c.Scaled(p.every))
}

// retries judges in metric 2 the retries of the first report. attempts are the first one and the retries.
func retries(c *harness.Case, p *profile, policy retry.Policy) (attempts []*journal.Event, passed bool) {
	passed = c.Metric(2, func(m *harness.Metric) {
		first, err := c.Await("first attempt", harness.Wait{D: c.Scaled(p.every+10*time.Second) + c.Waits().Tolerance + c.Lag()}, p.enabled, p.attempt)
		m.Must(err)
		attempts = append(attempts, first)
		series := retry.Series{Policy: policy.Scaled(c.Scale), Second: c.Scaled(time.Second)}
		for attempt := first; len(attempts) <= failures; attempts = append(attempts, attempt) {
			refused, err := c.Await("answer of the collector", c.ResponseWait(), attempt.Seq, func(e *journal.Event) error {
				if e.Conn != attempt.Conn || e.Layer != journal.LayerHTTP || e.Type != collector.Response {
					return journal.ErrSkip
				}
				return nil
			})
			c.LabMust(err)
			// the plan's own waits grant 3 s
			late, failure := c.ScaledTolerance(3*time.Second)+c.Lag(), retry.Moment{At: refused.At, Seq: refused.Seq}
			attempt, err = c.Await("retry", harness.Wait{D: series.Next().Most + late, From: refused.At}, refused.Seq, p.attempt)
			if attempt == nil {
				if c.Err() == nil {
					err = series.Late(failure)
				}
				m.Must(err, failure.Seq)
			}
			series.Grant = retry.Grant{Early: series.Second + c.Stall(), Late: late}
			err = series.Add(failure, retry.Moment{At: attempt.At, Seq: attempt.Seq})
			c.NoteRetry(series.Retries[len(series.Retries)-1])
			m.Must(err, failure.Seq, attempt.Seq)
		}
	})
	return attempts, passed
}

// attempt matches what carries a report of the profile.
func (p *profile) attempt(e *journal.Event) error {
	if p.carries(e) {
		return nil
	}
	return journal.ErrSkip
}

// afterRetries judges what lies beyond the metrics: each attempt brings the same report, and the next one brings a later report alone.
func (p *profile) afterRetries(what *collection) {
	if !p.readable() {
		return
	}
	p.reportsOn(what)
	first, last := p.transfers[0], p.transfers[len(p.transfers)-1]
	p.c.Beyond("TR-369, bulk data, failed reports", func(m *harness.Metric) {
		var before string
		for n, e := range p.transfers {
			data := p.data(m, n)
			reports, err := p.format.reports(data, false)
			m.Must(at(p.where(n+1), err), e.Seq)
			if len(reports) != 1 {
				m.Must(&usp.Mismatch{Where: p.where(n+1) + ": number of report instances",
					Want: "1, for NumberOfRetainedFailedReports is 0", Got: strconv.Itoa(len(reports))}, e.Seq)
			}
			if now := reports[0].values[upTime].text; e != last && n > 0 && now != before {
				m.Must(&usp.Mismatch{Where: p.where(n+1) + ": " + upTime, Want: "that of the report which failed, " + usp.Quote(before), Got: usp.Quote(now)}, first.Seq, e.Seq)
			} else {
				before = now
			}
		}
	})
	p.transfers = []*journal.Event{first, last}
	what.finePrint(p)
}
