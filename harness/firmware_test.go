package harness

import (
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/usp"
)

// TestLeftOn asks, after a restoration that failed in something, whether a device runs the image that it had: what the report says last must
// be true of the device as it is then.
func TestLeftOn(t *testing.T) {
	bank := func(n, version string) usp.Params {
		return usp.Params{firmwareTable + n + ".Version": version, firmwareTable + n + ".Available": "true"}
	}
	runs := func(version, active string, banks ...usp.Params) usp.Params {
		all := usp.Params{deviceInfo + "SoftwareVersion": version, deviceInfo + "ActiveFirmwareImage": active, deviceInfo + "BootFirmwareImage": active}
		for _, b := range banks {
			for path, value := range b {
				all[path] = value
			}
		}
		return all
	}
	had := Firmware{Version: "1.0.0", Active: firmwareTable + "1.", Boot: firmwareTable + "1."}
	for name, test := range map[string]struct {
		had  *Firmware
		now  usp.Params
		want string
	}{
		"nothing was replaced":               {nil, runs("2.0.0", firmwareTable+"1", bank("1", "2.0.0")), ""},
		"its own image":                      {&had, runs("1.0.0", firmwareTable+"1", bank("1", "1.0.0")), ""},
		"its own image, named with a dot":    {&had, runs("1.0.0", firmwareTable+"1.", bank("1", "1.0.0")), ""},
		"its own image, another bank filled": {&had, runs("1.0.0", firmwareTable+"1", bank("1", "1.0.0"), bank("2", "2.0.0")), ""},
		"the image of the test in its bank": {&had, runs("2.0.0", firmwareTable+"1", bank("1", "2.0.0")),
			`the device is left on a firmware of the test: it had version "1.0.0" in ` + had.Active + `, and runs version "2.0.0" in ` + had.Active + " now"},
		"the image of the test in another bank": {&had, runs("2.0.0", firmwareTable+"2", bank("1", "1.0.0"), bank("2", "2.0.0")),
			`, and runs version "2.0.0" in ` + firmwareTable + "2. now"},
		"it does not say": {&had, usp.Params{}, `may be left on a firmware of the test: it had version "1.0.0"`},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newBench(t, test.now)
			b.firmware = test.had
			if got := b.LeftOn(t.Context()); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("want %q, got %q", test.want, got)
			}
			b.ForgetFirmware()
			if got := b.LeftOn(t.Context()); got != "" {
				t.Errorf("started afresh: want nothing, got %q", got)
			}
		})
	}
}
