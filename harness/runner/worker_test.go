package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// worked is what a worker reports about a job for a device that runs by itself, in this process.
func worked(t *testing.T, in func(job []byte) io.Reader, change func(*job)) ([]report, error) {
	t.Helper()
	o := smallOptions("mqtt5")
	o.DUT.Links = []dut.LinkSpec{{MTP: dut.MQTT, Version: "5.0"}}
	o.DUT.Device.Endpoint = "proto::device"
	o.DUT.Waits.Connect = time.Nanosecond
	j := job{DUT: o.DUT, Link: "mqtt5", Cases: []string{"1.1", "1.5"}, Out: t.TempDir(), Instance: 1, Scale: 1}
	if change != nil {
		change(&j)
	}
	line, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	failed := Work(t.Context(), o.Plan, o.Bodies, in(append(line, '\n')), &out)
	var reports []report
	for line := range bytes.Lines(out.Bytes()) {
		var r report
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	return reports, failed
}

// open is an input that has one line and does not end before the test does.
func open(t *testing.T) func([]byte) io.Reader {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return func(line []byte) io.Reader { return io.MultiReader(bytes.NewReader(line), r) }
}

func TestALinkThatCannotBeRunIsFoundOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	for name, test := range map[string]struct {
		change func(*job)
		want   string
	}{
		"no such link": {func(j *job) { j.Link = "stomp" }, `the DUT file has no link "stomp"`},
		"port in use":  {func(j *job) { j.DUT.Links[0].Port = taken }, "free the port or change it in the DUT file"},
		"collector":    {func(j *job) { j.DUT.Collector.HTTP = taken }, "change collector.http in the DUT file"},
		"no contact":   {nil, "no device within 1ns (waits.connect)"},
		"no program":   {func(j *job) { j.DUT.Lab.Launch = &dut.Launch{Exec: []string{"/nowhere/agent"}} }, "lab.launch"},
	} {
		t.Run(name, func(t *testing.T) {
			reports, err := worked(t, open(t), test.change)
			if err != nil || len(reports) != 4 {
				t.Fatalf("want trouble, two cases and the end, got %+v, %v", reports, err)
			}
			if trouble := reports[0].Trouble; trouble == nil || !strings.Contains(trouble.Text, test.want) {
				t.Errorf("want trouble with %q, got %+v", test.want, trouble)
			}
			for i, id := range []string{"1.1", "1.5"} {
				if c := reports[i+1].Case; c == nil || c.ID != id || c.Verdict != "error" || !strings.Contains(c.Reason, test.want) {
					t.Errorf("want %s as an error, got %+v", id, c)
				}
			}
			if !reports[3].Done {
				t.Errorf("want the end, got %+v", reports[3])
			}
		})
	}
}

func TestAWorkerWhoseInputEndsAbortsTheRest(t *testing.T) {
	reports, err := worked(t, func(line []byte) io.Reader { return bytes.NewReader(line) }, func(j *job) { j.DUT.Waits.Connect = time.Hour })
	if err != nil || len(reports) != 3 {
		t.Fatalf("want two cases and the end, got %+v, %v", reports, err)
	}
	for _, r := range reports[:2] {
		if r.Case == nil || r.Case.Verdict != "aborted" || r.Case.Reason != result.Interrupted {
			t.Errorf("got %+v", r.Case)
		}
	}
}

func TestAJobThatCannotBeDone(t *testing.T) {
	for name, test := range map[string]struct {
		in     string
		change func(*job)
		want   string
	}{
		"cut short":       {"{", nil, "reading the job"},
		"no job":          {"[]\n", nil, "reading the job"},
		"unknown case":    {"", func(j *job) { j.Cases = []string{"99.1"} }, `case "99.1", which this worker does not have`},
		"case of no body": {"", func(j *job) { j.Cases = []string{"1.2"} }, `case "1.2", which this worker does not have`},
	} {
		t.Run(name, func(t *testing.T) {
			reports, err := worked(t, func(line []byte) io.Reader {
				if test.in != "" {
					line = []byte(test.in)
				}
				return bytes.NewReader(line)
			}, test.change)
			if len(reports) > 0 || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want an error with %q, got %+v, %v", test.want, reports, err)
			}
		})
	}
}

func TestCasesThatAddCertificatesTakeTurns(t *testing.T) {
	w := &worker{job: job{Out: t.TempDir()}}
	free := func() bool {
		turn := flock.New(filepath.Join(w.Out, result.TurnFile))
		defer turn.Unlock()
		got, err := turn.TryLock()
		return got && err == nil
	}
	end := w.takeTurn(t.Context(), plan.Case{Needs: []string{"reboot"}})
	if !free() {
		t.Error("another case waits")
	}
	end()
	end = w.takeTurn(t.Context(), plan.Case{Needs: []string{"cert-store", "reboot"}})
	if free() {
		t.Error("two such cases run at the same time")
	}
	end()
	if !free() {
		t.Error("the turn does not end")
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	w.takeTurn(interrupted, plan.Case{Needs: []string{"cert-store"}})()
}

func TestALateAnswerIsNotForTheNextPlea(t *testing.T) {
	r, w := io.Pipe()
	pleas := json.NewDecoder(r)
	worker := &worker{out: json.NewEncoder(w), answers: make(chan answer, 1)}
	for i, late := range []string{"", "too late"} {
		ctx, cancel := context.WithCancel(t.Context())
		asked := make(chan error, 1)
		go func() { asked <- worker.ask(ctx, "push the button") }()
		var m report
		if err := pleas.Decode(&m); err != nil || m.Ask == nil || m.Ask.What != "push the button" {
			t.Fatalf("got %+v, %v", m, err)
		}
		cancel() // the case has given up
		if err := <-asked; !errors.Is(err, context.Canceled) {
			t.Fatalf("plea %d: got %v", i, err)
		}
		worker.answers <- answer{N: m.Ask.N, Error: late}

		go func() { asked <- worker.ask(t.Context(), "again") }()
		if err := pleas.Decode(&m); err != nil {
			t.Fatal(err)
		}
		refusal := fmt.Sprint("not now ", i)
		worker.answers <- answer{N: m.Ask.N, Error: refusal}
		if err := <-asked; err == nil || err.Error() != refusal {
			t.Errorf("want %q, got %v", refusal, err)
		}
	}
}
