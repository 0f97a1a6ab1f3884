package runner

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// maxBanks is how many firmware banks of a device are reported.
const maxBanks = 16

// firmware asks the device for its firmware banks. A device without the Firmware:1 profile has none.
func (r *rig) firmware(ctx context.Context) []result.FirmwareBank {
	return banks(shown(r.Agent.Get(ctx, deviceInfo+"FirmwareImage.", deviceInfo+"ActiveFirmwareImage", deviceInfo+"BootFirmwareImage")))
}

// banks are the rows of Device.DeviceInfo.FirmwareImage. in the values of a device, by instance number.
func banks(told usp.Params) []result.FirmwareBank {
	rows := map[int]bool{}
	for path := range told {
		after, in := strings.CutPrefix(path, deviceInfo+"FirmwareImage.")
		instance, _, row := strings.Cut(after, ".")
		if n, err := strconv.Atoi(instance); in && row && err == nil && n > 0 {
			rows[n] = true
		}
	}
	numbers := slices.Sorted(maps.Keys(rows))
	var found []result.FirmwareBank
	for _, n := range numbers[:min(len(numbers), maxBanks)] {
		path := deviceInfo + "FirmwareImage." + strconv.Itoa(n)
		is := func(reference string) bool { return strings.TrimSuffix(told[deviceInfo+reference], ".") == path }
		value := func(param string) string {
			text, _ := result.Cut(told[path+"."+param], maxIdentity)
			return text
		}
		found = append(found, result.FirmwareBank{Instance: n, Name: value("Name"), Version: value("Version"), Status: value("Status"),
			Active: is("ActiveFirmwareImage"), Boot: is("BootFirmwareImage")})
	}
	return found
}
