package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestImage builds the container image with nothing in it but the static program, and runs it without network as the user it names.
func TestImage(t *testing.T) {
	t.Parallel()
	if out, err := exec.CommandContext(t.Context(), "docker", "info").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, NOT PROVEN: no container engine answers: %v\n%s", err, out)
	}
	root, context := filepath.Join("..", ".."), t.TempDir()
	if err := os.Mkdir(filepath.Join(context, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	do := func(env []string, words ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", words, err, out)
		}
		return string(out)
	}
	name := fmt.Sprintf("usptest-test:%d", os.Getpid())
	do([]string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-o", filepath.Join(context, "usptest"), filepath.Join(root, "cmd", "usptest"))
	do(nil, "docker", "build", "--quiet", "--tag", name, "--file", filepath.Join(root, "ci", "image", "Dockerfile"), context)
	t.Cleanup(func() {
		if out, err := exec.Command("docker", "image", "rm", "--force", name).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	if user := strings.TrimSpace(do(nil, "docker", "image", "inspect", "--format", "{{.Config.User}}", name)); user != "65532:65532" {
		t.Errorf("want a user without rights, got %q", user)
	}
	out := do(nil, "docker", "run", "--rm", "--network", "none", "--cap-drop", "ALL", name, "run", "--link", "mqtt5+tls", "--out", "/tmp/out", "1.36")
	if want := fmt.Sprintf("exit %d", result.ExitPassed); !strings.Contains(out, "pass 1.36") || !strings.Contains(out, want) {
		t.Errorf("want 1.36 passed and %s, got\n%s", want, out)
	}
}
