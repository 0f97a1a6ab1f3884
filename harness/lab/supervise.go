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

// The harness gives up a device whose process ends maxEnds times in a row, or crashes maxCrashes times in a row, without staying in
// between: a process has stayed when the harness reached the device (WaitFor) or when it ran for at least longRun.
const (
	maxEnds    = 20
	maxCrashes = 5
	longRun    = 30 * time.Second
)

// logGrace is how long the output of a process is still read after its end.
const logGrace = 500 * time.Millisecond

// instance is one process or one container of the device.
type instance interface {
	// wait returns when it has ended. The error is for one of which this cannot be known.
	wait() (ending, error)
	// kill ends it and whatever it started.
	kill()
	// finish reads the rest of its output and removes what is left of it. It is called once, after wait.
	finish()
}

// ending is how an instance has ended.
type ending struct {
	crash bool   // by a signal or with a code other than 0
	text  string // "exit status 0", "signal: segmentation fault"
}

// launcher starts one instance.
type launcher func() (instance, error)

// run is a supervised device: a chain of instances, each started when the one before has ended.
type run struct {
	done   chan struct{} // closed when no instance will be started any more
	gaveUp error         // why; set before done is closed, nil after end

	mu     sync.Mutex
	now    instance // nil between two instances
	ending bool
	// How often an instance has ended, and crashed, in a row.
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

// end kills the instance and waits until it is gone.
func (r *run) end() {
	r.mu.Lock()
	r.ending = true
	if r.now != nil {
		r.now.kill()
	}
	r.mu.Unlock()
	<-r.done
}

// supervise starts an instance, and another one whenever it ends. The error says why the first start failed.
func (d *Device) supervise(start launcher) (*run, error) {
	r := &run{done: make(chan struct{})}
	first := make(chan error, 1)
	go func() {
		// On Linux a process is told to die with the thread that started it, so that thread must live as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(r.done)
		r.gaveUp = d.keepAlive(r, start, first)
	}()
	if err := <-first; err != nil {
		<-r.done
		return nil, err
	}
	return r, nil
}

// keepAlive runs the chain of instances. It reports the first start on first, and returns nil after end, else why it gave up.
func (d *Device) keepAlive(r *run, start launcher, first chan<- error) error {
	for {
		one, err := r.launch(start)
		if first != nil {
			first <- err
			first = nil
		}
		if one == nil {
			return err
		}
		started := time.Now()
		end, err := one.wait()
		r.mu.Lock()
		one.kill() // what it left behind
		r.now = nil
		ending := r.ending
		r.mu.Unlock()
		one.finish()
		switch {
		case ending:
			return nil
		case err != nil:
			return err
		}
		ran := time.Since(started)
		d.exited(ran, end)
		if err := r.hopeless(end.crash, ran); err != nil {
			err = fmt.Errorf("%w without being reached, the last time with %q", err, end.text)
			d.note(journal.Own, "give-up", "the device is not started again: "+err.Error())
			return err
		}
	}
}

// launch starts one instance. It returns none and no error when the run is ending.
func (r *run) launch(start launcher) (instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending {
		return nil, nil
	}
	one, err := start()
	if err != nil {
		return nil, err
	}
	r.now = one
	return one, nil
}

// processLauncher starts a process like model, which has not been started itself.
func (d *Device) processLauncher(model *exec.Cmd) launcher {
	return func() (instance, error) {
		out, w, err := d.log.pipe()
		if err != nil {
			return nil, err
		}
		defer w.Close()
		cmd := &exec.Cmd{Path: model.Path, Args: model.Args, Env: model.Env, Dir: model.Dir, Stdout: w, Stderr: w, SysProcAttr: model.SysProcAttr}
		if err := d.opts.Start(cmd); err != nil {
			w.Close()
			out.finish()
			return nil, err
		}
		d.note(journal.Own, "launch", fmt.Sprintf("%q started as process %d", cmd.Args, cmd.Process.Pid))
		return process{cmd.Process, out}, nil
	}
}

// process is a process of the device.
type process struct {
	*os.Process
	out *output
}

func (p process) wait() (ending, error) {
	state, err := p.Wait()
	if err != nil {
		return ending{}, err
	}
	return ending{crash: !state.Success(), text: state.String()}, nil
}

func (p process) kill() { killGroup(p.Process) }

func (p process) finish() { p.out.finish() }
