package hostile

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// shardText is the run.json of a shard that has something in every field.
func shardText(t *testing.T, index, of int) string {
	t.Helper()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	id := []string{"1.1", "1.36"}[index-1]
	began := time.Date(2026, time.March, 2, 9, 30, 0, 0, time.UTC)
	c := result.Case{ID: id, Title: "a title", Verdict: result.Fail, Reason: "a reason", Started: began, DurationMS: 240, WaitMS: 10, Journal: result.JournalName("mqtt5", id),
		Metrics: []result.Metric{{N: 1, Verdict: result.Fail, Where: "a place", Want: "this", Got: "that", Note: "a note", Evidence: []uint64{1}}},
		Steps:   []result.Step{{N: 1, Text: "a step", Seq: 1}}, Notes: []string{"a note"}, Alternates: []result.Alternate{{Role: "readable", Path: "Device.X"}},
		Errata: []string{"defaults-of-another-command"}, ByLetter: []string{"defaults-of-another-command"}, CleanUp: []result.CleanUp{{Name: "an act", Error: "an error"}}}
	r := &result.Run{Schema: result.Schema, Tool: result.Tool{Name: "usptest", Version: "devel"}, Plan: result.Plan{ID: p.ID, Version: p.Version, Hash: p.Hash()},
		Device:  result.Device{Vendor: "ACME", Model: "X1", Software: "1", Endpoint: "os::1", Firmware: []result.FirmwareBank{{Instance: 1, Name: "a", Version: "1", Status: "Available"}}},
		Started: began, WallMS: 300, TimeScale: 1, Again: []string{"usptest", "run"}, AgainCase: []string{"usptest", "run"}, Selectors: []string{"1.*"},
		Shard: &result.Shard{Index: index, Of: of, Deal: strings.Repeat("a", 64)}, Waivers: []result.Waiver{{Case: "1.55", Reason: "a reason", Issue: "https://tracker/1", Until: "2030-01-01"}},
		Alternates: []result.Alternate{{Role: "readable", Path: "Device.X"}}, Features: []result.Feature{{Number: 1, Name: "command", Declared: true, Detected: result.Yes, Why: "a reason"}},
		Baseline: &result.Baseline{File: "known.json", Software: "1", Started: began},
		Links:    []result.Link{{Link: "mqtt5", WallMS: 300, Trouble: "a trouble", DeviceLog: []string{"a line"}, Cases: []result.Case{c}}}}
	r.Conclude()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const journalLine = `{"seq":1,"atMs":1.5,"layer":"mqtt","dir":"in","type":"PUBLISH","conn":1,"local":"127.0.0.1:1883","remote":"127.0.0.1:40000","text":"a text","decoded":"more","raw":"MAA="}` + "\n"

// readers are all command lines that read a run.json of somebody else's: that in the folder bad, beside that in the folder good. What they
// write goes into the folder out.
func readers(top string) map[string][]string {
	bad, good, out := filepath.Join(top, "bad"), filepath.Join(top, "good"), filepath.Join(top, "out")
	return map[string][]string{
		"report":         {"report", bad},
		"report, HTML":   {"report", bad, "--out", filepath.Join(top, "out.html")},
		"report, JUnit":  {"report", bad, "--out", filepath.Join(top, "out.xml")},
		"diff, as older": {"diff", "--force", bad, good},
		"diff, as newer": {"diff", "--force", good, bad},
		"merge":          {"merge", bad, good, "--out", out},
	}
}

// hostileFolder is a folder with a run that is not as it should be and another one that is. What is in journal becomes a journal of the
// first.
func hostileFolder(t *testing.T, run, journal string) (top string) {
	t.Helper()
	top = filepath.Join(t.TempDir(), "deep", "in", "here") // so that a few steps up are seen
	for dir, text := range map[string]string{"bad": run, "good": shardText(t, 2, 2)} {
		if err := os.MkdirAll(filepath.Join(top, dir, "journal", "mqtt5"), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, []byte(text), top, dir, runFile)
	}
	writeFile(t, []byte(journal), top, "bad", "journal", "mqtt5", "1.1.jsonl")
	return top
}

// allFiles are the files below the folder of the test, each with its size.
func allFiles(t *testing.T, top string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	root := filepath.Join(top, "..", "..", "..")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		at, err := e.Info()
		if err == nil {
			all[path] = at.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRunFilesThatNoRunHasWritten: whoever reads one says which and why, and writes nothing.
func TestRunFilesThatNoRunHasWritten(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	edit := func(from, to string) func(string) string {
		return func(text string) string {
			if !strings.Contains(text, from) {
				t.Errorf("there is no %s to change", from)
			}
			return strings.Replace(text, from, to, 1)
		}
	}
	is := func(text string) func(string) string { return func(string) string { return text } }
	field := func(name, value string) string { return fmt.Sprintf("%q: %s", name, value) }
	tests := map[string]struct {
		change func(string) string
		want   string
	}{
		"empty":                      {is(""), ":1: cut short after 0 bytes"},
		"cut short":                  {func(text string) string { return text[:len(text)/2] }, "cut short after"},
		"a list":                     {is("[1, 2]"), "want struct"},
		"nothing":                    {is("null"), `schema: want "usptest/v1", got ""`},
		"no schema":                  {is("{}"), `schema: want "usptest/v1", got ""`},
		"another schema":             {edit(result.Schema, `<script>\u001b[2J`), `got "<script>\\x1b[2J"`},
		"a picture":                  {is("\x89PNG\r\n\x1a\n\x00\x00"), "not a run.json"},
		"NUL bytes":                  {is(strings.Repeat("\x00", 1000)), "not a run.json"},
		"more after it":              {func(text string) string { return text + "{}" }, "not a run.json"},
		"nested deeply":              {is(strings.Repeat("[", 1_000_000)), "not a run.json"},
		"nested in a field":          {edit(`"schema"`, `"x": `+strings.Repeat(`{"x":`, 100_000)+"1"+strings.Repeat("}", 100_000)+`, "schema"`), "not a run.json"},
		"too many cases":             {edit(`"cases": [`, `"cases": [`+strings.Repeat("{},", 1_000_000)), "more than 500000 objects"},
		"too many links":             {edit(`"links": [`, `"links": [`+strings.Repeat(`{},`, 20)), "links: want 16 at most, got 21"},
		"links of another type":      {edit(`"links": [`, `"links": 7, "x": [`), "links: want []result.Link, got number"},
		"a number too large":         {edit(field("wallMs", "300"), field("wallMs", "1e999")), "wallMs: want int64, got number 1e999"},
		"an endless number":          {edit(field("wallMs", "300"), field("wallMs", "1"+strings.Repeat("0", 1_000_000))), "wallMs: want int64, got number 1000"},
		"a fraction":                 {edit(field("durationMs", "240"), field("durationMs", "0.5")), "want int64, got number 0.5"},
		"negative time":              {edit(field("wallMs", "300"), field("wallMs", "-1")), "wallMs: want 0 to 31622400000, got -1"},
		"negative time of a case":    {edit(field("durationMs", "240"), field("durationMs", "-240")), "mqtt5 1.1: durationMs: want 0 to"},
		"endless time":               {edit(field("durationMs", "240"), field("durationMs", "9223372036854775807")), "mqtt5 1.1: durationMs: want 0 to"},
		"negative wait":              {edit(field("waitMs", "10"), field("waitMs", "-10")), "mqtt5 1.1: waitMs: want 0 to"},
		"negative metric":            {edit(field("n", "1"), field("n", "-1")), "mqtt5 1.1: metric -1: "},
		"no time scale":              {edit(field("timeScale", "1"), field("x", "1")), "timeScale: want more than 0, got 0"},
		"a date that is none":        {edit("2026-03-02", "2026-13-02"), "not a run.json: parsing time"},
		"a verdict that is none":     {edit(field("verdict", `"fail"`), field("verdict", `"good"`)), `mqtt5 1.1: verdict: want one of`},
		"a verdict of another type":  {edit(field("verdict", `"fail"`), field("verdict", `{}`)), "verdict: want result.Verdict, got object"},
		"no verdict":                 {edit(field("verdict", `"fail"`), field("x", `"fail"`)), `mqtt5 1.1: verdict: want one of`},
		"an id that leads away":      {edit(field("id", `"1.1"`), field("id", `"../../../x"`)), `the case "../../../x": want an id such as 1.36`},
		"an id with a tag":           {edit(field("id", `"1.1"`), field("id", `"<script>"`)), `the case "<script>": want an id`},
		"an id of a hidden file":     {edit(field("id", `"1.1"`), field("id", `".reserve"`)), `the case ".reserve": want an id`},
		"an id with a NUL":           {edit(field("id", `"1.1"`), field("id", `"1.1\u0000"`)), `the case "1.1\\x00": want an id`},
		"an endless id":              {edit(field("id", `"1.1"`), field("id", `"`+strings.Repeat("1", 1_000_000)+`"`)), `1…": want an id`},
		"no id":                      {edit(field("id", `"1.1"`), field("x", `"1.1"`)), `the case "": want an id`},
		"a link that leads away":     {edit(field("link", `"mqtt5"`), field("link", `"../../x"`)), `the link "../../x": want a name`},
		"a link that is a folder up": {edit(field("link", `"mqtt5"`), field("link", `".."`)), `the link "..": want a name`},
		"no link":                    {edit(field("link", `"mqtt5"`), field("x", `"mqtt5"`)), `the link "": want a name`},
		"a journal that leads away":  {edit(`"journal/mqtt5/1.1.jsonl"`, `"../../../../etc/passwd"`), `mqtt5 1.1: journal: want journal/mqtt5/1.1.jsonl, got "../../../../etc/passwd"`},
		"a journal at a root":        {edit(`"journal/mqtt5/1.1.jsonl"`, `"/etc/passwd"`), `mqtt5 1.1: journal: want`},
		"a journal over a report":    {edit(`"journal/mqtt5/1.1.jsonl"`, `"report.html"`), `mqtt5 1.1: journal: want`},
		"a journal of another case":  {edit(`"journal/mqtt5/1.1.jsonl"`, `"journal/mqtt5/1.36.jsonl"`), `mqtt5 1.1: journal: want`},
		"a case twice":               {edit(`"cases": [`, `"cases": [{"id":"1.1","verdict":"pass"},`), "mqtt5 1.1 is there twice"},
		"a link twice":               {edit(`"links": [`, `"links": [{"link":"mqtt5"},`), `the link "mqtt5" is there twice`},
		"a metric's verdict":         {edit(`"metrics": [`, `"metrics": [{"n": 1, "verdict": "<b>"},`), `metric 1: verdict: want`},
	}
	for _, name := range program.Sample(*full, 10, slices.Sorted(maps.Keys(tests))) {
		test := tests[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := hostileFolder(t, test.change(shardText(t, 1, 2)), journalLine)
			before := allFiles(t, top)
			commands := readers(top)
			commands["run, as baseline"] = []string{"run", "--baseline", filepath.Join(top, "bad"), "--out", filepath.Join(top, "out"), "1.36"}
			for name, args := range commands {
				p := program.Run(t, path(t), args...)
				if said := p.Stderr.String(); p.Exit != result.ExitUsage || !strings.Contains(said, filepath.Join("bad", runFile)) || !strings.Contains(said, test.want) ||
					len(said) > 2_000 || p.Stdout.Len() > 0 {
					t.Errorf("%s: want exit 2 and %q, got %d and %.2000s%s", name, test.want, p.Exit, said, &p.Stdout)
				}
				if after := allFiles(t, top); !maps.Equal(before, after) {
					t.Errorf("%s: want nothing written, got %v", name, slices.Sorted(maps.Keys(after)))
				}
			}
		})
	}
}

var everyTrap = flag.Bool("traps", false, "try every trap in each value of a run.json")

// TestWhateverARunFileSays has each value of a run.json be other things, with -traps everything. Whoever reads it refuses it or shows it as
// what it is: text.
func TestWhateverARunFileSays(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	var document any
	if err := json.Unmarshal([]byte(shardText(t, 1, 1)), &document); err != nil {
		t.Fatal(err)
	}
	traps := []any{nil, evilText, -1, []any{}, "../../x", 1 << 40, strings.Repeat("x", 100_000), []any{map[string]any{}, nil}, true, map[string]any{}, -1 << 63, 0.1}
	top := hostileFolder(t, "", strings.ReplaceAll(journalLine, "a text", `<script>\u001b[2J`))
	before := allFiles(t, top)
	merge := map[string][]string{"merge": {"merge", filepath.Join(top, "bad"), "--out", filepath.Join(top, "out")}} // it renders everything
	values := 0
	each(document, "", func(name string, was any, set func(any)) {
		some := traps
		_, text := was.(string)
		switch {
		case *everyTrap:
		case *full && text:
			some = []any{traps[values%len(traps)], evilText}
		case *full:
			some = []any{traps[values%len(traps)]}
		case values%10 > 0:
			some = nil
		default:
			some = []any{traps[values/10%len(traps)]}
		}
		values++
		for _, trap := range some {
			set(trap)
			var b bytes.Buffer
			if err := json.NewEncoder(&b).Encode(document); err != nil {
				t.Fatal(err)
			}
			writeFile(t, b.Bytes(), top, "bad", runFile)
			harmlessFor(t, fmt.Sprintf("%s is %.30q", name, fmt.Sprint(trap)), merge, top, before)
		}
	})
	if values < 100 {
		t.Errorf("only %d values were changed", values)
	}
}

// each calls change for every value in a JSON document, with what sets it; afterwards it is as it was.
func each(v any, name string, change func(name string, was any, set func(any))) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			was := v[key]
			change(name+"."+key, was, func(new any) { v[key] = new })
			v[key] = was
			each(was, name+"."+key, change)
		}
	case []any:
		for i, was := range v {
			change(fmt.Sprintf("%s[%d]", name, i), was, func(new any) { v[i] = new })
			v[i] = was
			each(was, fmt.Sprintf("%s[%d]", name, i), change)
		}
	}
}

