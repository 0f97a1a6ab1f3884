package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// contact starts the device and waits until it can be reached and answers. A device that is there but set up otherwise than the DUT file says is
// told by that, whether it answered or not.
func (r *rig) contact(ctx context.Context) error {
	mark := r.Journal.Mark()
	if err := r.Device.Start(ctx); err != nil {
		return err
	}
	err := r.reachable(ctx, mark, r.DUT.Waits.Connect, "connect")
	var launch *lab.LaunchError
	if ctx.Err() != nil || errors.As(err, &launch) {
		return err
	}
	if differs := r.Link.Explain(r.Journal.Since(mark)).Mismatches; len(differs) > 0 {
		return fmt.Errorf("the device is not set up as the DUT file says: %s; make them the same, there or here", strings.Join(differs, "; "))
	}
	return err
}

// reachable waits until the device is connected and answers a request.
func (r *rig) reachable(ctx context.Context, mark uint64, patience time.Duration, wait string) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var launch *lab.LaunchError
	switch err := r.Device.WaitFor(waiting, r.Agent.Connected); {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &launch):
		return err
	default:
		return r.absent(err, mark, patience, wait)
	}
	for {
		reply := r.Agent.Get(waiting, "Device.LocalAgent.EndpointID")
		switch {
		case reply.Message != nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case waiting.Err() != nil:
			if name := r.stranger(mark); name != "" {
				return fmt.Errorf("the device calls itself %q; device.endpoint in the DUT file is %q: make them the same", name, r.Agent.AgentID())
			}
			return fmt.Errorf("the device is connected but does not answer within %s (waits.%s): %w; it must know the Controller %q and grant it full access",
				patience, wait, reply.Err, r.Agent.ID())
		}
		if err := r.Agent.Connected(waiting); err != nil {
			return r.absent(err, mark, patience, wait)
		}
	}
}

// absent says that no device came in time. That the wait ended is said by how long it was.
func (r *rig) absent(err error, mark uint64, patience time.Duration, wait string) error {
	why := strings.TrimSuffix(err.Error(), ": "+context.DeadlineExceeded.Error())
	return fmt.Errorf("no device within %s (waits.%s): %s; %s", patience, wait, why, r.seen(mark))
}

// stranger returns by which Endpoint ID a device speaks that is not the expected one, or "".
func (r *rig) stranger(mark uint64) string {
	for _, e := range r.Journal.Since(mark) {
		if record, ok := e.Body.(*usppb.Record); ok && e.Dir == journal.In && record.GetFromId() != r.Agent.AgentID() {
			return record.GetFromId()
		}
	}
	return ""
}

// seen tells what came over the wire since mark, for a device that is not there.
func (r *rig) seen(mark uint64) string {
	counts, order, events := map[string]int{}, []string{}, r.Journal.Since(mark)
	for _, e := range events {
		if e.Dir != journal.In {
			continue
		}
		kind := fmt.Sprintf("%s %s", e.Layer, e.Type)
		if counts[kind] == 0 {
			order = append(order, kind)
		}
		counts[kind]++
	}
	if len(order) == 0 {
		return fmt.Sprintf("seen: no TCP connection to %s; check that the device is configured for this address", r.Link.Addr())
	}
	for i, kind := range order {
		order[i] = fmt.Sprintf("%d %s", counts[kind], kind)
	}
	text := "seen: " + strings.Join(order, ", ")
	if remedy := r.remedy(order, counts, events); remedy != "" {
		text += "; " + remedy
	}
	return text
}

// remedy says what to do about a device of which so much was seen, by its event that tells most.
func (r *rig) remedy(seen []string, counts map[string]int, events []*journal.Event) string {
	spec, _ := r.DUT.Link(r.name)
	malformed := slices.ContainsFunc(seen, func(kind string) bool { return strings.HasSuffix(kind, " malformed") })
	switch {
	case counts["tls alert"] > 0:
		return fmt.Sprintf("the device refuses the broker's certificate: it must trust the issuer (tls.authority in the DUT file), and look for the name %q", r.host())
	case spec.TLS && counts["tls handshake"] == 0 && counts["tcp open"] > 0:
		return "the device does not begin with TLS, or does not finish: configure it for TLS, or remove tls: true from the link"
	case malformed, len(seen) == 1 && counts["tcp open"] > 0:
		return fmt.Sprintf("what came is not %s: the device speaks another MTP, or TLS on one side only", r.Link.MTP().Name)
	}
	return r.Link.Explain(events).Remedy
}

// host is the name by which the device reaches the broker.
func (r *rig) host() string {
	spec, _ := r.DUT.Link(r.name)
	return r.DUT.HostFor(spec)
}
