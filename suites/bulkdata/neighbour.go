package bulkdata

import (
	"cmp"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// neighbour is a second profile beside that of a case, set otherwise in all that can be: another layout, method and format of time, and a
// short interval. It shows that what a profile is set to holds for its reports, and that they end when it is disabled. nil has none.
type neighbour struct {
	*profile
	what       *collection
	disabled   journal.Mark // the mark before it was disabled
	disabledAt time.Time
}

// shortest is the interval of a neighbour, where the device can do it.
const shortest = 5 * time.Second

// otherwise are the settings of a neighbour that a device need not support.
func otherwise(encodingType, layout string) usp.Params {
	if encodingType == "CSV" {
		return usp.Params{"CSVEncoding.ReportFormat": parameterPerRow, "CSVEncoding.RowTimestamp": "ISO-8601",
			"CSVEncoding.FieldSeparator": ";", "CSVEncoding.RowSeparator": "\n", "CSVEncoding.EscapeCharacter": "'"}
	}
	return usp.Params{"JSONEncoding.ReportFormat": cmp.Or(layout, nameValuePair), "JSONEncoding.ReportTimestamp": "ISO-8601"}
}

// addNeighbour adds one that is not enabled. A device without room for it is mentioned in a note.
func addNeighbour(p *profile, what *collection) *neighbour {
	c := p.c
	encodingType := p.format.name()
	every := max(shortest, leastInterval(c))
	n := &profile{c: c, every: every, created: c.Journal.Mark(), clock: p.clock}
	optional := otherwise(encodingType, what.layout)
	switch by := p.carrier.(type) {
	case posted:
		n.carrier = posted{by.url, "/" + c.Fresh("neighbour")}
		optional["HTTP.Method"], optional["HTTP.Compression"], optional["HTTP.UseDateHeader"] = "PUT", "GZIP", "false"
	case *pushed:
		n.carrier = &pushed{}
		optional[map[string]string{"CSV": "CSVEncoding.RowTimestamp", "JSON": "JSONEncoding.ReportTimestamp"}[encodingType]] = "None"
	case published:
		n.carrier = published{by.client, c.Fresh("neighbour")}
	}
	if !n.addBesides(what, encodingType, optional) {
		return nil
	}
	if by, ok := n.carrier.(*pushed); ok {
		by.profile, by.subscription = n.path, c.Fresh("neighbour")
		if c.AddBesides(harness.Subscriptions, usp.Params{"Enable": "true", "ID": by.subscription, "NotifType": "Event",
			"ReferenceList": n.path + push}, nil) == "" {
			return nil
		}
	}
	if encodingType == "CSV" && what.name == upTime {
		what = n.addQuoted(what)
	}
	return &neighbour{profile: n, what: what}
}

// quoted is the name of a parameter that has to be between escape characters in CSV, for it has a separator in it. It also has the escape
// character of the neighbour, and the standard one.
const quoted = `it's;"up`

// addQuoted adds a second parameter under that name to what a profile reports, where the device lets it have such a name.
func (n *profile) addQuoted(what *collection) *collection {
	entry := usp.Params{"Name": quoted, "Reference": what.reference}
	if n.c.AddBesides(n.path+"Parameter.", entry, nil) == "" {
		return what
	}
	both := *what
	both.holds = func(where string, r *report) error {
		if err := expect.SameSet(where+": names of the parameters", []string{quoted, upTime}, r.names()); err != nil {
			return err
		}
		return cmp.Or(valid(where, upTime, usp.TypeUnsignedInt, r.values[upTime]),
			valid(where, quoted, usp.TypeUnsignedInt, r.values[quoted]))
	}
	return &both
}

// addBesides adds the row of a profile that the plan does not have, and what it reports on. It reports whether the device has room for it.
func (p *profile) addBesides(what *collection, encodingType string, optional usp.Params) bool {
	required := p.settings()
	required["EncodingType"], required["ReportingInterval"] = encodingType, strconv.Itoa(int(p.every.Seconds()))
	if p.path = p.c.AddBesides(profiles, required, optional); p.path == "" {
		return false
	}
	entry := usp.Params{"Reference": what.reference}
	if what.name != "" {
		entry["Name"] = what.name
	}
	p.format = p.encoding(encodingType)
	return p.c.AddBesides(p.path+"Parameter.", entry, nil) != ""
}

// run enables the neighbour, waits for its first report and disables it again. Bulk data as a whole is enabled.
func (n *neighbour) run() {
	if n == nil {
		return
	}
	n.enabled = n.c.Journal.Mark()
	n.c.Set(n.path, usp.Params{"Enable": "true"})
	n.enabledAt = time.Now()
	n.c.Beyond("TR-181, BulkData.Profile.{i}.ReportingInterval", func(m *harness.Metric) { m.Must(n.await(1)) })
	n.disabled = n.c.Journal.Mark()
	n.c.Set(n.path, usp.Params{"Enable": "false"})
	n.disabledAt = time.Now()
}

// judge judges the report of the neighbour, and that none came after it was disabled: longer than one interval has passed since.
func (n *neighbour) judge() {
	if n == nil || len(n.transfers) == 0 {
		return
	}
	n.c.Beyond("TR-181, BulkData.Profile.{i}.Enable", func(m *harness.Metric) {
		late := n.disabledAt.Add(n.c.ScaledTolerance(time.Second) + n.c.Lag()) // what was on its way
		for _, e := range n.c.Journal.Since(n.disabled) {
			if n.carries(e) && e.At.After(late) {
				m.Must(expect.Nothing("reports of a profile after it was disabled", e.Text), e.Seq)
			}
		}
	})
	if n.readable() {
		n.reportsOn(n.what)
		n.what.finePrint(n.profile)
	}
}
