package lab

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
)

func start(t *testing.T, d *Device) {
	t.Helper()
	if err := d.Start(deadline(t)); err != nil {
		t.Fatal(err)
	}
}

func TestADeviceIsLaunchedInItsOwnDirectoryAndStopped(t *testing.T) {
	b := newBench(t)
	d := b.device("stay", nil)
	start(t, d)
	c := b.await()
	if c.dir != d.Dir() || filepath.Dir(c.dir) != b.base {
		t.Errorf("it runs in %s; want %s in %s", c.dir, d.Dir(), b.base)
	}
	if c.args != "mqtt5" {
		t.Errorf("arguments %q; want mqtt5 alone: what renders to nothing is left out", c.args)
	}
	if err := d.Start(deadline(t)); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("a second start: %v", err)
	}
	d.Stop()
	c.gone(t)
	d.Stop()
	if got := b.events(); got != "launch stop" {
		t.Errorf("journal: %s", got)
	}
	if len(d.Exits()) != 0 || d.Err() != nil {
		t.Errorf("being stopped counts as an exit: %v %v", d.Exits(), d.Err())
	}
}

func TestADeviceThatEndsIsStartedAgainInItsDirectory(t *testing.T) {
	for _, c := range []struct {
		word, events, text string
		crash              bool
	}{
		{"reboot", "launch exit launch", "exit status 0", false},
		{"fail", "launch crash launch", "exit status 3", true},
		{"crash", "launch crash launch", "signal: killed", true},
	} {
		t.Run(c.word, func(t *testing.T) {
			b := newBench(t)
			d := b.device("stay", nil)
			start(t, d)
			first := b.await()
			mark := b.j.Mark()
			first.say(c.word)
			if again := b.await(); again.dir != first.dir {
				t.Errorf("it came back in %s; want %s", again.dir, first.dir)
			}
			exits := d.Exits()
			if len(exits) != 1 || exits[0].Crash != c.crash || exits[0].Text != c.text || exits[0].Seq <= mark {
				t.Errorf("exits %+v", exits)
			}
			if got := b.events(); got != c.events {
				t.Errorf("journal: %s; want %s", got, c.events)
			}
			if e := b.j.Since(mark)[0]; e.Layer != journal.LayerLab || e.Dir != journal.In {
				t.Errorf("the exit is %v %v", e.Layer, e.Dir)
			}
		})
	}
}

func TestADeviceThatNeverStaysIsGivenUp(t *testing.T) {
	for mode, want := range map[string][]string{
		"fail": {"crashed 5 times in a row", `"exit status 255"`, "by hand", "no such option"},
		"exit": {"ended 20 times in a row", `"exit status 0"`, "foreground", "fake device: exit"},
	} {
		t.Run(mode, func(t *testing.T) {
			b := newBench(t)
			d := b.device(mode, nil)
			start(t, d)
			err := d.WaitFor(deadline(t), func(ctx context.Context) error { _, err := b.accept(ctx); return err })
			var launch *LaunchError
			if !errors.As(err, &launch) {
				t.Fatalf("got %v; want a *LaunchError", err)
			}
			for _, w := range want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error lacks %q:\n%v", w, err)
				}
			}
			if strings.Contains(err.Error(), "\x1b") {
				t.Error("a control character of the device is in the error")
			}
			if !strings.HasSuffix(b.events(), " give-up") {
				t.Errorf("journal: %s", b.events())
			}
			if err := d.Fresh(deadline(t)); err != nil {
				t.Errorf("it cannot be tried again: %v", err)
			}
		})
	}
}

