package proof

import (
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/suites"
)

// TestTheEndOfAConnectionIsNoWayToIgnoreARecord carries out the cases about Records that have to be ignored (R-MTP.5) on Agents that end
// their connection instead and come back: over each MTP, with the end as the finding.
func TestTheEndOfAConnectionIsNoWayToIgnoreARecord(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	brokers := []string{"mqtt5", "mqtt3", "stomp"}
	for _, test := range []struct {
		id, defect string
		links      []string
	}{
		{"2.1", "own-endpoint-id-ends-the-connection", append(brokers, "websocket")},
		{"2.2", "foreign-to-id-ends-the-connection", append(brokers, "websocket")},
		{"3.1", "malformed-record-ends-the-connection", brokers},
		{"3.1", "malformed-record-ends-with-disconnect", append(brokers, "websocket")},
		{"3.1", "websocket-closes-garbage-with-1007", []string{"websocket"}},
		{"3.1", "websocket-ends-at-garbage-without-close", []string{"websocket"}},
	} {
		for _, link := range test.links {
			t.Run(test.defect+" over "+link, func(t *testing.T) {
				t.Parallel()
				c, _ := p.Case(test.id)
				r, _ := runWith(t, c, suites.Bodies()[test.id], link, test.defect)
				m := r.Metrics[0]
				end := strings.HasSuffix(m.Where, "connection") || strings.HasSuffix(m.Where, "status code of CLOSE")
				if r.Verdict != result.Fail || !end || len(m.Evidence) == 0 {
					t.Errorf("want the end of the connection as the fault, got %s %s", r.Verdict, r.Reason)
				}
			})
		}
	}
}
