package proof

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// strictReading is one case in which the plan's own words and what an erratum accepts lead to different verdicts.
type strictReading struct {
	erratum string
	id      string // in a row of the table empty for each case that the erratum touches
	metric  int    // fails in one of the two runs, and passes in the other; in such a row 0 where the erratum names it
	link    string // mqtt5 when empty
	// alternative is how the reference agent has to behave for it, where it does not by itself: in a way that the standard allows
	// and the plan's words do not.
	alternative string
	// defect is one that the strict reading does not see.
	defect string
	// element is what plays a role of the plan, where that counts.
	role, element string
}

// strictReadings has them all: each case that such an erratum touches.
func strictReadings(p *plan.Plan) (all []strictReading) {
	for _, row := range strictRows() {
		if row.id != "" {
			all = append(all, row)
			continue
		}
		erratum, _ := p.Erratum(row.erratum)
		for _, touch := range erratum.Touches {
			l := row
			l.id, l.metric = touch.Case, cmp.Or(touch.Metric, row.metric)
			all = append(all, l)
		}
	}
	return all
}

func strictRows() []strictReading {
	return []strictReading{
		{erratum: "param-of-a-partial-success", alternative: "partial-set-names-path"},
		{erratum: "set-search-path-reply", id: "1.20", metric: 1, alternative: "failing-search-set-reported"},
		{erratum: "set-search-path-reply-to-partial", id: "1.21", metric: 1, alternative: "failing-search-set-refused"},
		{erratum: "delete-of-an-absent-row", alternative: "absent-row-not-deleted"},
		{erratum: "recipient-with-a-dot"},
		{erratum: "deletion-of-a-table", alternative: "deletion-of-rows-alone"},
		{erratum: "periodic-settings-not-required", defect: "periodic-time-not-set"},
		{erratum: "reboot-of-a-substitute", role: dut.RoleSyncCommand, element: "Device.LocalAgent.Controller.1.SendOnBoardRequest()"},
		{erratum: "response-against-advice", alternative: "failure-reported-unasked"},
		{erratum: "timer-not-early", id: "1.79", metric: 2, defect: "timer-ends-at-once"},
		{erratum: "depth-two-has-a-limit", defect: "depth-2-with-everything"},
		{erratum: "command-without-its-path"},
		{erratum: "every-match-gets-an-object", defect: "search-add-reports-first-alone"},
		{erratum: "table-path-without-a-dot", metric: 1, alternative: "table-path-wants-its-dot"},
		{erratum: "on-boarding-completes-by-itself", id: "1.101", metric: 2, alternative: "onboard-complete-when-answered"},
		{erratum: "on-boarding-completes-by-itself", id: "1.102", metric: 2, alternative: "onboard-complete-when-answered"},
		{erratum: "foreign-address-with-own-sender", metric: 1, defect: "answers-foreign-to-id"},
		{erratum: "permission-without-order", metric: 1, alternative: "permission-wants-order"},
		{erratum: "denied-operate-without-response", alternative: "failure-unreported"},
		{erratum: "permission-denied-inside", alternative: "denial-inside"},
		{erratum: "required-parameter-that-is-denied", alternative: "denied-required-parameter-with-7021"},
		{erratum: "error-for-a-bad-signature", alternative: "bad-signature-answered"},
		{erratum: "time-is-awaited", link: "mqtt5+tls", alternative: "time-awaited"},
		{erratum: "trust-is-made-apart", link: "mqtt5+tls"},
		{erratum: "certificate-delete-without-response", link: "mqtt5+tls", alternative: "trusts-what-is-added"},
		{erratum: "websocket-close-on-bad-record", link: "websocket"},
		{erratum: "uds-error-on-bad-record", link: "uds"},
		{erratum: "mac-where-the-mtp-protects", link: "mqtt5+tls", alternative: "macs-left-to-the-mtp"},
		{erratum: "context-begun-again-between-events", alternative: "context-begun-again-between-events"},
		{erratum: "heart-beat-blank", link: "stomp"},
		{erratum: "activation-reported-after-the-boot", alternative: "activation-reported-after-the-boot"},
		{erratum: "report-envelope"},
		{erratum: "message-retry-of-3-1", alternative: "mqtt-without-message-retry"},
		{erratum: "profile-without-its-base", alternative: "mqtt-without-statistics"},
		{erratum: "controller-profile-is-deprecated"},
		{erratum: "client-id-takes-effect", alternative: "mqtt-client-id-at-once"},
		{erratum: "response-information-on-request", id: "11.8", metric: 1, alternative: "mqtt-response-information-unasked"},
		{erratum: "response-information-on-request", id: "11.12", metric: 2, alternative: "mqtt-response-information-unasked"},
		{erratum: "filters-over-several-packets", id: "11.8", metric: 2, alternative: "mqtt-subscribes-to-subscribe-topic-apart"},
		{erratum: "filters-over-several-packets", id: "11.8", metric: 3, alternative: "mqtt-subscribes-to-response-information-apart"},
		{erratum: "publish-anywhere", defect: "mqtt-publishes-without-subscription"},
		{erratum: "response-topic-is-a-topic"},
		// a defect of 11.8, but in 11.12 the standard allows it
		{erratum: "response-topic-without-request", alternative: "mqtt-no-request-response-info"},
	}
}

