package dut

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
)

// What is kept of a device's output.
const (
	keepLines = 500
	keepWidth = 400 // bytes of a line
)

// logTail keeps the newest lines that a device wrote. It is safe for concurrent use.
type logTail struct {
	mu    sync.Mutex
	lines []string // a ring of at most keepLines
	next  int      // where the next line goes when the ring is full
	part  []byte   // the line that has not ended yet, cut at keepWidth
}

func newLogTail() *logTail { return &logTail{} }

// Write takes output in any pieces. It never fails.
func (t *logTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range p {
		switch {
		case b == '\n':
			t.add()
		case len(t.part) < keepWidth:
			t.part = append(t.part, b)
		}
	}
	return len(p), nil
}

// add ends the line at hand.
func (t *logTail) add() {
	line := sanitise(t.part)
	t.part = t.part[:0]
	if len(t.lines) < keepLines {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % keepLines
}

// last returns the newest n lines, oldest first, with the one that has not ended yet.
func (t *logTail) last(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := append(append([]string(nil), t.lines[t.next:]...), t.lines[:t.next]...)
	if len(t.part) > 0 {
		lines = append(lines, sanitise(t.part))
	}
	return lines[max(0, len(lines)-n):]
}

// sanitise makes bytes of a device harmless on a terminal and in a report: what cannot be printed becomes a replacement character.
func sanitise(b []byte) string {
	text := strings.TrimRight(strings.ToValidUTF8(string(b), string(unicode.ReplacementChar)), "\r")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// output is the reading end of what one process writes.
type output struct {
	r    *os.File
	done chan struct{}
}

// pipe starts reading a process's output into t; the process writes to w.
func (t *logTail) pipe() (out *output, w *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	out = &output{r: r, done: make(chan struct{})}
	go func() {
		defer close(out.done)
		_, _ = io.Copy(t, r) // ends with the last writer, or when finish stops waiting for it
	}()
	return out, w, nil
}

// finish waits until the output has been read. A process that escaped its group may hold the pipe for ever, so the wait is bounded.
func (o *output) finish() {
	_ = o.r.SetReadDeadline(time.Now().Add(logGrace))
	<-o.done
	_ = o.r.Close()
}
