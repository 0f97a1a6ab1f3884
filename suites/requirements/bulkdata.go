package requirements

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/retry"
	"github.com/usptest/usptest/harness/usp"
)

const (
	bulkData  = "Device.BulkData."
	itself    = "own" // the name under which the profile reports on itself
	reportURL = "/r-bulk-12"
)

// reportRows is R-BULK.12, with what else TR-369 says of a report in rows, and R-BULK.4: each report counts its own retries. The profile
// reports on itself, so that its types are known.
func reportRows(c *harness.Case) {
	policy := retry.Policy{Initial: 2 * time.Second, Multiplier: 4000} // 2 to 8 s, then 8 to 32 s
	every := reportingInterval(c, 30*time.Second)
	c.Extend(3 * every)
	encoding := "CSV"
	if offers, err := c.Read(bulkData + "EncodingTypes"); err == nil && !slices.Contains(items(offers), encoding) {
		encoding = "JSON"
	}
	c.Step(1, "add a %s profile that reports on itself every %s, without what is excluded, and enable it", encoding, every)
	row := c.Add(bulkData+"Profile.", nil, usp.Params{
		"Alias": c.Fresh("profile"), "Protocol": "HTTP", "HTTP.URL": c.HTTP().URL + reportURL,
		"ReportingInterval": strconv.Itoa(int(every.Seconds())), "EncodingType": encoding,
	}).Path
	if encoding == "CSV" {
		c.Set(row+"CSVEncoding.", usp.Params{"ReportFormat": "ParameterPerRow"})
		c.Agent.Set(c, false, usp.Update(row+"CSVEncoding.", nil, usp.Params{"FieldSeparator": ",", "EscapeCharacter": `"`}))
	}
	c.Agent.Set(c, false, usp.Update(row+"HTTP.", nil, usp.Params{
		"RetryEnable": "true", "RetryMinimumWaitInterval": "2", "RetryIntervalMultiplier": "4000",
	}))
	c.Add(row+"Parameter.", nil, usp.Params{"Name": itself, "Reference": row})
	excluded := true
	for _, reference := range []string{row + "Alias", row + "HTTP."} {
		exclude := usp.Params{"Name": "excluded", "Reference": reference, "Exclude": "true"}
		excluded = excluded && c.AddBesides(row+"Parameter.", exclude, nil) != ""
	}
	on, err := c.Read(row + "HTTP.RetryEnable")
	retries, bad := usp.ParseBool(on)
	if retries = retries && err == nil && bad == nil; retries {
		c.HTTP().Status(503)
	}
	mark, _ := enableProfile(c, row)

	c.Step(2, "let the collector refuse the first transfer, and wait until it is sent again")
	patience := harness.Wait{D: c.Scaled(2*every+10*time.Second) + c.Waits().Tolerance + c.Lag()}
	first, err := c.Await("transfer to the collector", patience, mark, transfers)
	c.DeviceMust(err)
	again := first
	if retries {
		_, again, err = retried(c, policy, first)
		c.DeviceMust(err)
	}
	var names []string
	var passed bool
	if encoding == "JSON" {
		const why = "the device reports nothing in rows"
		c.NotApplicable(1, why)
		c.NotApplicable(2, why)
		names = namesInJSON(c, again)
	} else if separator, err := c.Read(row + "CSVEncoding.RowSeparator"); err != nil {
		c.DeviceMust(err)
	} else if names, passed = judgeRows(c, again, separator); !passed {
		return
	}
	if excluded {
		c.Metric(3, func(m *harness.Metric) {
			for _, name := range names {
				if name == itself+".Alias" || strings.HasPrefix(name, itself+".HTTP.") || strings.HasPrefix(name, "excluded") {
					m.Must(expect.Nothing("parameters of the report that are excluded", name), again.Seq)
				}
			}
			m.Must(expect.Contains("parameters of the report", []string{itself + ".Enable"}, names), again.Seq)
		})
	} else {
		c.NotApplicable(3, "the device does not let anything be excluded")
	}

	if !retries {
		c.NotApplicable(4, "the device does not let retries be enabled")
		return
	}
	c.Step(3, "let the collector refuse the first transfer of the next report, too")
	c.HTTP().Status(503)
	next, err := c.Await("transfer of the next report", patience, again.Seq, transfers)
	c.DeviceMust(err)
	c.Metric(4, func(m *harness.Metric) {
		refused, retry, err := retried(c, policy, next)
		if retry != nil {
			m.Must(err, refused, retry.Seq)
			m.Saw(refused, retry.Seq)
		}
		m.Must(err, refused)
	})
}

