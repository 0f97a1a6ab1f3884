// Package collector is an HTTP or HTTPS sink for bulk data that records every request and answers as a script tells it. It knows
// nothing of what the reports say.
package collector

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

const (
	// MaxBody is the size of the largest body that is taken, in bytes. A larger one is answered with 413.
	MaxBody = 4 << 20

	maxHeader   = 64 << 10
	headTimeout = 30 * time.Second // for the head of a request
	bodyTimeout = 60 * time.Second // for all of it
	idleTimeout = 5 * time.Minute  // between requests on one connection
)

// Options say where a collector listens. The zero value is plain HTTP on a free port of loopback.
type Options struct {
	Addr string      // host:port; gate.DefaultAddr when empty
	TLS  *tls.Config // nil: HTTP
}

// Server is a running collector. All methods are safe for concurrent use.
type Server struct {
	j      *journal.Journal
	gate   *gate.Gate
	http   *http.Server
	queue  *gate.Queue
	script script
}

// Start listens. The collector stops when ctx ends or Close is called.
func Start(ctx context.Context, j *journal.Journal, o Options) (*Server, error) {
	s := &Server{j: j, queue: gate.NewQueue()}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.answer),
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       bodyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(io.Discard, "", 0), // what goes wrong stands in the journal
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	var err error
	if s.gate, err = gate.Open(ctx, j, gate.Options{Addr: o.Addr, TLS: o.TLS}, s.serve); err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	go s.http.Serve(s.queue) // ends with Close
	context.AfterFunc(ctx, func() { s.Close() })
	return s, nil
}

// Addr returns host:port.
func (s *Server) Addr() string { return s.gate.Addr() }

// Close ends every connection and stops listening.
func (s *Server) Close() error {
	return errors.Join(s.http.Close(), s.gate.Close())
}

// serve hands a connection to the HTTP server and waits until that is done with it.
func (s *Server) serve(g *gate.Conn) {
	c := &conn{Conn: g, s: s, done: make(chan struct{})}
	s.queue.Hand(c, c.done)
}

// answer records one request and answers it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*conn)
	room := MaxBody
	if r.ContentLength >= 0 {
		room = int(min(r.ContentLength, MaxBody))
	}
	if err := c.Hold(room); err != nil {
		s.record(c, newRequest(r, nil, err))
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer c.Hold(0)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	s.record(c, newRequest(r, body, err))
	var tooLarge *http.MaxBytesError
	code, delay := s.script.next(r.Method)
	switch {
	case errors.As(err, &tooLarge):
		code = http.StatusRequestEntityTooLarge
	case err != nil:
		code = http.StatusBadRequest
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	if code == 0 {
		c.Abort("the script closes the connection instead of an answer")
		return
	}
	w.WriteHeader(code)
}

// record appends a request whose body has been read.
func (s *Server) record(c *conn, q *Request) {
	s.j.Secret(q.Password)
	c.Log(journal.Event{Layer: journal.LayerHTTP, Dir: journal.In, Type: Received, Text: q.summary(), Raw: withoutCredentials(c.take()), Body: q,
		Weight: q.weight()})
}
