package lab

import (
	"bytes"
	"io"
	"os"
	"slices"
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

// logTail keeps the newest lines that a device wrote. It is safe for concurrent use. A device may write without end, and waits for whoever
// reads: a line costs no more than finding its end, and is made harmless only when somebody looks at it.
type logTail struct {
	mu    sync.Mutex
	lines [][]byte // a ring of at most keepLines, each cut at keepWidth
	next  int      // where the next line goes when the ring is full
	part  []byte   // the line that has not ended yet, cut at keepWidth
}

func newLogTail() *logTail { return &logTail{} }

// Write takes output in any pieces. It never fails.
func (t *logTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		t.part = append(t.part, line[:min(len(line), keepWidth-len(t.part))]...)
		if ended {
			t.add()
		}
		rest = after
	}
	return len(p), nil
}

// add ends the line at hand. The one that it pushes out gives its memory to the next.
func (t *logTail) add() {
	if len(t.lines) < keepLines {
		t.lines, t.part = append(t.lines, t.part), nil
		return
	}
	t.lines[t.next], t.part = t.part, t.lines[t.next][:0]
	t.next = (t.next + 1) % keepLines
}

// last returns the newest n lines, oldest first, with the one that has not ended yet.
func (t *logTail) last(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := slices.Concat(t.lines[t.next:], t.lines[:t.next])
	if len(t.part) > 0 {
		lines = append(lines, t.part)
	}
	var texts []string
	for _, line := range lines[max(0, len(lines)-n):] {
		texts = append(texts, sanitise(line))
	}
	return texts
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
