package lab

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/usptest/usptest/harness/journal"
)

// The harness gives up a device whose process ends maxEnds times in a row, or crashes maxCrashes times in a row, without staying in between:
// a process has stayed when the harness reached the device (WaitFor) or when it ran for at least longRun.
const (
	maxEnds    = 20
	maxCrashes = 5
	longRun    = 30 * time.Second
)

// logGrace is how long the output of a process is still read after its end.
const logGrace = 500 * time.Millisecond

// run is a supervised process: a chain of processes, each started when the one before has ended.
type run struct {
	done   chan struct{} // closed when no process will be started any more
	gaveUp error         // why; set before done is closed, nil after end

	mu     sync.Mutex
	proc   *os.Process // nil between two processes
	ending bool
	// How often the process has ended, and crashed, in a row.
	ends, crashes int
}

// stayed notes that the device was reached: it is in no crash loop.
func (r *run) stayed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ends, r.crashes = 0, 0
}

// hopeless counts an end of the process and says whether there is no use in starting it again.
func (r *run) hopeless(crash bool, ran time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ran >= longRun {
		r.ends, r.crashes = 0, 0
	}
	r.ends++
	r.crashes++
	if !crash {
		r.crashes = 0
	}
	switch {
	case r.crashes == maxCrashes:
		return fmt.Errorf("it crashed %d times in a row", r.crashes)
	case r.ends == maxEnds:
		return fmt.Errorf("it ended %d times in a row", r.ends)
	}
	return nil
}

// end kills the process and waits until it is gone.
func (r *run) end() {
	r.mu.Lock()
	r.ending = true
	if r.proc != nil {
		killGroup(r.proc)
	}
	r.mu.Unlock()
	<-r.done
}

// supervise starts cmd, and starts the same command again whenever it ends. The error says why the first start failed.
func (d *Device) supervise(cmd *exec.Cmd) (*run, error) {
	r := &run{done: make(chan struct{})}
	first := make(chan error, 1)
	go func() {
		// On Linux a process is told to die with the thread that started it, so that thread must live as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(r.done)
		r.gaveUp = d.keepAlive(r, cmd, first)
	}()
	if err := <-first; err != nil {
		<-r.done
		return nil, err
	}
	return r, nil
}

// keepAlive runs the chain of processes. It reports the first start on first, and returns nil after end, else why it gave up.
func (d *Device) keepAlive(r *run, model *exec.Cmd, first chan<- error) error {
	for {
		proc, output, err := d.launch(r, model)
		if first != nil {
			first <- err
			first = nil
		}
		if proc == nil {
			return err
		}
		started := time.Now()
		state, waitErr := proc.Wait()
		r.mu.Lock()
		killGroup(proc) // what the process left behind
		r.proc = nil
		ending := r.ending
		r.mu.Unlock()
		d.sweep()
		output.finish()
		switch {
		case ending:
			return nil
		case waitErr != nil:
			return waitErr
		}
		ran := time.Since(started)
		d.exited(ran, !state.Success(), state.String())
		if err := r.hopeless(!state.Success(), ran); err != nil {
			err = fmt.Errorf("%w without being reached, the last time with %q", err, state.String())
			d.note(journal.Own, "give-up", "the device is not started again: "+err.Error())
			return err
		}
	}
}

// launch starts one process. It returns no process and no error when the run is ending.
func (d *Device) launch(r *run, model *exec.Cmd) (*os.Process, *output, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending {
		return nil, nil, nil
	}
	out, w, err := d.log.pipe()
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	cmd := &exec.Cmd{Path: model.Path, Args: model.Args, Env: model.Env, Dir: model.Dir, Stdout: w, Stderr: w, SysProcAttr: model.SysProcAttr}
	if err := cmd.Start(); err != nil {
		w.Close()
		out.finish()
		return nil, nil, err
	}
	r.proc = cmd.Process
	d.note(journal.Own, "launch", fmt.Sprintf("%q started as process %d", cmd.Args, cmd.Process.Pid))
	return cmd.Process, out, nil
}
