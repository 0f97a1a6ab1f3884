package bulkdata

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// judgeOutage holds the device to what TR-369 says of reports that cannot be sent over MQTT: the broker of a client is away while reports of
// a profile are due that retains them and has them acknowledged. At least one of them comes when it is back, by itself or with a later one:
// TR-369 leaves the layout open, and lets a device that cannot retain them all delete the oldest. The broker is the case's own, for USP goes
// over that of the Link.
func judgeOutage(c *harness.Case, what *collection, client string, own *mqtt.Server) {
	if own == nil {
		client, own = c.MQTTClientBesides()
	}
	if client == "" {
		return
	}
	by := published{client, c.Fresh("outage")}
	p := &profile{carrier: by, c: c, every: shortInterval(c), created: c.Journal.Mark()}
	settings := usp.Params{retainedParam: strconv.Itoa(retained), "MQTT.PublishQoS": "1"}
	if !p.addBesides(what, encodingType(c), settings) {
		return
	}
	for name, want := range settings {
		if got := p.set[name]; got != want {
			c.Note("%s of a profile is %s, and cannot be set to %s: what becomes of failed reports over MQTT is not judged", name, usp.Quote(got), want)
			return
		}
	}
	away := c.Scaled(retained*p.every) + 200*time.Millisecond // until a little after a report is due
	c.Extend(away + 6*p.every + c.ReconnectWait().D)
	p.enabled = c.Journal.Mark()
	c.Set(p.path, usp.Params{"Enable": "true"})
	const source = "TR-181, BulkData.Profile.{i}.ReportingInterval"
	arrived := p.arrive(1, p.enabled)
	if arrived != nil && !slices.ContainsFunc(c.Journal.Since(0), func(e *journal.Event) bool {
		packet, ok := e.Body.(*mqtt.Packet)
		return ok && packet.Type == mqtt.Connect && own.Open(e.Conn)
	}) {
		c.Note("the device is not connected to the broker of a further MQTT client: what becomes of failed reports over MQTT is not judged")
		return
	}
	if !c.Beyond(source, func(m *harness.Metric) { m.Must(arrived) }) {
		return
	}
	own.Down()
	from := upTimeOf(c, what.reference)
	c.Pause(away)
	to := nextSecond(c, what.reference)
	mark := c.Journal.Mark()
	c.LabMust(own.Up())
	wait := harness.Wait{D: c.ReconnectWait().D + c.Scaled(3*p.every+10*time.Second) + c.Waits().Tolerance + c.Lag()}
	var came []uint64 // UpTime in each report since then
	var seen []journal.Mark
	_, err := c.Await("second of the "+p.what()+" that was collected after an outage of the broker", wait, mark, func(e *journal.Event) error {
		if !by.brings(e) {
			return journal.ErrSkip
		}
		seconds, err := p.upTimes(e)
		if seen, came = append(seen, e.Seq), append(came, seconds...); err == nil && later(came, to) < 2 {
			err = fmt.Errorf("%d so far", later(came, to))
		}
		return err
	})
	if !c.Beyond(source, func(m *harness.Metric) { m.Must(err, mark) }) {
		return
	}
	c.Beyond("TR-369, MQTT bulk data, failed reports", func(m *harness.Metric) { m.Must(fromOutage(came, from, to), seen...) })
}

// nextSecond waits until UpTime is another one, and returns it: what was collected before has an earlier one.
func nextSecond(c *harness.Case, param string) uint64 {
	const pace, most = 50 * time.Millisecond, 40
	now := upTimeOf(c, param)
	for before, tries := now, 0; now == before && tries < most; tries++ {
		c.Pause(pace)
		now = upTimeOf(c, param)
	}
	return now
}

// upTimes are the values of UpTime in the reports that an event carries.
func (p *profile) upTimes(e *journal.Event) (seconds []uint64, err error) {
	data, err := p.content(e)
	if err != nil {
		return nil, err
	}
	reports, err := p.format.reports(data, false)
	for _, r := range reports {
		now, err := strconv.ParseUint(r.values[upTime].text, 10, 32)
		if err != nil {
			return nil, err
		}
		seconds = append(seconds, now)
	}
	return seconds, err
}

// later counts the times that are not before one. A time that came twice counts once.
func later(times []uint64, from uint64) int {
	since := slices.DeleteFunc(slices.Clone(times), func(at uint64) bool { return at < from })
	slices.Sort(since)
	return len(slices.Compact(since))
}

// fromOutage wants one of the times of reports to be within an outage.
func fromOutage(came []uint64, from, to uint64) error {
	if slices.ContainsFunc(came, func(at uint64) bool { return from < at && at < to }) {
		return nil
	}
	return &usp.Mismatch{Where: fmt.Sprintf("%s in the reports that came after an outage of the broker, %s %d", upTime, retainedParam, retained),
		Want: fmt.Sprintf("one between %d and %d, of a report that failed", from, to), Got: fmt.Sprint(came[:min(len(came), 6)])}
}
