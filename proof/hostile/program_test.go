package hostile

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// asHostile is the variable in the environment that makes this test binary a hostile device. It names the file for the version of its
// firmware.
const asHostile = "USPTEST_AS_HOSTILE"

// atOnce is how many tests run at once at the least, since most of their time they wait. Under the race detector they compute.
func atOnce() int {
	if program.Race {
		return 6
	}
	return 10
}

// full wants everything. Without it a fixed sample is tried, so that "go test ./..." is soon done.
var full = flag.Bool("full", false, "try every hostile device over every MTP that it concerns, and every hostile file; without it a sample")

// The files of a run that a person opens.
const (
	runFile    = result.RunFile
	junitFile  = "junit.xml"
	reportFile = "report.html"
)

// usptest is the path of the program that the devices and files are hostile to.
var usptest = sync.OnceValues(func() (string, error) { return program.Build("../../cmd/usptest") })

func TestMain(m *testing.M) {
	if os.Getenv(asHostile) != "" {
		os.Exit(hostileDevice(os.Args[1:]))
	}
	if os.Getenv(asNeighbour) != "" {
		os.Exit(neighbourDevice(os.Args[1:]))
	}
	path, err := usptest()
	if err == nil {
		err = program.WaitTogether(atOnce())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(filepath.Dir(path))
	os.Exit(code)
}

// path is that of the program.
func path(t *testing.T) string {
	t.Helper()
	path, err := usptest()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// runIn reads what a run left in dir, as a user's tools would.
func runIn(t *testing.T, dir string) *result.Run {
	t.Helper()
	r, err := result.Load(filepath.Join(dir, runFile))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func readFile(t *testing.T, elements ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t *testing.T, data []byte, elements ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(elements...), data, 0o644); err != nil {
		t.Fatal(err)
	}
}
