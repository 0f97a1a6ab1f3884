package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Scaled divides a protocol interval by the time scale.
func (c *Case) Scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / c.Scale) }

// Waits are the patience of the harness, from the DUT file.
func (c *Case) Waits() dut.Waits { return c.DUT.Waits }

// Await returns the first event after mark for which match returns nil, or an error that says what was awaited, for how long, under
// which name the wait is configured, and what was seen instead.
func (c *Case) Await(what string, wait Wait, mark journal.Mark, match func(*journal.Event) error) (*journal.Event, error) {
	ctx, cancel := wait.context(c)
	defer cancel()
	e, err := c.Journal.Await(ctx, mark, match)
	if err != nil {
		return nil, wait.missed(what, err)
	}
	return e, nil
}

// AwaitNotify is Await for a Notify.
func (c *Case) AwaitNotify(what string, wait Wait, mark journal.Mark, match func(*usppb.Notify) error) (*controller.Message, error) {
	c.Uses(plan.NeedNotify)
	ctx, cancel := wait.context(c)
	defer cancel()
	m, err := c.Agent.AwaitNotify(ctx, mark, match)
	if err != nil {
		if to := c.misled(mark); to != "" {
			err = fmt.Errorf("%s%s instead of %q: set the Controller's address on the device; %w",
				result.NotifyWentTo, usp.Quote(to), c.ControllerAddress, err)
		}
		return nil, wait.missed(what, err)
	}
	return m, nil
}

// misled returns the topic or destination to which a Notify for the Controller was sent since mark and that is not the link's; "" when none
// was.
func (c *Case) misled(mark journal.Mark) string {
	for _, e := range c.Journal.Since(mark) {
		to, record := c.bench.Link.Emitted(e)
		if to == "" || record.GetToId() != c.Agent.ID() {
			continue
		}
		to, _ = link.SplitReplyTo(to)
		m, err := usp.ParseMessage(usp.PayloadOf(record))
		if err == nil && m.GetBody().GetRequest().GetNotify() != nil && !link.Within(to, c.ControllerAddress) {
			return to
		}
	}
	return ""
}

// Wait is how long something is awaited, and what the wait is called in the DUT file; "" when the plan fixes it.
type Wait struct {
	D    time.Duration
	Name string
	From time.Time // when it began, if that was before now
}

func (w Wait) context(parent context.Context) (context.Context, context.CancelFunc) {
	if w.From.IsZero() {
		return context.WithTimeout(parent, w.D)
	}
	return context.WithDeadline(parent, w.From.Add(w.D))
}

func (w Wait) missed(what string, cause error) error {
	name := ""
	if w.Name != "" {
		name = " (waits." + w.Name + ")"
	}
	return fmt.Errorf("no %s within %s%s; %w", what, w.D.Round(time.Millisecond), name, cause)
}

// NotifyWait is the patience for a Notify.
func (c *Case) NotifyWait() Wait { return Wait{D: c.Waits().Notify, Name: "notify"} }

// ReconnectWait is the patience for a device to come back.
func (c *Case) ReconnectWait() Wait { return Wait{D: c.Waits().Reconnect, Name: "reconnect"} }

// ResponseWait is the patience for an answer.
func (c *Case) ResponseWait() Wait { return Wait{D: c.Waits().Response, Name: "response"} }

// Quiet watches for window, or for waits.quiet where that is longer, both divided by the time scale, and returns the first event after mark
// for which match returns nil, with an error that names it. It is for what must not happen, where no sentinel can prove it.
func (c *Case) Quiet(what string, window time.Duration, mark journal.Mark, match func(*journal.Event) error) (*journal.Event, error) {
	c.Uses(plan.NeedSilence)
	if longer := c.Waits().Quiet - window; longer > 0 {
		c.Extend(longer)
		window += longer
	}
	ctx, cancel := context.WithTimeout(c, c.Scaled(window))
	defer cancel()
	e, err := c.Journal.Await(ctx, mark, match)
	switch {
	case err == nil:
		return e, &usp.Mismatch{Where: what, Want: "none within " + c.Scaled(window).String(), Got: fmt.Sprintf("%s %s: %s", e.Layer, e.Type, e.Text)}
	case c.Err() != nil:
		return nil, c.Err()
	}
	return nil, nil
}

// MustBeQuiet ends a metric as failed when Quiet finds something.
func (c *Case) MustBeQuiet(m *Metric, what string, window time.Duration, mark journal.Mark, match func(*journal.Event) error) {
	e, err := c.Quiet(what, window, mark, match)
	if e != nil {
		m.Must(err, e.Seq)
	}
	m.Must(err, mark)
}

