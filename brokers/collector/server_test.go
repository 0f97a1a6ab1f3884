package collector

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

const patience = time.Minute

func start(t *testing.T, o Options) (*Server, *journal.Journal) {
	t.Helper()
	return events.Serve(t, Start, o)
}

// awaitEvent returns the first event after mark of that direction and type.
func awaitEvent(t *testing.T, j *journal.Journal, mark journal.Mark, dir journal.Dir, eventType string) *journal.Event {
	t.Helper()
	return events.Await(t, j, mark, events.Event{Layer: journal.LayerHTTP, Dir: dir, Type: eventType})
}

// talk writes raw bytes to the collector and returns all that it answers until it closes, or until the answer's end.
func talk(t *testing.T, addr, raw string) string {
	t.Helper()
	c := dial(t, addr)
	io.WriteString(c, raw) // which may be refused half way
	c.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(c)
	return string(answer)
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func post(t *testing.T, url string, body []byte) int {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func TestRequestIsRecorded(t *testing.T) {
	s, j := start(t, Options{})
	raw := "PUT /bulk/data?oui=012345&pc=a%20b&oui=2 HTTP/1.1\r\nHost: collector\r\nContent-Type: application/json\r\n" +
		"Authorization: Basic dXNlcjpwYXNzd29yZA==\r\nBBF-Report-Format: NameValuePair\r\nContent-Length: 15\r\n\r\n" + `{"Report":[{}]}`
	if answer := talk(t, s.Addr(), raw); !strings.HasPrefix(answer, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("answered %q", answer)
	}
	e := awaitEvent(t, j, 0, journal.In, Received)
	q := e.Body.(*Request)
	if q.Method != "PUT" || q.Path != "/bulk/data" || q.Query.Get("pc") != "a b" || !slices.Equal(q.Query["oui"], []string{"012345", "2"}) ||
		q.Host != "collector" || q.Proto != "HTTP/1.1" || q.Header.Get("BBF-Report-Format") != "NameValuePair" ||
		string(q.Body) != `{"Report":[{}]}` || q.BodySize != 15 || q.Chunked || q.Problem != "" {
		t.Errorf("recorded as %+v", q)
	}
	if q.Username != "user" || q.Password != "password" || j.Masker().Text("password") == "password" {
		t.Errorf("credentials %q %q; the password must be a secret", q.Username, q.Password)
	}
	if want := strings.Replace(raw, "Basic dXNlcjpwYXNzd29yZA==", "***** ********************", 1); string(e.Raw) != want {
		t.Errorf("raw is\n%q, want\n%q", e.Raw, want)
	}
	if text := q.Describe(); strings.Contains(text, "dXNl") || !strings.Contains(text, "Bbf-Report-Format: NameValuePair") || !strings.Contains(text, `{"Report"`) {
		t.Errorf("described as %s", text)
	}
	if want := `PUT /bulk/data?oui=012345&pc=a%20b&oui=2, 15 bytes of "application/json"`; e.Text != want {
		t.Errorf("text is %s, want %s", e.Text, want)
	}
	if answer := awaitEvent(t, j, e.Seq, journal.Out, Response); answer.Text != "HTTP/1.1 200 OK" || answer.Conn != e.Conn || e.Conn == 0 {
		t.Errorf("answer %q on connection %d, request on %d", answer.Text, answer.Conn, e.Conn)
	}
}

func TestBodies(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(`{"a":1}`))
	z.Close()
	var bomb bytes.Buffer
	z = gzip.NewWriter(&bomb)
	z.Write(make([]byte, maxContent+1))
	z.Close()
	const head = "POST / HTTP/1.1\r\nHost: x\r\n"
	sized := func(headers string, body []byte) string {
		return fmt.Sprintf("%s%sContent-Length: %d\r\n\r\n%s", head, headers, len(body), body)
	}
	tests := []struct {
		name, raw string
		content   string
		fails     bool // Content does
		status    string
		problem   string
	}{
		{name: "none", raw: head + "\r\n", status: "200"},
		{name: "chunked", raw: head + "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n", content: `{"a":1}`, status: "200"},
		{name: "gzip", raw: sized("Content-Encoding: gzip\r\n", zipped.Bytes()), content: `{"a":1}`, status: "200"},
		{name: "not gzip", raw: sized("Content-Encoding: gzip\r\n", []byte("plain")), fails: true, status: "200"},
		{name: "gzip cut short", raw: sized("Content-Encoding: gzip\r\n", zipped.Bytes()[:zipped.Len()-9]), fails: true, status: "200"},
		{name: "gzip bomb", raw: sized("Content-Encoding: gzip\r\n", bomb.Bytes()), fails: true, status: "200"},
		{name: "unknown encoding", raw: sized("Content-Encoding: br\r\n", nil), fails: true, status: "200"},
		{name: "cut short", raw: head + "Content-Length: 10\r\n\r\n{}", content: "{}", status: "400", problem: "not whole"},
		{name: "bad chunk", raw: head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", status: "400", problem: "not whole"},
		{name: "too large", raw: sized("", make([]byte, MaxBody+1)), content: strings.Repeat("\x00", MaxBody), status: "413", problem: "more than"},
		{name: "largest", raw: sized("", make([]byte, MaxBody)), content: strings.Repeat("\x00", MaxBody), status: "200"},
	}
	s, j := start(t, Options{})
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			mark := j.Mark()
			if answer := talk(t, s.Addr(), tc.raw); !strings.HasPrefix(answer, "HTTP/1.1 "+tc.status) {
				t.Errorf("answered %.100q, want %s", answer, tc.status)
			}
			q := awaitEvent(t, j, mark, journal.In, Received).Body.(*Request)
			content, err := q.Content()
			if (err != nil) != tc.fails || string(content) != tc.content {
				t.Errorf("content is %.100q, %v", content, err)
			}
			if (q.Problem != "") != (tc.problem != "") || !strings.Contains(q.Problem, tc.problem) {
				t.Errorf("problem is %q, want %q", q.Problem, tc.problem)
			}
			q.Describe()
		})
	}
	for _, e := range j.Since(0) {
		if e.Type == Malformed {
			t.Errorf("malformed: %s, %d bytes", e.Text, len(e.Raw))
		}
	}
}

