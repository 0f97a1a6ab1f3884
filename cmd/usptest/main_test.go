package main

import (
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
	return 12
}

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
