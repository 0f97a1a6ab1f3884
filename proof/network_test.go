package proof

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/network"
	"github.com/usptest/usptest/harness/plan"
)

// The environment of a test that runs in a network of its own: its name, and the program that the reference agent is started from.
const (
	isolatedTest = "USPTEST_PROOF_TEST"
	builtProgram = "USPTEST_PROOF_PROGRAM"
)

// elsewhere runs a test of cases that need a network in a process of its own, which is this program again, and reports whether it did. Where
// the system allows no such network, the test is skipped.
func elsewhere(t *testing.T, cases ...plan.Case) bool {
	t.Helper()
	wired := slices.ContainsFunc(cases, func(c plan.Case) bool { return slices.Contains(c.Needs, "l2-network") })
	if !wired || isolated() {
		return false
	}
	path, err := usptest()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-full", "-test.v", "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	cmd.Env = append(os.Environ(), isolatedTest+"="+t.Name(), builtProgram+"="+path)
	network.Isolate(cmd)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Skipf("NOT TESTED: %v", network.Refused(err))
	case err != nil && strings.Contains(string(out), network.ErrUnavailable.Error()):
		t.Skipf("NOT TESTED:\n%s", out)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()+" "):
		t.Errorf("the test was not run:\n%s", out)
	}
	return true
}

// isolated reports whether this process is in a network of its own.
func isolated() bool { return os.Getenv(isolatedTest) != "" }
