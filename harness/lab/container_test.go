package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/moby/client"
	"github.com/onsi/gomega"
	"github.com/testcontainers/testcontainers-go"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/dut"
)

// contactProgram is a device that is one static program: it says what fakeDevice says, and ends as it is told.
const contactProgram = `package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
)

func main() {
	fmt.Println("the device in the container")
	c, err := net.Dial("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		os.Exit(1)
	}
	dir, _ := os.Getwd()
	fmt.Fprintln(c, "contained", dir, os.Getenv("WORD"))
	if word, _ := bufio.NewReader(c).ReadString('\n'); word == "fail\n" {
		os.Exit(3)
	}
}
`

// contained is a device in a container, built from a Dockerfile with nothing in it but a program. Without a container engine the test is
// skipped.
func (b *bench) contained() (*Device, *testcontainers.DockerProvider) {
	t := b.t
	provider, err := engine()
	if err != nil {
		t.Skipf("SKIPPED, NOT PROVEN: no container engine answers: %v", err)
	}
	t.Cleanup(func() { provider.Close() })
	folder, image := t.TempDir(), "usptest-lab-"+strconv.Itoa(os.Getpid())+":test"
	for name, text := range map[string]string{
		"main.go": contactProgram, "go.mod": "module device\n", "Dockerfile": "FROM scratch\nCOPY device /device\nENTRYPOINT [\"/device\"]\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", "device", ".")
	build.Dir, build.Env = folder, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() {
		_, _ = provider.Client().ImageRemove(context.Background(), image, client.ImageRemoveOptions{Force: true, PruneChildren: true}) // a test may have built none
	})
	d := b.device("stay", func(f *dut.File, _ *Options) {
		f.Lab.Launch = &dut.Launch{Image: image, Build: folder, Exec: []string{"{{.Port}}"}, Env: map[string]string{"WORD": "{{.Link}}"}}
	})
	return d, provider
}

// containers are the states of the containers that have a label.
func containers(t *testing.T, provider *testcontainers.DockerProvider, label string) (states []string) {
	all, err := provider.Client().ContainerList(deadline(t), client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", label)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all.Items {
		states = append(states, string(c.State))
	}
	return states
}

func TestADeviceIsAContainer(t *testing.T) {
	b := newBench(t)
	d, provider := b.contained()
	start(t, d)
	first := b.await()
	if first.dir != d.Dir() || first.args != "mqtt5" {
		t.Errorf("it runs in %s with %q; want %s and the variable of its environment", first.dir, first.args, d.Dir())
	}
	first.say("fail")
	second := b.await() // it was started again
	if second.dir != first.dir {
		t.Errorf("it came back in %s; want %s", second.dir, first.dir)
	}
	if exits := d.Exits(); len(exits) != 1 || !exits[0].Crash || exits[0].Text != "exit status 3" {
		t.Errorf("exits %+v", exits)
	}
	if log := strings.Join(d.LogTail(9), "\n"); !strings.Contains(log, "the device in the container") {
		t.Errorf("its log is %q", log)
	}
	label := deviceLabel + "=" + filepath.Base(d.Dir())
	// the device speaks before the daemon says that its container runs
	events.Eventually(t, func() []string { return containers(t, provider, label) }).Should(gomega.Equal([]string{"running"}))
	d.Stop()
	second.gone(t)
	if states := containers(t, provider, label); len(states) > 0 {
		t.Errorf("containers are left that are %q", states)
	}
	if got, want := b.events(), "launch crash launch stop"; got != want {
		t.Errorf("journal: %s; want %s", got, want)
	}
}

func TestAContainerThatACrashLeftBehindIsRemoved(t *testing.T) {
	b := newBench(t)
	d, provider := b.contained()
	gone := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.build(deadline(t), provider, d.file.Lab.Launch.Image); err != nil {
		t.Fatal(err)
	}
	crashed := host + "/" + strconv.Itoa(gone.ProcessState.Pid())
	for _, owner := range []string{crashed, "another-host/1"} {
		stray, err := provider.CreateContainer(deadline(t), testcontainers.ContainerRequest{Image: d.file.Lab.Launch.Image,
			Cmd: []string{b.portText()}, Labels: map[string]string{ownerLabel: owner}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = stray.Terminate(context.Background()) // one of them is gone already
		})
	}
	start(t, d)
	b.await()
	for by, want := range map[string]int{crashed: 0, "another-host/1": 1, owner(): 1} {
		if states := containers(t, provider, ownerLabel+"="+by); len(states) != want {
			t.Errorf("%s: containers that are %q; want %d", by, states, want)
		}
	}
}

func TestAnImageThatCannotBeHadIsNamed(t *testing.T) {
	b := newBench(t)
	d, _ := b.contained()
	d.file.Lab.Launch.Image, d.file.Lab.Launch.Build = "usptest-no-such-image", ""
	expectError(t, d.Start(deadline(t)), "usptest-no-such-image", "build or pull the image first")
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "Dockerfile"), []byte("FROM scratch\nCOPY no-such-file /\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.file.Lab.Launch.Build = broken
	expectError(t, d.Start(deadline(t)), "building usptest-no-such-image", "no-such-file", "lab.launch.container.build")
}
