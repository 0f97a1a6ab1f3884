package lab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/plan"
)

// TestOBUSPAConnects launches the real agent with the example files, and sees it log in over every link. It runs where the environment
// variable OBUSPA names the program.
func TestOBUSPAConnects(t *testing.T) {
	if os.Getenv("OBUSPA") == "" {
		t.Skip("NOT RUN: OBUSPA does not name the program of OB-USP-Agent")
	}
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../../fixtures/duts/obuspa.yaml", "../../fixtures/duts/obuspa-websocket-server.yaml"} {
		f, err := dut.Load(path, p, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range f.Links {
			t.Run(l.Name()+l.Role, func(t *testing.T) { connects(t, f, l) })
		}
	}
}

func connects(t *testing.T, f *dut.File, l dut.LinkSpec) {
	v, err := f.Vars(l, 1)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	v.Port = listener.Addr().(*net.TCPAddr).Port
	ca, err := pki.NewCA("lab")
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Issue(pki.Spec{CommonName: v.Host, DNS: []string{v.Host}, Client: true})
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Issue(pki.Spec{CommonName: "device", DNS: []string{"localhost"}, EndpointIDs: []string{v.AgentID}, Client: true})
	if err != nil {
		t.Fatal(err)
	}
	security := &tls.Config{Certificates: []tls.Certificate{server}, RootCAs: ca.Pool(), ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert, ServerName: "localhost"}
	if l.Role == dut.RoleServer {
		v.AgentPort = v.Port
		listener.Close()
	}
	d := NewDevice(journal.New(), f, v, Options{CA: ca.PEM(), Client: &client})
	defer d.Close()
	start(t, d)
	err = d.WaitFor(deadline(t), func(ctx context.Context) error {
		for {
			text, err := greeting(ctx, l, v, listener, security)
			if err == nil {
				t.Logf("%q", text)
				return nil
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%w: %v", ctx.Err(), err)
			}
		}
	})
	log := strings.Join(d.LogTail(keepLines), "\n")
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	for _, bad := range []string{"Failed to set parameter", "Syntax error", "Deleting"} {
		if strings.Contains(log, bad) {
			t.Errorf("the factory settings are not accepted:\n%s", log)
		}
	}
}

// greeting is what the agent says first: a CONNECT packet or frame, or its half of a dut.WebSocket handshake.
func greeting(ctx context.Context, l dut.LinkSpec, v dut.Vars, listener net.Listener, security *tls.Config) (string, error) {
	var c net.Conn
	var err error
	if l.Role == dut.RoleServer {
		u, err := l.Endpoint(v)
		if err != nil {
			return "", err
		}
		if c, err = (&net.Dialer{}).DialContext(ctx, "tcp4", u.Host); err != nil {
			return "", err
		}
	} else {
		stop := context.AfterFunc(ctx, func() { listener.Close() })
		defer stop()
		if c, err = listener.Accept(); err != nil {
			return "", err
		}
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	want := map[string]string{dut.MQTT: "\x10", dut.STOMP: "STOMP\n", dut.WebSocket: "GET " + v.Path}[l.MTP]
	switch {
	case l.TLS && l.Role == dut.RoleServer:
		c = tls.Client(c, security)
	case l.TLS:
		c = tls.Server(c, security)
	}
	if l.Role == dut.RoleServer {
		want = "HTTP/1.1 101 "
		fmt.Fprintf(c, "GET /usp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v1.usp\r\nSec-WebSocket-Extensions: bbf-usp-protocol; eid=\"%s\"\r\n\r\n", v.ControllerID)
	}
	got := make([]byte, 512)
	n, err := bufio.NewReader(c).Read(got)
	if err != nil {
		return "", err
	}
	if got = got[:n]; !bytes.HasPrefix(got, []byte(want)) {
		return "", fmt.Errorf("got %q; want %q", got, want)
	}
	return string(got), nil
}
