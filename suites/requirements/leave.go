package requirements

import (
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// The range of the codes for errors of Records, of which R-MTP.9 wants one.
const firstRecordCode, lastRecordCode = 7100, 7199

// takesLeave is R-MTP.7 and R-MTP.9: what comes before a connection that an Agent ends by itself. A device that its lab reboots otherwise
// than by its command may have no time to take leave.
func takesLeave(c *harness.Case) {
	if c.DUT.Lab.Reboot.By != dut.ByUSP {
		c.Unsupported("the lab does not reboot the device by Device.Reboot()")
	}
	c.Step(1, "operate Device.Reboot()")
	mark := c.Reboot()
	c.Step(2, "wait until the device is back")
	opening, err := c.Await("new session of the device", c.ReconnectWait(), mark, c.StartsSession)
	c.DeviceMust(err)
	c.BackAfter(mark)
	var last *journal.Event
	for _, e := range c.Journal.Since(mark) {
		if e.Seq < opening.Seq && disconnects(e) == nil {
			last = e
		}
	}
	if !c.Metric(1, func(m *harness.Metric) {
		if last == nil {
			m.Must(&usp.Mismatch{Where: "Records before the reboot", Want: "a Disconnect Record", Got: "none"}, mark)
		}
		m.Saw(last.Seq)
	}) {
		c.NotApplicable(2, "there is no Disconnect Record")
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		d := last.Body.(*usppb.Record).GetDisconnect()
		if code := d.GetReasonCode(); code < firstRecordCode || code > lastRecordCode {
			m.Must(&usp.Mismatch{Where: "Disconnect Record: reason_code", Want: fmt.Sprintf("%d to %d", firstRecordCode, lastRecordCode),
				Got: fmt.Sprint(code)}, last.Seq)
		}
		m.Must(expect.NotEqual("Disconnect Record: reason", "", d.GetReason()), last.Seq)
		m.Saw(last.Seq)
	})
}
