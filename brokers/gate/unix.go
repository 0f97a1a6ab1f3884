package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/usptest/usptest/harness/journal"
)

// MaxUnixPath is how many bytes the path of a Unix domain socket may have on Linux.
const MaxUnixPath = 107

// CheckUnixPath says what makes a path none that a Unix domain socket can have.
func CheckUnixPath(path string) error {
	if len(path) > MaxUnixPath {
		return fmt.Errorf("the path of a Unix domain socket has at most %d bytes, and %q has %d", MaxUnixPath, path, len(path))
	}
	return nil
}

// listenUnix listens at a path. A socket that its listener left behind is removed; one that is in use is not, nor is any other file.
func listenUnix(path string) (net.Listener, error) {
	if err := CheckUnixPath(path); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return listener, err
	}
	info, statErr := os.Lstat(path)
	if statErr != nil || info.Mode().Type() != os.ModeSocket {
		return nil, err
	}
	used, dialErr := net.Dial("unix", path)
	if dialErr == nil {
		used.Close()
	}
	if !errors.Is(dialErr, syscall.ECONNREFUSED) {
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}

// DialUnix connects to a device that listens at the path of a Unix domain socket.
func DialUnix(ctx context.Context, j *journal.Journal, path string) (*Conn, error) {
	if err := CheckUnixPath(path); err != nil {
		return nil, err
	}
	socket, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		j.Append(journal.Event{Layer: journal.LayerUDS, Dir: journal.Out, Type: "open", Remote: path,
			Text: "could not connect: " + err.Error()})
		return nil, err
	}
	c := newConn(j, nil, socket, nil)
	c.opened(journal.Out)
	return c, nil
}

// unnamed clears the address of a socket that has no path.
func unnamed(address *string) {
	if *address == "@" {
		*address = ""
	}
}
