package bulkdata

import (
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// slack is how far the times of two reports may be off, each way: half of what the plan grants to two intervals.
const slack = 5 * time.Second

// finePrint judges the reports of a profile by what TR-369 and TR-181 say of them beyond the metrics of the plan. types are those of
// the parameters by their names in a report, as far as the device tells them.
func (p *profile) finePrint(types map[string]usp.ValueType) {
	p.beginsWhenEnabled()
	p.keepsInterval()
	for n, e := range p.transfers {
		p.judge(p.c, p, n+1, e)
		data, err := p.content(e)
		if err != nil {
			return // which a metric has told
		}
		reports, err := p.format.reports(data, false)
		p.c.Beyond("TR-181, ReportFormat of the encoding", func(m *harness.Metric) {
			m.Must(at(p.where(n+1), err), e.Seq)
			for _, r := range reports {
				m.Must(at(p.where(n+1), r.layout), e.Seq)
			}
		})
		for i := range reports {
			p.judgeTypes(n, &reports[i], types)
		}
		if csv, ok := p.format.(csvEncoding); ok {
			p.c.Beyond("R-BULK.12", func(m *harness.Metric) { m.Must(at(p.where(n+1), csv.judgeHeader(data)), e.Seq) })
			p.c.Beyond("TR-181, CSVEncoding.RowSeparator", func(m *harness.Metric) { m.Must(at(p.where(n+1), csv.judgeRows(data)), e.Seq) })
		}
	}
	p.judgeTimes()
	p.comesOnce()
}

// comesOnce wants no further report of the profile while the first two have been judged, unless its interval is over. What comes twice
// before that is judged by the interval.
func (p *profile) comesOnce() {
	if len(p.transfers) < 2 {
		return
	}
	second := p.transfers[1]
	p.c.Beyond("TR-181, BulkData.Profile.{i}.ReportingInterval", func(m *harness.Metric) {
		least := p.c.Scaled(p.every) - p.c.ScaledTolerance(slack) - p.c.Stall()
		for _, e := range p.c.Journal.Since(second.Seq) {
			if took := e.At.Sub(second.At); p.carries(e) && took < least {
				where := "time from " + p.where(2) + " to a third"
				m.Must(&usp.Mismatch{Where: where, Want: p.c.Scaled(p.every).String(), Got: rounded(took)}, second.Seq, e.Seq)
			}
		}
	})
}

// beginsWhenEnabled wants no report before the profile was enabled.
func (p *profile) beginsWhenEnabled() {
	p.c.Beyond("TR-181, BulkData.Profile.{i}.Enable", func(m *harness.Metric) {
		for _, e := range p.c.Journal.Since(p.created) {
			if e.Seq > p.enabled {
				return
			}
			if p.carries(e) {
				m.Must(expect.Nothing("reports of the profile before it was enabled", p.where(1)+", "+e.Text), e.Seq)
			}
		}
	})
}

// keepsInterval wants the first report within an interval and the second one an interval later. A neighbour, whose interval is short, has
// one report; that it came was judged when it was awaited.
func (p *profile) keepsInterval() {
	if len(p.transfers) < 2 {
		return
	}
	first := p.transfers[0]
	p.c.Beyond("TR-181, BulkData.Profile.{i}.ReportingInterval", func(m *harness.Metric) {
		most := p.c.Scaled(p.every) + p.c.ScaledTolerance(slack) + p.c.Lag()
		if took := first.At.Sub(p.enabledAt); took > most {
			m.Must(&usp.Mismatch{Where: "time from enabling to " + p.where(1), Want: "at most " + most.String(), Got: rounded(took)}, first.Seq)
		}
		second := p.transfers[1]
		least := p.c.Scaled(p.every) - p.c.ScaledTolerance(slack) - p.c.Stall()
		if took := second.At.Sub(first.At); took < least || took > most {
			m.Must(&usp.Mismatch{Where: "time from " + p.where(1) + " to " + p.where(2), Want: p.c.Scaled(p.every).String(), Got: rounded(took)},
				first.Seq, second.Seq)
		}
	})
}

func rounded(d time.Duration) string { return d.Round(time.Millisecond).String() }

// judgeTypes wants numbers and booleans as such in JSON, and the base type beside each value in CSV with a row for each parameter.
func (p *profile) judgeTypes(n int, r *report, types map[string]usp.ValueType) {
	for _, name := range r.names() {
		v, want := r.values[name], types[name]
		if want == usp.TypeUnknown {
			continue
		}
		where := v.named(p.where(n+1), name)
		switch {
		case p.format.name() == "JSON":
			p.c.Beyond("TR-369, bulk data, types of JSON", func(m *harness.Metric) {
				if want == usp.TypeDecimal && v.kind == kindNumber {
					return // TR-369 says nothing of decimals
				}
				if wanted := jsonKind(want); v.kind != wanted {
					m.Must(&usp.Mismatch{Where: where, Want: string(wanted) + " for the type " + usp.ValueTypeName(want),
						Got: string(v.kind) + ", " + usp.Quote(v.text)}, p.transfers[n].Seq)
				}
			})
		case p.format.layout() == parameterPerRow:
			p.c.Beyond("R-BULK.13", func(m *harness.Metric) {
				base := value{}
				if v.base != nil {
					base = *v.base
				}
				where := base.named(p.where(n+1), name) + ": ParameterType"
				m.Must(expect.Equal(where, usp.ValueTypeName(want), base.text), p.transfers[n].Seq)
			})
		}
	}
}

// jsonKind is the type of JSON for one of TR-106.
func jsonKind(t usp.ValueType) kind {
	switch t {
	case usp.TypeBoolean:
		return kindBoolean
	case usp.TypeInt, usp.TypeLong, usp.TypeUnsignedInt, usp.TypeUnsignedLong:
		return kindNumber
	}
	return kindString
}

// timestamp is what the profile is set to: the format of the time of collection, and the name and the parameter of it.
func (p *profile) timestamp() (format, name, param string) {
	if p.format.name() == "CSV" {
		return p.set["CSVEncoding.RowTimestamp"], reportTimestamp, "CSVEncoding.RowTimestamp"
	}
	return p.set["JSONEncoding.ReportTimestamp"], collectionTime, "JSONEncoding.ReportTimestamp"
}

// judgeTimes wants each report to say when it was collected, in the format of the profile, and that to be the time when it came: by the
// device's own clock, and by the time between two reports.
func (p *profile) judgeTimes() {
	format, name, param := p.timestamp()
	if format == "" {
		return
	}
	near := p.c.ScaledTolerance(slack) + p.c.Lag() + time.Second // the times are in whole seconds
	p.c.Beyond("TR-181, "+param, func(m *harness.Metric) {
		var earlier []time.Time
		for n, e := range p.transfers {
			where := p.where(n+1) + ": " + name
			data, err := p.content(e)
			m.Must(err, e.Seq)
			reports, err := p.format.reports(data, false)
			m.Must(err, e.Seq)
			last, err := newest(p.where(n+1), reports)
			m.Must(err, e.Seq)
			if last.time != nil {
				where = last.time.named(p.where(n+1), name)
			}
			times, err := timesIn(where, format, p.format.name(), last.time)
			m.Must(err, e.Seq)
			if format == "None" {
				continue
			}
			if now, known := p.clock.at(e.At); known && !anyNear(times, now, near) {
				m.Must(&usp.Mismatch{Where: where, Want: "the time of the report, by the device's clock " + now.UTC().Format(time.RFC3339),
					Got: times[0].UTC().Format(time.RFC3339)}, e.Seq)
			}
			if passed := e.At.Sub(p.transfers[0].At); n > 0 && !anyPassed(earlier, times, passed, near) {
				m.Must(&usp.Mismatch{Where: where, Want: rounded(passed) + " after that of " + p.where(1), Got: rounded(times[0].Sub(earlier[0]))}, e.Seq)
			}
			earlier = times
		}
	})
}

// newest is the last of the report instances in a transfer: earlier ones are retained. A device may send none.
func newest(where string, reports []report) (report, error) {
	if len(reports) == 0 {
		return report{}, expect.AtLeast(where+": number of report instances", 1, 0)
	}
	return reports[len(reports)-1], nil
}

// timesIn reads a time of collection. A number may count seconds, as in the examples of TR-369, or milliseconds, as in the text of TR-181:
// times has both.
func timesIn(where, format, encoding string, v *value) (times []time.Time, err error) {
	if format == "None" {
		if v != nil {
			return nil, expect.Nothing(where, usp.Quote(v.text))
		}
		return nil, nil
	}
	if v == nil {
		return nil, &usp.Mismatch{Where: where, Want: "a time, " + format, Got: "none"}
	}
	wanted := kindText
	if encoding == "JSON" {
		wanted = map[string]kind{"Unix-Epoch": kindNumber, "ISO-8601": kindString}[format]
	}
	number, numeric := strconv.ParseFloat(v.text, 64)
	moment, dated := usp.ParseDateTime(v.text)
	switch {
	case format == "Unix-Epoch" && numeric == nil && v.kind == wanted:
		return []time.Time{time.Unix(int64(number), 0), time.UnixMilli(int64(number))}, nil
	case format == "ISO-8601" && dated == nil && v.kind == wanted:
		return []time.Time{moment}, nil
	}
	return nil, &usp.Mismatch{Where: where, Want: string(wanted) + " in the format " + format, Got: string(v.kind) + ", " + usp.Quote(v.text)}
}

func anyNear(times []time.Time, now time.Time, near time.Duration) bool {
	for _, t := range times {
		if t.Sub(now).Abs() <= near {
			return true
		}
	}
	return false
}

// anyPassed reports whether so long has passed between two times, both read in the same unit.
func anyPassed(from, to []time.Time, passed, near time.Duration) bool {
	for i := range min(len(from), len(to)) {
		if (to[i].Sub(from[i]) - passed).Abs() <= near {
			return true
		}
	}
	return false
}

// clock is the device's own, as it was read once; nil when it has none.
type clock struct {
	ahead time.Duration // of the harness's
}

// readClock asks for Device.Time.CurrentLocalTime. A device without it has no clock, nor has one that says it is unknown.
func readClock(c *harness.Case) *clock {
	text, err := c.Read("Device.Time.CurrentLocalTime")
	if err != nil {
		return nil
	}
	now, err := usp.ParseDateTime(text)
	if err != nil || now.Year() < 2000 {
		return nil
	}
	return &clock{time.Until(now)}
}

// at is what the device's clock shows at a time of the harness's.
func (k *clock) at(t time.Time) (now time.Time, known bool) {
	if k == nil {
		return time.Time{}, false
	}
	return t.Add(k.ahead), true
}

// judge holds a request to what TR-369 and TR-181 say of its method and headers.
func (t posted) judge(c *harness.Case, p *profile, n int, e *journal.Event) {
	if n == 1 {
		t.noteServerName(c, p.enabled)
	}
	r, where := e.Body.(*collector.Request), p.where(n)
	if method := p.set["HTTP.Method"]; method != "" {
		c.Beyond("TR-181, BulkData.Profile.{i}.HTTP.Method", func(m *harness.Metric) { m.Must(expect.Equal(where+": method", method, r.Method), e.Seq) })
	}
	c.Beyond("R-BULK.7", func(m *harness.Metric) {
		m.Must(contentType(where+": Content-Type", p.format, r.Header.Get("Content-Type")), e.Seq)
	})
	if p.format.name() == "CSV" {
		c.Beyond("R-BULK.11", func(m *harness.Metric) { m.Must(headerPresent(where, r.Header.Get("Content-Type")), e.Seq) })
	}
	c.Beyond("R-BULK.8", func(m *harness.Metric) {
		got := strings.Trim(r.Header.Get("BBF-Report-Format"), `"`)
		if want := p.format.layout(); want != "" {
			m.Must(expect.Equal(where+": BBF-Report-Format", want, got), e.Seq)
		} else if got == "" {
			m.Must(&usp.Mismatch{Where: where + ": BBF-Report-Format", Want: "the layout of the report", Got: "none"}, e.Seq)
		}
	})
	if on, err := usp.ParseBool(p.set["HTTP.UseDateHeader"]); err == nil {
		const source = "TR-181, BulkData.Profile.{i}.HTTP.UseDateHeader"
		if dates := r.Header.Values("Date"); on {
			c.Beyond(source, func(m *harness.Metric) { m.Must(p.dated(where, dates, e.At), e.Seq) })
			c.Advise(source, func(m *harness.Metric) { m.Must(ofFixedLength(where, dates), e.Seq) })
		} else { // of which it says nothing
			c.Advise(source, func(m *harness.Metric) { m.Must(expect.SameSet(where+": Date", nil, dates), e.Seq) })
		}
	}
	if wanted := p.set["HTTP.Compression"]; wanted != "" {
		c.Beyond("TR-181, BulkData.Profile.{i}.HTTP.Compression", func(m *harness.Metric) {
			got := strings.ToLower(r.Header.Get("Content-Encoding"))
			if got == "identity" {
				got = ""
			}
			m.Must(expect.Equal(where+": Content-Encoding", strings.ToLower(strings.TrimPrefix(wanted, "None")), strings.TrimPrefix(got, "x-")), e.Seq)
		})
	}
}

// dateOf reads a date of HTTP, whose day may have one digit as in RFC 1123, section 5.2.14: RFC 2616, section 14.18, names its format.
func dateOf(text string) (time.Time, error) {
	if date, err := http.ParseTime(text); err == nil {
		return date, nil
	}
	return time.Parse("Mon, 2 Jan 2006 15:04:05 GMT", text)
}

// ofFixedLength wants dates whose day has two digits, as in RFC 2616, section 3.3.1.
func ofFixedLength(where string, dates []string) error {
	for _, text := range dates {
		if _, err := http.ParseTime(text); err != nil {
			return notADate(where+": Date", text)
		}
	}
	return nil
}

func notADate(where, got string) error {
	return &usp.Mismatch{Where: where, Want: "a date such as " + http.TimeFormat, Got: usp.Quote(got)}
}

// dated wants one Date in a request that came at a time: a date of HTTP that is the time of the request by the device's own clock. The
// request may have been on its way as long as a report may be late.
func (p *profile) dated(where string, got []string, at time.Time) error {
	where += ": Date"
	if len(got) != 1 {
		return expect.Count(where, 1, len(got))
	}
	date, err := dateOf(got[0])
	if err != nil {
		return notADate(where, got[0])
	}
	near := p.c.ScaledTolerance(slack) + p.c.Lag() + time.Second // it counts whole seconds
	if now, known := p.clock.at(at); known && date.Sub(now).Abs() > near {
		want := "the time of the request, by the device's clock " + now.UTC().Format(http.TimeFormat)
		return &usp.Mismatch{Where: where, Want: want, Got: usp.Quote(got[0])}
	}
	return nil
}

// contentType wants the media type of the encoding and a charset.
func contentType(where string, e encoding, text string) error {
	want := map[string]string{"JSON": "application/json", "CSV": "text/csv"}[e.name()]
	media, params, err := mime.ParseMediaType(text)
	if err != nil || media != want || params["charset"] == "" {
		return &usp.Mismatch{Where: where, Want: want + " with a charset", Got: usp.Quote(text)}
	}
	return nil
}

// headerPresent wants the media type of CSV to say that there is a header.
func headerPresent(where, text string) error {
	_, params, err := mime.ParseMediaType(text)
	return errors.Join(at(where+": Content-Type", err), expect.Equal(where+": header in the Content-Type", "present", params["header"]))
}
