package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// stompCases are those of a run in which a case fails that is published as passed, a case passes that is published as failed, another
// agrees, and a check has a fault and advice.
func stompCases() []result.Case {
	fault := result.Metric{N: 3, Verdict: result.Fail, Where: "no reply to Get", Evidence: []uint64{1, 4}}
	advice := result.Metric{N: 4, Verdict: result.Advice, Where: "reply", Want: "GetResp", Got: "Error", Evidence: []uint64{3}}
	return []result.Case{
		{ID: "1.1", Title: "Add", Verdict: result.Fail, Reason: "metric 1: it adds nothing"},
		{ID: "1.2", Title: "Add two", Verdict: result.Pass, Relaxed: []string{"response-information-on-request"}},
		{ID: "1.3", Verdict: result.Pass},
		{ID: "1.4", Verdict: result.Unsupported},
		{ID: "R-MSG.1", Verdict: result.Fail, Journal: "journal/stomp+tls/R-MSG.1.jsonl", Metrics: []result.Metric{fault, advice}},
	}
}

// folder writes a run with a DUT file over a link.
func folder(t *testing.T, file, link string, cases []result.Case) string {
	t.Helper()
	dir := t.TempDir()
	run := result.Run{Schema: result.Schema, Device: result.Device{Software: "11.0.4"}, TimeScale: 1, DUT: &result.DUTFile{File: file}}
	run.Links = []result.Link{{Link: link, Cases: cases}}
	data, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	var journal strings.Builder
	long := "Msg\n  msg_id: \"b\"\n  second request\n" + strings.Repeat("line\n", 200) + "last line"
	for _, e := range []result.Event{
		{Seq: 1, Layer: "message", Dir: "out", Decoded: "Msg\n  msg_id: \"a\"\n  first request"},
		{Seq: 2, Layer: "message", Dir: "out", Decoded: long},
		{Seq: 3, Layer: "message", Dir: "in", Decoded: "Msg\n  msg_id: \"a\"\n  the Error"},
		{Seq: 4, Layer: "lab", Dir: "in", Text: "the process ended"},
	} {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		journal.Write(append(line, '\n'))
	}
	for name, text := range map[string]string{"run.json": string(data), "journal/" + link + "/R-MSG.1.jsonl": journal.String()} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// publishedFile writes published results.
func publishedFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "published.txt")
	text := "STOMP over TLS\n----+----\nusp_conformance_1_1    Pass| Add\nusp_conformance_1_2   +FAIL| Add\n" +
		"usp_conformance_1_3    Pass| Add\nusp_conformance_1_4    Pass| Add\nMQTT over TLS\nusp_conformance_1_1   +FAIL| Add\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDissent(t *testing.T) {
	dir, published := folder(t, "some/lab.yaml", "stomp+tls", stompCases()), publishedFile(t)
	var b strings.Builder
	if err := dissent(&b, published, []string{dir}); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, text := range []string{
		"OB-USP-Agent 11.0.4 with the DUT file `fixtures/duts/lab.yaml`.", "| stomp+tls | 3 | 1.1, 1.2 |",
		"### 1.1 over stomp+tls: published pass, usptest fail\n\nAdd.\nusptest found: metric 1: it adds nothing",
		"### 1.2 over stomp+tls: published fail, usptest pass",
		"- Erratum response-information-on-request: ",
		"### R-MSG.1, metric 3: ", "- R-ENC.2 (must): ",
		"## Failed, and not published\n\nNone.\n",
		"fail over stomp+tls. Again: `usptest run --dut fixtures/duts/lab.yaml --link stomp+tls R-MSG.1`",
		"Request:\n\n```text\nMsg\n  msg_id: \"a\"\n  first request\n```\n\nReply: none.\n",
		"Seen:\n\n```text\nthe process ended\n```\n\nAfter the request:\n\n```text\nMsg\n  msg_id: \"b\"",
		"… 124 lines more\n", "last line\n```",
		"advice over stomp+tls.", "Reply:\n\n```text\nMsg\n  msg_id: \"a\"\n  the Error\n```",
	} {
		if !strings.Contains(page, text) {
			t.Errorf("want %q in the page", text)
		}
	}
	if strings.Contains(page, "1.3") || strings.Contains(page, dir) || strings.Index(page, "metric 3") > strings.Index(page, "metric 4") {
		t.Error("the page has what agrees, a path of this computer, or advice before faults")
	}
	if t.Failed() {
		t.Log(page)
	}
	for _, bad := range []string{"", filepath.Join(dir, "nowhere"), filepath.Join(dir, "run.json")} {
		if err := dissent(&b, bad, []string{dir}); err == nil {
			t.Errorf("published results are read from %q", bad)
		}
	}
}

// TestDissentOfSeveralDUTFiles has a later run with the DUT file of the first, and one with another DUT file, over a link without published
// verdicts.
func TestDissentOfSeveralDUTFiles(t *testing.T) {
	fault := result.Metric{N: 3, Verdict: result.Fail, Where: "no reply to Get", Evidence: []uint64{1}}
	crash := result.Metric{Verdict: result.Fail, Where: "the process", Want: "to run", Got: "it ended", Note: "its last line"}
	later := []result.Case{{ID: "1.1", Verdict: result.Pass}, {ID: "1.2", Verdict: result.Error}, {ID: "1.3", Verdict: result.Deselected},
		{ID: "R-MSG.1", Verdict: result.Pass}}
	other := []result.Case{
		{ID: "1.1", Title: "Add", Verdict: result.Fail, Reason: "metric 0: it ended", Metrics: []result.Metric{crash}},
		{ID: "R-MSG.1", Verdict: result.Fail, Journal: "journal/uds/R-MSG.1.jsonl", Metrics: []result.Metric{fault}},
	}
	first := folder(t, "lab.yaml", "stomp+tls", stompCases())
	var b strings.Builder
	err := dissent(&b, publishedFile(t), []string{first, folder(t, "lab.yaml", "stomp+tls", later), folder(t, "uds.yaml", "uds", other)})
	if err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, text := range []string{
		"with the DUT files `fixtures/duts/lab.yaml`, `fixtures/duts/uds.yaml`.", "| stomp+tls | 3 | 1.2 |",
		"\n- 1.1 over uds (`uds.yaml`), Add: metric 0: it ended\n  Note: its last line\n",
		"fail over uds (`uds.yaml`). Again: `usptest run --dut fixtures/duts/uds.yaml --link uds R-MSG.1`",
	} {
		if !strings.Contains(page, text) {
			t.Errorf("want %q in the page", text)
		}
	}
	if strings.Contains(page, "metric 4") || strings.Contains(page, "fail over stomp+tls") {
		t.Error("the page has what a later run does not find")
	}
	if t.Failed() {
		t.Log(page)
	}
}
