package main

import (
	"flag"
	"os"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
)

// asProgram is the variable in the environment that makes this test binary usptest itself.
const asProgram = "USPTEST_AS_PROGRAM"

// withoutRyuk keeps testcontainers from the container that removes what a crash leaves behind: its image would have to be pulled.
const withoutRyuk = "TESTCONTAINERS_RYUK_DISABLED"

// atOnce is how many tests run at once at the least, since most of their time they wait. Under the race detector they compute.
func atOnce() int {
	if program.Race {
		return 6
	}
	return 20
}

// full wants everything. Without it a fixed sample of long tables is tried, so that "go test ./..." is soon done.
var full = flag.Bool("full", false, "run the container image, and try every fault of a set-up and a first contact; without it a sample")

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(process())
	}
	for _, name := range []string{asProgram, withoutRyuk} {
		if err := os.Setenv(name, "true"); err != nil {
			panic(err)
		}
	}
	if err := program.WaitTogether(atOnce()); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
