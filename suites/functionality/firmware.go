package functionality

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const (
	deviceInfo    = "Device.DeviceInfo."
	transferEvent = "Device.LocalAgent.TransferComplete!"
)

// campaign is a case that replaces the firmware of the device, or tries to.
type campaign struct {
	*harness.Case
	had   harness.Firmware
	bank  harness.Bank  // that is worked on
	image harness.Image // of another version than the one that runs

	boots, transfers, done string       // IDs of the Subscriptions
	mark                   journal.Mark // before the command
	key                    string       // of the command
}

// spareBank begins a case that works on a bank that does not run.
func spareBank(c *harness.Case) *campaign {
	f := &campaign{Case: c, had: c.KeepFirmware()}
	i := slices.IndexFunc(f.had.Banks, func(b harness.Bank) bool { return b.Path != f.had.Active && b.Path != f.had.Boot })
	if i < 0 {
		c.Unsupported("the device has no firmware bank but the one that runs")
	}
	f.bank = f.had.Banks[i]
	f.image = c.OtherImage(f.bank, f.had.Version)
	return f
}

// watch subscribes to what a command on the bank leads to. The Subscriptions outlive a boot.
func (f *campaign) watch(command string) {
	f.Uses(plan.NeedNotify)
	event := func(path string) (id string) {
		_, id = f.Subscribe(usp.Params{"NotifType": "Event", "ReferenceList": path, "Persistent": "true"})
		return id
	}
	f.boots, f.transfers = event(bootEvent), event(transferEvent)
	_, f.done = f.Subscribe(usp.Params{"NotifType": "OperationComplete", "ReferenceList": command, "Persistent": "true"})
	f.SettleSubscription()
}

// operate sends a command on the bank, and asks for the response, which says at once what is wrong with it.
func (f *campaign) operate(command string, args usp.Params) *controller.Reply {
	f.key = f.Fresh("firmware")
	f.mark = f.Journal.Mark()
	return f.Agent.Operate(f, command, f.key, args)
}

// accepted is the error of a command that the device refuses.
func accepted(operated *controller.Reply, command string) error {
	_, name := usp.SplitName(command)
	result, err := expect.OneOperation(operated, name, command)
	return cmp.Or(err, expect.RequestPath(result))
}

// completed waits for the OperationComplete of a command that succeeds.
func (f *campaign) completed(command string) (*controller.Message, error) {
	wait := f.FirmwareWait()
	done, err := f.AwaitCompletion(wait, f.mark, f.done, command, f.key)
	if err != nil {
		return nil, err
	}
	failure := done.GetBody().GetRequest().GetNotify().GetOperComplete().GetCmdFailure()
	return done, expect.NoError("oper_complete.cmd_failure", failure.GetErrCode(), failure.GetErrMsg())
}

// transferred waits for the TransferComplete! of the command.
func (f *campaign) transferred() (*controller.Message, error) {
	return f.AwaitNotify(transferEvent+" Notify of "+f.transfers, f.FirmwareWait(), f.mark, isEvent(f.transfers, transferEvent))
}

// isEvent matches the Notify of an event to a Subscription.
func isEvent(id, event string) func(*usppb.Notify) error {
	object, name := usp.SplitName(event)
	return func(n *usppb.Notify) error {
		if n.GetSubscriptionId() != id {
			return journal.ErrSkip
		}
		return cmp.Or(expect.Equal("event.obj_path", object, n.GetEvent().GetObjPath()), expect.Equal("event.event_name", name, n.GetEvent().GetEventName()))
	}
}

// judgeTransfer judges the arguments of a TransferComplete!, which no metric asks for.
func (f *campaign) judgeTransfer(event *controller.Message, command, url string, success bool) {
	args := usp.Params(argumentsOf(event))
	f.Beyond("TR-181, Device.LocalAgent.TransferComplete!", func(m *harness.Metric) {
		bank, _ := usp.SplitName(command)
		for _, want := range []struct{ name, value string }{
			{"Command", command}, {"CommandKey", f.key}, {"Requestor", f.Agent.ID()}, {"TransferType", "Download"}, {"TransferURL", url},
		} {
			m.Must(expect.Contains("params of the event", []string{want.name}, args.Names()), event.Seq)
			m.Must(expect.Equal(want.name, want.value, args[want.name]))
		}
		m.Must(expect.Equal("Affected", expect.WithoutDot(bank), expect.WithoutDot(args["Affected"])))
		code, err := strconv.ParseUint(args["FaultCode"], 10, 32)
		if err != nil || (code == 0) != success {
			want := "0, for the transfer succeeded"
			if !success {
				want = "a code other than 0, for the transfer failed"
			}
			m.Must(&usp.Mismatch{Where: "FaultCode", Want: want, Got: usp.Quote(args["FaultCode"])})
		}
		var times []time.Time
		for _, name := range []string{"StartTime", "CompleteTime"} {
			at, err := usp.ParseDateTime(args[name])
			if err != nil {
				m.Must(&usp.Mismatch{Where: name, Want: "a dateTime", Got: usp.Quote(args[name])})
			}
			times = append(times, at)
		}
		if times[1].Before(times[0]) && times[1].Year() > 1 { // without a clock, a time is unknown or counts from the boot
			want := "no earlier than StartTime, " + args["StartTime"]
			m.Must(&usp.Mismatch{Where: "CompleteTime", Want: want, Got: usp.Quote(args["CompleteTime"])})
		}
	})
}

