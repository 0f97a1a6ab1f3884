package hostile

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// What makes the disk of a run small: a shell script with the folder for the results as $1, one that outlives the run as $2, and the command
// line of usptest behind.
const (
	// no file may have more than two million bytes or so; shells count in different blocks
	smallFiles = `kept=$2; shift 2; ulimit -f 4000; exec "$@"`
	// a file system of its own, which ends with the script
	smallDisk = `out=$1; kept=$2; shift 2; mount -t tmpfs -o size=3m tmpfs "$out" || exit 99; "$@"; code=$?; cp -R "$out/." "$kept"; exit $code`
	// the same without room for any result
	noRoom = `out=$1; shift 2; mount -t tmpfs -o size=512k tmpfs "$out" || exit 99; exec "$@"`
)

// onSmallDisk runs 1.1, whose device sends far more than the disk can hold, and two harmless cases. It returns the folder with the results.
func onSmallDisk(t *testing.T, script string) (*program.Program, string) {
	t.Helper()
	const flood = "10,000 Notifies"
	out, kept := t.TempDir(), t.TempDir()
	shell := []string{"sh"}
	if script == smallFiles {
		kept = out
	} else {
		if err := exec.CommandContext(t.Context(), "unshare", "-rm", "true").Run(); err != nil {
			t.Skipf("SKIPPED, NOT PROVEN: this system lets nobody mount a file system of his own: %v", err)
		}
		shell = []string{"unshare", "-rm", "sh"}
	}
	args := append(shell[1:], "-c", script, "sh", out, kept, path(t),
		"run", "--dut", hostileDUT(t, "mqtt5", flood, modes()[flood]), "--out", out, "1.1", "1.36", "1.41")
	p := &program.Program{}
	cmd := p.Command(t, shell[0], args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.Wait(t, cmd)
	return p, kept
}

func TestAFullDiskKeepsTheFinishedCases(t *testing.T) {
	t.Parallel()
	scripts := map[string]string{"files": smallFiles, "file system": smallDisk}
	for _, name := range sample(2, []string{"files", "file system"}) {
		script := scripts[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, dir := onSmallDisk(t, script)
			p.Want(t, result.ExitError, "1.1: the journal could not be written", "--out")
			run := runIn(t, dir)
			if got := run.Counts()[result.Pass]; got != 3 || run.Conclusion.Value != result.Partial {
				t.Errorf("want 3 cases passed and the conclusion partial, got %d and %+v", got, run.Conclusion)
			}
			for _, c := range run.Links[0].Cases {
				switch flooded := c.ID == "1.1"; {
				case flooded && (c.Journal != "" || !strings.Contains(strings.Join(c.Notes, "\n"), "journal")):
					t.Errorf("1.1 does not say that its journal is missing: %+v", c)
				case !flooded && c.Journal == "":
					t.Errorf("%s has no journal", c.ID)
				}
			}
			harmless(t, dir, p)
			const reserve = ".reserve" // holds room for the results while a run goes on
			if _, err := os.Stat(filepath.Join(dir, reserve)); err == nil {
				t.Errorf("%s is left over", reserve)
			}
		})
	}
}

func TestADiskWithoutRoomIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	p, _ := onSmallDisk(t, noRoom)
	p.Want(t, result.ExitUsage, "--out", "no space left", "make room")
}
