package websocket

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// toAgent says how a Controller opens a WebSocket to the Agent whose session is given. An Agent
// that is the client of that session must accept one too (R-WS.6): it is made to listen where it
// does not yet. The error says what it lacks.
func toAgent(c *harness.Case, session *websocket.Conn) (websocket.DialOptions, error) {
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
func listeningRow(c *harness.Case) (string, error) {
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
	address := usp.Params{"Port": strconv.Itoa(freePort(c)), "EnableEncryption": strconv.FormatBool(link.TLS)}
	if err := expect.Type(c.Agent.Set(c, false, usp.Update(off+"WebSocket.", nil, address)), usp.SetResp); err != nil {
		return "", err
	}
	return off, expect.Type(c.Agent.Set(c, false, usp.Update(off, usp.Params{"Enable": "true"}, nil)), usp.SetResp)
}

// freePort is a port that nobody uses on this computer, where several devices may run.
func freePort(c *harness.Case) int {
	l, err := net.Listen("tcp", net.JoinHostPort(c.DUT.Bind, "0"))
	c.LabMust(err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// awaitListener waits until somebody accepts TCP connections at an address.
func awaitListener(c *harness.Case, address string) error {
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