func TestADeviceThatIsReachedMayEndOften(t *testing.T) {
	b := newBench(t)
	d := b.device("stay", nil)
	start(t, d)
	for range maxCrashes + 1 {
		err := d.WaitFor(deadline(t), func(ctx context.Context) error {
			c, err := b.accept(ctx)
			if err == nil {
				defer c.say("crash")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitForLeavesTheErrorOfADeviceThatRuns(t *testing.T) {
	b := newBench(t)
	d := b.device("stay", nil)
	mine := errors.New("mine")
	ready := func(context.Context) error { return mine }
	for range 2 {
		if err := d.WaitFor(deadline(t), ready); err != mine {
			t.Errorf("got %v", err)
		}
		start(t, d)
		b.await()
		defer d.Stop()
		if err := d.WaitFor(deadline(t), ready); err != mine {
			t.Errorf("got %v", err)
		}
		d.Stop()
	}
}

func TestALaunchThatCannotBeginSaysWhy(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*dut.File)
		want   []string
	}{
		"not in PATH":      {func(f *dut.File) { f.Lab.Launch.Exec = []string{"no-such-agent"} }, []string{"no-such-agent", "executable file not found", "PATH"}},
		"no such path":     {func(f *dut.File) { f.Lab.Launch.Exec = []string{"./no-such-agent"} }, []string{"./no-such-agent", "no such file", "folder of the DUT file"}},
		"not executable":   {func(f *dut.File) { f.Lab.Launch.Exec = []string{text} }, []string{"permission denied", "executable"}},
		"renders to none":  {func(f *dut.File) { f.Lab.Launch.Exec = []string{"{{if .TLS}}x{{end}}"} }, []string{"empty"}},
		"unknown variable": {func(f *dut.File) { f.Lab.Launch.Exec = []string{os.Args[0], "{{.Prt}}"} }, []string{"lab.launch.exec[1]:1:2", "{{.Prt}}", "did you mean Port"}},
		"unset in env":     {func(f *dut.File) { f.Lab.Launch.Env["X"] = `{{env "USPTEST_UNSET"}}` }, []string{"lab.launch.env.X", "USPTEST_UNSET is not set"}},
		"template missing": {func(f *dut.File) { f.Lab.Launch.Files = map[string]string{"a": "no-such-template"} }, []string{"no-such-template", "no such file"}},
		"bad interpreter":  {func(f *dut.File) { f.Lab.Launch.Exec = []string{badInterpreter(t)} }, []string{"no such file", "lab.launch.exec"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			err := b.device("stay", func(f *dut.File, _ *Options) { c.change(f) }).Start(deadline(t))
			var launch *LaunchError
			if !errors.As(err, &launch) {
				t.Fatalf("got %v; want a *LaunchError", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error lacks %q: %v", w, err)
				}
			}
		})
	}
}

// badInterpreter is an executable file that the system cannot execute.
func badInterpreter(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(path, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFreshLeavesNothingBehind(t *testing.T) {
	b := newBench(t)
	d := b.device("stay", nil)
	start(t, d)
	first := b.await()
	if err := d.Fresh(deadline(t)); err != nil {
		t.Fatal(err)
	}
	first.gone(t)
	if second := b.await(); second.dir == first.dir {
		t.Errorf("the same directory %s", second.dir)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(b.base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFilesAndCertificatesAreWrittenIntoTheDirectory(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "mqtt5.txt"), []byte("{{.AgentID}} {{.Dir}} {{.CA}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	ca, err := pki.NewCA("lab")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(pki.Spec{CommonName: "device"})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	d := b.device("stay", func(f *dut.File, o *Options) {
		f.Path = filepath.Join(root, "lab.yaml")
		f.Lab.Launch.Files = map[string]string{"etc/agent.conf": "{{.Link}}.txt"}
		f.Lab.Launch.Exec = append(f.Lab.Launch.Exec, "{{.ClientPEM}}")
		o.CA, o.Client = ca.PEM(), &cert
	})
	start(t, d)
	c := b.await()
	for name, want := range map[string]string{
		"etc/agent.conf": " " + c.dir + " " + filepath.Join(c.dir, "ca.pem"),
		"ca.pem":         string(ca.PEM()),
	} {
		if got, err := os.ReadFile(filepath.Join(c.dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: got %q %v; want %q", name, got, err, want)
		}
	}
	both, err := os.ReadFile(strings.TrimPrefix(c.args, "mqtt5 "))
	if err != nil || !strings.Contains(string(both), "CERTIFICATE") || !strings.Contains(string(both), "PRIVATE KEY") {
		t.Errorf("{{.ClientPEM}} is %q with %q: %v", c.args, both, err)
	}
}

func TestWhatADeviceStartedDiesWithIt(t *testing.T) {
	b := newBench(t)
	d := b.device("parent", nil)
	start(t, d)
	one, other := b.await(), b.await()
	d.Stop()
	one.gone(t)
	other.gone(t)
}

func TestADeviceDiesWithTheHarness(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can do that")
	}
	b := newBench(t)
	harness := exec.Command(os.Args[0], b.portText(), b.base)
	harness.Env = append(os.Environ(), fakeMode+"=harness")
	in, err := harness.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Start(); err != nil {
		t.Fatal(err)
	}
	c := b.await()
	in.Write([]byte("die\n"))
	_ = harness.Wait()
	c.gone(t)
}

func TestTheLogIsBoundedHarmlessAndMasked(t *testing.T) {
	b := newBench(t)
	d := b.device("spam", nil)
	start(t, d)
	b.await()
	d.Stop()
	lines := d.LogTail(1 << 20)
	if len(lines) != keepLines+1 {
		t.Errorf("%d lines kept", len(lines))
	}
	for _, l := range lines {
		if len(l) > keepWidth {
			t.Errorf("a line of %d bytes", len(l))
		}
	}
	if got, want := d.LogTail(1), "the password is ******, \ufffd\ufffd and this line does not end"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestADeviceThatRunsByItselfIsLeftAlone(t *testing.T) {
	b := newBench(t)
	d := b.device("stay", func(f *dut.File, _ *Options) { f.Lab.Launch = nil })
	if d.Launched() {
		t.Error("launched")
	}
	for _, act := range []func(context.Context) error{d.Start, d.Fresh} {
		if err := act(deadline(t)); err != nil {
			t.Error(err)
		}
	}
	d.Stop()
	if len(b.j.Since(0)) > 0 {
		t.Errorf("journal: %s", b.events())
	}
}

func TestStoppingADeviceThatKeepsCrashing(t *testing.T) {
	b := newBench(t)
	d := b.device("fail", nil)
	for range 10 {
		start(t, d)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { d.Exits(); d.LogTail(1); _ = d.Err(); d.Stop() })
		}
		all.Wait()
	}
}

func TestAContextThatIsOverStartsNothing(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if err := b.device("stay", nil).Start(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