// bootsUpdated waits for the Boot! of the new image, in metric n.
func (f *campaign) bootsUpdated(n int) (passed bool) {
	wait := f.FirmwareWait()
	wait.D += f.ReconnectWait().D
	var boot *controller.Message
	passed = f.Metric(n, func(m *harness.Metric) {
		var err error
		boot, err = f.AwaitNotify(bootEvent+" Notify of "+f.boots, wait, f.mark, isBoot(f.boots))
		m.Must(err, f.mark)
		args := usp.Params(argumentsOf(boot))
		m.Must(expect.Contains("params of the event", []string{"FirmwareUpdated"}, args.Names()), boot.Seq)
		m.Must(expect.Value("FirmwareUpdated", usp.TypeBoolean, "true", args["FirmwareUpdated"]))
	})
	if passed {
		f.Beyond("TR-181, Device.Boot! CommandKey", func(m *harness.Metric) {
			m.Must(expect.OneOf("CommandKey", []string{"", f.key}, argumentsOf(boot)["CommandKey"]), boot.Seq)
		})
	}
	return passed
}

// runsUpdated judges in metric n that the new image boots, and in the next one that it runs; of the bank only where that metric asks for
// it.
func (f *campaign) runsUpdated(n int, inBank bool) (passed bool) {
	if !f.bootsUpdated(n) {
		return false
	}
	read := deviceInfo
	if !inBank {
		read += "SoftwareVersion"
	}
	f.Step(3, "get %s", read)
	f.DeviceMust(f.Reachable(f))
	passed = f.Metric(n+1, func(m *harness.Metric) {
		got := f.Agent.Get(f, deviceInfo)
		q, err := expect.OneResult(got, deviceInfo)
		m.Must(err, got.Evidence())
		values := expect.Resolved(q)
		if inBank {
			m.Must(expect.Equal(deviceInfo+"ActiveFirmwareImage", expect.WithoutDot(f.bank.Path), expect.WithoutDot(values[deviceInfo+"ActiveFirmwareImage"])))
		}
		m.Must(expect.Equal(deviceInfo+"SoftwareVersion", f.image.Version, values[deviceInfo+"SoftwareVersion"]))
	})
	f.Beyond("TR-181, Device.DeviceInfo.FirmwareImage.{i}.", func(m *harness.Metric) {
		now, err := f.Firmware(f)
		m.Must(err)
		m.Must(expect.Equal("Version of the active bank", now.Version, now.Bank(now.Active).Version))
	})
	return passed
}

// autoActivated is 9.3: a downloaded image is activated without a further word.
func autoActivated(c *harness.Case) {
	f := spareBank(c)
	command := f.bank.Path + "Download()"
	f.watch(command)
	c.Step(1, "operate %s with AutoActivate true", command)
	c.ExpectRestart()
	operated := f.operate(command, f.image.Arguments(true))
	c.Step(2, "wait for the Notify requests")
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(accepted(operated, command), operated.Evidence())
		done, err := f.completed(command)
		m.Must(err, operated.Evidence())
		m.Saw(done.Seq)
	}) {
		return
	}
	var event *controller.Message
	if !c.Metric(2, func(m *harness.Metric) {
		var err error
		event, err = f.transferred()
		m.Must(err, f.mark)
		m.Saw(event.Seq)
	}) {
		return
	}
	f.judgeTransfer(event, command, f.image.URL, true)
	f.runsUpdated(3, true)
}

