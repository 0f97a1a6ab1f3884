package runner

import (
	"context"
	"fmt"

	"github.com/usptest/usptest/harness/dut"
)

// Preflight tries the first contact over one link and tells what the device says of itself. Nothing on the device is changed.
func Preflight(ctx context.Context, f *dut.File, link string) (string, error) {
	b, err := newBench(ctx, job{DUT: f, Link: link, Instance: 1, Scale: 1}, nil)
	if err != nil {
		return "", err
	}
	defer b.close()
	if err := b.contact(ctx); err != nil {
		return "", err
	}
	id := b.identify(ctx)
	return fmt.Sprintf("contact with %s (%s %s, software %q)", id.Endpoint, id.Vendor, id.Model, id.Software), nil
}
