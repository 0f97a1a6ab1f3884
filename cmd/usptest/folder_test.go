package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/result"
)

// TestEachRunHasAFolderOfItsOwn makes two runs without --out, and repeats one.
func TestEachRunHasAFolderOfItsOwn(t *testing.T) {
	t.Chdir(t.TempDir())
	latest := filepath.Join(runsDir, latestLink)
	usptest(t, "run", "--link", "mqtt5", "1.36").Want(t, result.ExitPassed, "wrote "+runsDir)
	first, err := os.Readlink(latest)
	if err != nil {
		t.Fatal(err)
	}
	usptest(t, "run", "--link", "mqtt5", "1.41").Want(t, result.ExitPassed)
	if second, err := os.Readlink(latest); err != nil || second == first {
		t.Errorf("want the link at another run than %s, got %s, %v", first, second, err)
	}
	if c := runIn(t, latest).Links[0].Cases; len(c) != 1 || c[0].ID != "1.41" {
		t.Errorf("want the newest run below %s, got %+v", latest, c)
	}
	if c := runIn(t, filepath.Join(runsDir, first)).Links[0].Cases; len(c) != 1 || c[0].ID != "1.36" {
		t.Errorf("the first run is not as it was: %+v", c)
	}
	usptest(t, "report", latest).Want(t, result.ExitPassed, "1.41")
	began := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	for _, want := range []string{"2026-03-02_093000", "2026-03-02_093000-2"} {
		f, err := newFolder(began)
		if err != nil || filepath.Base(f.dir) != want {
			t.Fatalf("want %s, got %+v, %v", want, f, err)
		}
		f.release()
	}
}

func TestARunIsNeverOverwritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--link", "mqtt5", "--out", dir, "1.36").Want(t, result.ExitPassed)
	was := read(t, dir, runFile)
	for _, args := range [][]string{{"run", "--link", "mqtt5", "--out", dir, "1.36"}, {"run", "--link", "mqtt5", "--out=" + dir, "--shard", "1/1", "1.36"}} {
		usptest(t, args...).Want(t, result.ExitUsage, "holds an earlier run", "omit --out")
	}
	if string(read(t, dir, runFile)) != string(was) || result.Unseal(dir, func(string) bool { return true }) != nil || exists(filepath.Join(dir, lockFile)) {
		t.Error("the run is not as it was")
	}
	for _, word := range runIn(t, dir).Again {
		if word == "--out" || word == dir {
			t.Errorf("whoever repeats the run is sent into its folder: %q", runIn(t, dir).Again)
		}
	}
}

func TestAFolderThatIsWrittenIsLocked(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	f, err := takeFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	usptest(t, "run", "--link", "mqtt5", "--out", dir, "1.36").Want(t, result.ExitUsage, "another usptest is writing into "+dir)
	f.release()
	usptest(t, "run", "--link", "mqtt5", "--out", dir, "1.36").Want(t, result.ExitPassed)
}
