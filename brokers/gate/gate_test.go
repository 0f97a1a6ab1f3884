package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
)

// echo answers every line with itself.
func echo(c *Conn) {
	lines := bufio.NewReader(c)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		io.WriteString(c, line)
	}
}

func open(t *testing.T, opts Options, serve func(*Conn)) (*Gate, *journal.Journal) {
	t.Helper()
	j := journal.New()
	g, err := Open(t.Context(), j, opts, serve)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g, j
}

func dial(t *testing.T, g *Gate) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func ask(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("got %q, %v", line, err)
	}
}

// await returns the first event of a layer and type whose text holds part.
func await(t *testing.T, j *journal.Journal, layer journal.Layer, kind, part string) *journal.Event {
	t.Helper()
	return events.Await(t, j, 0, events.Event{Layer: layer, Type: kind, Text: part})
}

func TestTheEndOfAConnectionIsRecordedOnceWithItsCulprit(t *testing.T) {
	tests := []struct {
		name string
		end  func(*Gate, net.Conn)
		want string
	}{
		{"the device closes", func(_ *Gate, c net.Conn) { c.Close() }, "closed by the device"},
		{"the device resets", func(_ *Gate, c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() }, "reset by the device"},
		{"the broker drops", func(g *Gate, _ net.Conn) { g.Drop("a test") }, "reset by the harness: a test"},
		{"the broker goes down", func(g *Gate, _ net.Conn) { g.Down() }, "reset by the harness: the broker went down"},
		{"the broker closes", func(g *Gate, _ net.Conn) { g.Close() }, "closed by the harness: the broker closed"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			g, j := open(t, Options{}, echo)
			c := dial(t, g)
			ask(t, c)
			opened := await(t, j, journal.LayerTCP, "open", "")
			tc.end(g, c)
			closed := await(t, j, journal.LayerTCP, "close", tc.want)
			if closed.Conn != opened.Conn || closed.Remote != c.LocalAddr().String() || closed.Local != g.Addr() {
				t.Errorf("closed %+v, opened %+v", closed, opened)
			}
			g.Close()
			if n := len(j.Since(0)); n != 2 {
				t.Errorf("%d events, want open and close", n)
			}
		})
	}
}

func TestDownRefusesAndUpServesOnTheSamePort(t *testing.T) {
	g, _ := open(t, Options{}, echo)
	addr := g.Addr()
	ask(t, dial(t, g))
	g.Down()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("a connection was accepted while down")
	}
	if err := g.Up(); err != nil {
		t.Fatal(err)
	}
	if g.Addr() != addr {
		t.Errorf("address %s, was %s", g.Addr(), addr)
	}
	ask(t, dial(t, g))
}

func TestTheGateClosesWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	j := journal.New()
	g, err := Open(ctx, j, Options{}, echo)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, g)
	ask(t, c)
	cancel()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection lives on")
	}
	await(t, j, journal.LayerTCP, "close", "the broker closed")
	if err := g.Up(); err == nil {
		t.Error("a closed gate went up")
	}
}

func TestConnectionsAreCounted(t *testing.T) {
	g, j := open(t, Options{}, echo)
	for range MaxConns {
		ask(t, dial(t, g))
	}
	if c, err := net.Dial("tcp", g.Addr()); err == nil { // else the reset was quicker than the dial
		defer c.Close()
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("one connection too many was served")
		}
	}
	await(t, j, journal.LayerTCP, "close", "64 connections are open already")
}

func TestFarewellIsReadEvenWithInputPending(t *testing.T) {
	g, _ := open(t, Options{}, func(c *Conn) {
		c.Read(make([]byte, 1)) // and leave the rest unread
		io.WriteString(c, "goodbye")
		c.Farewell("a test")
	})
	c := dial(t, g)
	io.WriteString(c, strings.Repeat("x", 10_000))
	if word, err := io.ReadAll(c); err != nil || string(word) != "goodbye" {
		t.Errorf("got %q, %v", word, err)
	}
}

