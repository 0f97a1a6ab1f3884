package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/files"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// Files is the server of firmware images, and the images that the DUT file names, in its order. The server is nil when it names none that
// the harness serves.
type Files struct {
	*files.Server
	Images []Image
}

// Image is a firmware image that the device can download.
type Image struct {
	Version string // what SoftwareVersion shows when it runs
	Bank    int    // the number of the one bank that it is for; 0 for any
	URL     string
	Size    int64 // bytes; 0 when it is not known
}

// fits reports whether the image is for a bank.
func (i Image) fits(b Bank) bool {
	return i.Bank == 0 || firmwareTable+strconv.Itoa(i.Bank)+"." == b.Path
}

// Arguments are those of Download() for the image.
func (i Image) Arguments(autoActivate bool) usp.Params {
	args := usp.Params{"URL": i.URL, "AutoActivate": strconv.FormatBool(autoActivate)}
	if i.Size > 0 {
		args["FileSize"] = strconv.FormatInt(i.Size, 10)
	}
	return args
}

const (
	deviceInfo    = "Device.DeviceInfo."
	firmwareTable = deviceInfo + "FirmwareImage."
)

// Firmware is what a device has installed.
type Firmware struct {
	Version      string // SoftwareVersion
	Active, Boot string // the banks of ActiveFirmwareImage and BootFirmwareImage, with a final dot; Boot is empty where the device has no such parameter
	Banks        []Bank
}

// Bank is a row of Device.DeviceInfo.FirmwareImage..
type Bank struct {
	Path                  string
	Name, Version, Status string
	Available             bool
}

// Bank returns the bank with a path; the zero value when there is none.
func (f Firmware) Bank(path string) Bank {
	i := slices.IndexFunc(f.Banks, func(b Bank) bool { return b.Path == path })
	if i < 0 {
		return Bank{}
	}
	return f.Banks[i]
}

// Runs reports whether the same image runs as in another one.
func (f Firmware) Runs(other Firmware) bool {
	return f.Active == other.Active && f.Version == other.Version
}

// String names what runs.
func (f Firmware) String() string {
	return fmt.Sprintf("version %s in %s", usp.Quote(f.Version), f.Active)
}

// Firmware reads what the device has installed.
func (c *Case) Firmware(ctx context.Context) (Firmware, error) { return c.bench.readFirmware(ctx) }

func (b *Bench) readFirmware(ctx context.Context) (Firmware, error) {
	reply := b.Agent.Get(ctx, firmwareTable, deviceInfo+"ActiveFirmwareImage", deviceInfo+"SoftwareVersion", deviceInfo+"BootFirmwareImage")
	if err := expect.Type(reply, usp.GetResp); err != nil {
		return Firmware{}, fmt.Errorf("Get %s: %w", firmwareTable, err)
	}
	values := usp.Params{}
	for _, q := range reply.Body().GetResponse().GetGetResp().GetReqPathResults() {
		err := expect.NoError("Get "+usp.Quote(q.GetRequestedPath()), q.GetErrCode(), q.GetErrMsg())
		if err != nil && q.GetRequestedPath() != deviceInfo+"BootFirmwareImage" { // which an Agent with one bank need not have
			return Firmware{}, err
		}
		maps.Copy(values, expect.Resolved(q))
	}
	row := func(param string) string {
		if v := values[deviceInfo+param]; v != "" {
			return strings.TrimSuffix(v, ".") + "."
		}
		return ""
	}
	f := Firmware{Version: values[deviceInfo+"SoftwareVersion"], Active: row("ActiveFirmwareImage"), Boot: row("BootFirmwareImage")}
	for _, path := range expect.Snapshot(values).Rows() {
		if isRowOf(path, firmwareTable) {
			available, _ := usp.ParseBool(values[path+"Available"])
			f.Banks = append(f.Banks, Bank{path, values[path+"Name"], values[path+"Version"], values[path+"Status"], available})
		}
	}
	if f.Bank(f.Active).Path == "" {
		return f, &usp.Mismatch{Where: deviceInfo + "ActiveFirmwareImage", Want: "a row of " + firmwareTable, Got: usp.Quote(f.Active)}
	}
	return f, nil
}

