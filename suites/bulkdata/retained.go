package bulkdata

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// retained is how many failed reports the profiles of judgeRetained keep.
const retained = 2

const retainedParam = "NumberOfRetainedFailedReports"

// judgeRetained holds the device to what TR-181 says of failed reports: those before it go with the next one, as many as the profile is set
// to and no more, the oldest first, and not again when the collector has taken them. Each encoding that the device offers has a profile of
// its own for it, with a short interval and without retries.
func judgeRetained(c *harness.Case, what *collection) {
	offers, err := c.Read(bulkData + "EncodingTypes")
	c.DeviceMust(err)
	var keepers []*profile
	for _, name := range []string{"JSON", "CSV"} {
		if offered(offers, name) {
			if p := addKeeper(c, what, name); p != nil {
				keepers = append(keepers, p)
			}
		}
	}
	if len(keepers) == 0 {
		return
	}
	c.Extend((retained + 3) * keepers[0].every)
	c.Collectors.HTTP.StatusAlways(503)
	for _, p := range keepers {
		p.enabled = c.Journal.Mark()
		c.Set(p.path, usp.Params{"Enable": "true"})
	}
	arrive := func(n int, mark journal.Mark) (all bool) {
		return c.Beyond("TR-181, BulkData.Profile.{i}.ReportingInterval", func(m *harness.Metric) {
			for _, p := range keepers {
				m.Must(p.arrive(n, mark))
			}
		})
	}
	if !arrive(retained+1, keepers[0].enabled) {
		return
	}
	c.Collectors.HTTP.Reset()
	if !arrive(2, c.Journal.Mark()) {
		return
	}
	for _, p := range keepers {
		p.judgeRetained(what)
	}
}

// addKeeper adds a profile that retains failed reports. A device without room for it, or that does not retain so many, has none.
func addKeeper(c *harness.Case, what *collection, encodingType string) *profile {
	every := max(shortest, leastInterval(c), time.Duration(c.Scale*float64(1500*time.Millisecond))) // whole seconds tell two reports apart
	p := &profile{carrier: overHTTP(c), c: c, every: every, created: c.Journal.Mark()}
	if !p.addBesides(what, encodingType, usp.Params{retainedParam: fmt.Sprint(retained), "HTTP.RetryEnable": "false"}) {
		return nil
	}
	if got := p.set[retainedParam]; got != fmt.Sprint(retained) {
		c.Note("%s of a profile is %s, and cannot be set to %d", retainedParam, usp.Quote(got), retained)
		return nil
	}
	return p
}

// arrive waits for n transfers of the profile after a mark.
func (p *profile) arrive(n int, mark journal.Mark) error {
	wait := harness.Wait{D: p.c.Scaled(time.Duration(n+1)*p.every+10*time.Second) + p.c.Waits().Tolerance + p.c.Lag()}
	got := 0
	_, err := p.c.Await(fmt.Sprintf("%d %s", n, p.what()), wait, mark, func(e *journal.Event) error {
		if !p.carries(e) {
			return journal.ErrSkip
		}
		if got++; got < n {
			return errors.New("not yet the last of them")
		}
		return nil
	})
	return err
}

// judgeRetained judges what each transfer brings: the reports that have failed before it and its own.
func (p *profile) judgeRetained(what *collection) {
	p.c.Beyond("TR-181, BulkData.Profile.{i}."+retainedParam, func(m *harness.Metric) {
		var failed []string // the reports that the collector has refused, as they were in the last transfer
		last := ""
		n := 0
		for _, e := range p.c.Journal.Since(p.enabled) {
			if !p.carries(e) {
				continue
			}
			n++
			where := p.format.name() + ", " + p.where(n)
			data, err := p.content(e)
			m.Must(at(where, err), e.Seq)
			reports, err := p.format.reports(data, false)
			m.Must(at(where, err), e.Seq)
			m.Must(expect.AtLeast(where+": number of report instances", 1, len(reports)), e.Seq)
			var got []string
			for i := range reports {
				m.Must(what.holds(where, &reports[i]), e.Seq)
				got = append(got, instance(&reports[i]))
			}
			own := got[len(got)-1]
			if own == last && len(failed) > 0 {
				failed = failed[:len(failed)-1] // tried again
			}
			want := append(slices.Clone(failed[max(0, len(failed)-retained):]), own)
			if !slices.Equal(got, want) {
				m.Must(&usp.Mismatch{Where: where + ": report instances, oldest first", Want: shortList(want), Got: shortList(got)}, e.Seq)
			}
			last, failed = own, append(failed, own)
			if p.taken(e) {
				failed = nil
			}
		}
	})
}

// instance names a report by the value and the time that tell it from the others.
func instance(r *report) string {
	text := upTime + " " + r.values[upTime].text
	if r.time != nil {
		text += " at " + r.time.text
	}
	return text
}

// shortList shows report instances in a line.
func shortList(instances []string) string {
	return fmt.Sprintf("%d: %s", len(instances), usp.Quote(strings.Join(instances[:min(len(instances), 6)], ", ")))
}

// taken reports whether the collector has taken a transfer.
func (p *profile) taken(transfer *journal.Event) bool {
	for _, e := range p.c.Journal.Since(transfer.Seq) {
		if e.Conn == transfer.Conn && e.Layer == journal.LayerHTTP && e.Type == collector.Response {
			return strings.Contains(e.Text, " 200 ")
		}
	}
	return false
}