// TestStrictReadings carries out each of these cases in both readings: the reference agent passes where the milder one counts,
// and fails the metric where the other does.
func TestStrictReadings(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range program.Sample(*full, 9, strictReadings(p)) {
		t.Run(fmt.Sprintf("%s %s", l.erratum, metricName(l.id, l.metric)), func(t *testing.T) {
			t.Parallel()
			c, _ := p.Case(l.id)
			run := func(strict bool) result.Case {
				var ways []string
				if way := l.alternative + l.defect; way != "" {
					ways = append(ways, way)
				}
				d := device(t, ways...)
				if l.role != "" {
					d.Elements = map[string]string{l.role: l.element}
				}
				s := open(t.Context(), t, runner.SessionOptions{DUT: d, Link: cmp.Or(l.link, "mqtt5"), Strict: strict})
				defer s.Close()
				r, err := s.Run(t.Context(), c, suites.Bodies()[c.ID])
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			isMilder := l.defect != ""
			milder, harder := run(isMilder), run(!isMilder)
			if milder.Verdict != result.Pass {
				t.Errorf("want pass, got %s %s", milder.Verdict, milder.Reason)
			}
			if err := exactly(harder, l.metric); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestEveryStrictReadingIsShown holds the readings against the errata: each erratum with a strict reading has one in each case that it
// touches, and each alternative of the reference agent is there for one. That a body asks about no other errata is seen to by Case.Strict
// whenever it runs.
func TestEveryStrictReadingIsShown(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	hidden := map[string]string{ // erratum and case: why the strict reading cannot be shown by itself
		"timer-not-early 9.11":         "the reference agent names the command by its path, so that metric 1 fails before",
		"periodic-across-reboot 11.11": "publish-anywhere lets the same Records pass, by a strict reading of the same metric",
	}
	shown := map[string]bool{}
	for _, l := range strictReadings(p) {
		shown[l.erratum+" "+l.id], shown[l.alternative] = true, true
		if e, ok := p.Erratum(l.erratum); !ok || !e.ByLetter() || !e.Concerns(l.id, l.metric) {
			t.Errorf("no erratum %s with a strict reading touches %s", l.erratum, metricName(l.id, l.metric))
		}
	}
	for _, e := range p.Errata {
		for _, touch := range e.Touches {
			what := e.ID + " " + touch.Case
			if e.ByLetter() && !shown[what] && hidden[what] == "" {
				t.Errorf("the strict reading of erratum %s is not shown in %s", e.ID, touch.Case)
			}
		}
	}
	for _, f := range defects.Alternatives() {
		if !shown[f.Name] {
			t.Errorf("no strict reading is shown with the alternative %s", f.Name)
		}
	}
}

// TestBodiesAskForStrictReadings holds the errata that have a strict reading against those that the bodies ask about.
func TestBodiesAskForStrictReadings(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, e := range p.Errata {
		if e.ByLetter() {
			want = append(want, e.ID)
		}
	}
	question := regexp.MustCompile(`\.Strict\("([^"]*)"\)`)
	err = fs.WalkDir(os.DirFS("../suites"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile("../suites/" + path)
		for _, m := range question.FindAllStringSubmatch(string(text), -1) {
			got = append(got, m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("errata with a strict reading:\n%q\nthe bodies ask about:\n%q", want, got)
	}
}
