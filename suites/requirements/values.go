package requirements

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// formsAndOperators is R-ENC.6, the operators of search paths, and blanks in them (R-ARC.9a). All searches are bounded to the TimeToLive of
// the rows that it adds, so that they find no other. By TR-181, it reads back as it was set and does not count down.
func formsAndOperators(c *harness.Case) {
	needs(c, "TimeToLive", "NotifExpiration")
	least := 100_000 + rand.IntN(800_000) // seconds
	ttl := func(i int) string { return strconv.Itoa(least + i) }
	c.Step(1, "add Subscriptions with a TimeToLive of %s, %s and %s, the last with blanks in its list", ttl(0), ttl(1), ttl(2))
	var rows []string
	for i, list := range []string{subscriptionCount, subscriptionCount + "," + endpointID} {
		row, _ := c.Subscribe(usp.Params{"Enable": "false", "TimeToLive": ttl(i), "ReferenceList": list})
		rows = append(rows, row)
	}
	third := usp.Params{"Enable": "false", "ID": c.Fresh("blanks"), "NotifType": "ValueChange", "TimeToLive": ttl(2),
		"ReferenceList": subscriptionCount + " , " + endpointID}
	spaced := c.Agent.Add(c, false, usp.Create(subscriptions, third, nil))
	c.Owns(spaced)
	last, refused := expect.OneCreated(spaced)
	if refused == nil {
		rows = append(rows, last.Path)
	} else {
		row, _ := c.Subscribe(usp.Params{"Enable": "false", "TimeToLive": ttl(2), "ReferenceList": subscriptionCount + "," + endpointID})
		rows = append(rows, row)
	}

	controller := c.AddBesides(controllers, usp.Params{"EndpointID": "proto::" + c.Fresh("forms")}, usp.Params{"Enable": "false"})
	challenge := c.AddBesides(challenges, usp.Params{"Enable": "false"}, usp.Params{"Instruction": encoded([]byte("usptest"))})
	enable, expiration, periodic := rows[0]+"Enable", rows[0]+"NotifExpiration", ifThere(c, controller, "PeriodicNotifTime")
	tries, lockout := ifThere(c, controller, "E2ESession.MaxRetransmitTries"), ifThere(c, challenge, "LockoutPeriod")
	instruction := ifThere(c, challenge, "Instruction")

	c.Step(2, "set a boolean, an unsignedInt, an int, a dateTime and base64 in several forms")
	c.Metric(1, func(m *harness.Metric) {
		for _, v := range []struct {
			path, form, means string
			is                usp.ValueType
		}{
			{enable, "1", "true", usp.TypeBoolean},
			{enable, "0", "false", usp.TypeBoolean},
			{expiration, "4294967295", "4294967295", usp.TypeUnsignedInt},
			{expiration, "00600", "600", usp.TypeUnsignedInt},
			{lockout, "+0045", "45", usp.TypeInt},
			{tries, "-1", "-1", usp.TypeInt},
			{instruction, encoded([]byte("\x00usptest\xff")), encoded([]byte("\x00usptest\xff")), usp.TypeBase64},
			{periodic, "2031-02-03T04:05:06Z", "2031-02-03T04:05:06Z", usp.TypeDateTime},
			{periodic, "2031-02-03T04:05:07.000Z", "2031-02-03T04:05:07Z", usp.TypeDateTime},
		} {
			if v.path == "" {
				continue
			}
			object, param := usp.SplitName(v.path)
			set := c.Agent.Set(c, false, usp.Update(object, usp.Params{param: v.form}, nil))
			m.Must(expect.Type(set, usp.SetResp), set.Evidence())
			got, err := c.Read(v.path)
			m.Must(err)
			m.Must(expect.Value(v.path+" after it was set to "+v.form, v.is, v.means, got), c.Journal.Mark())
		}
		m.Must(refused, spaced.Evidence())
		list, err := c.Read(rows[2] + "ReferenceList")
		m.Must(err)
		m.Must(expect.SameSet("items of ReferenceList", []string{subscriptionCount, endpointID}, usp.SplitList(list)), c.Journal.Mark())
	})

	c.Step(3, "get the Subscriptions by each operator")
	within := fmt.Sprintf("TimeToLive>=%s&&TimeToLive<=%s", ttl(0), ttl(2))
	c.Metric(2, func(m *harness.Metric) {
		for _, s := range []struct {
			expression string
			want       []string
		}{
			{within, rows},
			{"TimeToLive==" + ttl(1), rows[1:2]},
			{within + "&&TimeToLive!=" + ttl(1), []string{rows[0], rows[2]}},
			{within + "&&TimeToLive<" + ttl(1), rows[:1]},
			{within + "&&TimeToLive>" + ttl(1), rows[2:]},
			{fmt.Sprintf("%s&&ReferenceList~=%q", within, endpointID), rows[1:]},
			{fmt.Sprintf("%s&&ReferenceList~=%q", within, localAgent+"Endpoint"), nil}, // a part of an item
		} {
			mustFind(m, c, s.expression, s.want)
		}
		if periodic != "" {
			mustCompareTimes(m, c, controller)
		}
	})

	c.Step(4, "get them by expressions with blanks around the operator")
	c.Metric(3, func(m *harness.Metric) {
		for _, s := range []struct {
			expression string
			want       []string
		}{
			{"TimeToLive == " + ttl(1), rows[1:2]},
			{"TimeToLive ==" + ttl(1), rows[1:2]},
			{"TimeToLive== " + ttl(1), rows[1:2]},
			{fmt.Sprintf("TimeToLive >= %s&&TimeToLive < %s", ttl(0), ttl(2)), rows[:2]},
		} {
			mustFind(m, c, s.expression, s.want)
		}
	})

	c.Step(5, "set the parameters in forms that their types do not have")
	c.Metric(4, func(m *harness.Metric) {
		var taken []string
		var fault error
		var evidence []journal.Mark
		for _, v := range []struct {
			path  string
			is    usp.ValueType
			forms []string
		}{
			{enable, usp.TypeBoolean, []string{"TRUE", "yes", "2", ""}},
			{expiration, usp.TypeUnsignedInt, []string{"-1", "1.5", "0x10", "4294967296", "", "ten"}},
			{lockout, usp.TypeInt, []string{"1.5", "0x10", "2147483648", "", "ten"}},
			{instruction, usp.TypeBase64, []string{"dXNwdGVzdA", "dXNw?GVz"}},
			{periodic, usp.TypeDateTime, []string{"yesterday", "2031-02-03", "2031-02-30T00:00:00Z", ""}},
		} {
			if v.path == "" {
				continue
			}
			object, param := usp.SplitName(v.path)
			for _, form := range v.forms {
				set := c.Agent.Set(c, false, usp.Update(object, usp.Params{param: form}, nil))
				m.Must(set.Err, set.Evidence())
				if expect.Type(set, usp.SetResp) == nil {
					taken = append(taken, param+" "+usp.Quote(form))
				}
				got := c.Agent.Get(c, v.path)
				q, err := expect.OneResult(got, v.path)
				m.Must(err, got.Evidence())
				if err := usp.Valid(v.is, expect.Resolved(q)[v.path]); err != nil && fault == nil {
					fault = fmt.Errorf("%s after it was set to %s: %w", v.path, usp.Quote(form), err)
					evidence = []journal.Mark{set.Evidence(), got.Evidence()}
				}
			}
		}
		if len(taken) > 0 {
			m.Note("not refused: %s", strings.Join(taken, ", "))
		}
		m.Must(fault, evidence...)
	})
}

