package runner

import (
	"context"
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// One is one case over one link, carried out in this process.
type One struct {
	DUT      *dut.File
	Link     string
	Instance int // distinct among those that run at the same time
	Scale    float64
	Out      string // folder for the journal
	Case     plan.Case
	Body     harness.Body
}

// Run starts a bench and the device, carries out the case and takes everything down. The error is for a device that could not be reached.
func (o One) Run(ctx context.Context) (result.Case, error) {
	b, err := newBench(ctx, job{DUT: o.DUT, Link: o.Link, Instance: o.Instance, Scale: o.Scale}, nil)
	if err != nil {
		return result.Case{}, err
	}
	defer b.close()
	if err := b.contact(ctx); err != nil {
		return result.Case{}, fmt.Errorf("%w\n%s", err, b.Device.LogTail(deviceLogLines))
	}
	mark := b.Journal.Mark()
	r, _ := b.Bench.Run(ctx, o.Case, o.Body)
	mask := b.Journal.Masker()
	boundCase(&r, mask)
	r.Journal, err = writeJournal(o.Out, o.Link, r.ID, r.Started, b.Journal.Since(mark), mask)
	return r, err
}