// installed begins a case about an image that waits in a bank that does not run: one that is there already, or is downloaded.
func installed(c *harness.Case) *campaign {
	f := spareBank(c)
	if f.bank.Version == f.image.Version && f.bank.Status == "Available" {
		if !f.bank.Available {
			c.Set(f.bank.Path, usp.Params{"Available": "true"})
		}
		return f
	}
	command := f.bank.Path + "Download()"
	_, f.done = c.Subscribe(usp.Params{"NotifType": "OperationComplete", "ReferenceList": command})
	c.SettleSubscription()
	operated := f.operate(command, f.image.Arguments(false))
	c.DeviceMust(accepted(operated, command))
	_, err := f.completed(command)
	c.DeviceMust(err)
	now, err := c.Firmware(c)
	c.DeviceMust(err)
	c.DeviceMust(expect.Equal(f.bank.Path+"Status after the Download()", "Available", now.Bank(f.bank.Path).Status))
	c.Beyond("TR-181, Device.DeviceInfo.FirmwareImage.{i}.Available", func(m *harness.Metric) {
		m.Must(expect.Equal(f.bank.Path+"Available", "true", strconv.FormatBool(now.Bank(f.bank.Path).Available)))
	})
	return f
}

// inTime judges that the report of an activation came within a time of the command. A device that reports after the boot has until it is
// back.
func (f *campaign) inTime(m *harness.Metric, end time.Duration, operated *controller.Reply, report *controller.Message) {
	if f.bootedBefore(report) {
		if f.Strict("activation-reported-after-the-boot") {
			want := "within " + end.String() + ", before the boot"
			m.Must(&usp.Mismatch{Where: "the Notify", Want: want, Got: "after the boot"}, report.Seq)
		}
		m.Note("the device reports the activation after the boot")
	}
	m.Must(f.within(end, operated, report), report.Seq)
}

// bootedBefore reports whether the device has come back from a boot since the command, before a Notify.
func (f *campaign) bootedBefore(report *controller.Message) bool {
	return slices.ContainsFunc(f.Journal.Since(f.mark), func(e *journal.Event) bool {
		return e.Seq < report.Seq && f.StartsSession(e) == nil
	})
}

// immediately is 9.4: an image is activated at the start of a time window.
func immediately(c *harness.Case) {
	f := installed(c)
	command := f.bank.Path + "Activate()"
	f.watch(command)
	c.Step(1, "operate %s with a time window from 1 s to 100 s, Immediately", command)
	c.ExpectRestart()
	operated := f.operate(command, windows(span{1, 100, modeImmediately}))
	c.Step(2, "wait for the Notify requests")
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(accepted(operated, command), operated.Evidence())
		done, err := f.completed(command)
		m.Must(err, operated.Evidence())
		f.inTime(m, 5*time.Second, operated, done)
		m.Saw(done.Seq)
	}) {
		return
	}
	f.runsUpdated(2, false)
}

// anyTime is 9.5: an image is activated within a time window.
func anyTime(c *harness.Case) {
	const end = 120 * time.Second
	f := installed(c)
	command := f.bank.Path + "Activate()"
	f.watch(command)
	c.Step(1, "operate %s with a time window from 0 s to 120 s, AnyTime", command)
	c.ExpectRestart()
	operated := f.operate(command, windows(span{0, 120, modeAnyTime}))
	c.Step(2, "wait for the Notify requests")
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(accepted(operated, command), operated.Evidence())
		wait := f.FirmwareWait()
		wait.D += c.Scaled(end)
		first, err := c.AwaitNotify("Notify of the activation", wait, f.mark, func(n *usppb.Notify) error {
			if id := n.GetSubscriptionId(); id != f.done && id != f.boots {
				return journal.ErrSkip
			}
			return nil
		})
		m.Must(err, operated.Evidence())
		f.inTime(m, end, operated, first)
		m.Saw(first.Seq)
	}) {
		return
	}
	if !c.Metric(2, func(m *harness.Metric) {
		done, err := f.completed(command)
		m.Must(err, f.mark)
		m.Saw(done.Seq)
	}) {
		return
	}
	if f.runsUpdated(3, false) {
		f.windowsBeyond()
	}
}

