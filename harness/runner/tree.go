package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// ParseFilter makes a filter of a ginkgo label expression such as "section:1 && !needs:reboot". The error says what is malformed, and
// where.
func ParseFilter(expression string) (func(labels []string) bool, error) {
	filter, err := types.ParseLabelFilter(expression)
	if err != nil {
		return nil, plainText(err)
	}
	return filter, nil
}

// plainText is a syntax error of ginkgo's without terminal colours, which are its only mark of the place.
func plainText(err error) error {
	var syntax types.GinkgoError
	if !errors.As(err, &syntax) {
		return err
	}
	at := strings.LastIndexByte(syntax.Message, '\n') + 1
	problem := strings.TrimSuffix(syntax.Message[at:], ".")
	if _, place, ok := strings.Cut(syntax.Message[:max(0, at-1)], "{{red}}{{bold}}{{underline}}"); ok {
		return fmt.Errorf("%s, at %q", problem, strings.Replace(place, "{{/}}", "", 1))
	}
	return errors.New(problem)
}

// runTree carries out cases as a ginkgo tree, in order: one spec a case, labelled as the plan labels it. It may be called once in a
// process, since ginkgo allows one suite.
func runTree(ctx context.Context, name string, cases []plan.Case, run func(context.Context, plan.Case) result.Case) {
	_ = ginkgo.Describe(name, ginkgo.Ordered, ginkgo.ContinueOnFailure, func() {
		for _, c := range cases {
			ginkgo.It(c.ID+" "+c.Title, ginkgo.Label(c.Labels()...), func() {
				if r := run(ctx, c); r.Verdict != result.Pass && r.Verdict != result.Advice {
					ginkgo.Fail(string(r.Verdict) + ": " + r.Reason)
				}
			})
		}
	})
	suite, reporter := ginkgo.GinkgoConfiguration()
	suite.Timeout = 0 // the cases have budgets of their own
	reporter.Succinct, reporter.NoColor = true, true
	ginkgo.RunSpecs(silent{}, name, suite, reporter)
}

// silent is the testing.T that ginkgo wants; the verdicts travel as reports of the worker.
type silent struct{}

// Fail is what ginkgo calls when a spec failed.
func (silent) Fail() {}
