package proof

import (
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// TestADeviceThatKeepsTheFirmwareOfTheTest has nothing to give a device with one bank back what it had: the run says so. One that got it
// back is not spoken of.
func TestADeviceThatKeepsTheFirmwareOfTheTest(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	c, _ := p.Case("9.7")
	for name, test := range map[string]struct {
		url, want string
	}{
		"given back": {"", ""},
		"kept":       {"http://127.0.0.1:1/image", `left on a firmware of the test: it had version "1.0.0"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := device(t, "one-firmware-bank")
			if test.url != "" {
				d.Firmware[0] = dut.FirmwareImage{Version: d.Firmware[0].Version, URL: test.url}
			}
			s := open(t.Context(), t, runner.SessionOptions{DUT: d, Link: "mqtt5"})
			defer s.Close()
			r, err := s.Run(t.Context(), c, suites.Bodies()[c.ID])
			if err != nil || r.Verdict != result.Pass {
				t.Fatalf("%s %s, %v", r.Verdict, r.Reason, err)
			}
			if left := s.LeftOn(t.Context()); (left == "") != (test.want == "") || !strings.Contains(left, test.want) {
				t.Errorf("want %q, got %q", test.want, left)
			}
		})
	}
}

// TestFirmwareOverHTTP serves the images without TLS.
func TestFirmwareOverHTTP(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	c, _ := p.Case("9.3")
	d := device(t)
	d.FileServer.Scheme = dut.HTTP
	s := open(t.Context(), t, runner.SessionOptions{DUT: d, Link: "stomp"})
	defer s.Close()
	if r, err := s.Run(t.Context(), c, suites.Bodies()[c.ID]); err != nil || r.Verdict != result.Pass {
		t.Errorf("%s %s, %v", r.Verdict, r.Reason, err)
	}
}
