package gate

import (
	"net/netip"
	"syscall"
)

// reserve keeps the port of a TCP address while nobody listens there: whoever connects is refused, and the system gives the port to nobody
// else. Where that cannot be, nothing is kept.
func reserve(addr string) (free func()) {
	free = func() {}
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return free
	}
	family := syscall.AF_INET6
	var bound syscall.Sockaddr = &syscall.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	if at.Addr().Is4() {
		family, bound = syscall.AF_INET, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	socket, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return free
	}
	// connections of before the Down may not be over yet
	_ = syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err := syscall.Bind(socket, bound); err != nil {
		_ = syscall.Close(socket)
		return free
	}
	return func() { _ = syscall.Close(socket) }
}
