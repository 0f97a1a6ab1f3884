package stomp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

// patience is long enough for a busy machine; nothing here waits for it unless it fails.
const patience = 20 * time.Second

func start(t testing.TB, opts Options) (*Server, *journal.Journal) {
	t.Helper()
	return events.Serve(t, Start, opts)
}

// device is a peer that speaks through the library's own reader and writer, or in bytes.
type device struct {
	t testing.TB
	net.Conn
	r *frame.Reader
	w *frame.Writer
}

func dial(t testing.TB, s *Server, config *tls.Config) *device {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	if config != nil {
		c = tls.Client(c, config)
	}
	t.Cleanup(func() { c.Close() })
	return &device{t: t, Conn: c, r: frame.NewReader(c), w: frame.NewWriter(c)}
}

// connected is a device that has been greeted.
func connected(t testing.TB, s *Server, headers ...string) (*device, *frame.Frame) {
	t.Helper()
	d := dial(t, s, nil)
	return d, d.connect(headers...)
}

func (d *device) connect(headers ...string) *frame.Frame {
	d.t.Helper()
	d.write(frame.STOMP, append([]string{"accept-version", "1.2", "host", "/"}, headers...)...)
	return d.expect(frame.CONNECTED)
}

func (d *device) write(command string, headers ...string) {
	d.t.Helper()
	if err := d.w.Write(frame.New(command, headers...)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) bytes(s string) {
	d.t.Helper()
	if _, err := io.WriteString(d, s); err != nil {
		d.t.Fatal(err)
	}
}

// read returns the next frame; heart-beats are passed over.
func (d *device) read() (*frame.Frame, error) {
	for {
		f, err := d.r.Read()
		if f != nil || err != nil {
			return f, err
		}
	}
}

func (d *device) expect(command string) *frame.Frame {
	d.t.Helper()
	f, err := d.read()
	if err != nil || f.Command != command {
		d.t.Fatalf("want %s, got %v, %v", command, f, err)
	}
	return f
}

// ended fails unless the connection ends with nothing but heart-beats before.
func (d *device) ended() {
	d.t.Helper()
	if f, err := d.read(); err == nil {
		d.t.Fatalf("want the end of the connection, got %v", f)
	} else if errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "timeout") {
		d.t.Fatal("the connection did not end")
	}
}

// await returns the first event of that type whose text holds part.
func await(t testing.TB, j *journal.Journal, dir journal.Dir, kind, part string) *journal.Event {
	t.Helper()
	return awaitAfter(t, j, 0, dir, kind, part)
}

func awaitAfter(t testing.TB, j *journal.Journal, mark journal.Mark, dir journal.Dir, kind, part string) *journal.Event {
	t.Helper()
	return events.Await(t, j, mark, events.Event{Dir: dir, Type: kind, Text: part})
}

// anyRoom is for scanners that have all the memory they want.
func anyRoom(int) error { return nil }