// TestWhateverAJournalSays is the same for the journal beside a run.json.
func TestWhateverAJournalSays(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	edit := func(from, to string) string {
		if !strings.Contains(journalLine, from) {
			t.Errorf("there is no %s to change", from)
		}
		return journalLine + strings.Replace(journalLine, from, to, 1) + journalLine
	}
	journals := map[string]string{
		"empty": "", "cut short": journalLine + journalLine[:40], "no JSON": "<script>alert(1)</script>\n", "NUL bytes": strings.Repeat("\x00", 10_000),
		"a list": "[]\n", "nothing": "null\n", "nested deeply": strings.Repeat("[", 1_000_000), "a line without end": strings.Repeat("x", 10<<20),
		"an endless text":  edit("a text", strings.Repeat("x", 7<<20)),
		"before time":      edit("1.5", "-1e300"),
		"after all time":   edit("1.5", "1e300"),
		"no time":          edit("1.5", `"1.5"`),
		"negative number":  edit(`"seq":1`, `"seq":-1`),
		"the last number":  edit(`"seq":1`, `"seq":18446744073709551615`),
		"no address":       edit("127.0.0.1:40000", "../../x"),
		"another address":  edit("127.0.0.1:40000", "[::1]:99999"),
		"no connection":    edit(`"conn":1`, `"conn":18446744073709551615`),
		"no layer":         edit(`"mqtt"`, `"<script>"`),
		"terminal":         edit("a text", `\u001b[2J\u0007\u202e<script>alert(1)</script>`),
		"no base64":        edit("MAA=", "<script>"),
		"many connections": strings.Repeat(edit(`"conn":1`, `"conn":2`), 3_000),
	}
	for _, name := range program.Sample(*full, 8, slices.Sorted(maps.Keys(journals))) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := hostileFolder(t, shardText(t, 1, 2), journals[name])
			harmlessFor(t, name, readers(top), top, allFiles(t, top))
		})
	}
}

