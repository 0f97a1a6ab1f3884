// Package html writes a run as one file that a lab can hand in: it opens from a mail attachment, without network, on a screen and on paper,
// and reads in full where scripts are off. Whatever a device sent is text in it and nothing else: html/template escapes it, result.Visible
// shows what could deceive, and a Content-Security-Policy lets a browser use the one style sheet and the one script of this package, by
// their hashes, and nothing else.
package html

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

//go:embed report.css report.js page.tmpl case.tmpl model.tmpl retries.tmpl list.tmpl requirements.tmpl
var files embed.FS

// maxFile is how large a report may become. The journal files beside it always hold everything.
const maxFile = 8_000_000

// detail says how much of a case is shown. Sizes are in bytes.
type detail struct {
	rows    int  // of the timeline
	chart   int  // exchanges in the sequence chart
	decoded int  // of the readable text of what is evidence
	others  int  // of that of everything else
	parts   bool // more of what carried a Message than its size
	raw     int  // of an event, as hex
	value   int  // of a value that was wanted or got, and of every other text
}

// details are the levels of detail, the fullest first. A case gets the first whose text fits into its share of the file.
var details = [...]detail{
	{rows: 400, chart: 60, decoded: 16 << 10, others: 16 << 10, parts: true, raw: 1 << 10, value: 4 << 10},
	{rows: 400, chart: 40, decoded: 4 << 10, others: 4 << 10, parts: true, raw: 256, value: 2 << 10},
	{rows: 400, chart: 40, decoded: 4 << 10, others: 4 << 10, parts: true, value: 1 << 10},
	{rows: 200, chart: 30, decoded: 4 << 10, others: 4 << 10, value: 1 << 10},
	{rows: 200, chart: 20, decoded: 4 << 10, others: 1 << 10, value: 512},
	{rows: 200, chart: 20, decoded: 4 << 10, others: 256, value: 512},
	{rows: 200, chart: 16, decoded: 2 << 10, value: 512},
	{rows: 100, chart: 12, decoded: 1 << 10, value: 256},
	{rows: 60, chart: 12, decoded: 512, value: 256},
	{rows: 60, chart: 10, value: 256},
	{rows: 30, value: 256},
	{chart: 12, value: 256},
	{value: 256},
}

// firstWithoutHex is the fullest level of details that has no bytes.
const firstWithoutHex = 2

// faultShare is how much more of the file a case that did not pass may take than one that passed: it is the one that is read.
const faultShare = 30

// Render writes the report. The timelines are those of run; the texts of cases, metrics and errata are those of p.
func Render(w io.Writer, run *result.Run, p *plan.Plan) error {
	r, err := newRenderer(run, p)
	if err != nil {
		return err
	}
	part := func(name string, data any) []byte {
		var b bytes.Buffer
		if err == nil {
			err = r.template.ExecuteTemplate(&b, name, data)
		}
		return ascii(b.Bytes())
	}
	// everything else comes first: the cases get the room that is left
	page := r.page()
	head, foot := part("head", page), part("foot", page)
	room := maxFile - len(head) - len(foot)
	var around [][2][]byte // what is before and after the cases of a link
	for _, l := range page.Links {
		pair := [2][]byte{part("link", l), part("linkEnd", l)}
		around, room = append(around, pair), room-len(pair[0])-len(pair[1])
	}
	if err != nil {
		return err
	}
	cases, err := r.cases(room)
	if err != nil {
		return err
	}
	file := [][]byte{head}
	for i, pair := range around {
		file = append(file, pair[0])
		file = append(file, cases[i]...)
		file = append(file, pair[1])
	}
	for _, piece := range append(file, foot) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// renderer holds what every part of the report needs.
type renderer struct {
	run      *result.Run
	plan     *plan.Plan
	template *template.Template
	filter   filter
	columns  []column
	style    template.CSS
	script   template.JS
	policy   string
}

func newRenderer(run *result.Run, p *plan.Plan) (*renderer, error) {
	css, err := files.ReadFile("report.css")
	if err != nil {
		return nil, err
	}
	script, err := files.ReadFile("report.js")
	if err != nil {
		return nil, err
	}
	columns := columnsOf(run)
	t, err := templates(columns)
	if err != nil {
		return nil, err
	}
	filter := newFilter(run, p)
	style := string(css) + filter.style()
	return &renderer{
		run: run, plan: p, template: t, filter: filter, columns: columns,
		style: template.CSS(style), script: template.JS(script), // the project's own; nothing of a device is in them
		policy: "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src " + source(style) + "; script-src " + source(string(script)),
	}, nil
}

// templates are all templates of this package, with the columns of the tables that count.
func templates(columns []column) (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"icon": icon, "to": to, "seconds": seconds, "thousands": thousands, "columns": func() []column { return columns }, "raw": raw,
	}).ParseFS(files, "*.tmpl")
}

// source is how a policy names a style sheet or a script by its content.
func source(content string) string {
	hash := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
}