// retriesAfterBoot is R-BULK.5: a transfer is refused, and its first retry; after a reboot, the first retry comes as early as it did.
func retriesAfterBoot(c *harness.Case) {
	policy := retry.Policy{Initial: 2 * time.Second, Multiplier: 4000} // 2 to 8 s, then 8 to 32 s
	every := reportingInterval(c, 90*time.Second)                      // no further report comes while a retry is awaited
	c.Extend(4 * every)
	c.Step(1, "add a profile with retries that reports on itself every %s, and enable it", every)
	row := retryingProfile(c, every, policy)
	c.HTTP().StatusAlways(503)
	mark, old := enableProfile(c, row)

	c.Step(2, "let the collector refuse the first transfer and its first retry")
	patience := harness.Wait{D: c.Scaled(2*every+10*time.Second) + c.Waits().Tolerance + c.Lag()}
	first, err := c.Await("transfer to the collector", patience, mark, transfers)
	c.DeviceMust(err)
	_, _, err = retried(c, policy, first)
	c.DeviceMust(err)

	c.Step(3, "reboot the device, and let the collector refuse the first transfer after that")
	mark = c.Reboot()
	c.BackAfter(mark)
	if end := c.Ended(old, mark); end != nil {
		mark = end.Seq // what comes before may be of the device that goes down
	}
	next, err := c.Await("transfer after the reboot", patience, mark, transfers)
	c.DeviceMust(err)
	c.Metric(1, func(m *harness.Metric) {
		refused, again, err := retried(c, policy, next)
		if again != nil {
			m.Saw(again.Seq)
		}
		m.Must(err, refused)
	})
}

// retryingProfile adds a profile that reports on itself, with retries after a wait of whole seconds. It is not enabled.
func retryingProfile(c *harness.Case, every time.Duration, policy retry.Policy) (row string) {
	encoding := "JSON"
	if offers, err := c.Read(bulkData + "EncodingTypes"); err == nil && !slices.Contains(items(offers), encoding) {
		encoding = "CSV"
	}
	row = c.Add(bulkData+"Profile.", nil, usp.Params{
		"Alias": c.Fresh("profile"), "Protocol": "HTTP", "HTTP.URL": c.HTTP().URL + reportURL,
		"ReportingInterval": strconv.Itoa(int(every.Seconds())), "EncodingType": encoding,
	}).Path
	waits := usp.Params{"RetryMinimumWaitInterval": strconv.Itoa(int(policy.Initial.Seconds())),
		"RetryIntervalMultiplier": fmt.Sprint(policy.Multiplier)}
	settings := maps.Clone(waits)
	settings["RetryEnable"] = "true"
	c.Agent.Set(c, false, usp.Update(row+"HTTP.", nil, settings))
	c.Add(row+"Parameter.", nil, usp.Params{"Name": itself, "Reference": row + "Enable"})
	on, err := c.Read(row + "HTTP.RetryEnable")
	if retries, bad := usp.ParseBool(on); err != nil || bad != nil || !retries {
		c.Unsupported("the device does not let retries be enabled")
	}
	for name, want := range waits {
		if got, err := c.Read(row + "HTTP." + name); err != nil || got != want {
			c.Unsupported(fmt.Sprintf("the device does not let %s be set to %s", name, want))
		}
	}
	return row
}

// enableProfile enables bulk data and a profile. It returns the mark before that, and the connection of the answer.
func enableProfile(c *harness.Case, row string) (mark journal.Mark, conn uint64) {
	c.Restore(bulkData, "Enable")
	mark, enable := c.Journal.Mark(), usp.Params{"Enable": "true"}
	set := c.Agent.Set(c, false, usp.Update(bulkData, enable, nil), usp.Update(row, enable, nil))
	c.DeviceMust(expect.Type(set, usp.SetResp))
	return mark, set.Conn
}

// reportingInterval is the given one, or more where the device reports less often.
func reportingInterval(c *harness.Case, every time.Duration) time.Duration {
	if text, err := c.Read(bulkData + "MinReportingInterval"); err == nil {
		least, _ := strconv.Atoi(text)
		every = max(every, time.Duration(least)*time.Second)
	}
	return every
}

// transfers matches what carries a report of the profile.
func transfers(e *journal.Event) error {
	if r, ok := e.Body.(*collector.Request); ok && r.Path == reportURL {
		return nil
	}
	return journal.ErrSkip
}

