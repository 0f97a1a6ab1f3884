package proof

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/fixtures/reference"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/runner"
)

// atOnce is how many tests run at once at the least.
const atOnce = 6

// usptest is the path of the program that the reference agent is started from.
var usptest = sync.OnceValues(func() (string, error) { return program.Build("../cmd/usptest") })

func TestMain(m *testing.M) {
	path, err := usptest()
	if err == nil {
		err = program.WaitTogether(atOnce)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(filepath.Dir(path))
	os.Exit(code)
}

// device is the DUT file of a reference agent that behaves in these ways.
func device(t *testing.T, ways ...string) *dut.File {
	t.Helper()
	path, err := usptest()
	if err != nil {
		t.Fatal(err)
	}
	d, err := reference.File(path, "devel", ways)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// open launches the device of o, which is made for reference agents, and closes the session with the test.
func open(ctx context.Context, t *testing.T, o runner.SessionOptions) *runner.Session {
	t.Helper()
	o.Scale, o.Out = reference.Scale, t.TempDir()
	s, err := runner.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
