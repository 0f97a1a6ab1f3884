package harness

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// Clock is what the device shows of the time.
type Clock struct {
	Where, Shows string // the parameter, and its value
	Own          bool   // the parameter is that of a clock, and not the date of something
	Right        bool   // it is the time, and the device does not say that it is not sure
}

// rightBy is how far a clock may be off: local time without its zone still counts, and the certificates with a flaw are off by more.
const rightBy = 20 * time.Hour

// Clock reads what time the device believes it is: from Device.Time. or, where it has none, from the date of a Subscription that is added
// for it.
func (c *Case) Clock() Clock {
	const object = "Device.Time."
	k := Clock{Where: object + "CurrentLocalTime", Own: true}
	var err error
	if k.Shows, err = c.Read(k.Where); err != nil {
		row, _ := c.Subscribe(nil)
		k.Where, k.Own = row+"CreationDate", false
		k.Shows, err = c.Read(k.Where)
		c.DeviceMust(err)
	}
	now, err := usp.ParseDateTime(k.Shows)
	status, _ := c.Read(object + "Status") // which a device need not have
	k.Right = err == nil && time.Until(now).Abs() < rightBy && status != "Unsynchronized" && status != "Error_FailedToSynchronize"
	return k
}

// String tells the clock in a line.
func (k Clock) String() string { return fmt.Sprintf("%s is %s", k.Where, usp.Quote(k.Shows)) }

// BootWithoutTime has the lab keep the time from the device and restarts it, while the Link shows another certificate. It returns the mark
// before. The device has the time again at the end, or after GiveTimeBack.
func (c *Case) BootWithoutTime(certificate *tls.Certificate, what string) (mark journal.Mark) {
	c.Uses(plan.NeedNoTime)
	c.timeless = true
	c.patience += c.ReconnectWait().D
	c.Cleanup("give the device the time back", c.GiveTimeBack)
	if c.DUT.Lab.Time.Block.By == dut.ByLaunch {
		c.ExpectRestart()
		c.show(certificate, what)
		mark = c.Journal.Mark()
		c.LabMust(c.Device.BlockTime(c))
		return mark
	}
	c.LabMust(c.Device.BlockTime(c))
	c.DeviceMust(c.Reachable(c)) // its network may have changed
	return c.PresentFromBoot(certificate, what)
}

// GiveTimeBack has the lab give the device the time back, and shows it the Link's own certificate again. It returns when the device is back
// from a restart.
func (c *Case) GiveTimeBack(ctx context.Context) error {
	if !c.timeless {
		return nil
	}
	c.bench.ResetBrokers()
	c.ExpectRestart()
	mark := c.Journal.Mark()
	if err := c.Device.AllowTime(ctx); err != nil {
		return err
	}
	c.timeless = false
	if c.DUT.Lab.Time.Allow.By == dut.ByLaunch {
		return c.backSince(ctx, mark)
	}
	if err := c.ConnectAnew(ctx); err != nil {
		return err
	}
	return c.restart(ctx)
}
