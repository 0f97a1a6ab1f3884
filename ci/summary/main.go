// Command summary reads the output of "go test -json", shows what go test would have shown without that flag, with every skipped test and
// why it was, and ends with one line that counts the tests: "N passed, N failed, N skipped". Its exit code is 1 when anything failed, or
// when no test ran.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	ok, err := summarize(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

// event is one line of "go test -json"; see "go doc test2json".
type event struct {
	Action, Package, ImportPath, Test, Output string
}

// summary gathers what the tests say until it is known whether that matters.
type summary struct {
	out                     io.Writer
	said                    map[[2]string][]string // lines by package and test
	failures                map[string]int         // failed tests by package
	passed, failed, skipped int
}

func summarize(r io.Reader, w io.Writer) (ok bool, err error) {
	s := summary{out: w, said: map[[2]string][]string{}, failures: map[string]int{}}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			s.read(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, err
		}
	}
	_, err = fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	return s.failed == 0 && s.passed > 0, err
}

func (s *summary) read(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		fmt.Fprintf(s.out, "%s", line) // go itself has something to say
		return
	}
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		if !chatter(e) {
			s.said[key] = append(s.said[key], e.Output)
		}
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.packageDone(e)
		} else {
			s.testDone(e)
		}
		if e.Action != "pass" || e.Test == "" {
			fmt.Fprint(s.out, strings.Join(s.said[key], ""))
		}
		delete(s.said, key)
	}
}

func (s *summary) testDone(e event) {
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed++
		s.failures[e.Package]++
	case "skip":
		s.skipped++
	}
}

// packageDone counts a package that failed for another reason than one of its tests: it does not compile, or a panic cut it short. What
// a test had said until then is shown.
func (s *summary) packageDone(e event) {
	if e.Action != "fail" {
		return
	}
	if s.failures[e.Package] == 0 {
		s.failed++
	}
	for key, lines := range s.said {
		if key[0] == e.Package && key[1] != "" {
			fmt.Fprint(s.out, strings.Join(lines, ""))
			delete(s.said, key)
		}
	}
}

// chatter is what go test prints only with -v.
func chatter(e event) bool {
	for _, prefix := range []string{"=== RUN", "=== PAUSE", "=== CONT", "=== NAME"} {
		if strings.HasPrefix(e.Output, prefix) {
			return true
		}
	}
	return e.Test == "" && e.Output == "PASS\n"
}
