package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
)

// ErrOverUSP says that the DUT file leaves an act to the harness, which carries it out over USP.
var ErrOverUSP = errors.New("the DUT file leaves this to a USP command")

// Reboot has the lab reboot the device: its state stays. The device may be unreachable long after Reboot has returned. The error is
// ErrOverUSP where the DUT file says so.
func (d *Device) Reboot(ctx context.Context) error {
	return d.hook(ctx, "reboot", d.file.Lab.Reboot, "reboot the device", d.restart)
}

// FactoryReset has the lab reset the device to its factory settings. The error is ErrOverUSP where the DUT file says so.
func (d *Device) FactoryReset(ctx context.Context) error {
	return d.hook(ctx, "factoryReset", d.file.Lab.FactoryReset, "reset the device to its factory settings", d.fresh)
}

// PowerCycle has the lab take the power from the device and give it back.
func (d *Device) PowerCycle(ctx context.Context) error {
	return d.hook(ctx, "power", d.file.Lab.Power, "take the power from the device, and give it back", d.restart)
}

// BlockTime has the lab keep the time from the device. What it has learned already may last until it reboots, which starting its process
// again does too.
func (d *Device) BlockTime(ctx context.Context) error {
	return d.hook(ctx, "time.block", d.file.Lab.Time.Block, "keep the time from the device", d.restartTimed(true))
}

// AllowTime has the lab give the device the time back.
func (d *Device) AllowTime(ctx context.Context) error {
	return d.hook(ctx, "time.allow", d.file.Lab.Time.Allow, "give the device the time back", d.restartTimed(false))
}

// restartTimed is restart with or without the time.
func (d *Device) restartTimed(without bool) func(context.Context) error {
	return func(ctx context.Context) error {
		d.mu.Lock()
		d.vars.NoTime = without
		d.mu.Unlock()
		return d.restart(ctx)
	}
}

// restart kills the process and starts it in the same directory.
func (d *Device) restart(ctx context.Context) error {
	d.stop()
	return d.start(ctx)
}

// hook carries out an act as the DUT file says.
func (d *Device) hook(ctx context.Context, key string, h dut.Hook, plea string, launch func(context.Context) error) error {
	d.act.Lock()
	defer d.act.Unlock()
	switch h.By {
	case dut.ByUSP:
		return ErrOverUSP
	case dut.ByHand:
		return d.ask(ctx, key, plea)
	case dut.ByLaunch:
		d.note(journal.Own, key, "by starting the process again")
		return launch(ctx)
	case dut.ByExec:
		return d.exec(ctx, key, h)
	}
	return fmt.Errorf("lab.%s is not set, so the lab cannot %s; set it in the DUT file", key, plea)
}

// ask has the operator do something.
func (d *Device) ask(ctx context.Context, key, plea string) error {
	if d.opts.Ask == nil {
		return fmt.Errorf("lab.%s is manual, but there is nobody to ask; run with a terminal, or set lab.%s to a command", key, key)
	}
	d.note(journal.Own, key, "asked the operator to "+plea)
	if err := d.opts.Ask(ctx, plea); err != nil {
		return fmt.Errorf("lab.%s: the operator was asked to %s: %w", key, plea, err)
	}
	d.note(journal.Own, key, "the operator has done it")
	return nil
}

// exec runs a command of the lab to its end.
func (d *Device) exec(ctx context.Context, key string, h dut.Hook) error {
	d.mu.Lock()
	vars := d.vars
	d.mu.Unlock()
	name := "lab." + key + ".exec"
	cmd, err := d.file.Command(name, h.Exec, vars)
	if err != nil {
		return fmt.Errorf("%s: %w; %s", name, err, dut.ProgramRemedy(err))
	}
	cmd.Dir = d.file.Folder()
	d.note(journal.Own, key, fmt.Sprintf("%q", cmd.Args))
	log := newLogTail()
	out, w, err := log.pipe()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = w, w, hookAttr()
	err = cmd.Start()
	w.Close()
	if err == nil {
		stop := context.AfterFunc(ctx, func() { killGroup(cmd.Process) })
		err = cmd.Wait()
		stop()
	}
	out.finish()
	if ctx.Err() != nil {
		err = fmt.Errorf("it was still running when its time was over: %w", ctx.Err())
	}
	if err != nil {
		mask := d.j.Masker()
		return fmt.Errorf("%s: %s: %w; its last lines:\n    %s",
			name, mask.Text(strings.Join(cmd.Args, " ")), err, mask.Text(strings.Join(log.last(tailLines), "\n    ")))
	}
	d.note(journal.Own, key, "the command has ended")
	return nil
}
