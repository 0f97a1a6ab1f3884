package gate

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/usptest/usptest/harness/journal"
)

// HTTP is an HTTP server behind a Gate.
type HTTP struct {
	*Gate
	server *http.Server
	queue  *queue
}

// OpenHTTP listens like Open, and lets server, which has a handler and its limits, serve every connection. wrap makes of a connection what
// the server reads and writes; the handler finds that with ConnOf. Everything stops when ctx ends or Close is called.
func OpenHTTP(ctx context.Context, j *journal.Journal, o Options, server *http.Server, wrap func(*Conn) net.Conn) (*HTTP, error) {
	h := &HTTP{server: server, queue: &queue{conns: make(chan net.Conn), closed: make(chan struct{})}}
	server.ErrorLog = log.New(io.Discard, "", 0) // what goes wrong is in the journal
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, wrappedKey{}, c.(*served).Conn)
	}
	var err error
	if h.Gate, err = Open(ctx, j, o, func(c *Conn) {
		h.queue.hand(&served{Conn: wrap(c), done: make(chan struct{})})
	}); err != nil {
		return nil, err
	}
	go server.Serve(h.queue) // ends with Close
	context.AfterFunc(ctx, func() { h.Close() })
	return h, nil
}

// Close ends every connection and stops listening.
func (h *HTTP) Close() error { return errors.Join(h.server.Close(), h.Gate.Close()) }

// ConnOf is the connection of a request, as it was wrapped.
func ConnOf(r *http.Request) net.Conn { return r.Context().Value(wrappedKey{}).(net.Conn) }

type wrappedKey struct{}

// served is a connection that says when the HTTP server is done with it.
type served struct {
	net.Conn
	done chan struct{}
	once sync.Once
}

// Close implements net.Conn; the HTTP server may call it more than once.
func (c *served) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Conn.Close()
}

// queue is a net.Listener for an HTTP server, which accepts connections itself: it is handed those of a Gate.
type queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// hand gives a connection to the server and waits until the server closes it.
func (q *queue) hand(c *served) {
	select {
	case q.conns <- c:
		<-c.done
	case <-q.closed:
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }
