package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func ids(cases []Case) []string {
	var out []string
	for _, c := range cases {
		out = append(out, c.ID)
	}
	return out
}

func TestSelect(t *testing.T) {
	p := mustLoad(t)
	for _, test := range []struct {
		selectors []string
		want      []string
	}{
		{[]string{"1.10"}, []string{"1.10"}},
		{[]string{"4"}, []string{"4.1"}},
		{[]string{"4.*"}, []string{"4.1"}},
		{[]string{"11.1[67]", "2.2", "11.16"}, []string{"2.2", "11.16", "11.17"}},
		{[]string{"R-GIN.0"}, []string{"R-GET.1"}},
		{[]string{"R-MSG.1"}, []string{"R-MSG.1"}}, // a check by its id, though R-MSG.8 tests the requirement, too
		{[]string{"1.10?"}, []string{"1.100", "1.101", "1.102", "1.103", "1.104", "1.105", "1.106", "1.107"}},
	} {
		cases, err := p.Select(test.selectors)
		if err != nil || !slices.Equal(ids(cases), test.want) {
			t.Errorf("%q: want %v, got %v, %v", test.selectors, test.want, ids(cases), err)
		}
	}
	for _, all := range [][]string{nil, {"*"}} {
		if cases, err := p.Select(all); err != nil || len(cases) != len(p.Cases) {
			t.Errorf("%q: want all cases, got %d, %v", all, len(cases), err)
		}
	}
	if one, _ := p.Select([]string{"1"}); len(one) != 107 {
		t.Errorf("chapter 1: want 107 cases, got %d", len(one))
	}
}

func TestSelectNothing(t *testing.T) {
	p := mustLoad(t)
	_, err := p.Select([]string{"1.1", "1.108", "12", "Reboot(", "1.[", "xyzzy"})
	if err == nil {
		t.Fatal("want an error")
	}
	for _, want := range []string{
		`selector "1.108" matches nothing; did you mean 1.10`,
		`selector "12" matches nothing`,
		`selector "Reboot(" matches nothing; did you mean 1.61, 1.62?`,
		`selector "1.[" is malformed`,
		`selector "xyzzy" matches nothing`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), `"1.1"`) {
		t.Errorf("1.1 is not at fault:\n%v", err)
	}
	var unknown *UnknownError
	if !errors.As(err, &unknown) || unknown.Kind != "selector" {
		t.Errorf("want an UnknownError, got %v", unknown)
	}
}

func TestProfile(t *testing.T) {
	p := mustLoad(t)
	if f, err := p.Profile("reboot:1"); err != nil || f.Select != "feature:10" {
		t.Errorf("reboot:1: got %+v, %v", f, err)
	}
	_, err := p.Profile("Reboot:2")
	if want := `profile "Reboot:2" matches nothing; did you mean Reboot:1?`; err == nil || err.Error() != want {
		t.Errorf("want %q, got %v", want, err)
	}
}

func TestCheckLabels(t *testing.T) {
	p := mustLoad(t)
	for _, good := range []string{
		"", "section:11", "!(needs:reboot || mtp:stomp),case:1.1", "MTP:mqtt && /feature:1.?/ && tls:required",
		"mtp: containsAny {mqtt, foo} && section:2", "mtp: isEmpty && section:2", "feature: consistsOf 35 || section:1",
	} {
		if err := p.CheckLabels(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	err := p.CheckLabels("section:1 && (need:reboot || mtp:mqtt6)")
	for _, want := range []string{
		`label "need:reboot" matches nothing; did you mean needs:reboot`,
		`label "mtp:mqtt6" matches nothing; did you mean mtp:mqtt`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestCompare(t *testing.T) {
	want := []string{"1.1", "1.2", "1.10", "2.1", "10.1", "11.2", "x"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, Compare)
	if !slices.Equal(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if Compare("1.1", "1.1.1") >= 0 || Compare("1.1", "1.1") != 0 {
		t.Error("1.1 is before 1.1.1 and equal to itself")
	}
}

func TestLabels(t *testing.T) {
	p := mustLoad(t)
	for id, want := range map[string]string{
		"1.61": "case:1.61 section:1 status:active obligation:conditional plan:tp469 feature:1 feature:10 needs:reboot",
		"4.1":  "case:4.1 section:4 status:active obligation:mandatory plan:tp469 feature:15 tls:required",
		"11.4": "case:11.4 section:11 status:active obligation:conditional plan:tp469 feature:36 mtp:mqtt mtp:mqtt5 " +
			"needs:reboot needs:mqtt-broker-control needs:dm-reconfigure",
		"R-GET.1": "case:R-GET.1 status:active plan:tr369 feature:13 needs:second-controller",
	} {
		c, _ := p.Case(id)
		if got := strings.Join(c.Labels(), " "); got != want {
			t.Errorf("%s\nwant %s\ngot  %s", id, want, got)
		}
	}
}

func TestAppliesTo(t *testing.T) {
	p := mustLoad(t)
	links := []string{"mqtt5", "mqtt5+tls", "mqtt3", "mqtt3+tls", "stomp", "stomp+tls", "websocket", "websocket+tls",
		"mqtt5+session", "stomp+tls+session-tls"}
	for id, want := range map[string]string{
		"1.1":  "mqtt5 mqtt5+tls mqtt3 mqtt3+tls stomp stomp+tls websocket websocket+tls mqtt5+session stomp+tls+session-tls",
		"3.2":  "mqtt5 mqtt3 stomp websocket",
		"4.1":  "mqtt5+tls mqtt3+tls stomp+tls websocket+tls",
		"5.1":  "",
		"6.2":  "stomp stomp+tls",
		"7.9":  "websocket+tls",
		"11.2": "mqtt5 mqtt5+tls mqtt3 mqtt3+tls",
		"11.3": "mqtt5+tls mqtt3+tls",
		"11.8": "mqtt5 mqtt5+tls",
	} {
		c, _ := p.Case(id)
		var got []string
		for _, l := range links {
			if c.AppliesTo(l) {
				got = append(got, l)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: want %s, got %s", id, want, strings.Join(got, " "))
		}
	}
}
