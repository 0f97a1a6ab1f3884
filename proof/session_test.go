package proof

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/usptest/usptest/fixtures/isolated"
	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/fixtures/reference"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/network"
	"github.com/usptest/usptest/harness/runner"
)

// full wants everything. Without it a fixed sample of each kind of proof is tried, so that "go test ./..." is soon done.
var full = flag.Bool("full", false, "try every defect, strict reading and substitute, and leave every case half done; without it a sample of each")

// atOnce is how many tests run at once at the least: nearly all of their time they wait. Under the race detector they compute, and more
// would keep two processors busy throughout: a machine that stands still hides defects of timing.
func atOnce() int {
	if program.Race {
		return 8
	}
	return 16
}

// usptest is the path of the program that the reference agent is started from.
var usptest = sync.OnceValues(func() (string, error) {
	if isolated.Inside() {
		return os.Getenv(builtProgram), nil
	}
	return program.Build("../cmd/usptest")
})

func TestMain(m *testing.M) {
	path, err := usptest()
	if err == nil {
		err = program.WaitTogether(atOnce())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if !isolated.Inside() {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// instances counts the reference agents, so that no two have the same number.
var instances = sync.OnceValue(func() *atomic.Int64 { return new(atomic.Int64) })

// device is the DUT file of a reference agent that behaves in these ways.
func device(t testing.TB, ways ...string) *dut.File {
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

// open launches the device of o, a reference agent with a number of its own. Who calls it closes the session.
func open(ctx context.Context, t testing.TB, o runner.SessionOptions) *runner.Session {
	t.Helper()
	o.Wire = isolated.Inside()
	o.Instance, o.Scale, o.Out = int(instances().Add(1)), reference.Scale, t.TempDir()
	s, err := runner.Open(ctx, o)
	if errors.Is(err, network.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}