func issue(t *testing.T, ca *pki.CA, spec pki.Spec) tls.Certificate {
	t.Helper()
	cert, err := ca.Issue(spec)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestTLSHandshakesAndAlertsAreRecorded(t *testing.T) {
	ca, err := pki.NewCA("test CA")
	if err != nil {
		t.Fatal(err)
	}
	server := issue(t, ca, pki.Spec{CommonName: "localhost", DNS: []string{"localhost"}})
	device := issue(t, ca, pki.Spec{CommonName: "device", EndpointIDs: []string{"os::012345-A1"}, Client: true})
	config := func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.Pool()}
	}

	t.Run("good", func(t *testing.T) {
		g, j := open(t, Options{TLS: config()}, echo)
		c := tls.Client(dial(t, g), &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", Certificates: []tls.Certificate{device}})
		ask(t, c)
		hello := await(t, j, journal.LayerTLS, "ClientHello", `"localhost", offers TLS 1.3`)
		done := await(t, j, journal.LayerTLS, "handshake", "CN=device")
		if hello.Conn == 0 || hello.Conn != done.Conn {
			t.Errorf("connections %d and %d", hello.Conn, done.Conn)
		}
		got := done.Body.(*TLS)
		if got.Version != "TLS 1.3" || got.ServerName != "localhost" || len(got.Peer) != 1 {
			t.Errorf("got %+v", got)
		}
		if text := got.Describe(); !strings.Contains(text, "URI:urn:bbf:usp:id:os::012345-A1") {
			t.Errorf("description %q", text)
		}
	})
	t.Run("the device does not trust the server", func(t *testing.T) {
		g, j := open(t, Options{TLS: config()}, echo)
		c := tls.Client(dial(t, g), &tls.Config{ServerName: "localhost", RootCAs: nil})
		if err := c.Handshake(); err == nil {
			t.Fatal("trusted")
		}
		if e := await(t, j, journal.LayerTLS, "alert", "certificate"); e.Dir != journal.In {
			t.Errorf("direction %s", e.Dir)
		}
	})
	t.Run("TLS 1.1", func(t *testing.T) {
		g, j := open(t, Options{TLS: config()}, echo)
		tls.Client(dial(t, g), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake()
		await(t, j, journal.LayerTLS, "handshake failed", "unsupported versions")
	})
	t.Run("nothing", func(t *testing.T) {
		g, j := open(t, Options{TLS: config()}, echo)
		dial(t, g).Close()
		await(t, j, journal.LayerTLS, HandshakeBroken, "")
	})
	t.Run("no TLS at all", func(t *testing.T) {
		g, j := open(t, Options{TLS: config()}, echo)
		c := dial(t, g)
		io.WriteString(c, "STOMP\nno TLS here\n\n")
		await(t, j, journal.LayerTLS, "handshake failed", "does not look like a TLS handshake")
		io.Copy(io.Discard, c) // ends, because the gate hung up
	})
}

func TestDial(t *testing.T) {
	ca, err := pki.NewCA("test CA")
	if err != nil {
		t.Fatal(err)
	}
	cert := issue(t, ca, pki.Spec{CommonName: "device", DNS: []string{"device.example"}})
	device, _ := open(t, Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}, echo)

	j := journal.New()
	c, err := Dial(t.Context(), j, device.Addr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "device.example"})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, c)
	if agreed := await(t, j, journal.LayerTLS, "handshake", "").Body.(*TLS); agreed.Peer[0].Subject.CommonName != "device" {
		t.Errorf("got %+v", agreed)
	}
	c.End("a test")
	await(t, j, journal.LayerTCP, "close", "closed by the harness: a test")

	if _, err := Dial(t.Context(), j, device.Addr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "elsewhere.example"}); err == nil {
		t.Error("a certificate for another name was accepted")
	}
	await(t, j, journal.LayerTLS, "handshake failed", "elsewhere.example")
	device.Down()
	if _, err := Dial(t.Context(), j, device.Addr(), nil); err == nil {
		t.Error("a port where nobody listens was reached")
	}
	await(t, j, journal.LayerTCP, "open", "could not connect")
}

func TestFreePort(t *testing.T) {
	port, err := FreePort("127.0.0.1")
	if err != nil || port < firstPort || port > lastPort {
		t.Errorf("want a port from %d to %d, got %d, %v", firstPort, lastPort, port, err)
	}
	if _, err := FreePort("192.0.2.1"); err == nil {
		t.Error("want an error for an address that this computer does not have")
	}
}