// validated is 9.6: an image whose checksum is another one than the Controller says is not installed.
func validated(c *harness.Case) {
	const wrong = "0123456789ABCDEF0123456789ABCDEF01234567"
	f := spareBank(c)
	command := f.bank.Path + "Download()"
	f.watch(command)
	args := f.image.Arguments(false)
	args["CheckSumAlgorithm"], args["CheckSum"] = "SHA-1", wrong
	c.Step(1, "operate %s with a checksum that is not that of the file", command)
	operated := f.operate(command, args)
	c.Step(2, "wait for the %s Notify", transferEvent)
	var event *controller.Message
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(accepted(operated, command), operated.Evidence())
		var err error
		event, err = f.transferred()
		m.Must(err, operated.Evidence())
		m.Saw(event.Seq)
	}) {
		return
	}
	f.judgeTransfer(event, command, f.image.URL, false)
	c.Step(3, "get %s", f.bank.Path)
	c.Metric(2, func(m *harness.Metric) {
		got := c.Agent.Get(c, f.bank.Path)
		q, err := expect.OneResult(got, f.bank.Path)
		m.Must(err, got.Evidence())
		m.Must(expect.Equal(f.bank.Path+"Status", "ValidationFailed", expect.Resolved(q)[f.bank.Path+"Status"]))
	})
	f.isMissing()
	f.isServedBadly()
}

// isMissing holds the device to what TR-181 says of an image that the server does not have: the bank shows that the download failed, and
// the TransferComplete! why.
func (f *campaign) isMissing() {
	if f.Files.Server == nil {
		return
	}
	f.Files.StatusAlways(404)
	f.Beyond("TR-181, Device.DeviceInfo.FirmwareImage.{i}.Status DownloadFailed", func(m *harness.Metric) {
		event, now := f.downloadsBadly(m, f.transferred, false)
		m.Must(expect.Equal(f.bank.Path+"Status", "DownloadFailed", now.Status), event.Seq)
	})
	f.Files.Reset()
}

// isServedBadly does so with images that do not come as the device expects them: TransferComplete! says what the bank shows, and nothing
// but the whole image is installed.
func (f *campaign) isServedBadly() {
	const sent = 4 << 10
	if f.Files.Server == nil || f.image.Size <= sent {
		return
	}
	f.Extend(2 * f.Waits().Firmware)
	slow := max(1, int(float64(f.image.Size)/f.Scaled(30*time.Second).Seconds()))
	for _, served := range []struct {
		how      string
		script   func()
		ends     func() (*controller.Message, error)
		mayWhole bool // a device may get the whole image, and install that
	}{
		{"that was cut", func() { f.Files.Cut(sent) }, f.transferred, true},
		{"that never ended", f.Files.Endless, f.givesUp, false},
		{"that was slow and called text/html", func() { f.Files.Slow(slow); f.Files.Type("text/html") }, f.transferred, true},
	} {
		served.script()
		f.Beyond("TR-181, Device.DeviceInfo.FirmwareImage.{i}.Status of a transfer "+served.how, func(m *harness.Metric) {
			event, now := f.downloadsBadly(m, served.ends, served.mayWhole)
			if !served.mayWhole || now.Status != "Available" || now.Version != f.image.Version {
				m.Must(expect.OneOf(f.bank.Path+"Status", []string{"DownloadFailed", "ValidationFailed"}, now.Status), event.Seq)
			}
		})
		f.Files.Reset()
	}
}

// givesUp waits for the TransferComplete! of a file without end. Nothing says when a device must give it up: if it does not, the server
// ends the transfer.
func (f *campaign) givesUp() (event *controller.Message, err error) {
	if event, err = f.transferred(); err != nil && f.Err() == nil {
		f.Note("the device has not given up a file without end after %s", f.FirmwareWait().D)
		f.Files.Reset()
		return f.transferred()
	}
	return event, err
}

// downloadsBadly downloads the image while the server does not serve it well, and returns what the device reports of it and has then.
func (f *campaign) downloadsBadly(m *harness.Metric, ends func() (*controller.Message, error), mayWhole bool) (
	event *controller.Message, now harness.Bank) {
	command := f.bank.Path + "Download()"
	operated := f.operate(command, f.image.Arguments(false))
	m.Must(accepted(operated, command), operated.Evidence())
	event, err := ends()
	m.Must(err, operated.Evidence())
	is, err := f.Firmware(f)
	m.Must(err, event.Seq)
	now = is.Bank(f.bank.Path)
	f.judgeTransfer(event, command, f.image.URL, mayWhole && now.Status == "Available")
	return event, now
}