// harmlessFor has readers read the folder bad. None panics, writes outside of what it was told, or lets through what is more than text.
func harmlessFor(t *testing.T, what string, readers map[string][]string, top string, before map[string]int64) {
	t.Helper()
	for name, args := range readers {
		p := program.Run(t, path(t), args...)
		if p.Exit > result.ExitError || p.Exit == result.ExitUsage && p.Stderr.Len() == 0 || strings.Contains(p.Stderr.String(), "goroutine ") {
			t.Errorf("%s: %s: exit %d, %.2000s", what, name, p.Exit, &p.Stderr)
		}
		screen := p.Stdout.String() + p.Stderr.String()
		if shown := result.Visible(screen); shown != screen {
			t.Errorf("%s: %s: the screen gets %.300q", what, name, screen)
		}
		for file := range allFiles(t, top) {
			if _, old := before[file]; old || file == filepath.Join(top, "bad", runFile) {
				continue
			}
			rest, ours := strings.CutPrefix(file, filepath.Join(top, "out"))
			if !ours {
				t.Errorf("%s: %s: wrote %s", what, name, file)
			}
			data := readFile(t, file)
			switch filepath.Ext(rest) {
			case ".html":
				if err := oneScript(data); err != nil {
					t.Errorf("%s: %s: %v", what, name, err)
				}
			case ".xml":
				if err := wellFormed(data); err != nil {
					t.Errorf("%s: %s: %v", what, name, err)
				}
			}
		}
		for _, made := range []string{"out", "out.html", "out.xml"} {
			if err := os.RemoveAll(filepath.Join(top, made)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// wellFormed reports whether data is XML.
func wellFormed(data []byte) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// skipUnderRace leaves out what starts a process for each of some hundred files.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if program.Race {
		t.Skip("SKIPPED UNDER THE RACE DETECTOR, with which each of many processes takes a second to start; go test without -race proves it")
	}
}
