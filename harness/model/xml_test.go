package model

import (
	"os"
	"path/filepath"
	"testing"
)

// published is a file of TR-181 in the folder that USPTEST_TR181_DIR names. Without it the test is skipped, and says so.
func published(tb testing.TB, name string) string {
	tb.Helper()
	dir := os.Getenv("USPTEST_TR181_DIR")
	if dir == "" {
		tb.Skip("NOT COMPARED with TR-181: USPTEST_TR181_DIR does not name the folder of the Broadband Forum's XML files")
	}
	return filepath.Join(dir, name)
}

func TestCounts(t *testing.T) {
	want := Counts{Objects: 669, Params: 5320, Commands: 108, Async: 65, Events: 17, Keys: 483, Profiles: 233, Visible: 218, Requirements: 5299}
	for _, name := range []string{"tr-181-2-16-0-usp-full.xml", "tr-181-2-16-0-usp.xml"} {
		m, notes, err := Load(published(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Count(); got != want {
			t.Errorf("%s: want %+v, got %+v", name, want, got)
		}
		if len(notes) != 2 { // two arguments that profiles require are not in 2.16
			t.Errorf("%s: want 2 notes, got %q", name, notes)
		}
	}
}
