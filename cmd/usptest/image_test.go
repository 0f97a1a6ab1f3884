package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// engineDo carries out a command that a test cannot do without.
func engineDo(t *testing.T, env []string, words ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", words, err, out)
	}
	return string(out)
}

// image builds the container image of usptest and returns its name. Without an engine the test is skipped.
func image(t *testing.T) string {
	t.Helper()
	if program.Race {
		t.Skip("SKIPPED UNDER THE RACE DETECTOR, whose program needs a C library: the image would be built of another one, in minutes; go test without -race builds and runs it")
	}
	if out, err := exec.CommandContext(t.Context(), "docker", "info").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, NOT PROVEN: no container engine answers: %v\n%s", err, out)
	}
	root, context := filepath.Join("..", ".."), t.TempDir()
	if err := os.Mkdir(filepath.Join(context, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(fmt.Sprintf("usptest-%s:%d", t.Name(), os.Getpid()))
	engineDo(t, []string{"CGO_ENABLED=0"}, "go", "build", "-o", filepath.Join(context, "usptest"), filepath.Join(root, "cmd", "usptest"))
	engineDo(t, nil, "docker", "build", "--quiet", "--tag", name, "--file", filepath.Join(root, "ci", "image", "Dockerfile"), context)
	t.Cleanup(func() {
		if out, err := exec.Command("docker", "image", "rm", "--force", name).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	return name
}

// TestImage builds the container image with nothing in it but the static program, and runs it without network as the user it names.
func TestImage(t *testing.T) {
	t.Parallel()
	name := image(t)
	do := func(words ...string) string { t.Helper(); return engineDo(t, nil, words...) }
	if user := strings.TrimSpace(do("docker", "image", "inspect", "--format", "{{.Config.User}}", name)); user != "65532:65532" {
		t.Errorf("want a user without rights, got %q", user)
	}
	isolated := []string{"docker", "run", "--rm", "--network", "none", "--cap-drop", "ALL", name}
	if out := do(append(isolated, "list", "1.36")...); !strings.Contains(out, "1.36") {
		t.Errorf("want 1.36 in the list, got\n%s", out)
	}
	out := do(append(isolated, "run", "--link", "mqtt5+tls", "--out", "/tmp/out", "1.36")...)
	if want := fmt.Sprintf("exit %d", result.ExitPassed); !strings.Contains(out, "pass 1.36") || !strings.Contains(out, want) {
		t.Errorf("want 1.36 passed and %s, got\n%s", want, out)
	}
}

// TestADeviceInAContainer tests the reference agent as a device that is a container, which is rebooted and removed again.
func TestADeviceInAContainer(t *testing.T) {
	t.Parallel()
	name, dir := image(t), t.TempDir()
	path := filepath.Join(dir, "lab.yaml")
	write := func(image string) {
		text := "device: {vendor: usptest, model: reference agent, software: \"1\", endpoint: \"proto::contained-{{.Instance}}\"}\n" +
			"links: [{mtp: mqtt, version: \"5.0\"}, {mtp: stomp, tls: true}]\nfeatures: [1, 10]\n" +
			"lab:\n  reboot: usp\n  factoryReset: launch\n  power: launch\n  launch:\n    fresh: per-run\n    container: {image: \"" + image + "\"}\n    exec:\n"
		for _, word := range agentLaunch(t)[1:] {
			text += fmt.Sprintf("      - %q\n", word)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(name)
	usptest(t, "check", "--dut", path).Want(t, result.ExitPassed, "mqtt5: contact with proto::contained-1 ", "stomp+tls: contact with proto::contained-1 ")
	out := filepath.Join(dir, "out")
	usptest(t, "run", "--dut", path, "--link", "mqtt5", "--out", out, "1.1", "1.61").Want(t, result.ExitPassed)
	journal, err := os.ReadFile(filepath.Join(out, "journal", "mqtt5", "1.61.jsonl"))
	if err != nil || !strings.Contains(string(journal), "the device's process ended by itself") {
		t.Errorf("want a container that ended and was started again: %v", err)
	}
	if left := engineDo(t, nil, "docker", "ps", "--all", "--quiet", "--filter", "ancestor="+name); left != "" {
		t.Errorf("containers are left: %s", left)
	}
	write("usptest-no-such-image")
	usptest(t, "check", "--dut", path, "--link", "mqtt5").Want(t, result.ExitError, "build or pull the image first", "usptest-no-such-image")
}
