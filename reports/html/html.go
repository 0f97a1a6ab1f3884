// Package html writes a run as one file that a lab can hand in: it opens from a mail attachment, without network and without scripts,
// on a screen and on paper. Whatever a device sent is text in it and nothing else: html/template escapes it, result.Visible shows what
// could deceive, and a Content-Security-Policy forbids the rest.
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

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

//go:embed report.css page.tmpl case.tmpl
var files embed.FS

// maxFile is how large a report may become. The journal files beside it always hold everything.
const maxFile = 8_000_000

// detail says how much of a case is shown. Sizes are in bytes.
type detail struct {
	events  int // of the timeline
	decoded int // of the readable text of an event
	raw     int // of an event, as hex
	value   int // of a value that was wanted or got, and of every other text
}

// details are the levels of detail, the fullest first. A case gets the first whose text fits into its share of the file.
var details = [...]detail{
	{events: 400, decoded: 16 << 10, raw: 1 << 10, value: 4 << 10},
	{events: 400, decoded: 4 << 10, raw: 128, value: 2 << 10},
	{events: 200, decoded: 2 << 10, value: 1 << 10},
	{events: 100, decoded: 512, value: 512},
	{events: 30, value: 512},
	{value: 256},
}

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
		return b.Bytes()
	}
	// everything else comes first: the cases get the room that is left
	page := r.page()
	head, foot := part("head", page), part("foot", page)
	room := maxFile - len(head) - len(foot)
	var around [][2][]byte // what stands before and after the cases of a link
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
	style    template.CSS
	policy   string
}

func newRenderer(run *result.Run, p *plan.Plan) (*renderer, error) {
	css, err := files.ReadFile("report.css")
	if err != nil {
		return nil, err
	}
	t, err := template.New("").Funcs(template.FuncMap{"icon": icon, "to": to, "seconds": seconds, "thousands": thousands}).ParseFS(files, "*.tmpl")
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(css)
	return &renderer{
		run: run, plan: p, template: t,
		style: template.CSS(css), // the project's own file; nothing of a device is in it
		policy: "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src 'sha256-" +
			base64.StdEncoding.EncodeToString(hash[:]) + "'",
	}, nil
}

// cases renders every case that was begun, link by link in the order of the run. The room is shared out: what did not pass first.
func (r *renderer) cases(room int) ([][][]byte, error) {
	type slot struct {
		link, place, weight int
		c                   result.Case
	}
	out := make([][][]byte, len(r.run.Links))
	var slots []slot
	weights := 0
	for l, link := range r.run.Links {
		for _, c := range link.Cases {
			if !begun(c) {
				continue
			}
			s := slot{link: l, place: len(out[l]), weight: 1, c: c}
			if c.Verdict != result.Pass {
				s.weight = faultShare
			}
			weights += s.weight
			slots, out[l] = append(slots, s), append(out[l], nil)
		}
	}
	slices.SortStableFunc(slots, func(a, b slot) int { return b.weight - a.weight })
	for _, s := range slots {
		share := room * s.weight / weights
		text, err := r.fit(r.run.Links[s.link].Link, s.c, share)
		if err != nil {
			return nil, err
		}
		out[s.link][s.place] = text
		room, weights = room-len(text), weights-s.weight
	}
	return out, nil
}

// fit renders a case with as much detail as share bytes have room for.
func (r *renderer) fit(link string, c result.Case, share int) ([]byte, error) {
	var err error
	if c.Timeline, err = r.run.Events(c); err != nil { // what was read is shown, and that it is not all
		c.Notes = append(slices.Clone(c.Notes), "the journal cannot be read: "+err.Error())
	}
	var b bytes.Buffer
	for i, d := range details {
		last := i == len(details)-1
		if !last && estimate(c, d) > share {
			continue
		}
		b.Reset()
		if err := r.template.ExecuteTemplate(&b, "case", r.caseView(link, c, d)); err != nil {
			return nil, err
		}
		if last || b.Len() <= share {
			break
		}
	}
	return slices.Clone(b.Bytes()), nil
}

// estimate says how much the timeline of c takes at the least, so that levels which will not fit are not rendered in vain.
func estimate(c result.Case, d detail) int {
	size := 0
	for _, e := range c.Timeline[:min(len(c.Timeline), d.events)] {
		size += len("<li></li>") + min(len(e.Text), d.value) + min(len(e.Decoded), d.decoded) + 3*min(len(e.Raw), d.raw)
	}
	return size
}

// begun says whether a case has more to show than a verdict and its reason.
func begun(c result.Case) bool {
	return len(c.Metrics)+len(c.Steps)+len(c.Timeline) > 0 || c.Journal != ""
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

// icon is the sign of a verdict, so that its colour is never alone.
func icon(v result.Verdict) string {
	switch v {
	case result.Pass:
		return "✓"
	case result.Fail:
		return "✕"
	case result.Error:
		return "!"
	case result.Aborted:
		return "■"
	case result.Waived:
		return "~"
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
	case result.Error, result.Aborted:
		return "error"
	}
	return "rest"
}

// seconds writes milliseconds as seconds.
func seconds(ms float64) string { return strconv.FormatFloat(ms/1000, 'f', 3, 64) }

// duration writes milliseconds for a reader.
func duration(ms int64) string {
	if ms < 60_000 {
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