func TestOneConnectionManyRequests(t *testing.T) {
	s, j := start(t, Options{})
	c := dial(t, s.Addr())
	in := bufio.NewReader(c)
	for i := range 3 {
		mark := j.Mark()
		raw := fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", i)
		io.WriteString(c, raw)
		if line, _ := in.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("got %q", line)
		}
		in.ReadString('\n')
		io.WriteString(c, "ab")
		response, err := http.ReadResponse(in, nil)
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("got %v, %v", response, err)
		}
		if e := awaitEvent(t, j, mark, journal.In, Received); string(e.Raw) != raw+"ab" || e.Body.(*Request).Path != fmt.Sprint("/", i) {
			t.Errorf("request %d is on record as %q", i, e.Raw)
		}
	}
}

func TestScript(t *testing.T) {
	s, _ := start(t, Options{})
	url := "http://" + s.Addr()
	expect := func(codes ...int) {
		t.Helper()
		for i, want := range codes {
			if got := post(t, url, nil); got != want {
				t.Errorf("answer %d is %d, want %d", i+1, got, want)
			}
		}
	}
	expect(200)
	s.Status(503, 404)
	expect(503, 404, 200)
	s.StatusAlways(500)
	s.Status(202)
	expect(202, 500, 500)
	s.Reset()
	expect(200)
	if answer := talk(t, s.Addr(), "GET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.0 405 ") {
		t.Errorf("GET is answered with %q", answer)
	}
	s.Status(0)
	if answer := talk(t, s.Addr(), "POST / HTTP/1.1\r\nHost: x\r\n\r\n"); answer != "" {
		t.Errorf("answered with %q", answer)
	}
	expect(200)
}

func TestHold(t *testing.T) {
	s, j := start(t, Options{})
	ask := func() net.Conn {
		mark := j.Mark()
		c := dial(t, s.Addr())
		io.WriteString(c, "POST /late HTTP/1.0\r\nHost: x\r\n\r\n")
		awaitEvent(t, j, mark, journal.In, Received)
		return c
	}
	for name, release := range map[string]func(){"Release": s.Release, "Reset": s.Reset} {
		s.Hold()
		s.Hold()
		mark := j.Mark()
		clients := []net.Conn{ask(), ask()}
		held := j.Mark()
		release()
		for _, c := range clients {
			if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.0 200 ") {
				t.Errorf("%s: answered with %q, %v", name, answer, err)
			}
		}
		if first := awaitEvent(t, j, mark, journal.Out, Response); first.Seq <= held {
			t.Errorf("%s: answered at once", name)
		}
		if got := post(t, "http://"+s.Addr(), nil); got != 200 {
			t.Errorf("%s: the next answer is %d", name, got)
		}
	}
	s.Hold()
	ask()
	if err := s.Close(); err != nil { // does not wait for Release
		t.Error(err)
	}
}

