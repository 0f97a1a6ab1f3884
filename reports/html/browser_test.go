package html

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	tabs "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/usptest/usptest/fixtures/runs"
	"github.com/usptest/usptest/harness/result"
)

// patience is how long a browser may take for one report, on a machine that is busy with much else.
const patience = 5 * time.Minute

// browser starts a real Chromium for the tests of one function.
func browser(t testing.TB) context.Context {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
	i := slices.IndexFunc(names, func(name string) bool { _, err := exec.LookPath(name); return err == nil })
	if i < 0 {
		t.Skipf("NO BROWSER: the report was not opened in any of %v; install Debian's package chromium", names)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(names[i]), chromedp.NoSandbox, chromedp.WSURLReadTimeout(patience))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// tab is a page in the browser, and what it complained about.
type tab struct {
	testing.TB
	ctx   context.Context
	url   string
	mu    sync.Mutex
	wrong []string
}

// open shows a run's report; before is done first. At the end of the test nothing may have been complained about or asked for.
func open(t testing.TB, browser context.Context, run *result.Run, before ...chromedp.Action) *tab {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, render(t, run, runs.Plan()), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	p := &tab{TB: t, ctx: ctx, url: "file://" + path}
	complain := func(format string, args ...any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
	}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			complain("exception: %v", e.ExceptionDetails)
		case *runtime.EventConsoleAPICalled:
			complain("console: %s", e.Type)
		case *log.EventEntryAdded:
			complain("log: %s: %s", e.Entry.Level, e.Entry.Text)
		case *tabs.EventJavascriptDialogOpening:
			complain("dialog: %s", e.Message)
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, p.url) && !strings.HasPrefix(e.Request.URL, "data:") {
				complain("request: %s", e.Request.URL)
			}
		}
	})
	p.do(network.Enable(), log.Enable())
	p.do(before...)
	p.do(chromedp.Navigate(p.url))
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, what := range p.wrong {
			t.Errorf("the browser says: %s", what)
		}
	})
	return p
}

