package proof

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/runner"
)

// wholeModel is TR-181 2.16 from the folder that USPTEST_TR181_DIR names, with a reference agent that has all of it.
func wholeModel(tb testing.TB) (*model.Model, *dut.File) {
	tb.Helper()
	dir := os.Getenv("USPTEST_TR181_DIR")
	if dir == "" {
		tb.Skip("NOT COMPARED with the whole of TR-181: USPTEST_TR181_DIR does not name the folder of the Broadband Forum's XML files")
	}
	path := filepath.Join(dir, "tr-181-2-16-0-usp-full.xml")
	m, _, err := model.Load(path)
	if err != nil {
		tb.Fatal(err)
	}
	f := device(tb)
	f.Lab.Launch.Exec = append(f.Lab.Launch.Exec, "--model="+path)
	return m, f
}

// TestWholeModelLive: an agent with all that is current in TR-181 2.16 and a row in each table has no finding.
func TestWholeModelLive(t *testing.T) {
	t.Parallel()
	m, f := wholeModel(t)
	r, err := runner.CheckModel(t.Context(), f, "mqtt5", runner.ModelCheck{Model: m, Values: true})
	if err != nil {
		t.Fatal(err)
	}
	const least = 5000
	if len(r.Findings) > 0 || r.Values < least {
		t.Errorf("want at least %d values and no finding, got %d and %+v", least, r.Values, r.Findings)
	}
}

// BenchmarkWholeModel compares such an agent with TR-181, alone and with all its values.
func BenchmarkWholeModel(b *testing.B) {
	m, f := wholeModel(b)
	for name, values := range map[string]bool{"described": false, "values": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r, err := runner.CheckModel(b.Context(), f, "mqtt5", runner.ModelCheck{Model: m, Values: values})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(r.Values), "values")
			}
		})
	}
}
