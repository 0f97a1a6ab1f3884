package main

import (
	"strings"
	"testing"
)

// failsBeside is a test whose part fails.
const failsBeside = `{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"run","Package":"p","Test":"TestB/c d"}
{"Action":"output","Package":"p","Test":"TestB/c d","Output":"--- FAIL: TestB/c d\n"}
{"Action":"fail","Package":"p","Test":"TestB/c d"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`

func TestSummarize(t *testing.T) {
	const passes = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: chat\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- PASS: TestA (0.00s)\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
`
	const packagePasses = `{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`
	for _, c := range []struct {
		name, in, want string
		ok             bool
	}{
		{"a test passes", passes + packagePasses, "ok  \tp\t0.1s\n1 passed, 0 failed, 0 skipped\n", true},
		{"a test is skipped", passes + `{"Action":"output","Package":"p","Test":"TestB","Output":"    why\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
` + packagePasses, "    why\nok  \tp\t0.1s\n1 passed, 0 failed, 1 skipped\n", true},
		{"a test fails", passes + `{"Action":"output","Package":"p","Test":"TestB","Output":"    want \"1\", got 2\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`, "FAIL\tp\t0.1s\n    want \"1\", got 2\n1 passed, 1 failed, 0 skipped\n", false},
		{"a test fails beside the others alone", failsBeside + `{"Action":"again"}
{"Action":"pass","Package":"p","Test":"TestB/c d"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Test":"TestB/c d"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p"}
`, "FAIL\tp\t0.1s\nFLAKY TestB: failed beside the others, and passed 2 times by itself\n" +
			"FLAKY TestB/c d: failed beside the others, and passed 2 times by itself\n" +
			"--- FLAKY: TestB/c d\n2 passed, 0 failed, 0 skipped\n", true},
		{"a test fails by itself too", failsBeside + `{"Action":"again"}
{"Action":"pass","Package":"p","Test":"TestB/c d"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p","Test":"TestB/c d"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p"}
`, "FAIL\tp\t0.1s\n--- FAIL: TestB/c d\n0 passed, 2 failed, 0 skipped\n", false},
		{"a test does not run again", failsBeside + `{"Action":"again"}
{"Action":"pass","Package":"p"}
`, "FAIL\tp\t0.1s\n--- FAIL: TestB/c d\n0 passed, 2 failed, 0 skipped\n", false},
		{"a package does not compile", passes + packagePasses + `{"ImportPath":"q","Action":"build-output","Output":"q.go:1: syntax error\n"}
{"ImportPath":"q","Action":"build-fail"}
{"Action":"output","Package":"q","Output":"FAIL\tq [build failed]\n"}
{"Action":"fail","Package":"q","FailedBuild":"q"}
`, "ok  \tp\t0.1s\nq.go:1: syntax error\nFAIL\tq [build failed]\n1 passed, 1 failed, 0 skipped\n", false},
		{"a panic cuts a package short", passes + `{"Action":"output","Package":"p","Test":"TestB","Output":"panic: oh\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`, "panic: oh\nFAIL\tp\t0.1s\n1 passed, 1 failed, 0 skipped\n", false},
		{"go speaks", "go: no such thing\n", "go: no such thing\n0 passed, 0 failed, 0 skipped\n", false},
		{"no test", `{"Action":"output","Package":"p","Output":"?   \tp\t[no test files]\n"}
{"Action":"skip","Package":"p"}
`, "?   \tp\t[no test files]\n0 passed, 0 failed, 0 skipped\n", false},
		{"nothing", "", "0 passed, 0 failed, 0 skipped\n", false},
	} {
		var out strings.Builder
		ok, err := summarize(strings.NewReader(c.in), &out)
		if err != nil || ok != c.ok || out.String() != c.want {
			t.Errorf("%s: want %v and\n%s\ngot %v, %v and\n%s", c.name, c.ok, c.want, ok, err, out.String())
		}
	}
}

func TestAgain(t *testing.T) {
	fails := func(name, says string) string {
		return `{"Action":"output","Package":"p","Test":"` + name + `","Output":"` + says + `\n"}
{"Action":"fail","Package":"p","Test":"` + name + `"}
`
	}
	for _, c := range []struct {
		name, in, want string
		ok             bool
	}{
		{"nothing failed", `{"Action":"pass","Package":"p","Test":"TestB"}` + "\n", "", true},
		{"a part of a test", failsBeside, "p ^TestB$/^c d$\n", true},
		{"three", fails("TestA", "") + fails("TestB", "") + fails("TestC", ""), "p ^TestA$\np ^TestB$\np ^TestC$\n", true},
		{"four", fails("TestA", "") + fails("TestB", "") + fails("TestC", "") + fails("TestD", ""), "", false},
		{"a panic", fails("TestA", "panic: oh"), "", false},
		{"a data race", fails("TestA", "    testing.go:1: race detected during execution of test"), "", false},
		{"a package cut short", `{"Action":"run","Package":"p","Test":"TestB"}` + "\n" + fails("TestA", "") +
			`{"Action":"fail","Package":"p"}` + "\n", "", false},
		{"a package that does not compile", `{"Action":"fail","Package":"p","FailedBuild":"p"}` + "\n", "", false},
	} {
		var out strings.Builder
		ok, err := again(strings.NewReader(c.in), &out)
		if err != nil || ok != c.ok || out.String() != c.want {
			t.Errorf("%s: want %v and %q, got %v, %v and %q", c.name, c.ok, c.want, ok, err, out.String())
		}
	}
}
