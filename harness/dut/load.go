package dut

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// Load reads a DUT file and everything it names. p knows the cases and features, now decides which waivers have expired. The error is a
// *Problems with all faults at once.
func Load(path string, p *plan.Plan, now time.Time) (*File, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, &Problems{[]Problem{{File: path, Remedy: "cannot be read: " + reason(err)}}}
	}
	return Parse(path, text, p, now)
}

// reason is an error of the file system without the path, which is beside it already.
func reason(err error) string {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

// Parse is Load for a text that has been read, or is about to be written to path.
func Parse(path string, text []byte, p *plan.Plan, now time.Time) (*File, error) {
	d := &fileDecoder{decoder: decoder{file: path}, plan: p, now: now, f: &File{Path: path, SHA256: hash(text)}, root: filepath.Dir(path)}
	if top := d.parse(text); top.node != nil {
		d.file().read(top)
	}
	if len(d.problems) > 0 {
		return nil, &Problems{d.sorted()}
	}
	return d.f, nil
}

// hash is the SHA-256 of a text, hexadecimal.
func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
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

// file is the whole file: every key there is.
func (d *fileDecoder) file() kind {
	f := d.f
	k := d.aMapping(
		field{"device", true, "The device under test, as the report names it.", d.device()},
		field{"controller", false, "The Controller that usptest plays; the device must know it and give it full access.", d.aMapping(
			field{"endpoint", true, "its Endpoint ID; " + string(DefaultController) + " without this key", d.endpoint(&f.Controller)},
		)},
		field{"bind", false, "The IP address on which usptest listens. Use that of the network card that leads to the device: while a test runs, anyone who can reach that address can reach the brokers.",
			d.bind()},
		field{"host", false, "The name or address by which the device reaches this computer, if that is not bind.", d.aLine(&f.Host)},
		field{"links", true, "The MTPs to test, one after the other unless --link picks one.", d.links()},
		field{"tls", false, "Certificates for the links with TLS, all of them PEM files with paths relative to the folder of this " +
			"file. A device that usptest launches needs none of this.", d.tls()},
		field{"collector", false, "The bulk data collector.", d.aMapping(
			field{"http", false, "its port; 0 picks a free one", d.aNumber(&f.Collector.HTTP, 0, maxPort)},
		)},
		field{"firmware", false, "Images of the device's firmware, for the cases that replace it: at least one with another version " +
			"than the running one. For a device with one bank, an image of the running version is needed too, to restore it.",
			d.aList(d.firmware)},
		field{"fileServer", false, "How usptest serves the images.", d.fileServer()},
		field{"features", false, "The numbers of the plan's feature table that the device supports. usptest compares them with what the device shows.", d.features()},
		field{"profiles", false, "The profiles of TR-181 that the device has, such as LocalAgent:1. What it lacks of them is a fault, apart from the plan's cases.",
			d.aList(d.profile)},
		field{"elements", false, "Substitutes for elements of the plan's procedures, which the plan allows; the report names them.", d.elements()},
		field{"lab", false, "What the lab can do to the device. Cases that need more are left out or end in an error, and the report " +
			"says so.", d.lab()},
		field{"waits", false, "How long to wait for the device. A time-out ends early when the device is quicker.", d.waits()},
		field{"report", false, "Who tested, for the first page of the report.", d.aMapping(
			field{"laboratory", false, "the laboratory", d.aLine(&f.Laboratory)},
			field{"tester", false, "the person who tested", d.aLine(&f.Tester)},
		)},
		field{"waivers", false, "Cases whose failure is excused until the end of a day. They are carried out; a failure is reported as waived, and such a run is never conformant.", d.aList(d.waiver)},
		field{"advice", false, "Advice of checks beyond the plan, and about floods in any case, that is expected. " +
			"It is reported, marked as expected, and does not fail a run with --advice-fails.", d.aList(d.advice)},
	)
	read := k.read
	k.read = func(v value) {
		read(v)
		f.SetDefaults()
		for _, check := range d.later {
			check()
		}
	}
	return k
}

const maxPort = 65535

// device is what is tested.
func (d *fileDecoder) device() kind {
	id := &d.f.Device
	return d.aMapping(
		field{"vendor", true, "its manufacturer", d.aLine(&id.Vendor)},
		field{"model", true, "its model", d.aLine(&id.Model)},
		field{"software", true, `the version of its software, in quotes: without them, 4.20 would be read as the number 4.2`, d.aLine(&id.Software)},
		field{"serial", false, "its serial number, in quotes", d.aLine(&id.Serial)},
		field{"endpoint", true, "the Endpoint ID of its Agent; {{.Instance}} in it stands for the number of the " +
			"instance", kind{endpointSchema(), func(v value) {
			if !d.filled(v, &id.Endpoint) {
				return
			}
			if _, err := d.f.AgentID(1); err != nil {
				d.add(v, strconv.Quote(id.Endpoint), "an Endpoint ID such as os::012345-A1; {{.Instance}} in it is the number of the instance", err.Error())
			}
		}}},
	)
}

// endpointSchema is an Endpoint ID as far as a pattern can tell: authority-scheme:authority-id:instance-id.
func endpointSchema() Schema { return Schema{Type: "string", Pattern: `^[^:]+:[^:]*:.+$`} }

// endpoint is an Endpoint ID.
func (d *fileDecoder) endpoint(into *usp.EndpointID) kind {
	return kind{endpointSchema(), func(v value) {
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
	}}
}

// bind is the address to listen on.
func (d *fileDecoder) bind() kind {
	return kind{Schema{Type: "string", Pattern: `^[0-9A-Fa-f.:]+$`, Default: loopback}, func(v value) {
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
			if ip := net.ParseIP(s); ip.IsUnspecified() && d.f.Host == "" {
				d.add(v, strconv.Quote(s), "", "set host as well, so that the device knows where to connect")
			}
		})
	}}
}

