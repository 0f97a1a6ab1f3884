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

// What makes the disk of a run small: a shell script with the folder for the results as $1, one that outlives the run as $2, and the
// command line of usptest behind.
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
	for _, name := range program.Sample(*full, 2, []string{"files", "file system"}) {
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

// TestAFullDiskLosesNothingOfARunThatGoesOn interrupts a run by its time limit, fills the disk, and wants all that was judged still to be
// there when the run has gone on without room, and then with it.
func TestAFullDiskLosesNothingOfARunThatGoesOn(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "unshare", "-rm", "true").Run(); err != nil {
		t.Skipf("SKIPPED, NOT PROVEN: this system lets nobody mount a file system of his own: %v", err)
	}
	for _, test := range program.Sample(*full, 2, []struct{ name, left string }{{"room for less than it writes", "1100k"}, {"no room at all", "0"}}) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out, kept := t.TempDir(), t.TempDir()
			p := &program.Program{}
			cmd := p.Command(t, "unshare", "-rm", "sh", "-c", `out=$1; kept=$2; left=$3; usptest=$4
				mount -t tmpfs -o size=8m tmpfs "$out" || exit 99
				"$usptest" run --link mqtt5 --instances=1 --timeout 2s --out "$out/run" 1.36 1.53 1.54 || cp -R "$out/run" "$kept/before"
				head -c "$left" /dev/zero >"$out/room"; cat /dev/zero >"$out/filled" 2>/dev/null; rm "$out/room"
				"$usptest" run --resume "$out/run" --timeout 0; echo "resumed without room: exit $?"; cp -R "$out/run" "$kept/full"
				rm "$out/filled"; "$usptest" run --resume "$out/run" --timeout 0; code=$?; cp -R "$out/run" "$kept/after"; exit $code`,
				"sh", out, kept, test.left, path(t))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			p.Wait(t, cmd)
			before, after := runIn(t, filepath.Join(kept, "before")), runIn(t, filepath.Join(kept, "after"))
			between, err := result.Load(filepath.Join(kept, "full", runFile))
			if err != nil {
				between, err = result.Recover(filepath.Join(kept, "full", result.CasesFile))
			}
			if err != nil {
				t.Fatalf("%v\n%s%s", err, &p.Stdout, &p.Stderr)
			}
			for i, was := range before.Links[0].Cases {
				for _, run := range []*result.Run{between, after} {
					if c := run.Links[0].Cases[i]; was.Verdict == result.Pass && (c.Verdict != result.Pass || !c.Started.Equal(was.Started)) {
						t.Errorf("%s was %s, and is %s: %s", was.ID, was.Verdict, c.Verdict, c.Reason)
					}
				}
			}
			if counts := after.Counts(); counts[result.Pass] != 3 {
				t.Errorf("want 3 cases passed after all, got %v\n%s%s", counts, &p.Stdout, &p.Stderr)
			}
		})
	}
}

func TestADiskWithoutRoomIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	p, _ := onSmallDisk(t, noRoom)
	p.Want(t, result.ExitUsage, "--out", "no space left", "make room")
}
