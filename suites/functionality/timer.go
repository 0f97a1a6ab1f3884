package functionality

import (
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// scheduleTimer is 9.11: a timer of 60 s ends, and not early. Its command_key tells it from the timers of other cases.
func scheduleTimer(c *harness.Case) {
	const delay = 60 * time.Second
	timer, key := c.Element(dut.RoleTimer), c.Fresh("timer")
	id := c.SubscribeToCompletion(timer)
	mark := c.Journal.Mark()
	c.Step(1, "operate %s with a delay of 60 s", timer)
	operated := c.Agent.Operate(c, timer, key, usp.Params{c.Element(dut.RoleTimerDelay): "60"})
	if !c.Metric(1, func(m *harness.Metric) {
		lawful := []string{timer}
		if c.Strict("command-without-its-path") {
			lawful = nil
		}
		_, name := usp.SplitName(timer)
		result, err := expect.OneOperation(operated, name, lawful...)
		m.Must(err, operated.Evidence())
		m.Must(expect.RequestPath(result))
	}) {
		return
	}
	c.Step(2, "wait for the OperationComplete")
	c.Metric(2, func(m *harness.Metric) {
		done, err := c.AwaitCompletion(harness.Wait{D: c.Scaled(delay) + c.NotifyWait().D}, mark, id, timer, key)
		m.Must(err, operated.Evidence())
		m.Saw(done.Seq)
		if !c.Strict("timer-not-early") {
			m.Must(c.NotEarlier("time to the OperationComplete", operated.SentAt, done.At, delay))
		}
	})
}
