package runner

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

func TestADeviceSaysWhoItIs(t *testing.T) {
	long := strings.Repeat("x", 3*maxIdentity)
	s := &simple{params: usp.Params{"Device.DeviceInfo.Manufacturer": "ACME", "Device.DeviceInfo.SoftwareVersion": long}}
	id := simpleRig(t, s).identify(t.Context())
	if id.Vendor != "ACME" || id.Model != "" || len(id.Software) > 2*maxIdentity || id.Endpoint != "proto::device" {
		t.Errorf("got %+v", id)
	}
}

func TestADeviceShowsItsFirmwareBanks(t *testing.T) {
	const bank = "Device.DeviceInfo.FirmwareImage."
	shows := usp.Params{"Device.DeviceInfo.ActiveFirmwareImage": bank + "10", "Device.DeviceInfo.BootFirmwareImage": bank + "2.",
		bank + "10.Name": "new", bank + "10.Version": "5", bank + "10.Status": "Available", bank + "2.Name": strings.Repeat("x", 3*maxIdentity),
		bank + "none.Name": "of no instance", bank + "3": "no row"}
	want := []result.FirmwareBank{{Instance: 2, Name: strings.Repeat("x", maxIdentity), Boot: true},
		{Instance: 10, Name: "new", Version: "5", Status: "Available", Active: true}}
	if got := banks(shows); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := banks(usp.Params{"Device.DeviceInfo.SoftwareVersion": "1"}); got != nil {
		t.Errorf("a device without banks has %+v", got)
	}
	for n := range 10_000 {
		shows[fmt.Sprintf("%s%d.Name", bank, n)] = "x"
	}
	if got := banks(shows); len(got) != maxBanks || got[0].Instance != 1 || got[1].Instance != 2 {
		t.Errorf("got %d banks: %+v", len(got), got)
	}
	s := &simple{params: usp.Params{"Device.DeviceInfo.BootFirmwareImage": bank + "1", bank + "1.Version": "4.2"}}
	if got := simpleRig(t, s).identify(t.Context()).Firmware; !slices.Equal(got, []result.FirmwareBank{{Instance: 1, Version: "4.2", Boot: true}}) {
		t.Errorf("the device is asked otherwise: got %+v", got)
	}
}
