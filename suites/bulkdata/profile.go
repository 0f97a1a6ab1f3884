package bulkdata

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

const (
	bulkData = "Device.BulkData."
	profiles = bulkData + "Profile."
	upTime   = "UpTime" // the name of the parameter that most profiles report
)

// interval is the shortest ReportingInterval that the plan allows: a minute, or what the device can do.
func interval(c *harness.Case) time.Duration { return intervalFrom(c, time.Minute) }

// leastInterval is what the device says it can do, 0 for anything.
func leastInterval(c *harness.Case) time.Duration {
	const param = bulkData + "MinReportingInterval"
	text, err := c.Read(param)
	c.DeviceMust(err)
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		c.DeviceMust(&usp.Mismatch{Where: param, Want: "an unsignedInt", Got: usp.Quote(text)})
	}
	return time.Duration(seconds) * time.Second
}

// intervalFrom is an interval of at least least that the device can do. The budget of the case is for two of the plan's.
func intervalFrom(c *harness.Case, least time.Duration) time.Duration {
	every := max(leastInterval(c), least)
	c.Extend(2 * max(0, every-time.Minute)) // two reports are awaited
	return every
}

// carrier is how the reports of a profile come: in requests to the collector, in Push! events or in PUBLISH packets.
type carrier interface {
	// settings are those of a profile whose reports come so.
	settings() usp.Params
	// what names some of what carries a report, where the nth of them.
	what() string
	where(n int) string
	// carries reports whether an event carries a report of the profile.
	carries(e *journal.Event) bool
	// content returns the report in such an event, as it was before it was compressed.
	content(e *journal.Event) ([]byte, error)
	// judge holds the event against what TR-369 and TR-181 say of it beyond the plan.
	judge(c *harness.Case, p *profile, n int, e *journal.Event)
}

// profile is one row of the table of profiles, with what it is set to and what has come from it.
type profile struct {
	carrier
	c      *harness.Case
	path   string // its row
	every  time.Duration
	format encoding
	clock  *clock

	set       usp.Params   // all its parameters by path below the row
	created   journal.Mark // the mark before it was added
	enabled   journal.Mark // the mark before it was enabled
	enabledAt time.Time    // when the device had answered that it is
	transfers []*journal.Event
}

// addProfile carries out steps 1 to 3: it adds a profile that is not enabled, and deletes it at the end.
func addProfile(c *harness.Case, every time.Duration, encodingType string, by carrier, more usp.Params) *profile {
	p := &profile{carrier: by, c: c, every: every, created: c.Journal.Mark(), clock: readClock(c)}
	settings := by.settings()
	for name, value := range more {
		settings[name] = value
	}
	settings["EncodingType"] = encodingType
	settings["Alias"] = c.Fresh("profile")
	settings["ReportingInterval"] = strconv.Itoa(int(every.Seconds()))
	c.Step(1, "add a profile for %s and %s, every %s s", settings["Protocol"], encodingType, settings["ReportingInterval"])
	p.path = c.Add(profiles, nil, settings).Path
	p.format = p.encoding(encodingType)
	return p
}

// encoding reads what the profile is set to, and returns what reads its reports.
func (p *profile) encoding(encodingType string) encoding {
	values, err := p.c.ReadAll(p.path)
	p.c.DeviceMust(err)
	p.set = usp.Params{}
	for path, value := range values {
		p.set[strings.TrimPrefix(path, p.path)] = value
	}
	if encodingType == "JSON" {
		return jsonEncoding{format: p.set["JSONEncoding.ReportFormat"]}
	}
	e := newCSV(p.set["CSVEncoding.FieldSeparator"], p.set["CSVEncoding.RowSeparator"], p.set["CSVEncoding.EscapeCharacter"])
	e.format = p.set["CSVEncoding.ReportFormat"]
	return e
}

// enable enables bulk data and the profile. What Device.BulkData.Enable was is restored at the end.
func (p *profile) enable(step int) {
	p.c.Step(step, "enable bulk data and the profile")
	p.c.Restore(bulkData, "Enable")
	p.enabled = p.c.Journal.Mark()
	on := usp.Params{"Enable": "true"}
	p.c.DeviceMust(expect.Type(p.c.Agent.Set(p.c, false, usp.Update(bulkData, on, nil), usp.Update(p.path, on, nil)), usp.SetResp))
	p.enabledAt = time.Now()
}

