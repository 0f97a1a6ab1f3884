// Package console writes a run for a person at a terminal or for the log of a pipeline: progress while it runs, a block for every
// failure as soon as it is known, and a summary. What a device sent never reaches the terminal unescaped.
package console

import (
	"os"
	"time"

	"golang.org/x/term"

	"github.com/usptest/usptest/harness/result"
)

// Options say what the output goes to and how much of it is wanted. The zero value is right for a file.
type Options struct {
	Terminal bool // keep a status line and redraw it in place
	Color    bool
	Quiet    bool // failures and the summary only
	Verbose  bool // every case by itself, also those that pass or are not run
	// Report is the name of the HTML report that failure blocks point into; empty when there is none.
	Report string
	// Width is asked for the columns of the terminal before each line that depends on it. Nil: as wide as lines in a file.
	Width func() int
	// Refresh is how often the status line is redrawn while nothing happens. Zero: never.
	Refresh time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// fileWidth is the width of lines that no terminal limits.
const fileWidth = 95

// Detect finds out what f is. A status line is for a terminal that can redraw it and that nobody keeps as a log, colours besides for
// a user who did not set NO_COLOR (no-color.org). getenv is os.Getenv.
func Detect(f *os.File, getenv func(string) string) Options {
	fd := int(f.Fd())
	o := choose(term.IsTerminal(fd), getenv)
	if o.Terminal {
		o.Width = func() int {
			width, _, err := term.GetSize(fd)
			if err != nil {
				return 0
			}
			return width
		}
	}
	return o
}

// choose is what Detect makes of a file that is a terminal or not.
func choose(terminal bool, getenv func(string) string) Options {
	terminal = terminal && getenv("TERM") != "dumb" && getenv("CI") == ""
	return Options{Terminal: terminal, Color: terminal && getenv("NO_COLOR") == "", Refresh: time.Second}
}

// width is how many columns a line may have.
func (o Options) width() int {
	if o.Width != nil {
		if w := o.Width(); w > 0 {
			return w
		}
	}
	return fileWidth
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// The colours of ECMA-48 that are used.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
	bold   = "1"
)

// paint puts s into a colour.
func (o Options) paint(colour, s string) string {
	if !o.Color || colour == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// verdict is a verdict's word in its colour.
func (o Options) verdict(v result.Verdict) string {
	return o.paint(verdictColour(v), result.VisibleLine(string(v)))
}

func verdictColour(v result.Verdict) string {
	switch v {
	case result.Pass:
		return green
	case result.Fail, result.Flaky, result.FailByHand:
		return red
	case result.Error, result.Aborted, result.Advice:
		return yellow
	}
	return faint
}
