package runner

import (
	"context"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Supported makes the first contact over one link and asks the device for its whole supported data model, with unique keys. Nothing on the device is
// changed.
func Supported(ctx context.Context, f *dut.File, link string) (*usppb.GetSupportedDMResp, error) {
	r, err := newRig(ctx, job{DUT: f, Link: link, Instance: 1, Scale: 1}, nil)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.contact(ctx); err != nil {
		return nil, err
	}
	got := r.Agent.GetSupportedDM(ctx, &usppb.GetSupportedDM{ObjPaths: []string{"Device."},
		ReturnCommands: true, ReturnEvents: true, ReturnParams: true, ReturnUniqueKeySets: true})
	if err := expect.Type(got, usp.GetSupportedDMResp); err != nil {
		return nil, err
	}
	return got.Body().GetResponse().GetGetSupportedDmResp(), nil
}
