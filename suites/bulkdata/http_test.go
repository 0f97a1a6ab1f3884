package bulkdata

import (
	"net/url"
	"strings"
	"testing"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/harness/usp"
)

func TestIdentified(t *testing.T) {
	device := usp.Params{"oui": "00256D", "pc": "Z 1", "sn": "Y", "eid": "os::00256D-Y"}
	for name, test := range map[string]struct{ query, want string }{
		"device":             {"oui=00256D&pc=Z+1&sn=Y", ""},
		"endpoint":           {"eid=os%3A%3A00256D-Y", ""},
		"both":               {"sn=Y&pc=Z%201&oui=00256D&eid=else", ""},
		"device cut":         {"oui=00256D&pc=Z%201", "want oui, pc and sn, or eid, got"},
		"cut, but endpoint":  {"oui=00256D&eid=os::00256D-Y", ""},
		"nothing":            {"", "want oui, pc and sn, or eid"},
		"other serial":       {"oui=00256D&pc=Z+1&sn=X", `transfer 1: sn in the URI: want "Y", got "X"`},
		"somebody else's id": {"eid=os::X", `want "os::00256D-Y", got "os::X"`},
	} {
		t.Run(name, func(t *testing.T) {
			query, err := url.ParseQuery(test.query)
			if err != nil {
				t.Fatal(err)
			}
			err = identified("transfer 1", &collector.Request{RawQuery: test.query, Query: query}, device)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
