package dut

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// Load reads a DUT file and everything it names. p knows the cases and features, now decides which waivers have expired. The error is a
// *Problems with all faults at once.
func Load(path string, p *plan.Plan, now time.Time) (*File, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, &Problems{[]Problem{{File: path, Remedy: "cannot be read: " + reason(err)}}}
	}
	return parse(path, text, p, now)
}

// reason is an error of the file system without the path, which stands beside it already.
func reason(err error) string {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

// parse is Load for a text that has been read.
func parse(path string, text []byte, p *plan.Plan, now time.Time) (*File, error) {
	d := &fileDecoder{decoder: decoder{file: path}, plan: p, now: now, f: &File{Path: path}, root: filepath.Dir(path)}
	if top := d.parse(text); top.node != nil {
		d.top(top)
	}
	if len(d.problems) > 0 {
		return nil, &Problems{d.sorted()}
	}
	return d.f, nil
}

// fileDecoder fills in a File.
type fileDecoder struct {
	decoder
	plan *plan.Plan
	now  time.Time
	root string // folder of the file
	f    *File
	// later are checks of single values that need the whole file.
	later []func()
}

// top reads the whole file.
func (d *fileDecoder) top(v value) {
	f := d.f
	d.mapping(v,
		field{"device", true, d.device},
		field{"controller", false, func(v value) {
			d.mapping(v, field{"endpoint", true, func(v value) { d.endpoint(v, &f.Controller) }})
		}},
		field{"bind", false, d.bind},
		field{"host", false, func(v value) { d.filled(v, &f.Host) }},
		field{"links", true, d.links},
		field{"tls", false, d.tls},
		field{"collector", false, func(v value) {
			d.mapping(v,
				field{"http", false, func(v value) { d.number(v, &f.Collector.HTTP, 0, maxPort) }},
				field{"https", false, func(v value) { d.number(v, &f.Collector.HTTPS, 0, maxPort) }},
			)
		}},
		field{"features", false, d.features},
		field{"elements", false, d.elements},
		field{"lab", false, d.lab},
		field{"waits", false, d.waits},
		field{"waivers", false, func(v value) { d.list(v, d.waiver) }},
	)
	f.SetDefaults()
	for _, check := range d.later {
		check()
	}
}

const maxPort = 65535

// device reads what is tested.
func (d *fileDecoder) device(v value) {
	id := &d.f.Device
	d.mapping(v,
		field{"vendor", true, func(v value) { d.filled(v, &id.Vendor) }},
		field{"model", true, func(v value) { d.filled(v, &id.Model) }},
		field{"software", true, func(v value) { d.filled(v, &id.Software) }},
		field{"endpoint", true, func(v value) {
			if !d.filled(v, &id.Endpoint) {
				return
			}
			if _, err := d.f.AgentID(1); err != nil {
				d.add(v, strconv.Quote(id.Endpoint), "an Endpoint ID such as os::012345-A1; {{.Instance}} in it is the number of the instance", err.Error())
			}
		}},
	)
}

// endpoint reads an Endpoint ID.
func (d *fileDecoder) endpoint(v value, into *usp.EndpointID) {
	var s string
	if !d.filled(v, &s) {
		return
	}
	id, err := usp.ParseEndpointID(s)
	if err != nil {
		d.add(v, strconv.Quote(s), "an Endpoint ID such as self::lab", err.Error())
		return
	}
	*into = id
}

// bind reads the address to listen on.
func (d *fileDecoder) bind(v value) {
	var s string
	if !d.filled(v, &s) {
		return
	}
	if net.ParseIP(s) == nil {
		d.add(v, strconv.Quote(s), "an IP address of this machine, such as 192.168.1.10, or 0.0.0.0 for all of them", "")
		return
	}
	d.f.Bind = s
	d.later = append(d.later, func() {
		if ip := net.ParseIP(s); ip.IsUnspecified() && d.f.Host == "" && d.f.Lab.Launch != nil {
			d.add(v, strconv.Quote(s), "", "set host as well, so that the device knows where to connect")
		}
	})
}

// features reads the numbers of features.
func (d *fileDecoder) features(v value) {
	high := 0
	for _, f := range d.plan.Features {
		high = max(high, f.Number)
	}
	d.list(v, func(v value) {
		var n int
		if !d.number(v, &n, 1, high) {
			return
		}
		switch f, ok := d.plan.Feature(n); {
		case !ok:
			d.add(v, strconv.Itoa(n), fmt.Sprintf("a number of the plan's feature table, 1 to %d", high), "")
		case f.Status == plan.FeatureRemoved:
			d.add(v, strconv.Itoa(n), "a feature that the plan still has", "the plan has removed this one; remove the number")
		case slices.Contains(d.f.Features, n):
			d.add(v, strconv.Itoa(n)+" again", "each feature once", "")
		default:
			d.f.Features = append(d.f.Features, n)
		}
	})
}

// The bounds of a wait.
const (
	minWait = 10 * time.Millisecond
	maxWait = time.Hour
)

// waits reads the time-outs.
func (d *fileDecoder) waits(v value) {
	w := &d.f.Waits
	wait := func(name string, into *time.Duration) field {
		return field{name, false, func(v value) { d.duration(v, into, minWait, maxWait) }}
	}
	d.mapping(v, wait("connect", &w.Connect), wait("response", &w.Response), wait("notify", &w.Notify), wait("reconnect", &w.Reconnect),
		wait("settle", &w.Settle), wait("quiet", &w.Quiet), wait("tolerance", &w.Tolerance))
}

// waiver reads an excuse for a case.
func (d *fileDecoder) waiver(v value) {
	var w Waiver
	d.mapping(v,
		field{"case", true, func(v value) {
			if !d.filled(v, &w.Case) {
				return
			}
			if _, ok := d.plan.Case(w.Case); !ok {
				d.add(v, strconv.Quote(w.Case), "the id of a case of the plan, such as \"1.10\"", d.nearCase(w.Case))
			}
			if slices.ContainsFunc(d.f.Waivers, func(o Waiver) bool { return o.Case == w.Case }) {
				d.add(v, strconv.Quote(w.Case)+" again", "one waiver for a case", "")
			}
		}},
		field{"reason", true, func(v value) { d.filled(v, &w.Reason) }},
		field{"issue", false, func(v value) { d.filled(v, &w.Issue) }},
		field{"until", true, func(v value) { d.until(v, &w.Until) }},
	)
	d.f.Waivers = append(d.f.Waivers, w)
}

// nearCase names cases that were probably meant.
func (d *fileDecoder) nearCase(id string) string {
	ids := make([]string, 0, len(d.plan.Cases))
	for _, c := range d.plan.Cases {
		ids = append(ids, c.ID)
	}
	if near := plan.Near(id, ids); len(near) > 0 {
		return "did you mean " + strings.Join(near, " or ") + "?"
	}
	return ""
}

// until reads the last day of a waiver.
func (d *fileDecoder) until(v value, into *time.Time) {
	const allowed = "a day as year-month-day, such as 2027-12-31"
	var s string
	if !d.text(v, &s) {
		return
	}
	day, err := time.Parse(time.DateOnly, s)
	if err != nil {
		d.add(v, strconv.Quote(s), allowed, "")
		return
	}
	*into = day
	if !d.now.Before(day.AddDate(0, 0, 1)) {
		d.add(v, s, "today or a later day", "the waiver has expired; test the case again, then remove the waiver or prolong it")
	}
}
