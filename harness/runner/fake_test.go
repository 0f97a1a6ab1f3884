package runner

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/result"
)

// asWorker is the environment variable that makes this test binary a worker that follows a script.
const asWorker = "USPTEST_FAKE_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) != "" {
		os.Exit(fakeWorker(os.Args[1:]))
	}
	os.Setenv(asWorker, "1")
	os.Exit(m.Run())
}

// fakeWorker reads a job and then follows the script: one verb an argument.
func fakeWorker(script []string) int {
	input := bufio.NewReader(os.Stdin)
	if script[0] == "linger" { // until the other end of a connection is closed
		c, err := net.Dial("tcp", script[1])
		if err == nil {
			_, _ = io.Copy(io.Discard, c)
		}
		return 0
	}
	if _, err := input.ReadBytes('\n'); err != nil {
		return 99
	}
	reports := openReports()
	say := json.NewEncoder(reports)
	for _, line := range script {
		verb, arg, _ := strings.Cut(line, " ")
		switch verb {
		case "started":
			say.Encode(report{Started: arg})
		case "pass", "fail":
			say.Encode(report{Case: &result.Case{ID: arg, Verdict: result.Verdict(verb)}})
		case "carried": // carried out <id>: a case that began at some time
			say.Encode(report{Case: &result.Case{ID: strings.TrimPrefix(arg, "out "), Verdict: result.Pass, Started: time.Now()}})
		case "device":
			say.Encode(report{Device: &identity{Vendor: arg}})
		case "shows": // a feature, by its number
			number, _ := strconv.Atoi(arg)
			found := []result.Feature{{Number: 1, Detected: result.No}, {Number: 2, Detected: result.Unknown}}
			found[number-1].Detected = result.Yes
			say.Encode(report{Inspect: &inspection{Features: found}})
		case "lacks": // an element of the DUT file
			say.Encode(report{Inspect: &inspection{Elements: []dut.Problem{{File: "lab.yaml", Line: 7, Key: arg}}}})
		case "trouble":
			say.Encode(report{Trouble: &trouble{Text: arg, DeviceLog: []string{"its log"}}})
		case "note":
			say.Encode(report{Note: arg})
		case "ask": // what came back becomes a note
			say.Encode(report{Ask: &plea{N: 7, What: arg}})
			text, _ := input.ReadString('\n')
			say.Encode(report{Note: "answer " + strings.TrimSpace(text)})
		case "done":
			say.Encode(report{Done: true})
		case "raw":
			fmt.Fprintln(reports, arg)
		case "flood": // without a line break, until nobody listens any more
			for err := error(nil); err == nil; {
				_, err = reports.WriteString(strings.Repeat("x", 64<<10))
			}
		case "stderr":
			fmt.Fprintln(os.Stderr, arg)
		case "leave": // a process that outlives this one and has its files
			child := exec.Command(os.Args[0], "linger", arg)
			child.Stderr, child.ExtraFiles = os.Stderr, []*os.File{reports}
			if child.Start() != nil {
				return 98
			}
		case "end-of-input":
			_, _ = io.Copy(io.Discard, input)
		case "hang":
			select {}
		case "exit":
			return 3
		}
	}
	return 0
}

// hearing is a Progress that notes what it hears.
type hearing struct {
	mu    sync.Mutex
	heard []string
	on    func(string) // called with each line; may be nil
}

func (h *hearing) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	h.mu.Lock()
	h.heard = append(h.heard, line)
	h.mu.Unlock()
	if h.on != nil {
		h.on(line)
	}
}

func (h *hearing) Start(_ *result.Run, cases [][]string) {
	var counts []int
	for _, ids := range cases {
		counts = append(counts, len(ids))
	}
	h.add("start %v", counts)
}
func (h *hearing) CaseStarted(link, id string)         { h.add("%s started %s", link, id) }
func (h *hearing) CaseDone(link string, c result.Case) { h.add("%s %s %s", link, c.Verdict, c.ID) }
func (h *hearing) Note(link, text string)              { h.add("%s note %s", link, text) }

// has reports whether a line with this beginning was heard.
func (h *hearing) has(beginning string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.heard, func(line string) bool { return strings.HasPrefix(line, beginning) })
}
