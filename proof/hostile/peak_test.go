package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lookEvery is how often the memory of the processes of a run is looked at. The system knows the peak of a process as long as that runs.
const lookEvery = 5 * time.Millisecond

var highWater = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// watchPeaks watches a process of usptest and its workers, and wants to see a number of them at least. What it returns ends that, and adds
// up the peaks of their memory, in bytes. A device is not counted: it is another program.
func watchPeaks(t *testing.T, supervisor, processes int) func() (bytes int) {
	t.Helper()
	peaks, stop, ended := map[int]int{}, make(chan struct{}), make(chan struct{})
	program := path(t)
	go func() {
		defer close(ended)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			for _, pid := range append(childrenOf(supervisor), supervisor) {
				if runs, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || runs != program {
					continue
				}
				status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
				if m := highWater.FindSubmatch(status); m != nil { // nil when it has just ended
					kib, _ := strconv.Atoi(string(m[1]))
					peaks[pid] = max(peaks[pid], kib<<10)
				}
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() (bytes int) {
		t.Helper()
		close(stop)
		<-ended
		if len(peaks) < processes {
			t.Fatalf("want the peaks of %d processes, got %v", processes, peaks)
		}
		for _, peak := range peaks {
			bytes += peak
		}
		return bytes
	}
}

// childrenOf are the children of a process, none when it has ended.
func childrenOf(parent int) (pids []int) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, thread := range threads {
		text, _ := os.ReadFile(thread)
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
