package runner

import (
	"context"
	"maps"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// maxIdentity is how many bytes of a name the device may have.
const maxIdentity = 200

// deviceInfo is the object with the device's identity.
const deviceInfo = "Device.DeviceInfo."

// identify reads the device's identity. What it does not report stays empty.
func (r *rig) identify(ctx context.Context) *identity {
	told := shown(r.Agent.Get(ctx, deviceInfo+"Manufacturer", deviceInfo+"ModelName", deviceInfo+"SoftwareVersion"))
	name := func(param string) string {
		value, _ := result.Cut(told[deviceInfo+param], maxIdentity)
		return value
	}
	return &identity{Vendor: name("Manufacturer"), Model: name("ModelName"), Software: name("SoftwareVersion"), Endpoint: r.Agent.AgentID(), USP: r.Agent.Speaks(),
		Firmware: r.firmware(ctx)}
}

// shown are the parameters in a GetResp, by full path; none in any other reply.
func shown(got *controller.Reply) usp.Params {
	values := usp.Params{}
	for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
		maps.Copy(values, expect.Resolved(q))
	}
	return values
}
