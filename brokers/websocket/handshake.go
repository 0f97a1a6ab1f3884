package websocket

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"
)

const (
	// Subprotocol is the WebSocket subprotocol of USP (R-WS.9).
	Subprotocol = "v1.usp"
	// Extension is the WebSocket extension that carries an Endpoint ID (R-WS.11a).
	Extension = "bbf-usp-protocol"
	// HandshakeEvent is the Type of the journal's events for both halves of an opening handshake.
	HandshakeEvent = "HANDSHAKE"

	// maxHead bounds the head of an HTTP request or response.
	maxHead = 64 << 10

	// extensionsKey is the header's name as RFC 6455 spells it. gorilla refuses its canonical spelling ("Websocket") in requests
	// and responses that it writes, and writes any other as it is.
	extensionsKey = "Sec-WebSocket-Extensions"
)

// Handshake is one half of an opening handshake: a request, or a response, which has a Status.
type Handshake struct {
	Method, Path, Query string // Path is decoded, Query is not
	Host                string
	Header              http.Header // canonical names
	Status              int         // 0 in a request
}

// EID returns the Endpoint ID in the request's query (R-WS.10b), or "".
func (h *Handshake) EID() string {
	values, _ := url.ParseQuery(h.Query) // what can be read of a bad query counts
	return values.Get("eid")
}

// Subprotocols returns those that Sec-WebSocket-Protocol names.
func (h *Handshake) Subprotocols() []string { return h.list("Sec-Websocket-Protocol") }

// ExtensionEID returns the Endpoint ID that the extension bbf-usp-protocol carries, and whether the extension is there at all.
func (h *Handshake) ExtensionEID() (eid string, ok bool) {
	for _, extension := range h.list("Sec-Websocket-Extensions") {
		name, parameters, _ := strings.Cut(extension, ";")
		if strings.TrimSpace(name) != Extension {
			continue
		}
		for parameter := range strings.SplitSeq(parameters, ";") {
			key, value, _ := strings.Cut(parameter, "=")
			if strings.TrimSpace(key) == "eid" {
				return strings.Trim(strings.TrimSpace(value), `"`), true
			}
		}
		return "", true
	}
	return "", false
}

// Extensions returns the names of those that Sec-WebSocket-Extensions names.
func (h *Handshake) Extensions() []string {
	names := h.list("Sec-Websocket-Extensions")
	for i, extension := range names {
		name, _, _ := strings.Cut(extension, ";")
		names[i] = strings.TrimSpace(name)
	}
	return names
}

// Accept is the value of Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455, section 4.2.2).
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// list returns the elements of a header that is a list.
func (h *Handshake) list(name string) []string {
	var elements []string
	for _, line := range h.Header[name] {
		for element := range strings.SplitSeq(line, ",") {
			if element = strings.TrimSpace(element); element != "" {
				elements = append(elements, element)
			}
		}
	}
	return elements
}

// Describe shows the handshake's half as text, headers sorted. Credentials are not among them.
func (h *Handshake) Describe() string {
	var b strings.Builder
	b.WriteString(h.summary() + "\n")
	names := make([]string, 0, len(h.Header))
	for name := range h.Header {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, value := range h.Header[name] {
			if secretHeader(name) {
				value = strings.Repeat("*", len(value))
			}
			fmt.Fprintf(&b, "  %s: %q\n", name, value)
		}
	}
	return b.String()
}

// secretHeader reports whether a header, in canonical spelling, carries credentials.
func secretHeader(name string) bool {
	return name == "Authorization" || name == "Cookie" || name == "Set-Cookie"
}

// maxSummaryValue bounds a value in a one-line text, since a device may send a long one.
const maxSummaryValue = 200

func (h *Handshake) summary() string {
	if h.Status != 0 {
		return fmt.Sprintf("%d %s%s", h.Status, http.StatusText(h.Status), h.offers())
	}
	target := h.Path
	if h.Query != "" {
		target += "?" + h.Query
	}
	return fmt.Sprintf("%q %q%s", cut(h.Method), cut(target), h.offers())
}

func (h *Handshake) offers() string {
	text := ""
	if protocols := h.Subprotocols(); len(protocols) > 0 {
		text += fmt.Sprintf(", subprotocol %q", cut(strings.Join(protocols, ", ")))
	}
	if extensions := h.list("Sec-Websocket-Extensions"); len(extensions) > 0 {
		text += fmt.Sprintf(", extension %q", cut(strings.Join(extensions, ", ")))
	}
	return text
}

func cut(s string) string {
	if len(s) > maxSummaryValue {
		return s[:maxSummaryValue] + "…"
	}
	return s
}

// extensionValue is the value of Sec-WebSocket-Extensions that tells an Endpoint ID.
func extensionValue(eid string) string { return fmt.Sprintf("%s; eid=%q", Extension, eid) }

// headWeight is about the most that a head takes when it is decoded.
func headWeight(head []byte) int { return 16 * len(head) }

// errHead is an HTTP head that is too long.
var errHead = fmt.Errorf("an HTTP head of more than %d bytes", maxHead)

// readHead reads an HTTP head up to its empty line, but no byte behind it. What came is returned with an error too.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for line := 0; ; {
		part, err := r.ReadSlice('\n')
		head = append(head, part...)
		if len(head) > maxHead {
			return head[:maxHead], errHead
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return head, err
		}
		if len(bytes.TrimRight(head[line:], "\r\n")) == 0 {
			return head, nil
		}
		line = len(head)
	}
}

// hideCredentials returns a copy of an HTTP head in which the values of credential headers are overwritten.
func hideCredentials(head []byte) []byte {
	hidden := bytes.Clone(head)
	for line := range bytes.Lines(hidden) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && secretHeader(http.CanonicalHeaderKey(string(name))) {
			for i := range bytes.TrimRight(value, "\r\n") {
				value[i] = '*'
			}
		}
	}
	return hidden
}

// parseRequest reads the head of a request.
func parseRequest(head []byte) (*http.Request, *Handshake, error) {
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return nil, nil, err
	}
	return request, &Handshake{Method: request.Method, Path: request.URL.Path, Query: request.URL.RawQuery, Host: request.Host,
		Header: request.Header}, nil
}

// parseResponse reads the head of a response.
func parseResponse(head []byte) (*Handshake, error) {
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return nil, err
	}
	response.Body.Close()
	return &Handshake{Status: response.StatusCode, Header: response.Header}, nil
}
