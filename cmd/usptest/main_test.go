package main

import (
	"os"
	"testing"
)

// asProgram makes this test binary behave as usptest itself: the reference device of the tests is the binary that runs them.
const asProgram = "USPTEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Setenv(asProgram, "1")
	os.Exit(m.Run())
}