// fit renders a case with as much detail as share bytes have room for, or with the least.
func (r *renderer) fit(s slot, share int) ([]byte, error) {
	c := r.whole(s.c)
	for level := s.level(share); ; level++ {
		if text, err := r.text(s.link, c, level); err != nil || len(text) <= share || level == len(details)-1 {
			return text, err
		}
	}
}

// whole is a case with all that its journal says.
func (r *renderer) whole(c result.Case) result.Case {
	var err error
	if c.Timeline, err = r.run.Events(c); err != nil { // what was read is shown, and that it is not all
		c.Notes = append(slices.Clone(c.Notes), "the journal cannot be read: "+err.Error())
	}
	c.Metrics = withNearest(c.Metrics)
	return c
}

// text renders a whole case of a link at a level of details.
func (r *renderer) text(link int, c result.Case, level int) ([]byte, error) {
	var b bytes.Buffer
	err := r.template.ExecuteTemplate(&b, "case", r.caseView(r.run.Links[link].Link, c, details[level]))
	return ascii(b.Bytes()), err
}

// nearest is how a check that found nothing names the event that came closest.
const nearest = "nearest: event "

// withNearest makes that event the evidence of a fault that has no other, so that a reader is led to it.
func withNearest(metrics []result.Metric) []result.Metric {
	metrics = slices.Clone(metrics)
	for i := range metrics {
		m := &metrics[i]
		_, rest, found := strings.Cut(m.Where+" "+m.Got+" "+m.Note, nearest)
		if !found || len(m.Evidence) > 0 {
			continue
		}
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if seq, err := strconv.ParseUint(rest[:digits], 10, 64); err == nil {
			m.Evidence = []uint64{seq}
		}
	}
	return metrics
}

// ascii writes every other character as a reference. A browser reads a large file of ASCII alone in half the time, and no mail gateway can
// spoil it.
func ascii(text []byte) []byte {
	if !bytes.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return text
	}
	out := make([]byte, 0, len(text)+len(text)/16)
	for _, r := range string(text) {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
			continue
		}
		out = append(strconv.AppendInt(append(out, "&#"...), int64(r), 10), ';')
	}
	return out
}

// begun reports whether a case has more to show than a verdict and its reason.
func begun(c result.Case) bool {
	return len(c.Metrics)+len(c.Steps)+len(c.Timeline)+len(c.ByHand) > 0 || c.Journal != ""
}

// anchor is the permanent name of a case in the report.
func anchor(link, id string) string { return link + "-" + id }

// to is a reference to an anchor in this file.
func to(anchor string) string { return "#" + anchor }

// text is what a reader sees of a value that may come from the device.
type text struct {
	Head string // harmless
	Left int    // bytes that were cut off
}

// line is text for one line, block for several.
func line(s string, limit int) text  { return short(s, limit, result.VisibleLine) }
func block(s string, limit int) text { return short(s, limit, result.Visible) }

func short(s string, limit int, visible func(string) string) text {
	head, left := result.Cut(s, limit)
	return text{Head: visible(head), Left: left}
}

// raw is harmless text as the content of an element. Unlike what the template makes of a text it spares the quotes, which are frequent in
// decoded Messages and mean nothing there; it must not be used in an attribute.
func raw(visible string) template.HTML {
	return template.HTML(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(visible))
}

// icon is the sign of a verdict, so that its colour is never alone.
func icon(v result.Verdict) string {
	switch v {
	case result.Pass:
		return "✓"
	case result.Fail:
		return "✕"
	case result.Flaky:
		return "≈"
	case result.Advice:
		return "?"
	case result.Error:
		return "!"
	case result.Aborted:
		return "■"
	case result.Waived:
		return "~"
	case result.PassByHand, result.FailByHand:
		return "✎"
	case result.NotApplicable:
		return "∅"
	}
	return "–"
}

// tone groups verdicts by what they mean for the device's owner; it is a class of the style sheet.
func tone(v result.Verdict) string {
	switch v {
	case result.Pass:
		return "pass"
	case result.Fail:
		return "fail"
	case result.Flaky:
		return "flaky"
	case result.Advice:
		return "advice"
	case result.Error, result.Aborted:
		return "error"
	case result.Waived:
		return "waived"
	case result.PassByHand, result.FailByHand:
		return "hand"
	}
	return "rest"
}

// seconds writes milliseconds as seconds.
func seconds(ms float64) string { return strconv.FormatFloat(ms/1000, 'f', 3, 64) }

// duration writes milliseconds for a reader.
func duration(ms int64) string {
	switch {
	case ms < 1000:
		return fmt.Sprintf("%d ms", ms)
	case ms < 60_000:
		return fmt.Sprintf("%.1f s", float64(ms)/1000)
	}
	return fmt.Sprintf("%d min %d s", ms/60_000, ms/1000%60)
}

// thousands groups the digits of a number.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// join joins what is not empty.
func join(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}