// activeBank is 9.7: an image is downloaded over the one that runs, which a device with several banks may refuse.
func activeBank(c *harness.Case) {
	f := &campaign{Case: c, had: c.KeepFirmware()}
	f.bank = f.had.Bank(f.had.Active)
	f.image = c.OtherImage(f.bank, f.had.Version)
	several := len(f.had.Banks) > 1
	if !slices.ContainsFunc(c.Files.Images, func(i harness.Image) bool { return i.Version == f.had.Version }) {
		c.LabMust(&usp.Mismatch{Where: "firmware in the DUT file", Want: "an image of version " + usp.Quote(f.had.Version) + ", which runs and may be overwritten", Got: "none"})
	}
	command := f.bank.Path + "Download()"
	f.watch(command)
	c.Step(1, "operate %s, the bank that runs, with AutoActivate true", command)
	c.ExpectRestart()
	operated := f.operate(command, f.image.Arguments(true))
	c.Step(2, "wait for the Notify requests")
	transfer, boot := 1, 2
	if several {
		c.NotApplicable(1, "the device has several firmware banks")
		c.NotApplicable(2, "the device has several firmware banks")
		transfer, boot = 4, 5
		if f.refused(operated, command) {
			return
		}
	} else {
		defer func() {
			for n := 3; n <= 5; n++ {
				c.NotApplicable(n, "the device has one firmware bank")
			}
		}()
	}
	var event *controller.Message
	if !c.Metric(transfer, func(m *harness.Metric) {
		m.Must(accepted(operated, command), operated.Evidence())
		var err error
		event, err = f.transferred()
		m.Must(err, operated.Evidence())
		m.Saw(event.Seq)
	}) {
		return
	}
	f.judgeTransfer(event, command, f.image.URL, true)
	if f.bootsUpdated(boot) {
		f.DeviceMust(f.Reachable(f))
	}
}

// refused judges metric 3, the answer of a device with several banks, and reports whether nothing more is to come: it refused, at once or
// at the end of the command.
func (f *campaign) refused(operated *controller.Reply, command string) (refused bool) {
	passed := f.Metric(3, func(m *harness.Metric) {
		if operated.Body().GetError() != nil {
			refused = true
			m.Saw(operated.Evidence())
			return
		}
		_, name := usp.SplitName(command)
		result, err := expect.OneOperation(operated, name, command)
		m.Must(err, operated.Evidence())
		if result.GetCmdFailure() != nil {
			refused = true
			return
		}
		m.Must(expect.RequestPath(result))
		ended, err := f.AwaitNotify("end of the command", f.FirmwareWait(), f.mark, func(n *usppb.Notify) error {
			if id := n.GetSubscriptionId(); id != f.done && id != f.transfers {
				return journal.ErrSkip
			}
			return nil
		})
		if err != nil {
			return // metric 4 misses it
		}
		n := ended.GetBody().GetRequest().GetNotify()
		code := n.GetEvent().GetParams()["FaultCode"]
		refused = n.GetOperComplete().GetCmdFailure() != nil || code != "" && code != "0"
	})
	if !passed {
		return true
	}
	if refused {
		f.NotApplicable(4, "the device refuses to overwrite the image that runs")
		f.NotApplicable(5, "the device refuses to overwrite the image that runs")
		f.Beyond("TR-369, a command that failed has no effect", func(m *harness.Metric) {
			now, err := f.Firmware(f)
			m.Must(err)
			m.Must(expect.Equal("firmware", f.had.String(), now.String()))
		})
	}
	return refused
}

// canceled is 9.8: an activation that is canceled before its time window does not happen.
func canceled(c *harness.Case) {
	const end = 500 * time.Second
	f := installed(c)
	command := f.bank.Path + "Activate()"
	f.watch(command)
	c.Step(1, "operate %s with a time window from 120 s to 500 s, AnyTime", command)
	operated := f.operate(command, windows(span{120, 500, modeAnyTime}))
	var row string
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(accepted(operated, command), operated.Evidence())
		row = expect.WithoutDot(operated.Body().GetResponse().GetOperateResp().GetOperationResults()[0].GetReqObjPath()) + "."
	}) {
		return
	}
	c.Step(2, "operate %sCancel()", row)
	c.OperateSilently(row+"Cancel()", c.Fresh("cancel"), nil)
	c.Step(3, "wait until the time window is over")
	c.ExpectRestart() // a device that restarts all the same fails the metric
	if !c.Metric(2, func(m *harness.Metric) {
		c.MustBeQuiet(m, bootEvent+" Notifies", end, f.mark, c.Agent.NotifyEvent(isBoot(f.boots)))
	}) {
		return
	}
	const table = "Device.LocalAgent.Request."
	c.Step(4, "get %s", table)
	c.Metric(3, func(m *harness.Metric) {
		rows, err := c.ReadAll(table)
		m.Must(err)
		if status, there := rows[row+"Status"]; there {
			m.Must(expect.OneOf(row+"Status", []string{"Canceled", "Canceling"}, status))
		}
	})
}