// features are the numbers of features.
func (d *fileDecoder) features() kind {
	high := 0
	number := Schema{Type: "integer"}
	for _, f := range d.plan.Features {
		high = max(high, f.Number)
		if f.Status != plan.FeatureRemoved {
			number.AnyOf = append(number.AnyOf, Schema{Const: f.Number, Text: f.Name})
		}
	}
	k := d.aList(func() kind { return kind{number, func(v value) { d.feature(v, high) }} })
	k.schema.UniqueItems = true
	return k
}

// feature reads the number of a feature.
func (d *fileDecoder) feature(v value, high int) {
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
}

// profile reads the name of a profile.
func (d *fileDecoder) profile() kind {
	return kind{Schema{Type: "string", Pattern: profilePattern}, func(v value) {
		var name string
		switch {
		case !d.filled(v, &name):
		case !regexp.MustCompile(profilePattern).MatchString(name):
			d.add(v, strconv.Quote(name), "the name of a profile with its version, such as LocalAgent:1", "")
		case slices.Contains(d.f.Profiles, name):
			d.add(v, strconv.Quote(name)+" again", "each profile once", "")
		default:
			d.f.Profiles = append(d.f.Profiles, name)
		}
	}}
}

// profilePattern is the name of a profile that a device can claim (TR-106, 2.3).
const profilePattern = `^[A-Za-z][A-Za-z0-9_-]*:[0-9]+$`

// The bounds of a wait.
const (
	minWait = 10 * time.Millisecond
	maxWait = time.Hour
	// maxTolerance leaves of the shortest window of the plan, 5 to 10 s until a Notify is sent again, more than its half.
	maxTolerance = 2 * time.Second
)

// waits are the time-outs.
func (d *fileDecoder) waits() kind {
	var fields []field
	for _, w := range d.f.Waits.keys() {
		k := d.aDuration(w.into, minWait, w.high())
		k.schema.Default = short(w.def)
		fields = append(fields, field{w.name, false, w.text, k})
	}
	return d.aMapping(fields...)
}

// short is a duration without the units that are zero: 1m, not 1m0s.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// waiver is an excuse for a case.
func (d *fileDecoder) waiver() kind {
	var w Waiver
	k := d.aMapping(
		field{"case", true, "the id of a case, in quotes", kind{Schema{Type: "string", Enum: d.caseIDs()}, func(v value) {
			if !d.filled(v, &w.Case) {
				return
			}
			if _, ok := d.plan.Case(w.Case); !ok {
				d.add(v, strconv.Quote(w.Case), "the id of a case of the plan, such as \"1.10\"", d.nearCase(w.Case))
			}
			if slices.ContainsFunc(d.f.Waivers, func(o Waiver) bool { return o.Case == w.Case }) {
				d.add(v, strconv.Quote(w.Case)+" again", "one waiver for a case", "")
			}
		}}},
		field{"reason", true, "why it is excused", d.aLine(&w.Reason)},
		field{"issue", false, "where the fault is tracked", d.aLine(&w.Issue)},
		field{"until", true, "the last day, such as 2027-12-31", d.lastDay("waiver", &w.Until)},
	)
	return kind{k.schema, func(v value) {
		k.read(v)
		d.f.Waivers = append(d.f.Waivers, w)
	}}
}

