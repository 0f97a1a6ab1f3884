package main

import (
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
	os.Exit(m.Run())
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