func (p *tab) do(actions ...chromedp.Action) {
	p.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// value evaluates an expression in the page.
func value[T any](p *tab, expression string) (v T) {
	p.Helper()
	if err := chromedp.Run(p.ctx, chromedp.Evaluate(expression, &v)); err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return v
}

// filled waits until the script has nothing left to do.
func (p *tab) filled() {
	p.Helper()
	p.do(chromedp.WaitVisible("body.filled", chromedp.ByQuery))
}

const (
	visibleCases = `[...document.querySelectorAll(".case, .notrun tr.row")].filter(e => e.checkVisibility()).map(e => e.id)`
	openAll      = `document.querySelectorAll("details").forEach(d => d.open = true), true`
)

func TestBrowser(t *testing.T) {
	chromium := browser(t)
	example := runs.Example()
	dark := emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}})
	phone := emulation.SetDeviceMetricsOverride(390, 800, 2, true)

	t.Run("filters", func(t *testing.T) {
		for name, before := range map[string][]chromedp.Action{"with scripts": nil, "without": {emulation.SetScriptExecutionDisabled(true)}} {
			t.Run(name, func(t *testing.T) {
				p := open(t, chromium, example, before...)
				all := value[[]string](p, visibleCases)
				n := 0
				for _, l := range example.Links {
					n += len(l.Cases)
				}
				if len(all) != n {
					t.Fatalf("want all %d cases, got %d", n, len(all))
				}
				tick := `(id => { const e = document.getElementById(id); e.click(); return e.checked })`
				for _, v := range []string{"pass", "unsupported", "deprecated", "deselected", "waived", "not-automated"} {
					if value[bool](p, tick+`("v-`+v+`")`) {
						t.Errorf("the box %s cannot be emptied", v)
					}
				}
				want := []string{"mqtt5-1.1", "mqtt3-1.79", "stomp-1.1", "stomp-6.8", "websocket-10.10", "mqtt5+tls-1.1"}
				if got := value[[]string](p, visibleCases); !slices.Equal(got, want) {
					t.Errorf("fail, error and aborted: want %v, got %v", want, got)
				}
				if got := value[int](p, `[...document.querySelectorAll("#matrix tr.row")].filter(e => e.checkVisibility()).length`); got != 4 {
					t.Errorf("the matrix: want 4 rows, got %d", got)
				}
				choose := `((id, v) => { const e = document.getElementById(id); e.value = v; e.dispatchEvent(new Event("change", {bubbles: true})); return e.value })`
				value[string](p, choose+`("feature", "f18")`)
				if got := value[[]string](p, visibleCases); !slices.Equal(got, []string{"stomp-6.8"}) {
					t.Errorf("feature 18: got %v", got)
				}
				value[string](p, choose+`("feature", "")`)
				value[string](p, choose+`("obligation", "o-mandatory")`)
				if got := value[[]string](p, visibleCases); slices.Contains(got, "stomp-6.8") || !slices.Contains(got, "stomp-1.1") {
					t.Errorf("mandatory: got %v", got)
				}
			})
		}
	})

	t.Run("search", func(t *testing.T) {
		p := open(t, chromium, example)
		p.do(chromedp.SendKeys("#text", "Relay BOARD", chromedp.ByQuery))
		if got := value[[]string](p, visibleCases); !slices.Equal(got, []string{"mqtt3-1.79"}) {
			t.Errorf("got %v", got)
		}
		if got := value[string](p, `document.getElementById("shown").value`); !strings.HasPrefix(got, "1 of ") {
			t.Errorf("it says %q", got)
		}
		p.do(chromedp.Click("#reset", chromedp.ByQuery))
		if got := value[string](p, `document.getElementById("shown").value`); !strings.HasPrefix(got, "all ") {
			t.Errorf("after the reset it says %q", got)
		}
	})

	t.Run("requirements", func(t *testing.T) {
		const visible = `[...document.querySelectorAll("#requirements tr.row")].filter(e => e.checkVisibility()).map(e => e.id)`
		p := open(t, chromium, example)
		if got := value[[]string](p, visible); len(got) != 0 {
			t.Errorf("want the chapters folded, got %v", got)
		}
		p.do(chromedp.SendKeys("#text", "passcode Certificates", chromedp.ByQuery))
		if got := value[[]string](p, visible); !slices.Equal(got, []string{"tr369-R-STOMP.3"}) {
			t.Errorf("found %v", got)
		}
		if got := value[string](p, `document.getElementById("shown").value`); !strings.HasPrefix(got, "0 of ") {
			t.Errorf("a requirement is no case, and it says %q", got)
		}
		p.do(chromedp.Click("#reset", chromedp.ByQuery))
		if got := value[[]string](p, visible); len(got) != 0 {
			t.Errorf("after the reset: want the chapters folded, got %v", got)
		}
		p.do(chromedp.Evaluate(`location.hash = "#tr369-R-ADD.3"`, nil), chromedp.WaitVisible(`:target[id="tr369-R-ADD.3"]`, chromedp.ByQuery))
		p.do(chromedp.Click("#v-fail", chromedp.ByQuery))
		if got := value[[]string](p, visible); slices.Contains(got, "tr369-R-ADD.3") || !slices.Contains(got, "tr369-R-NOT.8") {
			t.Errorf("without failures: got %v", got)
		}
	})

	t.Run("links", func(t *testing.T) {
		p := open(t, chromium, example)
		p.do(chromedp.Click("#v-pass", chromedp.ByQuery))
		for _, anchor := range []string{"mqtt3-1.36", "mqtt3-1.36-e11", "mqtt5+tls-1.1-e17", "mqtt5-9.1", "erratum-1.1-enable"} {
			p.do(chromedp.Evaluate(`location.hash = "#`+anchor+`"`, nil))
			p.do(chromedp.WaitVisible(`:target[id="`+anchor+`"]`, chromedp.ByQuery))
			if !value[bool](p, `(r => r.bottom > 0 && r.top < innerHeight)(document.querySelector(":target").getBoundingClientRect())`) {
				t.Errorf("%s is not in view", anchor)
			}
		}
	})

	t.Run("contrast", func(t *testing.T) {
		for name, before := range map[string]chromedp.Action{"light": emulation.SetEmulatedMedia(), "dark": dark} {
			p := open(t, chromium, example, before)
			p.filled()
			value[bool](p, openAll)
			if ground := value[string](p, `getComputedStyle(document.body).backgroundColor`); (ground == "rgb(238, 240, 243)") != (name == "light") {
				t.Errorf("%s: the ground is %s", name, ground)
			}
			for _, bad := range value[[]string](p, lowContrast) {
				t.Errorf("%s: %s", name, bad)
			}
		}
	})

	t.Run("paper", func(t *testing.T) {
		p := open(t, chromium, example)
		for name, size := range map[string][2]float64{"A4": {8.27, 11.69}, "Letter": {8.5, 11}} {
			var pdf []byte
			p.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
				pdf, _, err = tabs.PrintToPDF().WithPaperWidth(size[0]).WithPaperHeight(size[1]).Do(ctx)
				return err
			}))
			if pages := strings.Count(string(pdf), "/Type /Page\n"); !strings.HasPrefix(string(pdf), "%PDF") || pages < 4 {
				t.Errorf("%s: %d bytes with %d pages", name, len(pdf), pages)
			}
			// the first page alone has everything to its signature; the margins are those of the style sheet
			const margin = 16 / 25.4
			p.do(emulation.SetEmulatedMedia().WithMedia("print"), emulation.SetDeviceMetricsOverride(int64(96*(size[0]-2*15/25.4)), 800, 1, false))
			if got, most := value[float64](p, `document.querySelector(".cover").getBoundingClientRect().height`), 96*(size[1]-2*margin); got > most {
				t.Errorf("%s: the first page needs %.0f px of %.0f", name, got, most)
			}
			if value[bool](p, `document.querySelector("#filter").checkVisibility() || !document.querySelector(".signature").checkVisibility()`) {
				t.Errorf("%s: the filter is on paper, or the signature is not", name)
			}
			p.do(emulation.SetEmulatedMedia(), emulation.ClearDeviceMetricsOverride())
		}
	})

	t.Run("names", func(t *testing.T) {
		p := open(t, chromium, example)
		p.filled()
		value[bool](p, openAll)
		var nodes []*accessibility.Node
		p.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
			nodes, err = accessibility.GetFullAXTree().Do(ctx)
			return err
		}))
		has := map[string]int{}
		for _, n := range nodes {
			if n.Ignored || n.Role == nil {
				continue
			}
			role, name := unquote(n.Role), unquote(n.Name)
			has[role]++
			if slices.Contains(strings.Fields("link button checkbox combobox searchbox heading region search navigation image DisclosureTriangle"), role) && strings.TrimSpace(name) == "" {
				t.Errorf("a %s has no name", role)
			}
		}
		for _, role := range strings.Fields("banner navigation main search contentinfo heading region table") {
			if has[role] == 0 {
				t.Errorf("there is no %s", role)
			}
		}
	})

	t.Run("focus", func(t *testing.T) {
		p := open(t, chromium, example)
		p.filled()
		var seen []string
		for range 40 {
			p.do(chromedp.KeyEvent("\t"))
			seen = append(seen, value[string](p, `(() => {
				const e = document.activeElement, style = getComputedStyle(e), order = window.before ? window.before.compareDocumentPosition(e) : 4;
				window.before = e;
				return (order & 4 ? "" : "backwards: ") + (style.outlineStyle === "none" ? "unseen: " : "") + (e.id || e.className || e.textContent.trim().slice(0, 40));
			})()`))
		}
		if seen[0] != "skip" {
			t.Errorf("the first stop is %q, want the link to the results", seen[0])
		}
		for _, s := range seen {
			if strings.Contains(s, "backwards: ") || strings.Contains(s, "unseen: ") {
				t.Errorf("a stop of the focus: %s", s)
			}
		}
	})

	t.Run("narrow", func(t *testing.T) {
		p := open(t, chromium, example, phone)
		p.filled()
		value[bool](p, openAll)
		if got := value[int](p, `document.documentElement.scrollWidth`); got > 390 {
			t.Errorf("the page is %d px wide on a screen of 390", got)
		}
	})

	t.Run("hostile", func(t *testing.T) {
		p := open(t, chromium, runs.Hostile(1<<20))
		p.filled()
		value[bool](p, openAll)
		if got := value[[]string](p, `[...document.querySelectorAll("script, img, iframe, object, [onerror], [onfocus], [style]")].map(e => e.outerHTML.slice(0, 60))`); len(got) != 1 {
			t.Errorf("want our script alone, got %q", got)
		}
		text := value[string](p, `document.body.textContent`)
		for _, trap := range runs.Traps {
			if !strings.Contains(text, result.Visible(trap)) {
				t.Errorf("%q is not shown", trap)
			}
		}
		if got := value[bool](p, `document.documentElement.scrollWidth > innerWidth`); got {
			t.Error("a long value makes the page wide")
		}
		p.do(chromedp.SendKeys("#text", `<script>alert("pwned")`, chromedp.ByQuery))
	})
}

