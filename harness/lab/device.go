package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
)

// Options are what a Device needs beside the DUT file.
type Options struct {
	// Base is the folder in which the device's directories are made; empty: the system's folder for temporary files. Keep it short: devices
	// put Unix sockets into their directory, and those have short names.
	Base string
	// CA is what the device has to trust, in PEM form.
	CA []byte
	// Client is the device's own certificate; nil without TLS.
	Client *tls.Certificate
	// Start starts a process of the device; nil: as any other process.
	Start func(*exec.Cmd) error
	// Ask has an operator do something and returns when it is done; nil: there is no operator. See Console.
	Ask func(ctx context.Context, what string) error
}

// Device is the device under test as the lab handles it. Every act and every exit of its process is an event of the journal. Its methods
// are safe for concurrent use, but one act excludes the other.
type Device struct {
	j    *journal.Journal
	file dut.File
	opts Options
	log  *logTail

	act sync.Mutex // held while the lab does something

	mu    sync.Mutex // guards what follows
	vars  dut.Vars
	run   *run // nil before the first start and after Stop
	exits []Exit
}

// NewDevice makes the device of a DUT file for one link. It starts nothing.
func NewDevice(j *journal.Journal, f *dut.File, vars dut.Vars, opts Options) *Device {
	j.Secret(vars.Password)
	if opts.Start == nil {
		opts.Start = (*exec.Cmd).Start
	}
	return &Device{j: j, file: *f, opts: opts, log: newLogTail(), vars: vars}
}

// SetVars replaces the values that templates can name, for what only a listening broker knows. It is called before the first Start.
func (d *Device) SetVars(vars dut.Vars) {
	d.j.Secret(vars.Password)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.vars = vars
}

// Launched reports whether the harness starts the device itself.
func (d *Device) Launched() bool { return d.file.Lab.Launch != nil }

// Dir is the device's directory; empty before the first start.
func (d *Device) Dir() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.vars.Dir
}

// Start launches the device in its directory, which is made and filled at the first start. It returns when the process runs; whether it
// stays is for WaitFor to say. From then on a process that exits is started again. For a device that runs by itself it does nothing.
// The error is a *LaunchError.
func (d *Device) Start(ctx context.Context) error {
	d.act.Lock()
	defer d.act.Unlock()
	return d.start(ctx)
}

// start is Start while d.act is held.
func (d *Device) start(ctx context.Context) error {
	if !d.Launched() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.current() != nil {
		return d.launchError(errors.New("the device runs already"), "")
	}
	if err := d.prepare(); err != nil {
		return d.launchError(err, "")
	}
	launch, err := d.launcher(ctx)
	if err != nil {
		return err
	}
	r, err := d.supervise(launch)
	if err != nil {
		return d.launchError(err, "check lab.launch.exec")
	}
	d.mu.Lock()
	d.run = r
	d.mu.Unlock()
	return nil
}

// Stop kills the process and whatever it started, and keeps its directory. Stopping a device that does not run does nothing.
func (d *Device) Stop() {
	d.act.Lock()
	defer d.act.Unlock()
	d.stop()
}

// stop is Stop while d.act is held.
func (d *Device) stop() {
	d.mu.Lock()
	r := d.run
	d.run = nil
	d.mu.Unlock()
	if r != nil {
		r.end()
		d.note(journal.Own, "stop", "the device was stopped")
	}
}

// Fresh stops the device, gives it a new directory and starts it: no state is left. For a device that runs by itself it does nothing.
func (d *Device) Fresh(ctx context.Context) error {
	d.act.Lock()
	defer d.act.Unlock()
	return d.fresh(ctx)
}

// fresh is Fresh while d.act is held.
func (d *Device) fresh(ctx context.Context) error {
	if !d.Launched() {
		return nil
	}
	d.stop()
	if err := d.clear(); err != nil {
		return d.launchError(err, "")
	}
	return d.start(ctx)
}

// Close stops the device and removes its directory.
func (d *Device) Close() error {
	d.act.Lock()
	defer d.act.Unlock()
	d.stop()
	return d.clear()
}

