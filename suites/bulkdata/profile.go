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
	upTime   = "UpTime" // the name of the one parameter that a profile reports
)

// interval is the shortest ReportingInterval that the plan allows: a minute, or what the device can do.
func interval(c *harness.Case) time.Duration {
	const param, shortest = bulkData + "MinReportingInterval", 60
	text, err := c.Read(param)
	c.DeviceMust(err)
	least, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		c.DeviceMust(&usp.Mismatch{Where: param, Want: "an unsignedInt", Got: usp.Quote(text)})
	}
	c.Extend(time.Duration(2*max(0, int64(least)-shortest)) * time.Second) // two reports are awaited
	return time.Duration(max(least, shortest)) * time.Second
}

// addProfile adds a profile that reports UpTime, not yet enabled, and deletes it in the end. settings are those of its transport.
func addProfile(c *harness.Case, every time.Duration, settings usp.Params) (path string) {
	settings["Alias"] = c.Fresh("profile")
	settings["ReportingInterval"] = strconv.Itoa(int(every.Seconds()))
	c.Step(1, "add a profile for %s and %s, every %s s", settings["Protocol"], settings["EncodingType"], settings["ReportingInterval"])
	path = c.Add(profiles, nil, settings).Path

	c.Step(4, "add Device.DeviceInfo.UpTime to %s under the name %s", path, upTime)
	c.Add(path+"Parameter.", nil, usp.Params{"Name": upTime, "Reference": "Device.DeviceInfo.UpTime"})
	return path
}

// enable enables bulk data and a profile, and returns the mark before. What Device.BulkData.Enable was is restored in the end.
func enable(c *harness.Case, profile string) (mark uint64) {
	c.Restore(bulkData, "Enable")
	mark = c.Journal.Mark()
	on := usp.Params{"Enable": "true"}
	c.DeviceMust(expect.Type(c.Agent.Set(c, false, usp.Update(bulkData, on, nil), usp.Update(profile, on, nil)), usp.SetResp))
	return mark
}

// twoReports waits for two reports in two intervals and 10 s, wherever they lie. what names several of them.
func twoReports(c *harness.Case, what string, every time.Duration, mark uint64, isReport func(*journal.Event) bool) ([]*journal.Event, error) {
	var reports []*journal.Event
	longest := harness.Wait{D: c.Scaled(2*every+10*time.Second) + c.Waits().Tolerance + c.Lag()}
	_, err := c.Await("two "+what, longest, mark, func(e *journal.Event) error {
		if !isReport(e) {
			return journal.ErrSkip
		}
		if reports = append(reports, e); len(reports) < 2 {
			return errors.New("the only one")
		}
		return nil
	})
	return reports, err
}

// judgeEncoding wants a transfer that can be read.
func judgeEncoding(m *harness.Metric, where string, e encoding, data []byte, seq uint64) {
	err := e.wellFormed(data)
	if err != nil {
		err = fmt.Errorf("%s: %w", where, err)
	}
	m.Must(err, seq)
}

// judgeReport wants every report instance in a transfer to hold UpTime and nothing else but the time of collection.
func judgeReport(m *harness.Metric, where string, e encoding, data []byte, seq uint64) {
	reports, err := e.reports(data)
	if err != nil {
		err = fmt.Errorf("%s: %w", where, err)
	}
	m.Must(err, seq)
	m.Must(expect.AtLeast(where+": number of report instances", 1, len(reports)))
	for _, r := range reports {
		m.Must(expect.SameSet(where+": names of the parameters", []string{upTime}, r.names()))
		value := r[upTime]
		if usp.Valid(usp.TypeUnsignedInt, value.text) != nil {
			m.Must(&usp.Mismatch{Where: where + ": " + upTime, Want: "an unsignedInt", Got: usp.Quote(value.text)})
		}
		if value.quoted {
			m.Note("%s is a JSON string, where TR-369 has a number for an unsignedInt", upTime)
		}
	}
}

// offered says whether a list parameter, such as Device.BulkData.EncodingTypes, has an entry.
func offered(list, entry string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool { return strings.TrimSpace(s) == entry })
}
