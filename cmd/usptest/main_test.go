package main

import (
	"os"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
)

// asProgram is the variable in the environment that makes this test binary usptest itself.
const asProgram = "USPTEST_AS_PROGRAM"

// atOnce is how many tests run at once at the least.
const atOnce = 6

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(process())
	}
	if err := os.Setenv(asProgram, "1"); err != nil {
		panic(err)
	}
	if err := program.WaitTogether(atOnce); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
