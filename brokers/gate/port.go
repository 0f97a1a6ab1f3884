package gate

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports that FreePort chooses from lie below those that Linux (32768 to 60999) and IANA (49152 to 65535) give to outgoing
// connections, so that none of these takes one before its user listens on it.
const (
	firstPort = 10_000
	lastPort  = 29_999
)

// FreePort returns a port of host, an IP address, on which nobody listens now. It is for what listens later, and elsewhere than in a Gate.
func FreePort(host string) (int, error) {
	const tries = 100
	var err error
	for range tries {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("gate: no free port among %d: %w", tries, err)
}
