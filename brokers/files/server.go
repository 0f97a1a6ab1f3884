// Package files is an HTTP or HTTPS server of files for a device to download. It records every request and what was sent for it,
// and answers as a script says: with another status, slowly, only in part, or without end.
package files

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

const (
	maxHeader   = 64 << 10
	headTimeout = 30 * time.Second // for the head of a request
	idleTimeout = time.Minute      // between requests on one connection
	piece       = 16 << 10         // bytes that are sent at a time
	maxShown    = 300              // bytes of the target in the one line

	// What is sent of one file until Reset: a device in order fetches it some times. One that goes on is cut off.
	maxTimes = 16
	maxSent  = 1 << 30 // at least, in bytes
)

// Types of the journal events.
const (
	Requested = "request" // a request, whose Body is *Request
	Sent      = "sent"    // what was sent for it, whose Body is *Transfer
)

// Request is one HTTP request.
type Request struct {
	Method string
	Path   string
	Range  string // the header of this name
	Agent  string // the header User-Agent
}

// Transfer is what was sent for a request.
type Transfer struct {
	Path   string
	Status int
	Bytes  int64  // of the body
	End    string // why it ended before all was sent, or ""
}

// Options say where a server listens. The zero value is plain HTTP on a free port of loopback.
type Options struct {
	Addr string      // host:port; gate.DefaultAddr when empty
	TLS  *tls.Config // nil: HTTP
}

// Server is a running file server. All methods are safe for concurrent use.
type Server struct {
	j    *journal.Journal
	http *gate.HTTP

	mu    sync.Mutex
	files map[string]io.ReaderAt // by path
	sent  map[string]int64       // bytes of bodies by path, since the last Reset
	sizes map[string]int64
	now   script
}

// Start listens. The server stops when ctx ends or Close is called.
func Start(ctx context.Context, j *journal.Journal, o Options) (*Server, error) {
	s := &Server{j: j, files: map[string]io.ReaderAt{}, sizes: map[string]int64{}, sent: map[string]int64{}, now: script{cut: -1}}
	var err error
	s.http, err = gate.OpenHTTP(ctx, j, gate.Options{Addr: o.Addr, TLS: o.TLS}, &http.Server{
		Handler: http.HandlerFunc(s.answer), ReadHeaderTimeout: headTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}, func(c *gate.Conn) net.Conn { return c })
	if err != nil {
		return nil, fmt.Errorf("file server: %w", err)
	}
	return s, nil
}

// Addr returns host:port.
func (s *Server) Addr() string { return s.http.Addr() }

// Close ends every connection and stops listening.
func (s *Server) Close() error { return s.http.Close() }

// Offer serves a file of this many bytes under a path, such as "/image.bin".
func (s *Server) Offer(path string, file io.ReaderAt, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path], s.sizes[path] = file, size
}

// answer records one request and what is sent for it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	c := gate.ConnOf(r).(*gate.Conn)
	q := &Request{Method: r.Method, Path: shown(r.URL.Path), Range: shown(r.Header.Get("Range")), Agent: shown(r.UserAgent())}
	c.Log(journal.Event{Layer: journal.LayerHTTP, Dir: journal.In, Type: Requested, Text: q.Method + " " + q.Path, Body: q})
	s.mu.Lock()
	file, size, now := s.files[r.URL.Path], s.sizes[r.URL.Path], s.now
	s.mu.Unlock()
	sent := &counted{ResponseWriter: w, script: now, over: r.Context().Done(), abort: func() { c.Abort("the script cuts the transfer") }}
	sent.take = func(n int) error {
		if !s.take(r.URL.Path, n) {
			c.Abort(errHoard.Error())
			return errHoard
		}
		return nil
	}
	defer func() {
		t := &Transfer{Path: q.Path, Status: sent.status, Bytes: sent.bytes, End: sent.end}
		c.Log(journal.Event{Layer: journal.LayerHTTP, Dir: journal.Out, Type: Sent, Text: t.summary(), Body: t})
	}()
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		sent.WriteHeader(http.StatusMethodNotAllowed)
	case now.status != 0:
		sent.WriteHeader(now.status)
	case file == nil:
		sent.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", cmp.Or(now.kind, "application/octet-stream"))
		if now.endless {
			sent.forever(func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.now.endless
			})
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		http.ServeContent(sent, r, path.Base(r.URL.Path), time.Time{}, io.NewSectionReader(file, 0, size))
	}
}