// WaitFor runs ready, which waits until the device can be reached, and ends it early when the harness gives the device up: then the error
// is a *LaunchError, otherwise ready's own. Every wait for a device that may have been rebooted goes through here, since a device that was
// reached is known to be in no crash loop.
func (d *Device) WaitFor(ctx context.Context, ready func(context.Context) error) error {
	r := d.current()
	if r == nil {
		return ready(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-r.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := ready(ctx)
	cancel()
	<-stopped
	if err == nil {
		r.stayed()
		return nil
	}
	if gaveUp := d.Err(); gaveUp != nil {
		return gaveUp
	}
	return err
}

// Err says why the harness no longer starts the device again: a *LaunchError, or nil while it runs or was stopped.
func (d *Device) Err() error {
	r := d.current()
	if r == nil {
		return nil
	}
	select {
	case <-r.done:
		return d.launchError(r.gaveUp, "run the command by hand and see why it ends; the agent has to stay in the foreground")
	default:
		return nil
	}
}

// current is the run of the process, nil when there is none.
func (d *Device) current() *run {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.run
}

// Exit is one end of the device's process that the lab did not bring about.
type Exit struct {
	Seq   journal.Mark // the number of its event in the journal
	Ran   time.Duration
	Crash bool     // it ended by a signal or with a code other than 0
	Text  string   // "exit status 0", "signal: segmentation fault"
	Log   []string // the last lines that it wrote
}

// Exits are the ends of the process that the lab did not bring about, oldest first, at most the newest 1000.
func (d *Device) Exits() []Exit {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Exit(nil), d.exits...)
}

// maxExits bounds what Exits remembers.
const maxExits = 1000

// exited records the end of the process.
func (d *Device) exited(ran time.Duration, end ending) {
	typ := "exit"
	if end.crash {
		typ = "crash"
	}
	e := d.note(journal.In, typ, fmt.Sprintf("the device's process ended by itself after %s: %s", ran.Round(time.Millisecond), end.text))
	lines := d.LogTail(tailLines)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.exits) == maxExits {
		d.exits = d.exits[1:]
	}
	d.exits = append(d.exits, Exit{Seq: e.Seq, Ran: ran, Crash: end.crash, Text: end.text, Log: lines})
}

// LogTail returns the last lines, at most n, that the device wrote to its standard output and error. Control characters are replaced,
// secrets are masked, long lines are cut.
func (d *Device) LogTail(n int) []string {
	lines := d.log.last(n)
	mask := d.j.Masker()
	for i, l := range lines {
		lines[i] = mask.Text(l)
	}
	return lines
}

// note writes an event of the lab.
func (d *Device) note(dir journal.Dir, typ, text string) *journal.Event {
	return d.j.Append(journal.Event{Layer: journal.LayerLab, Dir: dir, Type: typ, Text: d.j.Masker().Text(text)})
}

// tailLines is how much of the device's log is in an error.
const tailLines = 10

// LaunchError says why the device does not run.
type LaunchError struct {
	Command string // as in the DUT file
	Cause   error
	Remedy  string
	Log     []string // the last lines of the device's own output
}

// Error is one line with cause, remedy and command, then the log, indented.
func (e *LaunchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "lab.launch: %v", e.Cause)
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	b.WriteString("; command: " + e.Command)
	if len(e.Log) > 0 {
		b.WriteString("\nthe device's last lines:")
		for _, l := range e.Log {
			b.WriteString("\n    " + l)
		}
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *LaunchError) Unwrap() error { return e.Cause }

// launchError makes a *LaunchError with the tail of the log.
func (d *Device) launchError(cause error, remedy string) error {
	command := strings.Join(d.file.Lab.Launch.Exec, " ")
	if image := d.file.Lab.Launch.Image; image != "" {
		command = strings.TrimSpace("container " + image + " " + command)
	}
	return &LaunchError{Command: command, Cause: cause, Remedy: remedy, Log: d.LogTail(tailLines)}
}

// clear removes the device's directory.
func (d *Device) clear() error {
	d.mu.Lock()
	dir := d.vars.Dir
	d.vars.Dir, d.vars.NoTime = "", false
	d.mu.Unlock()
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}
