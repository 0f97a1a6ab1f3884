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

// retained is how many failed reports the profiles of judgeRetained keep, except for the one that keeps all.
const (
	retained    = 2
	retainedAll = -1 // as many as possible
)

const retainedParam = "NumberOfRetainedFailedReports"

// keeper is a profile that retains failed reports: this many, or retainedAll.
type keeper struct {
	*profile
	keeps int
}

// judgeRetained holds the device to what TR-181 says of failed reports: those before it go with the next one, as many as the profile is set
// to and no more, the oldest first, and not again when the collector has taken them. Each encoding that the device offers has a profile of
// its own for it, with a short interval and without retries; a further one retains as many as possible.
func judgeRetained(c *harness.Case, what *collection) {
	offers, err := c.Read(bulkData + "EncodingTypes")
	c.DeviceMust(err)
	var keepers []*keeper
	for _, one := range []struct {
		encodingType string
		keeps        int
	}{{"JSON", retained}, {"CSV", retained}, {encodingType(c), retainedAll}} {
		if offered(offers, one.encodingType) {
			if k := addKeeper(c, what, one.encodingType, one.keeps); k != nil {
				keepers = append(keepers, k)
			}
		}
	}
	if len(keepers) == 0 {
		return
	}
	c.Extend((retained + 3) * keepers[0].every)
	c.HTTP().StatusAlways(503)
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
	c.HTTP().Reset()
	if !arrive(2, c.Journal.Mark()) {
		return
	}
	for _, p := range keepers {
		p.judgeRetained(what)
		p.judgeUntimed()
	}
}

// addKeeper adds a profile that retains failed reports. It returns nil where the device has no room for one, or cannot retain that many.
func addKeeper(c *harness.Case, what *collection, encodingType string, keeps int) *keeper {
	p := &profile{carrier: overHTTP(c), c: c, every: shortInterval(c), created: c.Journal.Mark()}
	optional := usp.Params{retainedParam: fmt.Sprint(keeps), "HTTP.RetryEnable": "false"}
	if encodingType == "CSV" {
		optional["CSVEncoding.RowTimestamp"] = "None"
	}
	if !p.addBesides(what, encodingType, optional) {
		return nil
	}
	if got := p.set[retainedParam]; got != fmt.Sprint(keeps) {
		c.Note("%s of a profile is %s, and cannot be set to %d", retainedParam, usp.Quote(got), keeps)
		return nil
	}
	return &keeper{p, keeps}
}

// shortInterval is the shortest interval in which whole seconds tell two reports apart.
func shortInterval(c *harness.Case) time.Duration {
	return max(shortest, leastInterval(c), time.Duration(c.Scale*float64(1500*time.Millisecond)))
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

// judgeRetained judges what each transfer brings: the reports that have failed before it and its own. TR-369 lets a device that cannot
// retain them all delete the oldest, so fewer are a note. None at all are a fault: a failed report is to be appended to the next.
func (p *keeper) judgeRetained(what *collection) {
	p.c.Beyond("TR-181, BulkData.Profile.{i}."+retainedParam, func(m *harness.Metric) {
		var failed []string // the reports that the collector has refused, as they were in the last transfer
		lacks, n := 0, 0
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
			if len(failed) > 0 && own == failed[len(failed)-1] {
				failed = failed[:len(failed)-1] // tried again
			}
			fewer, err := p.keptOf(where, failed, got)
			m.Must(err, e.Seq)
			lacks = max(lacks, fewer)
			if failed = got; p.taken(e) {
				failed = nil
			}
		}
		if lacks > 0 {
			p.c.Note("%s, %s %d: up to %d failed reports are missing, as TR-369 allows where a device cannot retain more",
				p.format.name(), retainedParam, p.keeps, lacks)
		}
	})
}

// judgeUntimed wants no time in the reports of a profile that is set to none.
func (p *keeper) judgeUntimed() {
	format, name, param := p.timestamp()
	if format != "None" {
		return
	}
	p.c.Beyond("TR-181, "+param, func(m *harness.Metric) {
		p.transfers = nil
		for _, e := range p.c.Journal.Since(p.enabled) {
			if p.carries(e) {
				p.transfers = append(p.transfers, e)
			}
		}
		p.each(m, func(where string, r *report) error {
			_, err := timesIn(where+": "+name, format, p.format.name(), r.time)
			return err
		})
	})
}

// keptOf wants a transfer to bring the last of the reports that have failed, in their order, and its own. It returns how many it lacks.
func (p *keeper) keptOf(where string, failed, got []string) (fewer int, err error) {
	may := failed
	if p.keeps != retainedAll {
		may = failed[max(0, len(failed)-p.keeps):]
	}
	kept := got[:len(got)-1]
	fewer = len(may) - len(kept)
	if fewer < 0 || !slices.Equal(may[fewer:], kept) || len(may) > 0 && len(kept) == 0 {
		want := append(slices.Clone(may), got[len(got)-1])
		return 0, &usp.Mismatch{Where: where + ": report instances, oldest first", Want: shortList(want), Got: shortList(got)}
	}
	return fewer, nil
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
