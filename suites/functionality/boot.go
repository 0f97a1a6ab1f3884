package functionality

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const (
	subscriptions = harness.Subscriptions
	bootEvent     = "Device.Boot!"
)

// booted is 9.10: the Boot! after a reboot has the boot parameters of its recipient.
func booted(c *harness.Case) {
	param := c.Element(dut.RoleBootParameter)
	value, err := c.Read(param)
	if err != nil {
		c.Unsupported("the device has no " + param + "; the DUT file may name another parameter, as elements." + dut.RoleBootParameter)
	}
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	id := c.Fresh("boot")
	c.Step(1, "add a persistent Subscription to %s, and a BootParameter for %s", bootEvent, param)
	configure(c, row, id, param)
	values := usp.Params{param: value}
	if param != harness.EndpointID {
		tellBesides(c, row, harness.EndpointID, values)
	}
	c.SettleSubscription()
	wanted := bootParametersOf(c, row)

	c.Step(2, "reboot the device")
	mark := c.Reboot()
	c.Step(3, "wait for the %s Notify", bootEvent)
	var first *controller.Message
	if !c.Metric(1, func(m *harness.Metric) {
		first, err = awaitBoot(c, id, mark)
		m.Must(err, mark)
		told, err := parameterMap(first)
		m.Must(err, first.Seq)
		m.Must(expect.Contains("names in ParameterMap", []string{param}, told.Names()), first.Seq)
		now, err := c.Read(param)
		c.DeviceMust(err)
		if told[param] != value {
			m.Must(expect.Equal("ParameterMap: "+param, now, told[param]), first.Seq)
		}
	}) {
		return
	}
	key, operated := rebootKey(c, mark)
	cause := ""
	if operated {
		cause = "RemoteReboot"
	}
	judgeBoot(c, first, boot{cause: cause, key: key, parameters: wanted, values: values})
	bootsOnce(c, id, first)
	if c.DUT.Lab.Power.By != "" && c.DUT.Lab.Power.By != dut.ByUSP {
		c.ExpectRestart()
		mark = c.Journal.Mark()
		c.LabMust(c.Device.PowerCycle(c))
		c.Beyond("TR-181, Device.Boot!", func(m *harness.Metric) {
			first, err = awaitBoot(c, id, mark)
			m.Must(err, mark)
		})
		if first != nil {
			judgeBoot(c, first, boot{cause: "LocalReboot", parameters: wanted, values: values})
			bootsOnce(c, id, first)
		}
	}
}

// bootsOnce wants no further Boot! of one boot, also when the device is asked something.
func bootsOnce(c *harness.Case, id string, first *controller.Message) {
	_, err := c.Read(harness.EndpointID)
	c.DeviceMust(err)
	c.Beyond("TR-181, Device.Boot!", func(m *harness.Metric) {
		c.MustBeQuiet(m, "further "+bootEvent+" Notifies of one boot", 5*time.Second, first.Seq, c.Agent.NotifyEvent(isBoot(id)))
	})
}

// tellBesides enables a second BootParameter, so that a ParameterMap with one of them alone is noticed, and adds its value to those that
// Boot! has to tell. One of this name that is there is enabled instead. A device that refuses it is mentioned in a note.
func tellBesides(c *harness.Case, row, param string, values usp.Params) {
	value, err := c.Read(param)
	c.DeviceMust(err)
	if there := bootParameterOf(c, row, param); there != "" {
		c.Restore(there, "Enable")
		c.Set(there, usp.Params{"Enable": "true"})
	} else if c.AddBesides(row+"BootParameter.", usp.Params{"ParameterName": param, "Enable": "true"}, nil) == "" {
		return
	}
	values[param] = value
}

// bootParameterOf is the BootParameter of a Controller with this name, "" for none.
func bootParameterOf(c *harness.Case, row, param string) string {
	rows, err := c.ReadAll(row + "BootParameter.")
	c.DeviceMust(err)
	for _, path := range rows.Names() {
		if object, name := usp.SplitName(path); name == "ParameterName" && rows[path] == param {
			return object
		}
	}
	return ""
}

// configure adds the Subscription and the BootParameter in one Add. A BootParameter of this name that is there is enabled instead.
func configure(c *harness.Case, row, id, param string) {
	table := row + "BootParameter."
	subscription := usp.Create(subscriptions, usp.Params{"ID": id, "NotifType": "Event", "ReferenceList": bootEvent, "Enable": "true", "Persistent": "true"}, nil)
	if there := bootParameterOf(c, row, param); there != "" {
		c.Restore(there, "Enable")
		c.Set(there, usp.Params{"Enable": "true"})
		added := c.Agent.Add(c, false, subscription)
		c.Owns(added)
		c.DeviceMust(expect.Type(added, usp.AddResp))
		return
	}
	added := c.Agent.Add(c, false, subscription, usp.Create(table, usp.Params{"ParameterName": param, "Enable": "true"}, nil))
	c.Owns(added)
	c.DeviceMust(expect.Type(added, usp.AddResp))
}