func TestDownAndUp(t *testing.T) {
	s, _ := start(t, Options{})
	addr := s.Addr()
	s.Down()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("connected while the collector was down")
	}
	if err := s.Up(); err != nil {
		t.Fatal(err)
	}
	if got := post(t, "http://"+addr, nil); got != 200 {
		t.Errorf("answered %d", got)
	}
}

func TestHTTPS(t *testing.T) {
	secure, trusting := events.TLS(t)
	s, j := start(t, Options{TLS: secure})
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: trusting}}
	response, err := client.Post("https://"+s.Addr()+"/x", "text/csv", strings.NewReader("a,b"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	e := awaitEvent(t, j, 0, journal.In, Received)
	if q := e.Body.(*Request); q.Proto != "HTTP/1.1" || string(q.Body) != "a,b" || !bytes.HasPrefix(e.Raw, []byte("POST /x HTTP/1.1\r\n")) {
		t.Errorf("recorded as %+v, %q", q, e.Raw)
	}
}

func TestHostileInput(t *testing.T) {
	s, j := start(t, Options{})
	tests := []struct{ name, raw string }{
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"},
		{"no HTTP", "hello\r\n\r\n"},
		{"endless head", "POST / HTTP/1.1\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"},
		{"endless method", strings.Repeat("POST", 1<<18) + " / HTTP/1.1\r\n\r\n"},
		{"half a head", "POST / HTTP/1.1\r\nAuthorization: Basic c2VjcmV0"},
		{"bad length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"},
		{"no host", "POST / HTTP/1.1\r\n\r\n"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			mark := j.Mark()
			talk(t, s.Addr(), tc.raw)
			if e := awaitEvent(t, j, mark, journal.In, Malformed); len(e.Raw) == 0 || bytes.Contains(e.Raw, []byte("c2VjcmV0")) {
				t.Errorf("on record are %d bytes: %.100q", len(e.Raw), e.Raw)
			}
			if got := post(t, "http://"+s.Addr(), []byte("{}")); got != 200 {
				t.Errorf("afterwards an honest request is answered %d", got)
			}
		})
	}
}

func TestBodiesTakeTurnsInMemory(t *testing.T) {
	s, j := start(t, Options{})
	const many = 4 * gate.MaxAtHand / MaxBody
	head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", MaxBody)
	var conns []net.Conn
	for range many { // each begins a body, and does not end it
		c := dial(t, s.Addr())
		conns = append(conns, c)
		io.WriteString(c, head)
	}
	q := awaitEvent(t, j, 0, journal.In, Received).Body.(*Request)
	if q.Body != nil || !strings.Contains(q.Problem, "at once") {
		t.Errorf("%d bytes are kept, problem %q", len(q.Body), q.Problem)
	}
	for _, c := range conns {
		c.Close()
	}
	for tries := 0; ; tries++ { // until the last of them is forgotten
		mark := j.Mark()
		post(t, "http://"+s.Addr(), make([]byte, MaxBody))
		q := awaitEvent(t, j, mark, journal.In, Received).Body.(*Request)
		if len(q.Body) == MaxBody {
			return
		}
		if tries == 1000 {
			t.Fatalf("when the others have gone: %d of %d bytes, problem %q", len(q.Body), MaxBody, q.Problem)
		}
	}
}

func TestFullJournalKeepsNoBody(t *testing.T) {
	s, j := start(t, Options{})
	post(t, "http://"+s.Addr(), make([]byte, 2<<10))
	whole := awaitEvent(t, j, 0, journal.In, Received)
	j.Append(journal.Event{Type: "all that there is room for", Raw: make([]byte, journal.MaxBytes)})
	q := j.At(whole.Seq).Body.(*Request)
	if len(whole.Body.(*Request).Body) != 2<<10 || q.Body != nil || q.Problem == "" || q.BodySize != 2<<10 {
		t.Errorf("%d of %d bytes are kept, problem %q", len(q.Body), q.BodySize, q.Problem)
	}
}