// KeepFirmware returns what the device has installed, and gives it back at the end: what runs now is activated again, or downloaded again
// where the case has overwritten it. Register it first, and await with FirmwareWait whatever installs an image.
func (c *Case) KeepFirmware() Firmware {
	c.Uses(plan.NeedFirmware)
	if c.Files.Server != nil {
		c.Uses(plan.NeedHTTPServer)
	}
	had, err := c.Firmware(c)
	c.DeviceMust(err)
	if c.bench.firmware == nil {
		c.bench.firmware = &had
	}
	keep := *c.bench.firmware // a case before this one may have failed to give it back
	c.patience += 3 * c.Waits().Firmware
	c.Extend(2 * c.Waits().Firmware)
	c.Cleanup("give the device its firmware back: "+keep.String(), func(ctx context.Context) error {
		err := c.restoreFirmware(ctx, keep)
		if err == nil {
			c.bench.firmware = nil
		}
		return err
	})
	return had
}

// FirmwareWait is the patience for the transfer, the installation or the activation of an image.
func (c *Case) FirmwareWait() Wait { return Wait{D: c.Waits().Firmware, Name: "firmware"} }

// OtherImage is the first image of the DUT file for a bank that has another version than the one that runs. A DUT file that names none
// lacks a part of the lab.
func (c *Case) OtherImage(bank Bank, running string) Image {
	i := slices.IndexFunc(c.Files.Images, func(i Image) bool { return i.Version != running && i.fits(bank) })
	if i < 0 {
		c.LabMust(fmt.Errorf("the DUT file has no firmware image for %s of another version than %s, which runs: name one under firmware", bank.Path, usp.Quote(running)))
	}
	return c.Files.Images[i]
}

// LeftOn says, after the last case, that the device does not run the firmware that it had before the cases replaced it; "" when it does.
func (b *Bench) LeftOn(ctx context.Context) string {
	if b.firmware == nil {
		return ""
	}
	switch now, err := b.readFirmware(ctx); {
	case err != nil:
		return fmt.Sprintf("the device may be left on a firmware of the test: it had %s, and what runs now is not known: %v", b.firmware, err)
	case !now.Runs(*b.firmware):
		return fmt.Sprintf("the device is left on a firmware of the test: it had %s, and runs %s now", b.firmware, now)
	}
	return ""
}

// ForgetFirmware says that the device was started afresh, with the firmware of its first start.
func (b *Bench) ForgetFirmware() { b.firmware = nil }

// restoreFirmware makes the device run what it had, and its other banks what they had as far as the DUT file has an image of it.
func (c *Case) restoreFirmware(ctx context.Context, had Firmware) error {
	if err := c.endCommands(ctx); err != nil {
		return err
	}
	now, err := c.Firmware(ctx)
	if err != nil {
		return err
	}
	if !now.Runs(had) {
		if err := c.runAgain(ctx, had, now); err != nil {
			return err
		}
	}
	var faults []error
	for _, bank := range had.Banks {
		if is := now.Bank(bank.Path); bank.Path != had.Active && is.Version != bank.Version {
			faults = append(faults, c.refill(ctx, bank, is))
		}
	}
	if now, err = c.Firmware(ctx); err != nil {
		return errors.Join(append(faults, err)...)
	}
	if !now.Runs(had) {
		return errors.Join(append(faults, fmt.Errorf("the device runs %s, not %s as before", now, had))...)
	}
	if now.Boot != had.Boot && had.Boot != "" {
		faults = append(faults, c.setAgain(ctx, deviceInfo, "BootFirmwareImage", strings.TrimSuffix(had.Boot, ".")))
	}
	for _, bank := range had.Banks {
		if now.Bank(bank.Path).Available != bank.Available {
			faults = append(faults, c.setAgain(ctx, bank.Path, "Available", strconv.FormatBool(bank.Available)))
		}
	}
	return errors.Join(faults...)
}

func (c *Case) setAgain(ctx context.Context, object, param, value string) error {
	return expect.Type(c.Agent.Set(ctx, false, usp.Update(object, usp.Params{param: value}, nil)), usp.SetResp)
}

// runAgain makes the device run what it had.
func (c *Case) runAgain(ctx context.Context, had, now Firmware) error {
	bank := now.Bank(had.Active)
	if bank.Path != now.Active && bank.Version == had.Version && had.Boot != "" {
		if !bank.Available {
			if err := c.setAgain(ctx, bank.Path, "Available", "true"); err != nil {
				return err
			}
		}
		if err := c.setAgain(ctx, deviceInfo, "BootFirmwareImage", strings.TrimSuffix(bank.Path, ".")); err != nil {
			return err
		}
		return c.restart(ctx)
	}
	c.ExpectRestart()
	mark := c.Journal.Mark()
	if err := c.fill(ctx, bank, had.Version, true); err != nil {
		return err
	}
	return c.backSince(ctx, mark)
}

