package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestAClaimThatTheDeviceRefutes runs cases for features that the DUT file of the reference agent declares, on an Agent without them. They
// are not for that device, and the run says clearly what is wrong with the claim.
func TestAClaimThatTheDeviceRefutes(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--link", "mqtt5", "--out", out, "--defect", "bulkdata-without-csv", "--defect", "without-firmware-banks",
		"1.1", "9.3", "10.3").
		Want(t, result.ExitDeviceFault, "feature 33 (bulk data, HTTP and CSV): declared, but the device does not show it: "+
			`Device.BulkData.EncodingTypes: want "CSV"`,
			"feature 26 (Firmware:1): declared, but the device does not show it", "pass 1.1",
			"exit 1: no new failure, but the device lacks part of a feature that the DUT file declares")
	run := runIn(t, out)
	for id, want := range map[string]string{"9.3": "Device.DeviceInfo.ActiveFirmwareImage", "10.3": `want "CSV" in the list, got "JSON"`} {
		for _, c := range run.Links[0].Cases {
			if c.ID == id && (c.Verdict != result.Unsupported || !c.Refuted || !strings.Contains(c.Reason, want)) {
				t.Errorf("%s: want unsupported with %s, got %s %s", id, want, c.Verdict, c.Reason)
			}
		}
	}
	if len(run.Links[0].Cases) != 3 || run.Conclusion.Value != result.Partial {
		t.Errorf("want three cases and a partial run, got %+v", run.Conclusion)
	}
}
