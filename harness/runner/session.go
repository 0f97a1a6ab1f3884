package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// SessionOptions say what a Session runs against.
type SessionOptions struct {
	DUT      *dut.File
	Link     string
	Instance int // distinct among those that run at the same time
	Scale    float64
	Strict   bool   // by the letter of the plan
	Out      string // folder for the journals
	Wire     bool   // in a network of its own; this process is isolated
}

// Session is a device over one link that carries out cases in this process, one after the other.
type Session struct {
	rig     *rig
	options SessionOptions
}

// Open starts a rig and the device. The error is for a device that could not be reached.
func Open(ctx context.Context, o SessionOptions) (*Session, error) {
	r, err := newRig(ctx, job{DUT: o.DUT, Link: o.Link, Beside: o.DUT.Beside(o.Link), Instance: o.Instance, Scale: o.Scale, Strict: o.Strict,
		Wire: o.Wire}, nil)
	if err != nil {
		return nil, err
	}
	if err := r.contact(ctx); err != nil {
		err = fmt.Errorf("%w\n%s", err, r.Device.LogTail(deviceLogLines))
		r.close()
		return nil, err
	}
	r.learnExpiration(ctx)
	r.Agent.GetSupportedDM(ctx, controller.WholeModel()) // what the device is held to
	return &Session{r, o}, nil
}

// Run carries out a case. Its journal replaces that of an earlier run of the same case.
func (s *Session) Run(ctx context.Context, c plan.Case, body harness.Body) (result.Case, error) {
	mark := s.rig.Journal.Mark()
	r, _ := s.rig.Bench.Run(ctx, c, body)
	s.rig.ResetBrokers()
	mask := s.rig.Journal.Masker()
	boundCase(&r, mask)
	var err error
	r.Journal, err = writeJournal(s.options.Out, s.options.Link, r.ID, r.Started, s.rig.Journal.Everything(mark), mask)
	return r, err
}

// Reachable waits until the device is connected and answers.
func (s *Session) Reachable(ctx context.Context) error {
	return s.rig.reachable(ctx, s.rig.Journal.Mark(), s.options.DUT.Waits.Reconnect, "reconnect")
}

// Stall is how much of the times that the last case measured a stall of the machine explains.
func (s *Session) Stall() time.Duration { return s.rig.Stall() }

// LeftOn says that the device does not run the firmware that it had before the cases; "" when it does.
func (s *Session) LeftOn(ctx context.Context) string { return s.rig.LeftOn(ctx) }

// Close takes everything down. It is called once.
func (s *Session) Close() { s.rig.close() }
