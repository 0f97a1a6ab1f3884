package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// What the environment makes of this test binary: usptest itself, since the reference device of the tests is the binary that runs them, or
// a hostile device. peaksDir names a folder in which a process that is usptest leaves, in a file of its own, how much memory it took.
const (
	asProgram = "USPTEST_AS_PROGRAM"
	asHostile = "USPTEST_AS_HOSTILE"
	peaksDir  = "USPTEST_PEAKS"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asHostile) != "":
		os.Exit(hostileDevice(os.Args[1:]))
	case os.Getenv(asProgram) != "":
		code := process()
		if err := leavePeak(os.Getenv(peaksDir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
	os.Setenv(asProgram, "1")
	waitTogether()
	os.Exit(m.Run())
}

// atOnce is how many tests run at once at the least: they wait for processes far more than they compute.
const atOnce = 6

// waitTogether raises -parallel where the number of processors made it small.
func waitTogether() {
	flag.Parse()
	parallel := flag.Lookup("test.parallel")
	if n, err := strconv.Atoi(parallel.Value.String()); err == nil && n < atOnce {
		if err := flag.Set(parallel.Name, strconv.Itoa(atOnce)); err != nil {
			panic(err)
		}
	}
}

// leavePeak writes what the system knows of this process into dir, if there is one.
func leavePeak(dir string) error {
	if dir == "" {
		return nil
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, strconv.Itoa(os.Getpid())), status, 0o644)
}