// twoReports waits for two reports in two intervals and 10 s, wherever they lie, and judges in a metric that they came.
func (p *profile) twoReports(metric, step int) (passed bool) {
	p.c.Step(step, "wait for two %s", p.what())
	err := p.await(2)
	if by, ok := p.carrier.(posted); ok && err != nil {
		by.distrust(p.c, p.enabled)
	}
	return p.c.Metric(metric, func(m *harness.Metric) {
		for _, e := range p.transfers {
			m.Saw(e.Seq)
		}
		m.Must(err)
	})
}

// await waits for the first n reports after the profile was enabled.
func (p *profile) await(n int) error {
	c, number := p.c, map[int]string{1: "one", 2: "two"}[n]
	p.transfers = nil
	longest := harness.Wait{D: c.Scaled(2*p.every+10*time.Second) + c.Waits().Tolerance + c.Lag(), From: p.enabledAt}
	_, err := c.Await(number+" "+p.what(), longest, p.enabled, func(e *journal.Event) error {
		if !p.carries(e) {
			return journal.ErrSkip
		}
		if p.transfers = append(p.transfers, e); len(p.transfers) < n {
			return errors.New("the only one")
		}
		return nil
	})
	return err
}

// data returns the report in the nth transfer, from 0.
func (p *profile) data(m *harness.Metric, n int) []byte {
	e := p.transfers[n]
	data, err := p.content(e)
	m.Must(at(p.where(n+1), err), e.Seq)
	return data
}

// wellFormed judges in a metric that every transfer can be read.
func (p *profile) wellFormed(metric int) (passed bool) {
	return p.c.Metric(metric, func(m *harness.Metric) {
		for n := range p.transfers {
			m.Must(at(p.where(n+1), p.format.wellFormed(p.data(m, n))))
		}
	})
}

// holds judges in a metric every report instance of every transfer. alone says that nothing else may be in it, and read literally, the plan
// forbids even the time of collection.
func (p *profile) holds(metric int, alone bool, check func(where string, r *report) error) (passed bool) {
	return p.c.Metric(metric, func(m *harness.Metric) {
		byLetter := alone && p.c.Strict("report-envelope")
		for n := range p.transfers {
			where := p.where(n + 1)
			reports, err := p.format.reports(p.data(m, n), byLetter)
			m.Must(at(where, err))
			m.Must(expect.AtLeast(where+": number of report instances", 1, len(reports)))
			for i := range reports {
				m.Must(expect.SameSet(where+": names that are in one report twice", nil, reports[i].twice))
				m.Must(check(where, &reports[i]))
			}
		}
	})
}

// readable reports whether every transfer can be read, which no metric of some cases asks for.
func (p *profile) readable() bool {
	return p.c.Beyond("TR-369, encoding of bulk data", func(m *harness.Metric) {
		for n, e := range p.transfers {
			m.Must(at(p.where(n+1), p.format.wellFormed(p.data(m, n))), e.Seq)
		}
	})
}

// reportsOn judges what the reports hold where no metric does.
func (p *profile) reportsOn(what *collection) {
	p.c.Beyond("TR-369, bulk data, parameters of a report", func(m *harness.Metric) { p.each(m, what.holds) })
}

// at puts the place before an error. nil stays nil.
func at(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}

// offered reports whether a list parameter, such as Device.BulkData.EncodingTypes, has an entry.
func offered(list, entry string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool { return strings.TrimSpace(s) == entry })
}

// encodingType is JSON, or CSV on a device that does not offer JSON.
func encodingType(c *harness.Case) string {
	const param = bulkData + "EncodingTypes"
	list, err := c.Read(param)
	c.DeviceMust(err)
	for _, name := range []string{"JSON", "CSV"} {
		if offered(list, name) {
			return name
		}
	}
	c.DeviceMust(&usp.Mismatch{Where: param, Want: "JSON or CSV among them", Got: usp.Quote(list)})
	return ""
}
