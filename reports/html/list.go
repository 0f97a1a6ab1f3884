package html

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// listing is a page about several runs. It has no script.
type listing struct {
	Policy string
	Style  template.CSS
	Kind   string
	Title  text
	Tool   text
	Terms  string

	Devices   []deviceHistory // of a history
	Runs      []runView       // of a diff, the older first
	OtherPlan bool
	Links     []linkChanges
}

type deviceHistory struct {
	Anchor  string
	Name    text
	Runs    []runView
	Changed int
	Rows    []historyRow
}

type runView struct {
	Word           string // old or new, in a diff
	Device         text
	Software, File text
	Started, Day   string
	Conclusion     conclusion
	Counts         []int
}

type historyRow struct {
	ID      string
	Title   text
	Changed bool
	Cells   []historyCell
}

type historyCell struct {
	Verdict result.Verdict
	Tone    string
	Over    string // the links, where not all agree
}

type linkChanges struct {
	Link string
	Rows []changeRow
}

type changeRow struct {
	Kind     result.ChangeKind
	Tone     string
	ID       string
	Title    text
	Old, New *badge
	Reason   text
}

// badge is a verdict with the class of its colour.
type badge struct {
	Verdict result.Verdict
	Tone    string
}

func badgeOf(v result.Verdict) *badge {
	if v == "" {
		return nil
	}
	return &badge{v, tone(v)}
}

// History writes how cases changed from run to run as one page, a matrix for each device. tool is the program that writes it.
func History(w io.Writer, h *result.History, tool result.Tool) error {
	page := listing{Kind: "USP Agent self-tests, run by run"}
	var names []string
	counts := map[result.Verdict]int{}
	for _, d := range h.Devices {
		for _, r := range d.Runs {
			for v, n := range r.Counts {
				counts[v] += n
			}
		}
	}
	columns := columnsFor(counts)
	for i, d := range h.Devices {
		device := result.Device{Vendor: d.Vendor, Model: d.Model, Reference: d.Reference}
		view := deviceHistory{Anchor: fmt.Sprint("device-", i+1), Name: line(nameOf(device), maxIdentity)}
		names = append(names, view.Name.Head)
		for _, r := range d.Runs {
			run := runOf(r)
			run.Counts = make([]int, len(columns))
			for v, n := range r.Counts {
				if at := slices.IndexFunc(columns, func(c column) bool { return c.Tone == tone(v) }); at >= 0 {
					run.Counts[at] += n
				}
			}
			view.Runs = append(view.Runs, run)
		}
		for _, c := range d.Cases {
			row := historyRow{ID: result.VisibleLine(c.ID), Title: line(c.Title, maxText), Changed: c.Changed}
			if c.Changed {
				view.Changed++
			}
			for _, o := range c.Runs {
				row.Cells = append(row.Cells, historyCell{o.Verdict, tone(o.Verdict), result.VisibleLine(strings.Join(o.Over(), ", "))})
			}
			view.Rows = append(view.Rows, row)
		}
		page.Devices = append(page.Devices, view)
	}
	page.Title = text{Head: strings.Join(names, ", ")}
	return page.render(w, "history", columns, tool)
}

// Diff writes what differs between two runs as one page. The titles are those of p, and tool is the program that writes it.
func Diff(w io.Writer, d *result.Diff, p *plan.Plan, tool result.Tool) error {
	page := listing{Kind: "Two USP Agent self-tests compared", OtherPlan: d.Old.Plan.Hash != d.New.Plan.Hash}
	var counts []string
	for _, kind := range result.ChangeKinds() {
		if n := d.Counts[kind]; n > 0 {
			counts = append(counts, fmt.Sprintf("%s %d", kind, n))
		}
	}
	if page.Title = (text{Head: strings.Join(counts, ", ")}); len(counts) == 0 {
		page.Title.Head = "No difference"
	}
	for _, side := range []struct {
		word string
		head result.RunHead
	}{{"old", d.Old}, {"new", d.New}} {
		run := runOf(side.head)
		run.Word = side.word
		page.Runs = append(page.Runs, run)
	}
	tones := map[result.ChangeKind]string{result.Regression: "fail", result.Fix: "pass", result.Changed: "error"}
	for _, l := range d.Links {
		view := linkChanges{Link: result.VisibleLine(l.Link)}
		for _, kind := range result.ChangeKinds() {
			for _, c := range l.Changes {
				if c.Kind != kind {
					continue
				}
				known, _ := p.Case(c.ID)
				row := changeRow{
					Kind: kind, Tone: tones[kind], ID: result.VisibleLine(c.ID), Title: line(known.Title, maxText),
					Old: badgeOf(c.Old), New: badgeOf(c.New), Reason: line(c.Reason, maxText),
				}
				if row.Tone == "" {
					row.Tone = "rest"
				}
				view.Rows = append(view.Rows, row)
			}
		}
		page.Links = append(page.Links, view)
	}
	return page.render(w, "diff", nil, tool)
}

// nameOf is the vendor and model of a device.
func nameOf(d result.Device) string {
	name := join(" ", d.Vendor, d.Model)
	if d.Reference {
		return "the " + name
	}
	return name
}

func runOf(r result.RunHead) runView {
	return runView{
		Device: line(nameOf(r.Device), maxIdentity), Software: line(r.Device.Software, maxIdentity), File: line(r.File, maxIdentity),
		Started: r.Started.UTC().Format("2006-01-02 15:04 MST"), Day: r.Started.UTC().Format("2006-01-02 15:04"),
		Conclusion: conclude(result.Conclusion{Value: r.Conclusion}, nil),
	}
}

// render writes the page by the template of this name.
func (p listing) render(w io.Writer, name string, columns []column, tool result.Tool) error {
	css, err := files.ReadFile("report.css")
	if err != nil {
		return err
	}
	p.Style, p.Tool, p.Terms = template.CSS(css), line(tool.Name+" "+tool.Version, maxText), result.TermsURL
	p.Policy = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src " + source(string(css))
	t, err := templates(columns)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, p); err != nil {
		return err
	}
	_, err = w.Write(ascii(b.Bytes()))
	return err
}
