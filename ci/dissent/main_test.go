package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// folder writes a run over STOMP in which a case fails that is published as passed, a case passes that is published as failed, another
// agrees, and a check has a fault and advice.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	fault := result.Metric{N: 3, Verdict: result.Fail, Where: "no reply to Get", Evidence: []uint64{1, 4}}
	advice := result.Metric{N: 4, Verdict: result.Advice, Where: "reply", Want: "GetResp", Got: "Error", Evidence: []uint64{3}}
	cases := []result.Case{
		{ID: "1.1", Title: "Add", Verdict: result.Fail, Reason: "metric 1: it adds nothing"},
		{ID: "1.2", Title: "Add two", Verdict: result.Pass, Relaxed: []string{"response-information-on-request"}},
		{ID: "1.3", Verdict: result.Pass},
		{ID: "1.4", Verdict: result.Unsupported},
		{ID: "R-MSG.1", Verdict: result.Fail, Journal: "journal/stomp+tls/R-MSG.1.jsonl", Metrics: []result.Metric{fault, advice}},
	}
	run := result.Run{Schema: result.Schema, Device: result.Device{Software: "11.0.4"}, TimeScale: 1}
	run.Links = []result.Link{{Link: "stomp+tls", Cases: cases}}
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
	for name, text := range map[string]string{
		"run.json": string(data), "journal/stomp+tls/R-MSG.1.jsonl": journal.String(),
		"published.txt": "STOMP over TLS\n----+----\nusp_conformance_1_1    Pass| Add\nusp_conformance_1_2   +FAIL| Add\n" +
			"usp_conformance_1_3    Pass| Add\nusp_conformance_1_4    Pass| Add\nMQTT over TLS\nusp_conformance_1_1   +FAIL| Add\n",
	} {
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

func TestDissent(t *testing.T) {
	dir := folder(t)
	var b strings.Builder
	if err := dissent(&b, filepath.Join(dir, "published.txt"), []string{dir}); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, text := range []string{
		"| stomp+tls | 3 | 1.1, 1.2 |",
		"### 1.1 over stomp+tls: published pass, usptest fail\n\nAdd.\nusptest found: metric 1: it adds nothing",
		"### 1.2 over stomp+tls: published fail, usptest pass",
		"- Erratum response-information-on-request: ",
		"### R-MSG.1, metric 3: ", "- R-ENC.2 (must): ",
		"fail over stomp+tls. Again: `usptest run --dut fixtures/duts/obuspa.yaml --link stomp+tls R-MSG.1`",
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