// Eventually repeats check, which asks the device, until it returns nil or patience, a protocol interval that is divided by the time scale,
// is over. It returns the last error.
func (c *Case) Eventually(patience time.Duration, check func() error) error {
	deadline := time.Now().Add(c.ScaledTolerance(patience) + c.Lag())
	for {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		c.Pause(c.Scaled(time.Second))
	}
}

// Read returns the value of one parameter.
func (c *Case) Read(param string) (string, error) {
	values, err := c.ReadAll(param)
	if err != nil {
		return "", err
	}
	value, ok := values[param]
	if !ok {
		return "", fmt.Errorf("Get %s: the GetResp does not contain the parameter", param)
	}
	return value, nil
}

// ReadAll returns every parameter below the paths, by full path.
func (c *Case) ReadAll(paths ...string) (usp.Params, error) {
	reply := c.Agent.Get(c, paths...)
	if err := expect.Type(reply, usp.GetResp); err != nil {
		return nil, fmt.Errorf("Get %s: %w", strings.Join(paths, ", "), err)
	}
	values := usp.Params{}
	for _, q := range reply.Body().GetResponse().GetGetResp().GetReqPathResults() {
		if err := expect.NoError("Get "+usp.Quote(q.GetRequestedPath()), q.GetErrCode(), q.GetErrMsg()); err != nil {
			return nil, err
		}
		maps.Copy(values, expect.Resolved(q))
	}
	return values, nil
}

// SettleSubscription waits until the Agent must have adopted a change of its Subscriptions: LocalAgent.MaxSubscriptionChangeAdoptionTime
// where the device has it, waits.settle otherwise.
func (c *Case) SettleSubscription() {
	if c.bench.adoption == 0 {
		c.bench.adoption = c.Waits().Settle
		if text, err := c.Read("Device.LocalAgent.MaxSubscriptionChangeAdoptionTime"); err == nil {
			if seconds, err := time.ParseDuration(text + "s"); err == nil {
				c.bench.adoption = min(seconds, time.Minute) + time.Nanosecond
			}
		}
	}
	c.Pause(c.Scaled(c.bench.adoption))
}

// Pause lets d pass, which the procedure asks for. The body ends when the case does.
func (c *Case) Pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.Done():
		c.LabMust(c.Err())
	}
}

// StartsSession matches the device opening a session on the Link.
func (c *Case) StartsSession(e *journal.Event) error {
	if !c.bench.Link.StartsSession(e) {
		return journal.ErrSkip
	}
	return nil
}

// ScaledTolerance is a tolerance that the plan gives, divided by the time scale, but never less than waits.tolerance: a scaled run is not
// more exact than the machine it runs on.
func (c *Case) ScaledTolerance(d time.Duration) time.Duration {
	return max(c.Scaled(d), c.Waits().Tolerance)
}

// lag is how late a simulated device may be beside what the machine's stalls explain.
const lag = 400 * time.Millisecond

// Lag is what a measured time may be too long by, beside its tolerance: nothing on a device in real time, for a simulated one what the
// machine was busy with in this case.
func (c *Case) Lag() time.Duration {
	if c.bench.Pulse == nil || c.Scale == 1 {
		return 0
	}
	return lag + c.bench.Stall()
}

// Stall is what a measured time may be too short by for the same reason: what ought to have been seen first was seen late.
func (c *Case) Stall() time.Duration {
	c.Uses(plan.NeedTiming)
	return c.bench.Stall()
}

// Stall is Stall of the case that runs, or ran last.
func (b *Bench) Stall() time.Duration {
	if b.Pulse == nil || b.Scale == 1 {
		return 0
	}
	return 2 * b.Pulse.Worst() // one stall of the device's process, one of ours
}

// NotEarlier wants b to have come at least interval, one of the protocol that is divided by the time scale, after a, give or take
// waits.tolerance.
func (c *Case) NotEarlier(where string, a, b time.Time, interval time.Duration) error {
	least, got := c.Scaled(interval), b.Sub(a)
	if got >= least-c.Waits().Tolerance-c.Stall() {
		return nil
	}
	return &usp.Mismatch{Where: where, Want: "at least " + least.String(), Got: got.Round(time.Millisecond).String()}
}

// ExpectRestart says that the device will restart in this case, once more for each call: an exit of its process is then no fault.
func (c *Case) ExpectRestart() {
	c.Uses(plan.NeedReboot)
	c.reboots, c.restarts, c.restartedAt = c.reboots+1, c.Journal.Mark(), time.Now()
}

// awaitRestart waits for a device that was made to restart and has not opened a session since: nothing can be put back before. A device
// that does not come back is reported by the acts of clean-up that fail.
func (c *Case) awaitRestart(ctx context.Context) {
	if c.reboots == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.ReconnectWait().D)
	defer cancel()
	if _, err := c.Journal.Await(ctx, c.restarts, c.StartsSession); err == nil {
		_ = c.Device.WaitFor(ctx, c.Agent.Connected)
	}
}

