package runner

import (
	"context"
	"fmt"

	"github.com/usptest/usptest/harness/dut"
)

// prepare brings the device into its first state, where the DUT file asks for that before each case.
func (r *rig) prepare(ctx context.Context) error {
	if r.DUT.Lab.Launch == nil || r.DUT.Lab.Launch.Fresh != dut.FreshPerCase {
		return nil
	}
	return r.relaunch(ctx)
}

func (r *rig) relaunch(ctx context.Context) error {
	mark := r.Journal.Mark()
	if err := r.Device.Fresh(ctx); err != nil {
		return err
	}
	r.ForgetFirmware()
	return r.reachable(ctx, mark, r.DUT.Waits.Connect, "connect")
}

// recover makes sure of a device that a case may have left in another state: one that the harness launched starts afresh, any other is
// waited for, and when it stays away the lab brings it back as it can. how says what was done, for the reader.
func (r *rig) recover(ctx context.Context) (how string, err error) {
	if r.Device.Launched() {
		return "the device was started afresh", r.relaunch(ctx)
	}
	back := func() error { return r.reachable(ctx, r.Journal.Mark(), r.DUT.Waits.Reconnect, "reconnect") }
	err = back()
	for _, act := range []struct {
		how string
		by  string
		do  func(context.Context) error
	}{
		{"the lab took the power from the device and gave it back", r.DUT.Lab.Power.By, r.Device.PowerCycle},
		{"the lab reset the device to its factory settings", r.DUT.Lab.FactoryReset.By, r.Device.FactoryReset},
	} {
		if err == nil || ctx.Err() != nil {
			break
		}
		if act.by == "" || act.by == dut.ByUSP {
			continue
		}
		acting, cancel := context.WithTimeout(ctx, r.DUT.Waits.Reconnect)
		failed := act.do(acting)
		cancel()
		if failed != nil {
			err = fmt.Errorf("%w; %w", err, failed)
			continue
		}
		how, err = act.how, back()
	}
	return how, err
}
