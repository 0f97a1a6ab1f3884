package functionality

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Modes of a time window of Activate().
const (
	modeImmediately        = "Immediately"
	modeAnyTime            = "AnyTime"
	modeWhenIdle           = "WhenIdle"
	modeConfirmationNeeded = "ConfirmationNeeded"
)

// span is one time window of Activate(), in seconds after the command.
type span struct {
	start, end int
	mode       string
}

// windows are the arguments of Activate() for time windows.
func windows(spans ...span) usp.Params {
	args := usp.Params{}
	for i, s := range spans {
		at := fmt.Sprintf("TimeWindow.%d.", i+1)
		maps.Copy(args, usp.Params{at + "Start": fmt.Sprint(s.start), at + "End": fmt.Sprint(s.end), at + "Mode": s.mode})
	}
	return args
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// windowsBeyond holds the device to what TR-181 says of two time windows, and of the modes that no case of the plan uses: a window that
// nobody confirms is not used, and the next one is. It activates the image that ran before the case, which is given back anyway. A device
// without these modes is asked for two windows of the others, which it has to take.
func (f *campaign) windowsBeyond() {
	command := f.had.Active + "Activate()"
	bank, err := f.Firmware(f)
	f.DeviceMust(err)
	if !bank.Bank(f.had.Active).Available {
		f.Note("%s is not available after another image was activated; two time windows were not tried", f.had.Active)
		return
	}
	_, f.done = f.Subscribe(usp.Params{"NotifType": "OperationComplete", "ReferenceList": command, "Persistent": "true"})
	f.SettleSubscription()
	f.ExpectRestart()
	spans := []span{{0, 30, modeConfirmationNeeded}, {30, 150, modeWhenIdle}}
	operated := f.operate(command, windows(spans...))
	opens := spans[1].start
	if refusal := accepted(operated, command); refusal != nil {
		f.Note("the device takes no time windows of the modes %s and %s: %v", spans[0].mode, spans[1].mode, refusal)
		spans = []span{{30, 60, modeImmediately}, {60, 150, modeAnyTime}}
		operated, opens = f.operate(command, windows(spans...)), spans[0].start
		if !f.Beyond("TR-181, Device.DeviceInfo.FirmwareImage.{i}.Activate() TimeWindow.{i}.", func(m *harness.Metric) {
			m.Must(accepted(operated, command), operated.Evidence())
		}) {
			return
		}
	}
	f.Extend(seconds(spans[1].end))
	wait := f.FirmwareWait()
	wait.D += f.Scaled(seconds(spans[1].end))
	var first *controller.Message
	f.Beyond("TR-181, Device.DeviceInfo.FirmwareImage.{i}.Activate() TimeWindow.{i}.Mode", func(m *harness.Metric) {
		first, err = f.AwaitNotify("Notify of the activation", wait, f.mark, func(n *usppb.Notify) error {
			if id := n.GetSubscriptionId(); id != f.done && id != f.boots {
				return journal.ErrSkip
			}
			return nil
		})
		m.Must(err, operated.Evidence())
		if first.GetBody().GetRequest().GetNotify().GetOperComplete().GetCmdFailure() != nil {
			return
		}
		m.Must(f.NotEarlier("time to the activation", operated.SentAt, first.At, seconds(opens)), operated.Evidence(), first.Seq)
		const granted = 5 * time.Second // as the plan does in 9.4
		m.Must(f.within(seconds(spans[1].end)+granted, operated, first), first.Seq)
	})
	switch {
	case first == nil:
	case first.GetBody().GetRequest().GetNotify().GetOperComplete().GetCmdFailure() != nil:
		f.failsLogged(spans[1].mode)
	default:
		f.runsAgain()
	}
}

// within wants a report of an activation by a time after the command. A device that reports after the boot has until it is back.
func (f *campaign) within(end time.Duration, operated *controller.Reply, report *controller.Message) error {
	limit, took := f.Scaled(end)+f.Waits().Tolerance+f.Lag(), report.At.Sub(operated.SentAt)
	if took <= limit || f.bootedBefore(report) {
		return nil
	}
	return &usp.Mismatch{Where: "time to the Notify", Want: "at most " + limit.String(), Got: took.Round(time.Millisecond).String()}
}

// failsLogged judges an activation that failed: a device that is never idle, or finds nobody to confirm.
func (f *campaign) failsLogged(mode string) {
	f.Note("the activation failed, which is lawful in a time window of mode %s", mode)
	f.Beyond("TR-181, Device.DeviceInfo.FirmwareImage.{i}.BootFailureLog", func(m *harness.Metric) {
		param := f.had.Active + "BootFailureLog"
		text, err := f.Read(param)
		m.Must(err)
		if strings.TrimSpace(text) == "" {
			m.Must(&usp.Mismatch{Where: param + " after an activation that failed", Want: "why it failed", Got: usp.Quote(text)})
		}
	})
}

// runsAgain judges that the image which ran before the case is booted.
func (f *campaign) runsAgain() {
	f.Beyond("TR-181, Device.DeviceInfo.FirmwareImage.{i}.Activate()", func(m *harness.Metric) {
		wait := f.FirmwareWait()
		wait.D += f.ReconnectWait().D
		boot, err := f.AwaitNotify(bootEvent+" Notify of "+f.boots, wait, f.mark, isBoot(f.boots))
		m.Must(err, f.mark)
		m.Must(expect.Value("FirmwareUpdated", usp.TypeBoolean, "true", argumentsOf(boot)["FirmwareUpdated"]), boot.Seq)
		m.Must(f.Reachable(f))
		now, err := f.Firmware(f)
		m.Must(cmp.Or(err, expect.Equal("firmware", f.had.String(), now.String())), boot.Seq)
	})
}