// advice is what a check may advise.
func (d *fileDecoder) advice() kind {
	var a Advice
	metrics := d.aList(func() kind {
		var n int
		k := d.aNumber(&n, 1, maxMetric)
		return kind{k.schema, func(v value) {
			if !d.number(v, &n, 1, maxMetric) {
				return
			}
			a.Metrics = append(a.Metrics, n)
			d.later = append(d.later, func() { d.advises(v, a.Check, n) })
		}}
	})
	k := d.aMapping(
		field{"check", true, "the id of a check, or a flood", kind{Schema{Type: "string", Enum: d.advisers()}, func(v value) {
			if !d.filled(v, &a.Check) {
				return
			}
			if !slices.Contains(d.advisers(), a.Check) {
				remedy := "a failure is excused under waivers"
				if near := plan.Near(a.Check, d.advisers()); len(near) > 0 {
					remedy = "did you mean " + strings.Join(near, " or ") + "?"
				}
				d.add(v, strconv.Quote(a.Check), "the id of a check that gives advice, such as R-MSG.1, or a flood", remedy)
			}
			if slices.ContainsFunc(d.f.Advice, func(o Advice) bool { return o.Check == a.Check }) {
				d.add(v, strconv.Quote(a.Check)+" again", "one entry for a check", "put its metrics into one list")
			}
		}}},
		field{"metrics", false, "the numbers of the metrics that may give advice; without this key, all metrics of the check", metrics},
		field{"reason", true, "why it is expected", d.aLine(&a.Reason)},
		field{"issue", false, "where it is tracked", d.aLine(&a.Issue)},
		field{"until", false, "the last day, such as 2027-12-31; without this key, there is none", d.lastDay("expectation", &a.Until)},
	)
	return kind{k.schema, func(v value) {
		k.read(v)
		d.f.Advice = append(d.f.Advice, a)
	}}
}

// maxMetric bounds the number of a metric.
const maxMetric = 99

// advisers are the ids of the checks that can give advice, and the floods.
func (d *fileDecoder) advisers() (ids []string) {
	for _, c := range d.plan.Cases {
		if slices.ContainsFunc(c.Metrics, func(m plan.Metric) bool { return m.Advice }) {
			ids = append(ids, c.ID)
		}
	}
	return append(ids, result.Floods()...)
}

// advises looks whether a metric of a check can give advice.
func (d *fileDecoder) advises(v value, check string, n int) {
	c, ok := d.plan.Case(check)
	if !ok {
		return // named at the check
	}
	var numbers []string
	for _, m := range c.Metrics {
		if m.Advice {
			numbers = append(numbers, strconv.Itoa(m.N))
		}
	}
	if len(numbers) > 0 && !slices.Contains(numbers, strconv.Itoa(n)) {
		allowed := "a metric of " + check + " that gives advice: " + strings.Join(numbers, ", ")
		d.add(v, strconv.Itoa(n), allowed, "a failure is excused under waivers")
	}
}

// caseIDs are the ids of all cases.
func (d *fileDecoder) caseIDs() []string {
	ids := make([]string, 0, len(d.plan.Cases))
	for _, c := range d.plan.Cases {
		ids = append(ids, c.ID)
	}
	return ids
}

// nearCase names cases that were probably meant.
func (d *fileDecoder) nearCase(id string) string {
	if near := plan.Near(id, d.caseIDs()); len(near) > 0 {
		return "did you mean " + strings.Join(near, " or ") + "?"
	}
	return ""
}

// lastDay is that of a waiver or of an expectation.
func (d *fileDecoder) lastDay(of string, into *time.Time) kind {
	return kind{Schema{Type: "string", Pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`}, func(v value) { d.until(v, of, into) }}
}

// until reads the last day of a waiver or of an expectation.
func (d *fileDecoder) until(v value, of string, into *time.Time) {
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
		d.add(v, s, "today or a later day", fmt.Sprintf("the %s has expired; test again, then remove the %s or prolong it", of, of))
	}
}
