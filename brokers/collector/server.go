// Package collector is an HTTP or HTTPS sink for bulk data that records every request and answers as a script tells it. It knows
// nothing of what the reports say.
package collector

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

const (
	// MaxBody is the size of the largest body that is taken, in bytes. A larger one is answered with 413.
	MaxBody = 4 << 20

	// Elsewhere follows the path of a request where 307 and 308 lead.
	Elsewhere = "/elsewhere"

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
	http   *gate.HTTP
	script script
}

// Start listens. The collector stops when ctx ends or Close is called.
func Start(ctx context.Context, j *journal.Journal, o Options) (*Server, error) {
	s := &Server{j: j}
	var err error
	s.http, err = gate.OpenHTTP(ctx, j, gate.Options{Addr: o.Addr, TLS: o.TLS}, &http.Server{
		Handler:           http.HandlerFunc(s.answer),
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       bodyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
	}, func(c *gate.Conn) net.Conn { return &conn{Conn: c} })
	if err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	return s, nil
}

// Addr returns host:port.
func (s *Server) Addr() string { return s.http.Addr() }

// Close ends every connection and stops listening.
func (s *Server) Close() error { return s.http.Close() }

// answer records one request and answers it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	c := gate.ConnOf(r).(*conn)
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
	code, held := s.script.next(r.Method)
	switch {
	case errors.As(err, &tooLarge):
		code = http.StatusRequestEntityTooLarge
	case err != nil:
		code = http.StatusBadRequest
	}
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
			return
		}
	}
	if code == 0 {
		c.Abort("the script closes the connection instead of an answer")
		return
	}
	switch code {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="collector"`)
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		w.Header().Set("Location", r.URL.Path+Elsewhere+"?"+r.URL.RawQuery)
	}
	w.WriteHeader(code)
}

// record appends a request whose body has been read.
func (s *Server) record(c *conn, q *Request) {
	s.j.Secret(q.Password)
	c.Log(journal.Event{Layer: journal.LayerHTTP, Dir: journal.In, Type: Received, Text: q.summary(), Raw: withoutCredentials(c.take()), Body: q,
		Weight: q.weight()})
}
