package uds

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

const (
	patience   = 20 * time.Second
	controller = "self::controller"
	agent      = "os::012345-A1"
)

// start makes a server that listens; the Records that come go to the channel.
func start(t *testing.T, opts Options) (*Server, *journal.Journal, chan string) {
	t.Helper()
	records := make(chan string, 10)
	opts.EndpointID = controller
	opts.OnRecord = func(_ uint64, _ journal.Mark, record []byte) { records <- string(record) }
	s, j := events.Serve(t, Start, opts)
	return s, j, records
}

// peer is a device that speaks in bytes.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func newPeer(t *testing.T, c net.Conn) *peer {
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &peer{t, c, bufio.NewReader(c)}
}

func dial(t *testing.T, s *Server) *peer {
	t.Helper()
	c, err := net.Dial("unix", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, c)
}

func (p *peer) say(fields ...TLV) { p.Write(Encode(fields...)) }

// expect reads the next frame, which has one field.
func (p *peer) expect(want Type) string {
	p.t.Helper()
	f, _, err := readFrame(p.r, 1<<20, func() {}, func(int) error { return nil })
	if err != nil || len(f.Fields) != 1 || f.Fields[0].Type != want {
		p.t.Fatalf("want a frame of type %s, got %+v, %v", want, f, err)
	}
	return string(f.Fields[0].Value)
}

func (p *peer) ended() {
	p.t.Helper()
	if n, err := io.Copy(io.Discard, p.r); n > 0 || err != nil && strings.Contains(err.Error(), "timeout") {
		p.t.Errorf("%d more bytes, %v", n, err)
	}
}

func path(t *testing.T) string { return filepath.Join(t.TempDir(), "usp") }

func TestRecordsComeBehindTheHandshake(t *testing.T) {
	s, j, records := start(t, Options{Path: path(t)})
	d := dial(t, s)
	d.say(TLV{Record, []byte("early")}) // R-UDS.20
	d.say(TLV{Handshake, []byte(agent)})
	if id := d.expect(Handshake); id != controller {
		t.Errorf("Handshake with %q", id)
	}
	d.say(TLV{Handshake, []byte("os::other")}) // R-UDS.19
	d.say(TLV{99, []byte("x")}, TLV{Record, []byte("late")})
	if got := <-records; got != "late" {
		t.Errorf("Record %q", got)
	}
	events.Await(t, j, 0, events.Event{Text: "R-UDS.20"})
	events.Await(t, j, 0, events.Event{Text: "R-UDS.19"})
	if e := events.Await(t, j, 0, events.Event{Type: "TYPE 99+RECORD"}); e.Layer != journal.LayerUDS || e.Dir != journal.In {
		t.Errorf("event %+v", e)
	}
	c := s.Conns()[0]
	if !c.Open() || c.Dialled() {
		t.Errorf("open %t, dialled %t", c.Open(), c.Dialled())
	}
	if _, err := c.Send(TLV{Record, []byte("answer")}); err != nil || d.expect(Record) != "answer" {
		t.Error(err)
	}
}