// refill downloads to a bank what it had. What the DUT file has no image of is a note.
func (c *Case) refill(ctx context.Context, had, is Bank) error {
	if !slices.ContainsFunc(c.Files.Images, func(i Image) bool { return i.Version == had.Version && i.fits(had) }) {
		c.Note("%s had the image %s, and has %s now; the DUT file has no image of what it had", had.Path,
			usp.Quote(cmp.Or(had.Version, had.Status)), usp.Quote(cmp.Or(is.Version, is.Status)))
		return nil
	}
	return c.fill(ctx, had, had.Version, false)
}

// fill downloads the image of a version to a bank and waits until the download has ended.
func (c *Case) fill(ctx context.Context, bank Bank, version string, autoActivate bool) error {
	i := slices.IndexFunc(c.Files.Images, func(i Image) bool { return i.Version == version && i.fits(bank) })
	if i < 0 {
		return fmt.Errorf("the DUT file has no image of version %s for %s: name it under firmware", usp.Quote(version), bank.Path)
	}
	reply := c.Agent.Operate(ctx, bank.Path+"Download()", c.Fresh("restore"), c.Files.Images[i].Arguments(autoActivate))
	result, err := expect.OneOperation(reply, "Download()", bank.Path+"Download()")
	if err == nil {
		err = expect.RequestPath(result)
	}
	if err != nil || autoActivate {
		return err
	}
	return c.endsWithin(ctx, func() ([]string, error) { return c.firmwareCommands(ctx) })
}

// restart restarts the device in the way of its DUT file and waits until it is back.
func (c *Case) restart(ctx context.Context) error {
	c.ExpectRestart()
	mark := c.Journal.Mark()
	if c.DUT.Lab.Reboot.By != dut.ByUSP {
		if err := c.Device.Reboot(ctx); err != nil {
			return err
		}
		return c.backSince(ctx, mark)
	}
	reply := c.Agent.Operate(ctx, Reboot, c.Fresh("reboot"), nil)
	var noReply *controller.NoReplyError
	if err := expect.Type(reply, usp.OperateResp); err != nil && !errors.As(reply.Err, &noReply) {
		return err
	}
	return c.backSince(ctx, mark)
}

// backSince waits for a session that began after mark.
func (c *Case) backSince(ctx context.Context, mark journal.Mark) error {
	ctx, cancel := context.WithTimeout(ctx, c.Waits().Firmware+c.ReconnectWait().D)
	defer cancel()
	if _, err := c.Journal.Await(ctx, mark, c.StartsSession); err != nil {
		return fmt.Errorf("the device does not come back: %w", err)
	}
	return c.Device.WaitFor(ctx, c.Agent.Connected)
}

// endCommands cancels what installs or activates an image for the harness and waits until nothing does, so that nothing is undone behind
// its back.
func (c *Case) endCommands(ctx context.Context) error {
	canceled := map[string]bool{}
	return c.endsWithin(ctx, func() ([]string, error) {
		rows, err := c.firmwareCommands(ctx)
		for _, row := range rows {
			if !canceled[row] {
				canceled[row] = true
				c.Agent.Operate(ctx, row+"Cancel()", "", nil) // whether it can be canceled is not what matters here
			}
		}
		return rows, err
	})
}

// endsWithin asks again and again for the commands that run until there are none, for waits.firmware at the most.
func (c *Case) endsWithin(ctx context.Context, running func() ([]string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, c.Waits().Firmware)
	defer cancel()
	for {
		rows, err := running()
		if err == nil && len(rows) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("commands of the test still run: %v", rows))
		case <-time.After(c.Scaled(time.Second)):
		}
	}
}

// firmwareCommands are the rows of Device.LocalAgent.Request. of the harness's own commands on firmware banks.
func (c *Case) firmwareCommands(ctx context.Context) (rows []string, err error) {
	const table = "Device.LocalAgent.Request."
	reply := c.Agent.Get(ctx, table)
	if err := expect.Type(reply, usp.GetResp); err != nil {
		return nil, err
	}
	over := []string{"Success", "Error", "Canceled"}
	for _, q := range reply.Body().GetResponse().GetGetResp().GetReqPathResults() {
		for _, r := range q.GetResolvedPathResults() {
			params := r.GetResultParams()
			if isRowOf(r.GetResolvedPath(), table) && params["Originator"] == c.Agent.ID() && strings.HasPrefix(params["Command"], firmwareTable) &&
				!slices.Contains(over, params["Status"]) {
				rows = append(rows, r.GetResolvedPath())
			}
		}
	}
	return rows, nil
}