// retried waits until a transfer that the collector refuses is sent again, and wants the wait to be that of a first retry. It returns the
// number of the refusal and the retry, which is nil where none comes.
func retried(c *harness.Case, policy retry.Policy, transfer *journal.Event) (refused journal.Mark, again *journal.Event, err error) {
	answer, err := c.Await("answer of the collector", c.ResponseWait(), transfer.Seq, func(e *journal.Event) error {
		if e.Conn != transfer.Conn || e.Layer != journal.LayerHTTP || e.Type != collector.Response {
			return journal.ErrSkip
		}
		return nil
	})
	c.LabMust(err)
	series := retry.Series{Policy: policy.Scaled(c.Scale), Second: c.Scaled(time.Second)}
	late, failure := c.ScaledTolerance(3*time.Second)+c.Lag(), retry.Moment{At: answer.At, Seq: answer.Seq}
	again, err = c.Await("retry", harness.Wait{D: series.Next().Most + late, From: answer.At}, answer.Seq, transfers)
	if again == nil {
		if c.Err() == nil {
			err = series.Late(failure)
		}
		return answer.Seq, nil, err
	}
	series.Grant = retry.Grant{Early: series.Second + c.Stall(), Late: late}
	err = series.Add(failure, retry.Moment{At: again.At, Seq: again.Seq})
	c.NoteRetry(series.Retries[0])
	return answer.Seq, again, err
}

// judgeRows judges a report in rows and returns its names. passed says that they could be read, or that the device speaks a version of USP
// that is not held to rows.
func judgeRows(c *harness.Case, transfer *journal.Event, separator string) (names []string, passed bool) {
	types := map[string]string{}
	if !c.Metric(1, func(m *harness.Metric) {
		request := transfer.Body.(*collector.Request)
		data, err := request.Content()
		m.Must(err, transfer.Seq)
		rows, err := tableOf(string(data), separator)
		m.Must(err, transfer.Seq)
		m.Must(expect.AtLeast("number of rows of the report", 2, len(rows)), transfer.Seq)
		columns := []string{"ParameterName", "ParameterValue", "ParameterType"}
		at := slices.Index(rows[0], columns[0]) // a time of the report may come first
		if at < 0 || at > 1 || !slices.Equal(columns, rows[0][at:]) {
			m.Must(expect.Equal("header of the report", fmt.Sprintf("%q", columns), fmt.Sprintf("%.200q", rows[0])), transfer.Seq)
		}
		for i, row := range rows[1:] {
			m.Must(expect.Count(fmt.Sprintf("row %d of the report: number of fields", i+1), len(rows[0]), len(row)), transfer.Seq)
			types[row[at]] = row[at+2]
			names = append(names, row[at])
		}
		enabled := slices.IndexFunc(rows, func(row []string) bool { return row[at] == itself+".Enable" })
		if enabled < 0 {
			m.Must(expect.Contains("names in the report", []string{itself + ".Enable"}, names), transfer.Seq)
		}
		m.Must(expect.Value("value of "+itself+".Enable", usp.TypeBoolean, "true", rows[enabled][at+1]), transfer.Seq)
	}) {
		return nil, false
	}
	c.Metric(2, func(m *harness.Metric) {
		for name, want := range map[string]string{
			"Enable": "boolean", "ReportingInterval": "unsignedInt", "TimeReference": "dateTime", "NumberOfRetainedFailedReports": "int",
			"Protocol": "string", "EncodingType": "string",
		} {
			if got, there := types[itself+"."+name]; there {
				m.Must(expect.Equal("ParameterType of "+itself+"."+name, want, got), transfer.Seq)
			}
		}
	})
	return names, true
}

// namesInJSON are the names of a report in JSON, in either layout.
func namesInJSON(c *harness.Case, transfer *journal.Event) (names []string) {
	data, err := transfer.Body.(*collector.Request).Content()
	c.DeviceMust(err)
	var all struct{ Report []map[string]any }
	c.DeviceMust(json.Unmarshal(data, &all))
	var collect func(prefix string, object map[string]any)
	collect = func(prefix string, object map[string]any) {
		for name, value := range object {
			if below, ok := value.(map[string]any); ok {
				collect(prefix+name+".", below)
			} else {
				names = append(names, prefix+name)
			}
		}
	}
	for _, instance := range all.Report {
		collect("", instance)
	}
	return names
}

// tableOf reads a report in rows. A separator of blanks is a line break that its XML lost.
func tableOf(data, separator string) ([][]string, error) {
	if separator = html.UnescapeString(separator); strings.TrimSpace(separator) != "" {
		data = strings.ReplaceAll(data, separator, "\n")
	}
	r := csv.NewReader(strings.NewReader(data))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	return r.ReadAll()
}