func TestTheHarnessDials(t *testing.T) {
	at := path(t)
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accept := func() *peer {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return newPeer(t, c)
	}
	s, j, _ := start(t, Options{TimeScale: 1000})
	if s.Addr() != "" {
		t.Errorf("listens at %q", s.Addr())
	}
	c, err := s.Dial(t.Context(), at, controller)
	if err != nil {
		t.Fatal(err)
	}
	d := accept()
	if id := d.expect(Handshake); id != controller || c.Open() {
		t.Errorf("Handshake with %q, open %t", id, c.Open())
	}
	changed := s.Changed()
	d.say(TLV{Handshake, []byte(agent)})
	<-changed
	if !c.Open() {
		t.Error("the connection is not open after both Handshakes")
	}
	d.say(TLV{Error, []byte("enough")}) // R-UDS.25
	d.ended()
	<-c.Done()

	if _, err := s.Dial(t.Context(), at, controller); err != nil {
		t.Fatal(err)
	}
	silent := accept() // R-UDS.18
	silent.expect(Handshake)
	silent.ended()
	events.Await(t, j, 0, events.Event{Layer: journal.LayerUDS, Type: "close", Text: "did not answer the handshake"})

	s.ByHand()
	if c, err = s.Dial(t.Context(), at, controller); err != nil {
		t.Fatal(err)
	}
	d = accept()
	if _, err := c.Inject([]byte("bytes")); err != nil {
		t.Error(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(d.r, got); err != nil || string(got) != "bytes" {
		t.Errorf("%q, %v", got, err)
	}
	s.Reset()
	<-c.Done()
}

// A device may send Records right behind the Handshake with which it answers, before the goroutine that dialled goes on.
func TestRecordsRightBehindTheAnswer(t *testing.T) {
	at := path(t)
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, _, records := start(t, Options{})
	for range 500 {
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			if _, _, err := readFrame(bufio.NewReader(c), 1<<20, func() {}, func(int) error { return nil }); err == nil {
				c.Write(Encode(TLV{Handshake, []byte(agent)}))
				c.Write(Encode(TLV{Record, []byte("at once")}))
				io.Copy(io.Discard, c)
			}
		}()
		c, err := s.Dial(t.Context(), at, controller)
		if err != nil {
			t.Fatal(err)
		}
		events.Eventually(t, records).Should(gomega.Receive(), "the Record is not taken")
		c.Abort("the next one")
	}
}

func TestBadFramesAreAnsweredWithAnError(t *testing.T) {
	for name, test := range map[string]struct{ input, note string }{
		"other protocol":      {"GET / HTTP/1.1\r\n", `begins with "G" instead`},
		"half of the sync":    {"_USX", "begins with"},
		"no field":            {"_USP\x00\x00\x00\x00", "without a TLV field"},
		"cut field head":      {"_USP\x00\x00\x00\x02\x03\x00", "within the type and length"},
		"field too long":      {"_USP\x00\x00\x00\x06\x03\x00\x00\x00\x02x", "says that it has 2 bytes, and 1 are left"},
		"field of 4 GiB":      {"_USP\x00\x00\x00\x05\x03\xff\xff\xff\xff", "4294967295"},
		"frame of 4 GiB":      {"_USP\xff\xff\xff\xff", "more than the 65536"},
		"many fields":         {string(Encode(make([]TLV, maxFields+1)...)), "more than 256 TLV fields"},
		"no Endpoint ID":      {string(Encode(TLV{Handshake, nil})), "has no Endpoint ID"},
		"Endpoint ID no text": {string(Encode(TLV{Handshake, []byte("\xff\xff")})), "has no Endpoint ID"},
	} {
		t.Run(name, func(t *testing.T) {
			s, j, _ := start(t, Options{Path: path(t), MaxFrame: 64 << 10})
			d := dial(t, s)
			io.WriteString(d, test.input)
			d.expect(Error)
			d.ended()
			events.Await(t, j, 0, events.Event{Layer: journal.LayerNote, Text: test.note})
			again := dial(t, s) // the server lives on
			again.say(TLV{Handshake, []byte(agent)})
			again.expect(Handshake)
		})
	}
}

func TestAFrameThatDoesNotEndIsGivenUp(t *testing.T) {
	s, j, _ := start(t, Options{Path: path(t), Patience: 20 * time.Millisecond})
	d := dial(t, s)
	io.WriteString(d, "_USP\x00\x00")
	d.expect(Error)
	d.ended()
	events.Await(t, j, 0, events.Event{Type: "bad frame", Text: "did not end within"})
}

// TestAClaimTakesNoMemory lets many connections say that large frames follow.
func TestAClaimTakesNoMemory(t *testing.T) {
	s, _, records := start(t, Options{Path: path(t)})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 40 {
		io.WriteString(dial(t, s), "_USP\x00\xff\xff\xff")
	}
	d := dial(t, s)
	d.say(TLV{Handshake, []byte(agent)})
	d.expect(Handshake)
	d.say(TLV{Record, []byte("small")})
	<-records
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+100<<20 {
		t.Errorf("the heap grew from %d to %d", before.HeapAlloc, after.HeapAlloc)
	}
}

func TestTheScript(t *testing.T) {
	s, j, records := start(t, Options{Path: path(t)})
	s.RefuseNext(1)
	dial(t, s).ended()
	d := dial(t, s)
	d.say(TLV{Handshake, []byte(agent)})
	d.expect(Handshake)
	s.DropAll()
	d.ended()
	s.ByHand()
	mark := j.Mark()
	d = dial(t, s)
	d.say(TLV{Handshake, []byte(agent)})
	e := events.Await(t, j, mark, events.Event{Layer: journal.LayerUDS, Type: "HANDSHAKE"})
	c, err := s.Conn(e.Conn)
	if err != nil || c.Open() {
		t.Fatalf("open %t, %v", c.Open(), err)
	}
	if _, err := c.Greet(); err != nil || !c.Open() {
		t.Errorf("open %t, %v", c.Open(), err)
	}
	d.expect(Handshake)
	d.say(TLV{Error, []byte("enough")})
	d.say(TLV{Record, []byte("more")})
	if got := <-records; got != "more" || c.Ended() {
		t.Errorf("Record %q after an Error, ended %t", got, c.Ended())
	}
}

// What the harness cuts within a frame is no fault of the device.
func TestAFrameThatTheHarnessCutsIsNoBadOne(t *testing.T) {
	s, j, _ := start(t, Options{Path: path(t)})
	d := dial(t, s)
	d.Write(append(Encode(TLV{Handshake, []byte(agent)}), "_USP\x00"...))
	d.expect(Handshake)
	s.DropAll()
	d.ended()
	s.Close()
	for _, e := range j.Since(0) {
		if e.Type == "bad frame" {
			t.Errorf("want no bad frame, got %s", e.Text)
		}
	}
}
