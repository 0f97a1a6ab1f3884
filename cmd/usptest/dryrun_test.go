package main

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestADryRunTouchesNothing has the port of the device's link taken: a dry run does not need it, and leaves nothing behind.
func TestADryRunTouchesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	write(t, fmt.Appendf(nil, `device: {vendor: ACME, model: X1, software: "4.2", endpoint: "os::012345-A1B2C3"}
links: [{mtp: mqtt, version: "5.0", port: %d, agentTopic: a, controllerTopic: c}]
features: [1, 36]
`, taken.Addr().(*net.TCPAddr).Port), "lab.yaml")
	usptest(t, "run", "--dut", "lab.yaml", "--dry-run", "--out", "out", "1.1", "1.36", "1.79").Want(t, result.ExitPassed,
		"dry run: nothing is carried out", "1.1   1 s    mqtt5", "1.36", "needs feature", "2 cases to run, about 2 s")
	usptest(t, "run", "--dut", "lab.yaml", "--dry-run", "6.1").Want(t, result.ExitUsage, "nothing to run")
	if left, err := filepath.Glob("*"); err != nil || len(left) != 1 {
		t.Errorf("want lab.yaml alone, got %q, %v", left, err)
	}
}
