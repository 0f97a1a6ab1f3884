package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/usptest/usptest/fixtures/agent/firmware"
	"github.com/usptest/usptest/harness/result"
)

// rebootingAgent keeps a reference agent running that usptest does not launch: it comes back after each boot with what it had. Its broker
// is on the port that is returned.
func rebootingAgent(t *testing.T, flags ...string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	args := append([]string{"agent", "--port=" + port, "--endpoint=proto::bench", "--timescale=25", "--agent-topic=bench",
		"--controller-topic=lab", "--state=" + filepath.Join(t.TempDir(), "state.json")}, flags...)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			if out, err := exec.CommandContext(ctx, self(t), args...).CombinedOutput(); err != nil && ctx.Err() == nil {
				t.Errorf("the device: %v\n%s", err, out)
				return
			}
		}
	})
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	return port
}

// TestADeviceOnTheBenchThatLosesItsFirmware cannot be given back what it had, and is not launched afresh: every report says so first. A
// device that boots the image that it had, though it reports success, has lost nothing.
func TestADeviceOnTheBenchThatLosesItsFirmware(t *testing.T) {
	t.Parallel()
	const left = "the device is left on a firmware of the test: it had version "
	for name, test := range map[string]struct {
		defect, id string
		exit       int
		lost       bool
	}{
		"cannot be given back": {"one-firmware-bank", "9.7", result.ExitError, true},
		"boots the old image":  {"boots-the-old-image", "9.3", result.ExitDeviceFault, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, firmware.Image{Version: "2.0.0", Content: make([]byte, 64<<10)}.Bytes(), dir, "image")
			write(t, fmt.Appendf(nil, `device: {vendor: ACME, model: X1, software: "1.0.0", endpoint: "proto::bench"}
links: [{mtp: mqtt, version: "5.0", port: %s, agentTopic: bench, controllerTopic: lab}]
features: [10, 26, 27, 28]
firmware:
  - {url: "http://127.0.0.1:1/image", version: "1.0.0"} # nothing answers there
  - {file: image, version: "2.0.0"}
fileServer: {scheme: http}
lab: {reboot: usp}
waits: {connect: 30s, reconnect: 10s, response: 10s, firmware: 5s}
`, rebootingAgent(t, "--defect="+test.defect)), dir, "lab.yaml")
			out := filepath.Join(dir, "out")
			run := usptest(t, "run", "--dut", filepath.Join(dir, "lab.yaml"), "--out", out, test.id)
			run.Want(t, test.exit)
			for report, first := range map[string]string{
				"console":  `^firmware mqtt5: ` + left,
				"markdown": `^## .*\n\n\*\*mqtt5: ` + left,
				"html":     `(?s)^.*?class="reason">(<li>)?<bdi>(?i:mqtt5): ` + left,
				"junit":    `(?s)^.*?name="conclusion" value="[a-z-]+: mqtt5: ` + left + `.*message="` + left,
			} {
				text := usptest(t, "report", out, "--format", report).Stdout.String()
				if told := regexp.MustCompile(first).MatchString(text); told != test.lost {
					t.Errorf("%s: told first %t, want %t:\n%.2000s", report, told, test.lost, text)
				}
				if strings.Contains(text, left) && !test.lost {
					t.Errorf("%s speaks of a firmware that is lost", report)
				}
			}
			if all := run.Stdout.String() + run.Stderr.String(); strings.Contains(all, "firmware mqtt5: "+left) != test.lost {
				t.Errorf("want the loss told %t:\n%s", test.lost, all)
			}
		})
	}
}