// SettleConnection waits until a device that uses a changed setting of its connection at once, in a new connection, is back: what is sent
// on the old one meanwhile is lost.
func (c *Case) SettleConnection() { c.DeviceMust(c.settleConnection(c)) }

func (c *Case) settleConnection(ctx context.Context) error {
	select {
	case <-time.After(c.Scaled(c.Waits().Settle) + c.Lag()):
		return c.Reachable(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reboot makes the device restart, in the way the DUT file says, and returns the mark before it. The device need not be back yet. A Set
// before may make the device reconnect: that is given time, so that its session is not taken for the one after the reboot.
func (c *Case) Reboot() (mark journal.Mark) {
	c.ExpectRestart()
	if c.set {
		c.Pause(c.Scaled(c.Waits().Settle) + c.Lag())
	}
	if c.DUT.Lab.Reboot.By != dut.ByUSP {
		mark = c.Journal.Mark()
		c.LabMust(c.Device.Reboot(c))
		return mark
	}
	c.DeviceMust(c.Reachable(c))
	mark = c.Journal.Mark()
	reply := c.Agent.Operate(c, Reboot, c.Fresh("reboot"), nil)
	var noReply *controller.NoReplyError
	if errors.As(reply.Err, &noReply) && c.Err() == nil {
		// the response may be lost when the device goes down; whether it went down is seen by its coming back
		return mark
	}
	c.DeviceMust(expect.Type(reply, usp.OperateResp))
	return mark
}

// isRecord matches a Record from the device over the link under test.
func isRecord(e *journal.Event) error {
	if e.Dir != journal.In || e.Layer != journal.LayerRecord || e.Link != "" {
		return journal.ErrSkip
	}
	return nil
}

// GoingDown is how long a device that restarts may still be there.
const GoingDown = 10 * time.Second

// Reconnected waits until the device, after mark, has opened a new session and can be reached. It returns the event of the session. An
// Agent may drop what comes before its Connect Record (R-MTP.8), which is waited for, but not long: an Agent before USP 1.2 sends none. A
// session that the harness has opened to a device that was still going down ends without one, and is none.
func (c *Case) Reconnected(mark journal.Mark) (*journal.Event, error) {
	wait := c.ReconnectWait()
	for wait.From = time.Now(); ; {
		e, err := c.Await("new session of the device", wait, mark, c.StartsSession)
		if err != nil {
			return nil, err
		}
		if err := c.Reachable(c); err != nil {
			return e, fmt.Errorf("the device opened a session (event %d) but cannot be reached: %w", e.Seq, err)
		}
		long, dialled := time.Second, c.Dialled(e.Conn)
		if dialled {
			long = GoingDown
		}
		first, _ := c.Await("first Record of the session", Wait{D: c.Scaled(long)}, e.Seq, func(next *journal.Event) error {
			if dialled && c.Ends(e.Conn, next) {
				return nil
			}
			return isRecord(next)
		})
		if first == nil || first.Layer == journal.LayerRecord {
			return e, nil
		}
		mark = e.Seq
	}
}

// BackAfter waits until the device, which restarted after mark, has a new session and can be reached, and returns the session's event. A
// device that stays away blocks the procedure.
func (c *Case) BackAfter(mark journal.Mark) *journal.Event {
	session, err := c.Reconnected(mark)
	c.DeviceMust(err)
	return session
}

// Element returns the element that plays a role of the plan on this device (see dut.Roles): the DUT file's substitute, or the plan's own.
// A substitute is in the report, as the plan demands.
func (c *Case) Element(role string) string {
	element, substitute := c.DUT.Element(role)
	if strings.Contains(element, "{controller}") {
		row, err := c.ControllerRow()
		c.DeviceMust(err)
		element = strings.ReplaceAll(element, Controllers+"{controller}.", row)
	}
	plans, _ := (&dut.File{}).Element(role)
	if used := (result.Alternate{Role: role, Instead: plans, Path: element}); substitute && !slices.Contains(c.alternates, used) {
		c.alternates = append(c.alternates, used)
	}
	return element
}

// ControllerRow returns the row of the Controller table that stands for the harness, such as "Device.LocalAgent.Controller.1.".
func (c *Case) ControllerRow() (string, error) {
	values, err := c.ReadAll(Controllers)
	if err != nil {
		return "", err
	}
	for _, path := range values.Names() {
		row, ok := strings.CutSuffix(path, "EndpointID")
		if ok && values[path] == c.Agent.ID() && strings.Count(row, ".") == strings.Count(Controllers, ".")+1 {
			return row, nil
		}
	}
	return "", fmt.Errorf("%s: want a row whose EndpointID is %q, got none", Controllers, c.Agent.ID())
}
