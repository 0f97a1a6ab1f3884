package runner

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/usptest/usptest/brokers/discovery"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/network"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// needsWire reports whether a case is about the network itself, so that it runs in one of its own.
func needsWire(c plan.Case) bool { return slices.Contains(c.Needs, plan.NeedNetwork) }

// wire makes the network of a job that wants one, with all that a device discovers in it. The brokers then listen there, and nowhere else.
func (r *rig) wire(j *job) (err error) {
	if !j.Wire {
		return nil
	}
	if r.network, err = network.Open(j.DUT.Lab.Network.Interface); err != nil {
		return err
	}
	server, err := discovery.Open(r.Journal, discovery.Options{Interface: r.network.Interface, IPv4: network.IPv4(), IPv6: network.IPv6()})
	if err != nil {
		return err
	}
	label := "usptest-" + strings.ToLower(rand.Text()[:10]) // no device knows it from an earlier run
	r.Discovery = &harness.Discovery{Server: server, Name: label + ".example", LocalName: label + ".local",
		Device4: network.IPv4().Masked(), Device6: network.IPv6().Masked(), IPv4: network.IPv4().Addr(), IPv6: network.IPv6().Addr()}
	file := *j.DUT
	file.Bind, file.Host = "::", network.IPv4().Addr().String()
	if file.Lab.Network.IP == 6 {
		file.Host = network.IPv6().Addr().String()
	}
	j.DUT, r.DUT = &file, &file
	return nil
}

// unwire takes the network down.
func (r *rig) unwire() {
	if r.Discovery != nil {
		_ = r.Discovery.Server.Close()
	}
	if r.network != nil {
		_ = r.network.Close()
	}
}

// also are the names and addresses by which the device reaches the brokers besides that of the DUT file.
func (r *rig) also() []string {
	if r.Discovery == nil {
		return nil
	}
	return []string{r.Discovery.IPv4.String(), r.Discovery.IPv6.String(), r.Discovery.Name, r.Discovery.LocalName}
}

// wireable finds out whether a network of its own can be had for the cases that need one, and gives them their result where it cannot: an
// error or, in a run of the reference agent that did not name them, left out with a note.
func (o Options) wireable(ctx context.Context, links []linkPlan) (note string) {
	if !slices.ContainsFunc(links, func(l linkPlan) bool { return slices.ContainsFunc(l.run, needsWire) }) {
		return ""
	}
	err := o.tryWire(ctx)
	if err == nil {
		return ""
	}
	verdict := result.Error
	if o.Reference && len(o.Selectors) == 0 {
		verdict = result.Deselected
	}
	var left []string
	for i, l := range links {
		for _, c := range l.run {
			if needsWire(c) {
				links[i].rest = append(links[i].rest, result.Case{ID: c.ID, Title: c.Title, Verdict: verdict, Reason: err.Error()})
				if !slices.Contains(left, c.ID) {
					left = append(left, c.ID)
				}
			}
		}
		links[i].run = slices.DeleteFunc(slices.Clone(l.run), needsWire)
	}
	if verdict == result.Error {
		return ""
	}
	return fmt.Sprintf("left out %s: %v", strings.Join(left, ", "), err)
}

// tryWire has a worker make a network and release it.
func (o Options) tryWire(ctx context.Context) error {
	if port := o.DUT.Lab.Network.Interface; port != "" {
		return network.Lendable(port)
	}
	cmd, reports, err := o.errand(ctx, job{Try: true}, network.Isolate)
	if err != nil {
		return network.Refused(err)
	}
	defer reports.Close()
	var m report
	err = json.NewDecoder(reports).Decode(&m)
	err = cmp.Or(err, cmd.Wait())
	switch {
	case m.Trouble != nil:
		return errors.New(m.Trouble.Text)
	case err != nil:
		return network.Refused(err)
	}
	return nil
}

// try makes a network and releases it.
func (w *worker) try() {
	n, err := network.Open("")
	if err != nil {
		w.report(report{Trouble: &trouble{Text: err.Error()}})
		return
	}
	_ = n.Close() // it ends with this process
	w.report(report{Done: true})
}