// mustCompareTimes wants searches that compare a dateTime of a Controller to find it where they hold. TR-369 writes times without quotes.
func mustCompareTimes(m *harness.Metric, c *harness.Case, row string) {
	values, err := c.ReadAll(row)
	m.Must(err)
	const name, set = "PeriodicNotifTime", "2031-02-03T04:05:07Z"
	if err := expect.Value(row+name, usp.TypeDateTime, set, values[row+name]); err != nil {
		m.Note("times are not compared: %v", err)
		return
	}
	for _, s := range []struct {
		expression string
		holds      bool
	}{
		{"==" + set, true}, {"<2031-02-03T04:05:08Z", true}, {">2031-02-03T04:05:06Z", true}, {">=" + set, true}, {"<" + set, false},
	} {
		var want []string
		if s.holds {
			want = []string{row}
		}
		path := fmt.Sprintf("%s[EndpointID==%q&&%s].EndpointID", controllers, values[row+"EndpointID"], name+s.expression)
		got := c.Agent.Get(c, path)
		q, err := expect.OneResult(got, path)
		m.Must(err, got.Evidence())
		m.Must(expect.SameSet("resolved_path of "+path, want, expect.ResolvedPaths(q)), got.Evidence())
	}
}

// ifThere is the path of a parameter that the device has below an object, else empty; nor is there one below none.
func ifThere(c *harness.Case, object, param string) string {
	if object == "" {
		return ""
	}
	if _, err := c.Read(object + param); err != nil {
		c.Note("%s is not set: %v", param, err)
		return ""
	}
	return object + param
}

// needs ends the body on a device that describes Subscriptions without a parameter.
func needs(c *harness.Case, params ...string) {
	const row = subscriptions + "{i}."
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{row}, FirstLevelOnly: true, ReturnParams: true})
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			if o.GetSupportedObjPath() != row {
				continue
			}
			for _, param := range params {
				if !slices.ContainsFunc(o.GetSupportedParams(), func(p *usppb.GetSupportedDMResp_SupportedParamResult) bool {
					return p.GetParamName() == param
				}) {
					c.Unsupported("the device's Subscriptions have no " + param)
				}
			}
		}
	}
}

// mustFind wants a Get of the Subscriptions for which an expression holds to show these rows.
func mustFind(m *harness.Metric, c *harness.Case, expression string, rows []string) {
	path := subscriptions + "[" + expression + "]."
	got := c.Agent.Get(c, path)
	q, err := expect.OneResult(got, path)
	m.Must(err, got.Evidence())
	m.Must(expect.SameSet("resolved_path of "+path, rows, expect.ResolvedPaths(q)), got.Evidence())
}
