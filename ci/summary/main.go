// Command summary reads the output of "go test -json", shows what go test would have shown without that flag, with every skipped test and
// why it was, and ends with one line that counts the tests: "N passed, N failed, N skipped". Its exit code is 1 when anything failed, or
// when no test ran.
//
// Between the lines {"Action":"again"} and {"Action":"beside"} are tests that were run again by themselves. One that failed beside the
// others and passes each time by itself counts as passed, and the lines before the last one name it. With -failed, summary prints the
// tests to be run again instead, one a line: the package and what -run takes. It prints none, and its exit code is 1, when something
// failed that a second run would not excuse: a package that does not compile or was cut short, a panic, a data race, or more than
// three tests.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// inexcusable is what a test says that crashed or found a data race.
var inexcusable = regexp.MustCompile(`(?m)^(panic|fatal error): |race detected`)

// maxAgain is how many tests are run again at most: more are no accident.
const maxAgain = 3

func main() {
	failed := flag.Bool("failed", false, "print the tests to be run again")
	flag.Parse()
	does := summarize
	if *failed {
		does = again
	}
	ok, err := does(os.Stdin, os.Stdout)
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

// test names a test: its package, and its name with those of the tests that it is a part of. A package has the name "".
type test struct{ pkg, name string }

// summary gathers what the tests say until it is known whether that matters.
type summary struct {
	out             io.Writer
	said            map[test][]string
	failed          map[test]string // what the tests that failed said
	broken          map[string]bool // packages that failed for another reason than one of their tests
	again           bool            // the tests that follow are run by themselves
	alone           map[test]int    // how often those that failed passed by themselves; -1 when they failed twice
	passed, skipped int
}

func newSummary(w io.Writer) *summary {
	return &summary{out: w, said: map[test][]string{}, failed: map[test]string{}, broken: map[string]bool{}, alone: map[test]int{}}
}

func summarize(r io.Reader, w io.Writer) (ok bool, err error) {
	s := newSummary(w)
	if err := s.readAll(r); err != nil {
		return false, err
	}
	failed := len(s.broken)
	for _, key := range s.failures() {
		if s.alone[key] > 0 {
			s.passed++
			fmt.Fprintf(w, "FLAKY %s: failed beside the others, and passed %d times by itself\n", key.name, s.alone[key])
			fmt.Fprint(w, strings.ReplaceAll(s.failed[key], "--- FAIL: ", "--- FLAKY: "))
		} else {
			failed++
			fmt.Fprint(w, s.failed[key])
		}
	}
	_, err = fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", s.passed, failed, s.skipped)
	return failed == 0 && s.passed > 0, err
}

// again prints the tests that are to be run again by themselves.
func again(r io.Reader, w io.Writer) (ok bool, err error) {
	s := newSummary(io.Discard)
	if err := s.readAll(r); err != nil {
		return false, err
	}
	leaves := slices.DeleteFunc(s.failures(), func(t test) bool { return !s.leaf(t) })
	crashed := slices.ContainsFunc(leaves, func(t test) bool { return inexcusable.MatchString(s.failed[t]) })
	if len(s.broken) > 0 || crashed || len(leaves) > maxAgain {
		return false, nil
	}
	for _, t := range leaves {
		names := strings.Split(t.name, "/")
		for i, name := range names {
			names[i] = "^" + regexp.QuoteMeta(name) + "$"
		}
		if _, err := fmt.Fprintln(w, t.pkg, strings.Join(names, "/")); err != nil {
			return false, err
		}
	}
	return true, nil
}

// failures are the tests that failed, in the order of their names.
func (s *summary) failures() []test {
	return slices.SortedFunc(maps.Keys(s.failed), func(a, b test) int { return strings.Compare(a.pkg+" "+a.name, b.pkg+" "+b.name) })
}

// leaf reports whether no part of a failed test has failed.
func (s *summary) leaf(of test) bool {
	for t := range s.failed {
		if t.pkg == of.pkg && strings.HasPrefix(t.name, of.name+"/") {
			return false
		}
	}
	return true
}

func (s *summary) readAll(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			s.read(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) read(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		fmt.Fprintf(s.out, "%s", line) // go itself has something to say
		return
	}
	key := test{e.Package, e.Test}
	switch e.Action {
	case "run":
		s.said[key] = nil
	case "again", "beside":
		s.again = e.Action == "again"
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
		if e.Action == "skip" || e.Test == "" {
			fmt.Fprint(s.out, strings.Join(s.said[key], ""))
		}
		delete(s.said, key)
	}
}

func (s *summary) testDone(e event) {
	key := test{e.Package, e.Test}
	_, failed := s.failed[key]
	switch {
	case e.Action == "fail":
		s.failed[key] += strings.Join(s.said[key], "")
		if s.again || failed {
			s.alone[key] = -1
		}
	case s.again:
		if failed && e.Action == "pass" && s.alone[key] >= 0 {
			s.alone[key]++
		}
	case e.Action == "pass":
		s.passed++
	case e.Action == "skip":
		s.skipped++
	}
}

// packageDone takes note of a package that failed for another reason than one of its tests: it does not compile, or a panic cut it short.
// What the tests that it cut short had said is shown.
func (s *summary) packageDone(e event) {
	if e.Action != "fail" {
		return
	}
	broken := !slices.ContainsFunc(s.failures(), func(t test) bool { return t.pkg == e.Package })
	for key, lines := range s.said {
		if key.pkg == e.Package && key.name != "" {
			broken = true
			fmt.Fprint(s.out, strings.Join(lines, ""))
			delete(s.said, key)
		}
	}
	if broken {
		s.broken[e.Package] = true
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
