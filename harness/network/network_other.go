//go:build !linux

package network

import (
	"fmt"
	"os/exec"
)

// Isolate has nothing to ask for on this system; see Refused.
func Isolate(*exec.Cmd) {}

// Refused wraps the error with which an isolated command could not be started, so that it says what to do.
func Refused(err error) error { return fmt.Errorf("%w: %w; %s", ErrUnavailable, err, Remedy) }

// Network is the harness's end of a wire. This system has none.
type Network struct{ Interface string }

// Open fails: this system has no network namespaces. The error wraps ErrUnavailable.
func Open(string) (*Network, error) {
	return nil, fmt.Errorf("%w: this system has no network namespaces; %s", ErrUnavailable, Remedy)
}

// Start starts a command at the device's end of the wire.
func (n *Network) Start(cmd *exec.Cmd) error { return cmd.Start() }

// Close has nothing to give up.
func (n *Network) Close() error { return nil }

// Port is a port of this computer that is lent to an isolated process.
type Port struct{}

// Lendable says that this system has no network namespaces.
func Lendable(name string) error {
	return fmt.Errorf("lab.network.interface %s: %w: this system has no network namespaces; %s", name, ErrUnavailable, Remedy)
}

// Know fails: this system has no network namespaces.
func Know(name string, _ int) (*Port, error) {
	return nil, Lendable(name)
}

// Lend has nothing to move.
func (p *Port) Lend() error { return nil }

// Had has nothing to say.
func (p *Port) Had() string { return "" }

// Return has nothing to take back.
func (p *Port) Return() error { return nil }

// Forget has nothing to give up.
func (p *Port) Forget() error { return nil }
