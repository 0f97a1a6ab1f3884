package collector

import (
	"bytes"
	"slices"
	"sync"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

// conn keeps the bytes of the request at hand and records those of the answer.
type conn struct {
	*gate.Conn

	mu       sync.Mutex
	input    []byte // of the request at hand, no more than the journal takes
	recorded bool   // that request is in the journal and has no answer yet
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.input = append(c.input, p[:min(n, gate.MaxRaw-len(c.input))]...)
	return n, err
}

// Write implements net.Conn. The HTTP server answers by itself what it finds no request in.
func (c *conn) Write(p []byte) (int, error) {
	status, _, _ := bytes.Cut(p, []byte("\r\n"))
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 100 ")) {
		c.malformed("no HTTP request")
		c.mu.Lock()
		c.recorded = false
		c.mu.Unlock()
	}
	c.Log(journal.Event{Layer: journal.LayerHTTP, Dir: journal.Out, Type: Response, Text: string(status), Raw: slices.Clone(p)})
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.malformed("the connection ended within the request")
	return c.Conn.Close()
}

// take returns the bytes of a request that is about to be recorded.
func (c *conn) take() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	input := c.input
	c.input, c.recorded = nil, true
	return input
}

// malformed records input that never became a request.
func (c *conn) malformed(why string) {
	c.mu.Lock()
	input := c.input
	if c.recorded || len(input) == 0 {
		c.mu.Unlock()
		return
	}
	c.input = nil
	c.mu.Unlock()
	c.Log(journal.Event{Layer: journal.LayerHTTP, Dir: journal.In, Type: Malformed, Text: why, Raw: withoutCredentials(input)})
}
