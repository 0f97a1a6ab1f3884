package dut

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/usptest/usptest/harness/journal"
)

// A process that ends sooner than quickRun counts towards a crash loop: the harness gives up after maxCrashes such crashes in a row, or
// maxQuick such ends of any kind. A device under test may reboot a few times within seconds; one that never stays is broken.
const (
	quickRun   = 2 * time.Second
	maxCrashes = 5
	maxQuick   = 20
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
	var quick, crashes int
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
		output.finish()
		switch {
		case ending:
			return nil
		case waitErr != nil:
			return waitErr
		}
		ran := time.Since(started)
		d.exited(ran, !state.Success(), state.String())
		if ran >= quickRun {
			quick, crashes = 0, 0
			continue
		}
		quick++
		crashes++
		if state.Success() {
			crashes = 0
		}
		if quick == maxQuick || crashes == maxCrashes {
			err := fmt.Errorf("it ended %d times in a row within %s of its start, the last time with %q", quick, quickRun, state.String())
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
	cmd := &exec.Cmd{Path: model.Path, Args: model.Args, Env: model.Env, Dir: model.Dir, Stdout: w, Stderr: w, SysProcAttr: processAttr()}
	if err := cmd.Start(); err != nil {
		w.Close()
		out.finish()
		return nil, nil, err
	}
	r.proc = cmd.Process
	d.note(journal.Own, "launch", fmt.Sprintf("%q started as process %d", cmd.Args, cmd.Process.Pid))
	return cmd.Process, out, nil
}