// unquote is the text of a value in the accessibility tree.
func unquote(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	return strings.Trim(string(v.Value), `"`)
}

// lowContrast lists texts that WCAG 2.2 AA finds too faint: less than 4.5 : 1, or 3 : 1 when they are large.
const lowContrast = `(() => {
	const parse = s => s.match(/[\d.]+/g).map(Number);
	const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
	const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > .5) return c; } return [255, 255, 255]; };
	const bad = new Set();
	for (const e of document.querySelectorAll("body *")) {
		if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
		const style = getComputedStyle(e), size = parseFloat(style.fontSize);
		const a = light(parse(e.closest("svg") ? style.fill : style.color)), b = light(ground(e));
		const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
		if (ratio < (size >= 24 || size >= 18.66 && style.fontWeight >= 700 ? 3 : 4.5)) bad.add(e.tagName + "." + (e.getAttribute("class") ?? "") + " " + ratio.toFixed(2) + ": " + e.textContent.trim().slice(0, 40));
	}
	return [...bad];
})()`

// BenchmarkOpen opens a report of 213 cases over four links, each with 1,000 events. It prints the size of the file and after how many
// milliseconds it is interactive.
func BenchmarkOpen(b *testing.B) {
	chromium := browser(b)
	run := large(1)
	for b.Loop() {
		p := open(b, chromium, run)
		b.ReportMetric(value[float64](p, `performance.getEntriesByType("navigation")[0].domInteractive`), "ms-to-interactive")
		b.ReportMetric(value[float64](p, `performance.getEntriesByType("navigation")[0].decodedBodySize`), "bytes")
	}
}
