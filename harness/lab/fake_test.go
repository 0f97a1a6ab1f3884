package lab

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
)

// fakeMode is the environment variable that makes the test binary a device.
const fakeMode = "USPTEST_FAKE_DEVICE"

// loopback is where fake devices connect.
const loopback = "127.0.0.1"

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" {
		os.Exit(fakeDevice(mode, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// fakeDevice is a device that says "mode dir argument…" to the port in its first argument, and stays until that connection ends.
func fakeDevice(mode string, args []string) int {
	fmt.Println("fake device:", mode)
	switch mode {
	case "exit":
		return 0
	case "fail":
		fmt.Fprintln(os.Stderr, "\x1b[31mno such option\x1b[0m")
		return 255
	case "harness":
		return fakeHarness(args)
	}
	c, err := net.Dial("tcp", net.JoinHostPort(loopback, args[0]))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	dir, _ := os.Getwd()
	switch mode {
	case "spam":
		for i := range 20_000 {
			fmt.Printf("line %d %s\n", i, strings.Repeat("x", i%1000))
		}
		fmt.Printf("the password is sesame, \xff\x00 and this line does not end")
	case "parent":
		child := exec.Command(os.Args[0], args...)
		child.Env = append(os.Environ(), fakeMode+"=stay")
		if err := child.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	fmt.Fprintln(c, mode, dir, strings.Join(args[1:], " "))
	// The test says how to end; a connection that ends without a word means to stay no longer.
	word, _ := bufio.NewReader(c).ReadString('\n')
	switch strings.TrimSpace(word) {
	case "crash":
		die()
	case "fail":
		return 3
	}
	return 0
}

// die ends this process without any cleaning up.
func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {}
}

// fakeHarness launches a device and dies as soon as it is told to, without any cleaning up.
func fakeHarness(args []string) int {
	f := &dut.File{Lab: dut.LabSpec{Launch: &dut.Launch{Exec: []string{os.Args[0], args[0]}, Env: map[string]string{fakeMode: "stay"}}}}
	d := NewDevice(journal.New(), f, dut.Vars{}, Options{Base: args[1]})
	if err := d.Start(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	die()
	return 0
}

// bench is a port that fake devices connect to, and a journal.
type bench struct {
	t    *testing.T
	l    net.Listener
	j    *journal.Journal
	base string
}

func newBench(t *testing.T) *bench {
	if runtime.GOOS == "windows" {
		t.Skip("signals")
	}
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &bench{t: t, l: l, j: journal.New(), base: t.TempDir()}
}

// port is where the devices connect.
func (b *bench) port() int { return b.l.Addr().(*net.TCPAddr).Port }

// device makes a device whose lab is that of a fake in a mode.
func (b *bench) device(mode string, change func(*dut.File, *Options)) *Device {
	f := &dut.File{Lab: dut.LabSpec{Launch: &dut.Launch{
		Exec: []string{os.Args[0], "{{.Port}}", "{{if .TLS}}-tls{{end}}", "{{.Link}}"},
		Env:  map[string]string{fakeMode: mode, "GORACE": "atexit_sleep_ms=0"}, // under the race detector an exit takes a second
	}}}
	o := Options{Base: b.base}
	if change != nil {
		change(f, &o)
	}
	d := NewDevice(b.j, f, dut.Vars{Port: b.port(), Link: "mqtt5", Password: "sesame"}, o)
	b.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return d
}

// contact is a connection of a fake device, and what it said.
type contact struct {
	net.Conn
	r         *bufio.Reader
	mode, dir string
	args      string
}

// accept waits for a device to connect.
func (b *bench) accept(ctx context.Context) (contact, error) {
	stop := context.AfterFunc(ctx, func() { b.l.(*net.TCPListener).SetDeadline(time.Now()) })
	defer stop()
	c, err := b.l.Accept()
	if err != nil {
		return contact{}, err
	}
	b.t.Cleanup(func() { c.Close() })
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return contact{}, err
	}
	words := strings.SplitN(strings.TrimSpace(line), " ", 3)
	for len(words) < 3 {
		words = append(words, "")
	}
	return contact{c, r, words[0], words[1], words[2]}, nil
}

// await is accept for a device that must come.
func (b *bench) await() contact {
	b.t.Helper()
	c, err := b.accept(deadline(b.t))
	if err != nil {
		b.t.Fatalf("no contact: %v; journal:\n%s", err, b.events())
	}
	return c
}

// gone waits until the process behind a connection has ended.
func (c contact) gone(t *testing.T) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.r.ReadByte(); err == nil || os.IsTimeout(err) {
		t.Fatalf("the process is still there: %v", err)
	}
}

// say tells the device how to end.
func (c contact) say(word string) { fmt.Fprintln(c, word) }

// events are the types of the journal's lab events, with a space between.
func (b *bench) events() string {
	var types []string
	for _, e := range b.j.Since(0) {
		types = append(types, e.Type)
	}
	return strings.Join(types, " ")
}

// deadline is a context that ends before the test framework loses its patience.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// script writes an executable shell script.
func script(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// portText is the port as an argument.
func (b *bench) portText() string { return strconv.Itoa(b.port()) }
