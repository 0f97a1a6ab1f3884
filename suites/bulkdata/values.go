package bulkdata

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/usp"
)

// deviceUpTime is the parameter that most profiles report.
const deviceUpTime = "Device.DeviceInfo.UpTime"

// judgeValues wants reports to have the values that the device has. What a Get has shown before the first of them and shows after the last
// one, nobody is known to have changed. It may have been another value for a while nevertheless, so that one report with the value is enough.
func (o *collection) judgeValues(p *profile, after usp.Params, types map[string]usp.ValueType) {
	steady := usp.Params{} // by name in a report
	for path, value := range o.before {
		if now, there := after[path]; there && now == value {
			steady[o.named(path)] = value
		}
	}
	p.c.Beyond("TR-369, bulk data, values of a report", func(m *harness.Metric) {
		right, wrong := map[string]bool{}, map[string]error{}
		p.each(m, func(where string, r *report) error {
			for name, v := range r.values {
				want, known := steady[name]
				switch {
				case !known:
				case v.is(types[name], want):
					right[name] = true
				case wrong[name] == nil:
					wrong[name] = &usp.Mismatch{Where: v.named(where, name), Want: usp.Quote(want) + ", as a Get shows", Got: usp.Quote(v.text)}
				}
			}
			return nil
		})
		for _, name := range slices.Sorted(maps.Keys(wrong)) {
			if !right[name] {
				m.Must(wrong[name])
			}
		}
	})
	o.judgeUpTime(p, after)
}

// is reports whether a reported value is that of a parameter of a type, which may be unknown, however it is written. A number of JSON need
// not be more precise than a double (RFC 7159, section 6).
func (v value) is(t usp.ValueType, text string) bool {
	types := []usp.ValueType{t}
	if t == usp.TypeUnknown {
		types = append(types, usp.TypeBoolean, usp.TypeDecimal, usp.TypeDateTime)
	}
	if slices.ContainsFunc(types, func(t usp.ValueType) bool { return usp.EqualValues(t, text, v.text) }) {
		return true
	}
	switch v.kind {
	case kindNull:
		return text == ""
	case kindNumber:
		want, err := strconv.ParseFloat(text, 64)
		got, bad := strconv.ParseFloat(v.text, 64)
		return err == nil && bad == nil && want == got
	}
	return false
}

// between says which values a parameter has had that counts.
func between(before, after uint64) string {
	return fmt.Sprintf("a value that the parameter had between, %d to %d", before, after)
}

// judgeUpTime wants UpTime in reports to be of their time: between what two Gets have shown, and grown from one to the next one.
func (o *collection) judgeUpTime(p *profile, after usp.Params) {
	from, err := strconv.ParseUint(o.before[deviceUpTime], 10, 32)
	to, bad := strconv.ParseUint(after[deviceUpTime], 10, 32)
	if err != nil || bad != nil || to < from {
		return // not reported on, or restarted
	}
	near := p.c.ScaledTolerance(slack) + p.c.Lag() + time.Second // it counts whole seconds
	p.c.Beyond("TR-181, DeviceInfo.UpTime", func(m *harness.Metric) {
		var earlier uint64
		for n, e := range p.transfers {
			reports, err := p.format.reports(p.data(m, n), false)
			m.Must(err, e.Seq)
			last, err := newest(p.where(n+1), reports)
			m.Must(err, e.Seq)
			v := last.values[upTime]
			where := v.named(p.where(n+1), upTime)
			now, err := strconv.ParseUint(v.text, 10, 32)
			if err != nil {
				return // which another rule tells
			}
			most := to + uint64(near/time.Second)
			if now < from || now > most {
				m.Must(&usp.Mismatch{Where: where, Want: between(from, to), Got: usp.Quote(v.text)}, e.Seq)
			}
			if n == 0 {
				earlier = now
				continue
			}
			before := p.transfers[n-1]
			grown, passed := time.Duration(int64(now)-int64(earlier))*time.Second, e.At.Sub(before.At)
			if grown < passed-near {
				m.Must(&usp.Mismatch{Where: where, Want: rounded(passed) + " more than in " + p.where(n), Got: rounded(grown)}, before.Seq, e.Seq)
			}
			earlier = now
		}
	})
}
