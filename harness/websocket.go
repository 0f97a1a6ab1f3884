package harness

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/retry"
	"github.com/usptest/usptest/harness/usp"
)

// ToAgent returns how a Controller opens a WebSocket to the Agent whose session is given. An Agent that is the client of that session
// must accept one too (R-WS.6): it is made to listen where it does not yet, for which it may begin another session. The error says what it
// lacks.
func (c *Case) ToAgent(session *websocket.Conn) (websocket.DialOptions, error) {
	c.Uses(plan.NeedWebSocketClient)
	if session.Dialled() {
		return session.DialOptions(), nil
	}
	row, err := listeningRow(c)
	if err != nil {
		return websocket.DialOptions{}, err
	}
	values, err := c.ReadAll(row + "WebSocket.")
	if err != nil {
		return websocket.DialOptions{}, err
	}
	at := row + "WebSocket."
	host, _, err := net.SplitHostPort(session.RemoteAddr().String())
	c.LabMust(err)
	target := url.URL{Scheme: "ws", Host: net.JoinHostPort(host, values[at+"Port"]), Path: "/" + strings.TrimPrefix(values[at+"Path"], "/")}
	if secure, err := usp.ParseBool(values[at+"EnableEncryption"]); err == nil && secure {
		target.Scheme = "wss"
	}
	return websocket.DialOptions{URL: target.String(), EndpointID: c.Agent.ID()}, awaitListener(c, target.Host)
}

// listeningRow returns the row of Device.LocalAgent.MTP. by which the Agent listens for WebSockets.
// One that is there, but switched off, is switched on until the end of the case, at a port of its
// own.
func listeningRow(c *Case) (string, error) {
	const table = "Device.LocalAgent.MTP."
	mtps, err := c.ReadAll(table)
	if err != nil {
		return "", err
	}
	var off string
	for _, row := range expect.Snapshot(mtps).Rows() {
		if mtps[row+"Protocol"] != "WebSocket" {
			continue
		}
		if on, err := usp.ParseBool(mtps[row+"Enable"]); err == nil && on {
			return row, nil
		}
		off = row
	}
	if off == "" {
		added := c.Agent.Add(c, false, usp.Create(table, usp.Params{"Protocol": "WebSocket"}, nil))
		c.Owns(added)
		created, err := expect.OneCreated(added)
		if err != nil {
			return "", fmt.Errorf("%s has no row of protocol WebSocket, and takes none: %w", table, err)
		}
		off = created.Path
	} else {
		for _, name := range []string{"Port", "EnableEncryption"} {
			if _, ok := mtps[off+"WebSocket."+name]; ok {
				c.Restore(off+"WebSocket.", name)
			}
		}
		c.Restore(off, "Enable")
	}
	link, _ := c.DUT.Link(c.Link)
	port, err := gate.FreePort(c.DUT.Bind)
	c.LabMust(err)
	address := usp.Params{"Port": strconv.Itoa(port), "EnableEncryption": strconv.FormatBool(link.TLS)}
	if err := expect.Type(c.Agent.Set(c, false, usp.Update(off+"WebSocket.", nil, address)), usp.SetResp); err != nil {
		return "", err
	}
	if err := expect.Type(c.Agent.Set(c, false, usp.Update(off, usp.Params{"Enable": "true"}, nil)), usp.SetResp); err != nil {
		return "", err
	}
	return off, c.settleConnection(c)
}

// awaitListener waits until somebody accepts TCP connections at an address.
func awaitListener(c *Case, address string) error {
	wait := c.ResponseWait()
	for deadline := time.Now().Add(wait.D); ; c.Pause(20 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(c, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the Agent does not listen for WebSockets: %w (tried for %s, waits.%s)", err, wait.D, wait.Name)
		}
	}
}

// Dialled reports whether the harness has opened a connection to the device, of which the number is given.
func (c *Case) Dialled(conn uint64) bool {
	return slices.ContainsFunc(c.Journal.Since(0), func(e *journal.Event) bool {
		return e.Conn == conn && e.Layer == journal.LayerTCP && e.Type == "open" && e.Dir == journal.Out
	})
}

// SessionRetryPolicy is R-WS.19 with the settings of the MTP by which the Agent has opened a session. It need not have the parameters;
// then their defaults count.
func (c *Case) SessionRetryPolicy(conn *websocket.Conn) retry.Policy {
	const leastDefault, multiplierDefault = 5, 2000
	controller, err := c.ControllerRow()
	c.DeviceMust(err)
	mtps, err := c.ReadAll(controller + "MTP.")
	c.DeviceMust(err)
	row := dialledBy(c, mtps, conn)
	if row != "" && c.LengthenRetry(row+"WebSocket.", "SessionRetryMinimumWaitInterval") {
		mtps, err = c.ReadAll(controller + "MTP.")
		c.DeviceMust(err)
	}
	number := func(name string, otherwise uint64) uint64 {
		if n, err := strconv.ParseUint(mtps[row+"WebSocket."+name], 10, 32); err == nil {
			return n
		}
		c.Note("the Agent has no %s; the default of %d counts", name, otherwise)
		return otherwise
	}
	return retry.Policy{
		Initial:    time.Duration(number("SessionRetryMinimumWaitInterval", leastDefault)) * time.Second,
		Multiplier: number("SessionRetryIntervalMultiplier", multiplierDefault),
	}
}

// SessionSettings is the object with the settings of a WebSocket session: that of a Controller's MTP by which the Agent has opened it or,
// where the harness has, that of the Agent's own MTP. It is "" where there is none.
func (c *Case) SessionSettings(conn *websocket.Conn) string {
	const own = "Device.LocalAgent.MTP."
	controller, err := c.ControllerRow()
	c.DeviceMust(err)
	mtps, err := c.ReadAll(controller+"MTP.", own)
	c.DeviceMust(err)
	maps.DeleteFunc(mtps, func(path, _ string) bool { return strings.HasPrefix(path, own) != conn.Dialled() })
	row := dialledBy(c, mtps, conn)
	if row == "" {
		return ""
	}
	return row + "WebSocket."
}

// dialledBy is the row of MTPs by which a session was opened, of a Controller where the Agent has opened it, and its own where the harness
// has: of those that are enabled, the one that most of what was dialled agrees with. It is "" where there is none.
func dialledBy(c *Case, mtps usp.Params, conn *websocket.Conn) (row string) {
	slashed := func(path string) string { return "/" + strings.TrimPrefix(path, "/") }
	spec, _ := c.DUT.Link(c.Link)
	server := c.bench.WebSocket.Addr()
	if conn.Dialled() {
		server = conn.RemoteAddr().String()
	}
	_, port, err := net.SplitHostPort(server)
	c.LabMust(err)
	most := -1
	for _, candidate := range expect.Snapshot(mtps).Rows() {
		if on, err := usp.ParseBool(mtps[candidate+"Enable"]); err == nil && !on || mtps[candidate+"Protocol"] != "WebSocket" {
			continue
		}
		at, signs := candidate+"WebSocket.", 0
		for _, sign := range []bool{
			slashed(mtps[at+"Path"]) == slashed(conn.Handshake().Path), mtps[at+"Port"] == port, mtps[at+"Host"] == c.DUT.HostFor(spec),
		} {
			if sign {
				signs++
			}
		}
		if signs > most {
			row, most = candidate, signs
		}
	}
	return row
}
