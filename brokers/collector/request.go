package collector

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Types of the journal events.
const (
	Received  = "request"   // a request, whose Body is *Request
	Response  = "response"  // the answer to a request, or 100 Continue
	Malformed = "malformed" // bytes that never became a request; without a Body
)

// maxContent bounds what a compressed body may become, in bytes.
const maxContent = 16 << 20

// Request is one HTTP request. Nobody changes it.
type Request struct {
	Method   string
	Path     string
	RawQuery string
	Query    url.Values // RawQuery decoded, as far as it can be
	Proto    string     // HTTP/1.1
	Host     string
	Header   http.Header // credentials in it are overwritten
	Chunked  bool
	Body     []byte // without the chunks' frames, but as compressed as it came; nil when the journal had no room for it
	BodySize int    // true length of Body
	Problem  string // why the body is not whole, or ""

	Username string // of HTTP basic authentication
	Password string `json:"-"` // a secret of the journal
}

// credentialHeaders are overwritten wherever a request is kept.
var credentialHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie"}

// newRequest keeps what r says. body is what was read of its body before err.
func newRequest(r *http.Request, body []byte, err error) *Request {
	q := &Request{
		Method:   r.Method,
		Path:     r.URL.Path,
		RawQuery: r.URL.RawQuery,
		Query:    r.URL.Query(),
		Proto:    r.Proto,
		Host:     r.Host,
		Header:   r.Header.Clone(),
		Chunked:  slices.Contains(r.TransferEncoding, "chunked"),
		Body:     body,
		BodySize: len(body),
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		q.Problem = fmt.Sprintf("the body has more than %d bytes", MaxBody)
	case err != nil:
		q.Problem = "the body is not whole: " + err.Error()
	}
	q.Username, q.Password, _ = r.BasicAuth()
	for _, name := range credentialHeaders {
		for i, value := range q.Header[name] {
			q.Header[name][i] = stars(value)
		}
	}
	return q
}

// weight is about what q takes.
func (q *Request) weight() int {
	const each = 64 // of a header or query value beside its text
	bytes := len(q.Body)
	for _, values := range []map[string][]string{q.Header, q.Query} {
		for name, list := range values {
			bytes += each + len(name)
			for _, value := range list {
				bytes += each + len(value)
			}
		}
	}
	return bytes
}

// Trimmed returns q without what a device can make long, for a journal that is full.
func (q *Request) Trimmed() any {
	return &Request{Method: q.Method, Proto: q.Proto, Chunked: q.Chunked, BodySize: q.BodySize, Problem: "the journal had no room to keep the request"}
}

// Content returns the body with its Content-Encoding undone: gzip, deflate or none.
func (q *Request) Content() ([]byte, error) {
	var plain io.Reader
	var err error
	switch encoding := strings.ToLower(q.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return q.Body, nil
	case "gzip", "x-gzip":
		plain, err = gzip.NewReader(bytes.NewReader(q.Body))
	case "deflate":
		plain, err = zlib.NewReader(bytes.NewReader(q.Body))
	default:
		return nil, fmt.Errorf("Content-Encoding: want gzip, deflate or none, got %q", encoding)
	}
	if err != nil {
		return nil, fmt.Errorf("Content-Encoding %s: %w", q.Header.Get("Content-Encoding"), err)
	}
	content, err := io.ReadAll(io.LimitReader(plain, maxContent+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("Content-Encoding %s: %w", q.Header.Get("Content-Encoding"), err)
	case len(content) > maxContent:
		return nil, fmt.Errorf("the body decompresses to more than %d bytes", maxContent)
	}
	return content, nil
}

const (
	maxShown = 300       // bytes of the method and the target in the one line
	maxText  = 256 << 10 // bytes of the content in the description
)

// summary is the request in one line.
func (q *Request) summary() string {
	target := q.Method + " " + q.Path
	if q.RawQuery != "" {
		target += "?" + q.RawQuery
	}
	if len(target) > maxShown {
		target = target[:maxShown] + "…"
	}
	text := fmt.Sprintf("%s, %d bytes", target, q.BodySize)
	if kind := q.Header.Get("Content-Type"); kind != "" {
		text += fmt.Sprintf(" of %.100q", kind)
	}
	if q.Problem != "" {
		text += ": " + q.Problem
	}
	return text
}

// Describe shows the request line, the headers by name, and the content if it is text.
func (q *Request) Describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", q.Method, q.Path)
	if q.RawQuery != "" {
		b.WriteString("?" + q.RawQuery)
	}
	fmt.Fprintf(&b, " %s\nHost: %s\n", q.Proto, q.Host)
	names := make([]string, 0, len(q.Header))
	for name := range q.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range q.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	content, err := q.Content()
	switch {
	case err != nil:
		fmt.Fprintf(&b, "\n(%v)\n", err)
	case len(content) > maxText:
		fmt.Fprintf(&b, "\n%s\n(and %d bytes more)\n", content[:maxText], len(content)-maxText)
	case len(content) > 0:
		fmt.Fprintf(&b, "\n%s\n", content)
	}
	return b.String()
}

func stars(value string) string { return strings.Repeat("*", len(value)) }

// withoutCredentials overwrites, in place, the credential headers of a request as it came over the wire.
func withoutCredentials(raw []byte) []byte {
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		if slices.ContainsFunc(credentialHeaders, func(c string) bool { return strings.EqualFold(c, string(bytes.TrimSpace(name))) }) {
			for i := range value {
				if value[i] > ' ' {
					value[i] = '*'
				}
			}
		}
		head = rest
	}
	return raw
}
