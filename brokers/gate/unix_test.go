package gate

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

func TestAUnixDomainSocket(t *testing.T) {
	path, j := filepath.Join(t.TempDir(), "s"), journal.New()
	served := make(chan *Conn, 1)
	g, err := Open(t.Context(), j, Options{Addr: path, Unix: true}, func(c *Conn) { served <- c; c.Read(make([]byte, 1)) })
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	c, err := DialUnix(t.Context(), j, g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	e := events.Await(t, j, 0, events.Event{Layer: journal.LayerUDS, Dir: journal.In, Type: "open"})
	if !e.Opens() || e.Text != "connection at "+path || e.Remote != "" {
		t.Errorf("event %+v", e)
	}
	<-served
	c.Abort("enough")
	if e := events.Await(t, j, 0, events.Event{Dir: journal.In, Type: "close"}); !e.Closes() || e.Layer != journal.LayerUDS {
		t.Errorf("event %+v", e)
	}
	g.Down()
	if _, err := DialUnix(t.Context(), j, path); err == nil {
		t.Error("a socket that is down can be dialled")
	}
	if err := g.Up(); err != nil {
		t.Error(err)
	}
}

func TestListenUnixReplacesASocketThatWasLeft(t *testing.T) {
	left := filepath.Join(t.TempDir(), "left")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: left})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(left); err == nil {
		t.Error("a socket in use was replaced")
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	l, err := listenUnix(left)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(file); err == nil {
		t.Error("a file was replaced")
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	if _, err := listenUnix("/" + strings.Repeat("x", MaxUnixPath)); err == nil || !strings.Contains(err.Error(), "at most 107 bytes") {
		t.Errorf("a path of 108 bytes: %v", err)
	}
}