// errand starts a worker process with a job that needs no answers; prepare sees its command first.
func (o Options) errand(ctx context.Context, j job, prepare func(*exec.Cmd)) (cmd *exec.Cmd, reports *os.File, err error) {
	cmd = exec.CommandContext(ctx, o.Worker[0], o.Worker[1:]...)
	line, err := json.Marshal(j)
	if err != nil {
		return nil, nil, err
	}
	cmd.Stdin = bytes.NewReader(append(line, '\n'))
	reports, theirs, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	err = passReports(cmd, theirs)
	if err == nil {
		prepare(cmd) // beside what the pipe asked for
		err = cmd.Start()
	}
	theirs.Close()
	if err != nil {
		reports.Close()
		return nil, nil, err
	}
	return cmd, reports, nil
}

// startWorker starts the process of a job, isolated where the job wants a network, and has the port of the bench lent to it if there is
// one.
func (o Options) startWorker(j job, cmd *exec.Cmd) (*lender, error) {
	if !j.Wire {
		return nil, cmd.Start()
	}
	network.Isolate(cmd)
	if err := cmd.Start(); err != nil {
		return nil, network.Refused(err)
	}
	port := j.DUT.Lab.Network.Interface
	if port == "" {
		return nil, nil
	}
	l, err := o.lend(port, cmd.Process.Pid)
	if err != nil {
		_ = cmd.Process.Kill()
		err = errors.Join(err, ignoreExit(cmd.Wait()))
		if l != nil {
			err = l.instead(err)
		}
		return nil, err
	}
	return l, nil
}

// lender is a process that lends a port of this computer to a worker, and puts it back when the worker has ended, also when the supervisor
// was killed. Where the lender is, the supervisor puts it back.
type lender struct {
	name    string
	port    *network.Port
	cmd     *exec.Cmd
	pipe    *os.File
	reports *json.Decoder // from the pipe
}

// errLenderDied is wrapped by the error of a lender that has died.
var errLenderDied = errors.New("has died")

// lend has a port lent to a worker. The lender is not nil once its process was started, also with an error.
func (o Options) lend(name string, worker int) (*lender, error) {
	port, err := network.Know(name, worker)
	if err != nil {
		return nil, err
	}
	// an interruption of the run does not end it
	cmd, pipe, err := o.errand(context.Background(), job{Lend: &loan{name, worker}}, func(*exec.Cmd) {})
	if err != nil {
		return nil, errors.Join(err, port.Forget())
	}
	l := &lender{name: name, port: port, cmd: cmd, pipe: pipe, reports: json.NewDecoder(pipe)}
	var m report
	if err = l.reports.Decode(&m); !m.Lent {
		return l, l.end(m, err)
	}
	return l, nil
}

// back waits until the port is back, once the worker has ended.
func (l *lender) back() error {
	var m report
	err := l.reports.Decode(&m)
	return l.instead(l.end(m, err))
}

// end waits for the end of the process, whose last report is m unless err says why there is none.
func (l *lender) end(m report, err error) error {
	ended := l.cmd.Wait()
	l.pipe.Close()
	switch {
	case m.Trouble != nil:
		return errors.New(m.Trouble.Text)
	case m.Done:
		return nil
	}
	return fmt.Errorf("the process that lends the port %s %w: %w", l.name, errLenderDied, cmp.Or(ended, err))
}

// instead puts the port back where the lender, whose end is err, has died. The worker has ended.
func (l *lender) instead(err error) error {
	if errors.Is(err, errLenderDied) {
		if failure := l.port.Return(); failure != nil {
			err = fmt.Errorf("%w, and %w", err, failure)
		} else {
			err = fmt.Errorf("%w; the run has put the port back itself", err)
		}
	}
	return errors.Join(err, l.port.Forget())
}

// lend lends a port until the worker that has it has ended, whatever becomes of the supervisor.
func (w *worker) lend() {
	port, err := network.Know(w.Lend.Port, w.Lend.Worker)
	if err == nil {
		err = port.Lend()
	}
	if err == nil {
		w.report(report{Lent: true})
		err = port.Return()
	}
	if err != nil {
		w.report(report{Trouble: &trouble{Text: err.Error()}})
		return
	}
	w.report(report{Done: true})
}

// ignoreExit is nil for a process that was killed.
func ignoreExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// starter is what starts the device: at its end of the wire, where there is one and the device is a process.
func (r *rig) starter() func(*exec.Cmd) error {
	if r.network == nil || r.DUT.Lab.Network.Interface != "" {
		return nil
	}
	return r.network.Start
}

// wireFor is the interface of the device, "" where it is not in a namespace.
func (r *rig) wireFor(f *dut.File) string {
	if r.network == nil || f.Lab.Launch == nil {
		return ""
	}
	return network.DeviceInterface
}
