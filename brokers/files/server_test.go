package files

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

const content = "the content of the file"

func start(t *testing.T) (*Server, *journal.Journal, string) {
	t.Helper()
	s, j := events.Serve(t, Start, Options{})
	s.Offer("/image", bytes.NewReader([]byte(content)), int64(len(content)))
	return s, j, "http://" + s.Addr()
}

// get fetches a file, no more than limit bytes of it.
func get(t *testing.T, url string, limit int64) (status int, kind, body string, err error) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		return 0, "", "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, limit))
	return r.StatusCode, r.Header.Get("Content-Type"), string(b), err
}

func TestFilesAreServed(t *testing.T) {
	_, j, url := start(t)
	if status, kind, body, err := get(t, url+"/image", 1<<20); status != 200 || kind != "application/octet-stream" || body != content || err != nil {
		t.Errorf("got %d %q %q %v", status, kind, body, err)
	}
	if status, _, _, _ := get(t, url+"/other", 1<<20); status != 404 {
		t.Errorf("want 404 for another path, got %d", status)
	}
	sent := events.Await(t, j, 0, events.Event{Type: Sent, Text: "/image"}).Body.(*Transfer)
	if want := (Transfer{Path: "/image", Status: 200, Bytes: int64(len(content))}); *sent != want {
		t.Errorf("want %+v, got %+v", want, *sent)
	}
	if r, err := http.Post(url+"/image", "text/plain", strings.NewReader("x")); err != nil || r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("want 405 for a POST, got %v %v", r, err)
	}
}

func TestRanges(t *testing.T) {
	_, _, url := start(t)
	q, _ := http.NewRequest(http.MethodGet, url+"/image", nil)
	q.Header.Set("Range", "bytes=4-10")
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusPartialContent || string(b) != content[4:11] {
		t.Errorf("got %d %q", r.StatusCode, b)
	}
}

// Reset ends a file without end, and the transfer fails.
func TestResetEndsAFileWithoutEnd(t *testing.T) {
	s, j, url := start(t)
	s.Endless()
	r, err := http.Get(url + "/image")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	s.Reset()
	if _, err := io.Copy(io.Discard, r.Body); err == nil {
		t.Error("want an error at the end")
	}
	events.Await(t, j, 0, events.Event{Type: Sent, Text: errCut.Error()})
}

// A device that fetches a file again and again, or without end, is cut off until Reset.
func TestHoards(t *testing.T) {
	s, j, url := start(t)
	s.Endless()
	r, err := http.Get(url + "/image")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if n, err := io.Copy(io.Discard, r.Body); n > maxSent || err == nil {
		t.Errorf("want at most %d bytes and an error, got %d %v", maxSent, n, err)
	}
	events.Await(t, j, 0, events.Event{Type: Sent, Text: errHoard.Error()})
	if _, _, _, err := get(t, url+"/image", 1); err == nil {
		t.Error("want no byte more")
	}
	s.Reset()
	if _, _, body, err := get(t, url+"/image", 1<<20); body != content || err != nil {
		t.Errorf("after Reset: got %q %v", body, err)
	}
}

func TestScripts(t *testing.T) {
	s, _, url := start(t)
	s.StatusAlways(503)
	if status, _, _, _ := get(t, url+"/image", 1<<20); status != 503 {
		t.Errorf("want 503, got %d", status)
	}
	s.Reset()
	s.Cut(4)
	if _, _, body, err := get(t, url+"/image", 1<<20); body != content[:4] || err == nil {
		t.Errorf("want 4 bytes and an error, got %q %v", body, err)
	}
	s.Reset()
	s.Type("text/html")
	s.Slow(1000)
	if _, kind, body, err := get(t, url+"/image", 1<<20); kind != "text/html" || body != content || err != nil {
		t.Errorf("got %q %q %v", kind, body, err)
	}
	s.Reset()
	s.Endless()
	if _, _, body, err := get(t, url+"/image", 3<<20); len(body) != 3<<20 || err != nil {
		t.Errorf("want a file without end, got %d bytes %v", len(body), err)
	}
}
