package bulkdata

import (
	"fmt"
	"strconv"
	"time"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/usp"
)

// uriParameters is 10.5 and 10.6: a parameter of the device is in the URI of its reports.
func uriParameters(to func(*harness.Case) posted) harness.Body {
	return func(c *harness.Case) {
		const reference = "Device.LocalAgent.UpTime"
		what := upTimeAlone(c)
		p := addProfile(c, interval(c), encodingType(c), to(c), nil)
		what.add(p)
		c.Step(5, "add %s to the URI under the name %s", reference, upTime)
		c.Add(p.path+"HTTP.RequestURIParameter.", nil, usp.Params{"Name": upTime, "Reference": reference})
		before := upTimeOf(c, reference)
		p.enable(6)
		if !p.twoReports(1, 7) {
			return
		}
		after := upTimeOf(c, reference)
		c.Metric(2, func(m *harness.Metric) {
			var seconds []uint64
			for n, e := range p.transfers {
				now, err := inURI(p.where(n+1), e.Body.(*collector.Request), before, after)
				m.Must(err, e.Seq)
				seconds = append(seconds, now)
			}
			least := max(0, p.transfers[1].At.Sub(p.transfers[0].At)-time.Second-c.Waits().Tolerance-c.Stall())
			if grown := time.Duration(int64(seconds[1])-int64(seconds[0])) * time.Second; grown < least.Truncate(time.Second) {
				m.Must(&usp.Mismatch{Where: upTime + " in the URI of " + p.where(2), Want: "at least " + rounded(least) + " more than in " + p.where(1),
					Got: fmt.Sprintf("%d after %d", seconds[1], seconds[0])})
			}
		})
		p.identified(3)
		if p.readable() {
			p.reportsOn(what)
			what.finePrint(p)
		}
	}
}

// upTimeOf reads how many seconds something on the device has run.
func upTimeOf(c *harness.Case, param string) uint64 {
	text, err := c.Read(param)
	c.DeviceMust(err)
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		c.DeviceMust(&usp.Mismatch{Where: param, Want: "an unsignedInt", Got: usp.Quote(text)})
	}
	return seconds
}

// inURI wants UpTime in the URI of a request once, with a value that the parameter had meanwhile.
func inURI(where string, r *collector.Request, before, after uint64) (seconds uint64, err error) {
	values := r.Query[upTime]
	if len(values) != 1 {
		return 0, &usp.Mismatch{Where: where + ": query of the URI", Want: upTime + " once", Got: usp.Quote(r.RawQuery)}
	}
	seconds, err = strconv.ParseUint(values[0], 10, 32)
	if err != nil || seconds < before || seconds > after {
		return 0, &usp.Mismatch{Where: where + ": " + upTime + " in the URI", Want: between(before, after), Got: usp.Quote(values[0])}
	}
	return seconds, nil
}