// bootParametersOf are the names of the enabled BootParameters of a Controller.
func bootParametersOf(c *harness.Case, row string) (names []string) {
	rows, err := c.ReadAll(row + "BootParameter.")
	c.DeviceMust(err)
	for _, path := range rows.Names() {
		object, name := usp.SplitName(path)
		if on, err := usp.ParseBool(rows[object+"Enable"]); name == "ParameterName" && err == nil && on {
			names = append(names, rows[path])
		}
	}
	return names
}

// awaitBoot waits for the Boot! Notify to a Subscription after a restart.
func awaitBoot(c *harness.Case, id string, mark journal.Mark) (*controller.Message, error) {
	wait := c.ReconnectWait()
	wait.D += c.NotifyWait().D
	return c.AwaitNotify(bootEvent+" Notify of "+id, wait, mark, isBoot(id))
}

func isBoot(id string) func(*usppb.Notify) error { return isEvent(id, bootEvent) }

// parameterMap reads the argument of this name: a JSON object, by name. Values that are no strings are taken as they are written.
func parameterMap(boot *controller.Message) (usp.Params, error) {
	text, there := argumentsOf(boot)["ParameterMap"]
	if !there {
		return nil, expect.Contains("params of the event", []string{"ParameterMap"}, usp.Params(argumentsOf(boot)).Names())
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, &usp.Mismatch{Where: "ParameterMap", Want: "a JSON object", Got: usp.Quote(text)}
	}
	values := usp.Params{}
	for name, value := range raw {
		var s string
		if json.Unmarshal(value, &s) != nil {
			s = string(value)
		}
		values[name] = s
	}
	return values, nil
}

func argumentsOf(boot *controller.Message) map[string]string {
	return boot.GetBody().GetRequest().GetNotify().GetEvent().GetParams()
}

// boot is what a Boot! has to tell.
type boot struct {
	cause      string     // "" for any
	key        string     // the command_key of the Operate, "" where none caused it
	parameters []string   // the enabled BootParameters of the recipient
	values     usp.Params // of those that it has to tell, before the boot
}

// judgeBoot judges the other arguments of a Boot!, which no metric asks for.
func judgeBoot(c *harness.Case, m *controller.Message, want boot) {
	args := usp.Params(argumentsOf(m))
	rule := func(name string, check func(text string) error) {
		c.Beyond("TR-181, Device.Boot! "+name, func(metric *harness.Metric) {
			metric.Must(expect.Contains("params of the event", []string{name}, args.Names()), m.Seq)
			metric.Must(check(args[name]))
		})
	}
	rule("Cause", func(text string) error {
		lawful := []string{"LocalReboot", "RemoteReboot", "FactoryReset", "LocalFactoryReset", "RemoteFactoryReset"}
		if want.cause != "" {
			lawful = []string{want.cause}
		}
		return expect.OneOf("Cause", lawful, text)
	})
	rule("CommandKey", func(text string) error { return expect.Equal("CommandKey", want.key, text) })
	rule("FirmwareUpdated", func(text string) error { return expect.Value("FirmwareUpdated", usp.TypeBoolean, "false", text) })
	c.Beyond("TR-181, Device.Boot! ParameterMap", func(metric *harness.Metric) {
		told, err := parameterMap(m)
		metric.Must(err, m.Seq)
		for _, name := range told.Names() {
			// a BootParameter may be a path of several
			if !slices.ContainsFunc(want.parameters, func(p string) bool { return p == name || strings.HasSuffix(p, ".") || strings.ContainsAny(p, "*[") }) {
				metric.Must(&usp.Mismatch{Where: "ParameterMap", Want: "the enabled BootParameters of the recipient alone", Got: usp.Quote(name)})
			}
		}
	})
	if len(want.values) > 0 {
		tellsAll(c, m, want.values)
	}
}

// tellsAll wants the ParameterMap to have parameters with the values that they had before the boot, or have now.
func tellsAll(c *harness.Case, m *controller.Message, values usp.Params) {
	c.Beyond("TR-181, LocalAgent.Controller.{i}.BootParameter.{i}.", func(metric *harness.Metric) {
		told, err := parameterMap(m)
		metric.Must(err, m.Seq)
		metric.Must(expect.Contains("names in ParameterMap", values.Names(), told.Names()), m.Seq)
		for _, name := range values.Names() {
			if told[name] != values[name] {
				now, err := c.Read(name)
				metric.Must(err)
				metric.Must(expect.Equal("ParameterMap: "+name, now, told[name]), m.Seq)
			}
		}
	})
}

// rebootKey is the command_key of the Operate that made the device reboot after mark; operated is false when none did.
func rebootKey(c *harness.Case, mark journal.Mark) (key string, operated bool) {
	for _, e := range c.Journal.Since(mark) {
		if m, ok := e.Body.(*controller.Message); ok && e.Dir == journal.Out {
			if o := m.GetBody().GetRequest().GetOperate(); o.GetCommand() == harness.Reboot {
				return o.GetCommandKey(), true
			}
		}
	}
	return "", false
}
