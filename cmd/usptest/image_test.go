package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/usptest/usptest/fixtures/agent/firmware"
	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// image builds the container image of usptest and returns its name and the engine that has it. Without an engine the test is skipped.
func image(t *testing.T) (string, *testcontainers.DockerProvider) {
	t.Helper()
	if !*full || program.Race {
		t.Skip("SKIPPED: its program is another build than that of the tests, and can take minutes; -full without -race proves it")
	}
	engine, err := testcontainers.NewDockerProvider()
	if err != nil {
		t.Skipf("SKIPPED, NOT PROVEN: no container engine answers: %v", err)
	}
	t.Cleanup(func() { engine.Close() })
	root, folder := filepath.Join("..", ".."), t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(folder, "usptest"), filepath.Join(root, "cmd", "usptest"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dockerfile, err := os.ReadFile(filepath.Join(root, "ci", "image", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), dockerfile, 0o644); err != nil {
		t.Fatal(err)
	}
	name, tag := strings.ToLower("usptest-"+t.Name()), strconv.Itoa(os.Getpid())
	built, err := engine.BuildImage(t.Context(), &testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		Context: folder, Repo: name, Tag: tag, KeepImage: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := engine.Client().ImageRemove(context.Background(), built, client.ImageRemoveOptions{Force: true, PruneChildren: true}); err != nil {
			t.Error(err)
		}
	})
	return built, engine
}

// sandboxed runs an image to its end, without network and rights, and returns what it wrote.
func sandboxed(t *testing.T, image string, words ...string) string {
	t.Helper()
	c, err := testcontainers.GenericContainer(t.Context(), testcontainers.GenericContainerRequest{Started: true, ContainerRequest: testcontainers.ContainerRequest{
		Image: image, Cmd: words, WaitingFor: wait.ForExit(),
		HostConfigModifier: func(h *container.HostConfig) { h.NetworkMode, h.CapDrop = "none", []string{"ALL"} },
	}})
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := c.Logs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	out, err := io.ReadAll(logs)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := c.State(t.Context()); err != nil || state.ExitCode != 0 {
		t.Fatalf("%q: %v %+v\n%s", words, err, state, out)
	}
	return string(out)
}

// TestImage builds the container image with nothing in it but the static program, and uses it in both ways.
func TestImage(t *testing.T) {
	t.Parallel()
	name, engine := image(t)
	t.Run("program", func(t *testing.T) { runsByItself(t, name, engine) })
	t.Run("device", func(t *testing.T) { isADevice(t, name, engine) })
	t.Run("campaign", func(t *testing.T) { replacesFirmware(t, name) })
}

// runsByItself runs the image without network as the user it names.
func runsByItself(t *testing.T, name string, engine *testcontainers.DockerProvider) {
	seen, err := engine.Client().ImageInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if seen.Config.User != "65532:65532" {
		t.Errorf("want a user without rights, got %q", seen.Config.User)
	}
	if out := sandboxed(t, name, "list", "1.36"); !strings.Contains(out, "1.36") {
		t.Errorf("want 1.36 in the list, got\n%s", out)
	}
	out := sandboxed(t, name, "run", "--link", "mqtt5+tls", "--out", "/tmp/out", "1.36")
	if want := fmt.Sprintf("exit %d", result.ExitPassed); !strings.Contains(out, "pass 1.36") || !strings.Contains(out, want) {
		t.Errorf("want 1.36 passed and %s, got\n%s", want, out)
	}
}

// isADevice tests the reference agent as a device that is a container, which is rebooted and removed again.
func isADevice(t *testing.T, name string, engine *testcontainers.DockerProvider) {
	dir := t.TempDir()
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
	left, err := engine.Client().ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("ancestor", name)})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("containers are left: %v %v", left.Items, err)
	}
	write("usptest-no-such-image")
	usptest(t, "check", "--dut", path, "--link", "mqtt5", "--out", t.TempDir()).Want(t, result.ExitError, "build or pull the image first", "usptest-no-such-image")
}

// replacesFirmware carries out a part of the firmware campaign of the vendor guide, with its DUT file.
func replacesFirmware(t *testing.T, image string) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "vendor-guide.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(guide), "### A firmware campaign")
	_, block, _ := strings.Cut(section, "```yaml\n")
	file, _, found := strings.Cut(block, "```")
	if !found {
		t.Fatal("docs/vendor-guide.md has no DUT file for a firmware campaign")
	}
	dir := t.TempDir()
	write := func(name string, data []byte) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"1.0.0", "2.0.0"} {
		write("images/"+version+".bin", firmware.Image{Version: version, Content: []byte("content")}.Bytes())
	}
	write("lab.yaml", []byte(strings.Replace(file, "{image: usptest-agent}", "{image: \""+image+"\"}", 1)))
	out := filepath.Join(dir, "out")
	usptest(t, "run", "--dut", filepath.Join(dir, "lab.yaml"), "--out", out, "9.3").Want(t, result.ExitPassed, "pass 9.3")
}