func shown(text string) string {
	return text[:min(len(text), maxShown)]
}

func (t *Transfer) summary() string {
	text := fmt.Sprintf("%d for %s, %d bytes", t.Status, t.Path, t.Bytes)
	if t.End != "" {
		text += ": " + t.End
	}
	return text
}

// errCut ends a transfer whose end the script has brought about.
var errCut = errors.New("cut by the script")

// errHoard ends a transfer to a device that fetches a file without end.
var errHoard = errors.New("the device fetches the file without end")

// take counts bytes that are about to be sent of a file, and reports whether they may be.
func (s *Server) take(path string, bytes int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[path] += int64(bytes)
	return s.sent[path] <= max(maxSent, maxTimes*s.sizes[path])
}

// counted is a response that counts what is sent, and keeps to the script.
type counted struct {
	http.ResponseWriter
	script script
	over   <-chan struct{}
	abort  func()
	take   func(bytes int) error // before bytes are sent

	status int
	bytes  int64
	end    string
}

// WriteHeader implements http.ResponseWriter.
func (w *counted) WriteHeader(status int) {
	w.status = cmp.Or(w.status, status)
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *counted) Write(p []byte) (written int, err error) {
	w.status = cmp.Or(w.status, http.StatusOK)
	for len(p) > 0 && err == nil {
		part := p[:min(len(p), piece)]
		if cut := w.script.cut; cut >= 0 {
			part = part[:min(int64(len(part)), cut-w.bytes)]
			if len(part) == 0 {
				_ = http.NewResponseController(w.ResponseWriter).Flush() // what is left unsent would look like a server that never answered
				w.end = errCut.Error()
				w.abort()
				return written, errCut
			}
		}
		if err = w.take(len(part)); err == nil {
			err = w.pace(len(part))
		}
		if err != nil {
			break
		}
		var n int
		n, err = w.ResponseWriter.Write(part)
		w.bytes += int64(n)
		written += n
		p = p[n:]
	}
	if err != nil {
		w.end = err.Error()
	}
	return written, err
}

// pace waits as long as this many bytes take at the script's rate.
func (w *counted) pace(bytes int) error {
	if w.script.rate == 0 {
		return nil
	}
	t := time.NewTimer(time.Duration(float64(bytes) / float64(w.script.rate) * float64(time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-w.over:
		return errors.New("the device ended the transfer")
	}
}

// forever sends zeros until the device ends the transfer, or the script does.
func (w *counted) forever(goOn func() bool) {
	for zeros := make([]byte, piece); ; {
		if !goOn() {
			w.end = errCut.Error()
			w.abort()
			return
		}
		if _, err := w.Write(zeros); err != nil {
			return
		}
		select {
		case <-w.over:
			return
		default:
		}
	}
}

// script is what the server does at one moment.
type script struct {
	status  int    // of every answer, when not 0
	rate    int    // bytes a second; 0 for as fast as it goes
	cut     int64  // how many bytes of a body are sent before the connection is cut; negative for all
	kind    string // Content-Type, when not empty
	endless bool
}

// did records a verb of the script and changes it.
func (s *Server) did(verb, text string, change func(*script)) {
	s.j.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: verb, Text: "files: " + text})
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.now)
}

// StatusAlways answers every request with that code, from 400 to 599.
func (s *Server) StatusAlways(code int) {
	s.did("StatusAlways", "every answer is "+strconv.Itoa(code), func(now *script) { now.status = code })
}

// Slow sends this many bytes a second.
func (s *Server) Slow(rate int) {
	s.did("Slow", fmt.Sprintf("%d bytes a second", rate), func(now *script) { now.rate = rate })
}

// Cut cuts every connection when this many bytes of a file were sent.
func (s *Server) Cut(bytes int64) {
	s.did("Cut", fmt.Sprintf("the connection is cut after %d bytes", bytes), func(now *script) { now.cut = bytes })
}

// Type serves every file as this type.
func (s *Server) Type(mime string) {
	s.did("Type", "every file is of type "+mime, func(now *script) { now.kind = mime })
}

// Endless never comes to the end of a file.
func (s *Server) Endless() {
	s.did("Endless", "files have no end", func(now *script) { now.endless = true })
}

// Reset returns to the default behaviour. Files stay.
func (s *Server) Reset() {
	s.did("Reset", "default behaviour", func(now *script) {
		*now = script{cut: -1}
		clear(s.sent)
	})
}
