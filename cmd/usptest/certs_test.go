package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestADeviceTrustsOneAuthorityForManyRuns loads the authority into a device once: the agent is started with copies of the files, and none
// of what the harness offers to devices that it launches.
func TestADeviceTrustsOneAuthorityForManyRuns(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	certs, device := filepath.Join(top, "certs"), filepath.Join(top, "device")
	usptest(t, "certs", "--out", certs, "--endpoint", "proto::x1").Want(t, result.ExitPassed, "ca.pem: the authority", "device.pem: the device's own", "tls: {authority: ")
	if err := os.CopyFS(device, os.DirFS(certs)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(top, "lab.yaml")
	write(t, fmt.Appendf(nil, `device: {vendor: ACME, model: X1, software: "1.0", endpoint: "proto::x1"}
links: [{mtp: mqtt, version: "5.0", tls: true}, {mtp: websocket, tls: true}]
tls: {authority: certs, trust: certs/ca.pem}
lab:
  launch:
    exec: [%q, agent, "--link={{.Link}}", "--host={{.Host}}", "--port={{.Port}}", "--endpoint={{.AgentID}}", "--controller={{.ControllerID}}",
      "--agent-topic={{.AgentTopic}}", "--controller-topic={{.ControllerTopic}}", "--path={{.Path}}", "--state={{.Dir}}/state.json",
      --trust=%s/ca.pem, --certificate=%s/device.pem, --key=%s/device.key]
waits: {connect: 20s, response: 10s}
`, self(t), device, device, device), file)
	for _, out := range []string{"one", "two"} {
		usptest(t, "run", "--dut", file, "--out", filepath.Join(top, out), "1.36").Want(t, result.ExitPassed, "pass 1.36")
	}
	ca := read(t, certs, "ca.pem")
	usptest(t, "certs", "--out", certs).Want(t, result.ExitPassed)
	if !bytes.Equal(read(t, certs, "ca.pem"), ca) {
		t.Error("the authority was replaced")
	}
	// a device that trusts another authority
	for _, name := range []string{"ca.pem", "ca.key"} {
		if err := os.Remove(filepath.Join(certs, name)); err != nil {
			t.Fatal(err)
		}
	}
	usptest(t, "certs", "--out", certs).Want(t, result.ExitPassed)
	write(t, bytes.ReplaceAll(read(t, file), []byte("connect: 20s"), []byte("connect: 1s")), file)
	usptest(t, "run", "--dut", file, "--link", "mqtt5+tls", "--out", filepath.Join(top, "three"), "1.36").Want(t, result.ExitError, "waits.connect", "tls")
}

func TestCertsLeavesFilesAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "certs")
	const endpoint = "os::012345-A1B2C3"
	usptest(t, "certs", "--out", dir, "--endpoint", "nonsense").Want(t, result.ExitUsage, "--endpoint")
	usptest(t, "certs", "--out", dir, "--endpoint", endpoint).Want(t, result.ExitPassed, endpoint)
	usptest(t, "certs", "--out", dir, "--endpoint", endpoint).Want(t, result.ExitUsage, "device.pem", "remove device.pem and device.key")
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	usptest(t, "certs", "--out", dir).Want(t, result.ExitUsage, "ca.pem", "one half of an authority")
	usptest(t, "certs").Want(t, result.ExitUsage, "out")
}
