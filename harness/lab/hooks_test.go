package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/dut"
)

func TestHooksByLaunch(t *testing.T) {
	b := newBench(t)
	d := b.device("stay", func(f *dut.File, _ *Options) {
		f.Lab.Reboot, f.Lab.Power, f.Lab.FactoryReset = dut.Hook{By: dut.ByLaunch}, dut.Hook{By: dut.ByLaunch}, dut.Hook{By: dut.ByLaunch}
	})
	start(t, d)
	before := b.await()
	for _, act := range []struct {
		do   func(context.Context) error
		same bool
	}{{d.Reboot, true}, {d.PowerCycle, true}, {d.FactoryReset, false}} {
		if err := act.do(deadline(t)); err != nil {
			t.Fatal(err)
		}
		before.gone(t)
		after := b.await()
		if (after.dir == before.dir) != act.same {
			t.Errorf("from %s to %s; want the same: %t", before.dir, after.dir, act.same)
		}
		before = after
	}
	if want := "launch reboot stop launch power stop launch factoryReset stop launch"; b.events() != want {
		t.Errorf("journal: %s; want %s", b.events(), want)
	}
	if len(d.Exits()) > 0 {
		t.Errorf("acts of the lab count as exits: %v", d.Exits())
	}
}

func TestAHookByCommand(t *testing.T) {
	b := newBench(t)
	d := b.device("stay", func(f *dut.File, _ *Options) {
		f.Lab.Reboot = dut.Hook{By: dut.ByExec, Exec: []string{script(t, `test "$1" = mqtt5`), "{{.Link}}"}}
		f.Lab.Power = dut.Hook{By: dut.ByExec, Exec: []string{script(t, "echo no power for sesame; exit 4"), "{{.Link}}"}}
		f.Lab.FactoryReset = dut.Hook{By: dut.ByExec, Exec: []string{"no-such-script"}}
	})
	if err := d.Reboot(deadline(t)); err != nil {
		t.Error(err)
	}
	expectError(t, d.PowerCycle(deadline(t)), "lab.power.exec", "exit status 4", "no power for ******")
	expectError(t, d.FactoryReset(deadline(t)), "lab.factoryReset.exec", "no-such-script", "PATH")
	if want := "reboot reboot power"; b.events() != want {
		t.Errorf("journal: %s; want %s", b.events(), want)
	}
}

func TestAHookThatHangsEndsWithItsContext(t *testing.T) {
	b := newBench(t)
	d := b.device("stay", func(f *dut.File, _ *Options) {
		f.Lab.Reboot = dut.Hook{By: dut.ByExec, Exec: []string{script(t, fakeMode+"=parent exec "+os.Args[0]+" "+b.portText())}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- d.Reboot(ctx) }()
	one, other := b.await(), b.await()
	cancel()
	expectError(t, <-result, "lab.reboot.exec", "still running")
	one.gone(t)
	other.gone(t)
}

func TestHooksThatTheLabDoesNotCarryOut(t *testing.T) {
	b := newBench(t)
	d := b.device("stay", func(f *dut.File, _ *Options) {
		f.Lab.Reboot, f.Lab.Power = dut.Hook{By: dut.ByUSP}, dut.Hook{By: dut.ByHand}
	})
	if err := d.Reboot(deadline(t)); !errors.Is(err, ErrOverUSP) {
		t.Errorf("over USP: %v", err)
	}
	expectError(t, d.PowerCycle(deadline(t)), "lab.power is manual", "nobody to ask", "terminal")
	expectError(t, d.FactoryReset(deadline(t)), "lab.factoryReset is not set", "DUT file")
}

func TestAnOperatorIsAsked(t *testing.T) {
	in, keyboard := io.Pipe()
	screen := make(chan string, 1)
	ask := Console(in, func(what string) func(bool) {
		screen <- what
		return func(answered bool) { screen <- fmt.Sprint("answered ", answered) }
	})
	b := newBench(t)
	d := b.device("stay", func(f *dut.File, o *Options) { f.Lab.Reboot, o.Ask = dut.Hook{By: dut.ByHand}, ask })
	reboot := func(ctx context.Context, answer func()) error {
		result := make(chan error, 1)
		go func() { result <- d.Reboot(ctx) }()
		if plea := <-screen; plea != "reboot the device" {
			t.Errorf("the operator reads %q", plea)
		}
		answer()
		err := <-result
		if over := <-screen; over != fmt.Sprint("answered ", err == nil) {
			t.Errorf("%v, but the screen shows %q", err, over)
		}
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	expectError(t, reboot(ctx, cancel), "lab.reboot", "reboot the device", "canceled")
	for _, late := range []string{"\n", ""} { // the second is taken when the first has been dealt with
		if _, err := keyboard.Write([]byte(late)); err != nil {
			t.Error(err)
		}
	}
	if err := reboot(deadline(t), func() { keyboard.Write([]byte("\n")) }); err != nil {
		t.Error(err)
	}
	expectError(t, reboot(deadline(t), func() { keyboard.Close() }), "EOF")
	if want := "reboot reboot reboot reboot"; b.events() != want {
		t.Errorf("journal: %s; want %s", b.events(), want)
	}
}

func expectError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one with %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error lacks %q: %v", p, err)
		}
	}
}
