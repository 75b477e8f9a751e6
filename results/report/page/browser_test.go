package page

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/aftershock-chaos/aftershock/results/webtest"
)

// browser looks at reports.
type browser struct{ *webtest.Browser }

// open shows a file and waits until everything is drawn.
func (b *browser) open(t testing.TB, path, hash string) {
	t.Helper()
	b.Open(t, "file://"+path+hash)
}

// ask is what an expression gives in the page.
func ask[T any](t testing.TB, b *browser, expression string) T {
	t.Helper()
	return webtest.Ask[T](t, b.Browser, expression)
}

// saved writes a page into a file.
func saved(t testing.TB, in Input) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(html(t, in)), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBrowser looks at the report as people do.
func TestBrowser(t *testing.T) {
	b := &browser{webtest.New(t)}
	path := saved(t, sample())
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"desk", 1440, 900}, {"tablet", 820, 1180}, {"phone", 390, 844}} {
		t.Run(size.name, func(t *testing.T) {
			b.Size(t, size.width, size.height)
			b.open(t, path, "")
			b.looks(t)
			b.zooms(t)
			b.hovers(t)
			b.opensEvidence(t)
		})
	}
	t.Run("keyboard", func(t *testing.T) { b.open(t, path, ""); b.keyboard(t) })
	t.Run("link", func(t *testing.T) {
		b.open(t, path, "#t=3.9,5.4")
		if got := ask[string](t, b, `document.getElementById("range").textContent`); got != "3.900 s to 5.400 s" {
			t.Errorf("the link shows %s", got)
		}
		b.open(t, path, "#e-stale-read-1")
		if !ask[bool](t, b, `document.getElementById("e-stale-read-1").classList.contains("aimed")`) {
			t.Error("a link to evidence does not aim at it")
		}
	})
	t.Run("dark", func(t *testing.T) {
		b.Dark(t, true)
		b.open(t, path, "")
		if got := ask[string](t, b, `getComputedStyle(document.body).backgroundColor`); got != "rgb(20, 22, 26)" {
			t.Errorf("the dark page is %s", got)
		}
	})
	t.Run("hostile", func(t *testing.T) {
		b.open(t, saved(t, hostileInput()), "")
		if n := ask[int](t, b, `document.scripts.length`); n != 3 {
			t.Errorf("%d scripts", n)
		}
	})
	t.Run("print", func(t *testing.T) { b.open(t, path, ""); b.prints(t) })
	b.Clean(t)
}

// looks wants every picture drawn within the window, and every part named.
func (b *browser) looks(t *testing.T) {
	t.Helper()
	b.Fits(t)
	drawn := ask[[]string](t, b, `[...document.querySelectorAll(".chart")].filter(c => !c.closest("[hidden]")).map(c => { const k = c.querySelector("canvas"); return c.id + (k && k.width > 100 && k.getContext("2d").getImageData(0, 0, k.width, k.height).data.some(v => v) ? "" : " is empty"); })`)
	if got := strings.Join(drawn, ", "); got != "lanes, latency, rates, lag, staleness, resources, tail" {
		t.Errorf("drawn are %s", got)
	}
}

// box is where an element stands in the window.
func (b *browser) box(t *testing.T, query string) (x, y, w, h float64) {
	t.Helper()
	r := ask[[]float64](t, b, fmt.Sprintf(`(e => { e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })(document.querySelector(%q))`, query))
	return r[0], r[1], r[2], r[3]
}

func (b *browser) mouse(t *testing.T, kind input.MouseType, x, y float64) {
	t.Helper()
	event := input.DispatchMouseEvent(kind, x, y)
	if kind != input.MouseMoved {
		event = event.WithButton(input.Left).WithClickCount(1)
	}
	b.Do(t, event)
}

// zooms drags over the latency and wants all lanes to follow, and the address to say so.
func (b *browser) zooms(t *testing.T) {
	t.Helper()
	before := ask[int](t, b, `R.latency.index`)
	x, y, w, h := b.box(t, "#latency .u-over")
	b.mouse(t, input.MouseMoved, x+w*0.3, y+h/2)
	b.mouse(t, input.MousePressed, x+w*0.3, y+h/2)
	b.mouse(t, input.MouseMoved, x+w*0.35, y+h/2)
	b.mouse(t, input.MouseMoved, x+w*0.5, y+h/2)
	b.mouse(t, input.MouseReleased, x+w*0.5, y+h/2)
	ranges := ask[[]string](t, b, `R.charts.filter(c => c.u && c.id).map(c => c.u.scales.x.min.toFixed(1) + "–" + c.u.scales.x.max.toFixed(1))`)
	for _, r := range ranges {
		if r != ranges[0] || r == "0.0–10.0" {
			t.Errorf("after a drag the lanes show %v", ranges)
			break
		}
	}
	if hash := ask[string](t, b, `location.hash`); !regexp.MustCompile(`^#t=(3|2\.9\d*|3\.0\d*),(5|4\.9\d*|5\.0\d*)$`).MatchString(hash) {
		t.Errorf("the address ends with %q", hash)
	}
	b.Do(t, chromedp.Click("#zoom-in"), chromedp.Click("#zoom-in"))
	if after := ask[int](t, b, `R.latency.index`); after <= before {
		t.Errorf("zooming in shows level %d after %d", after, before)
	}
	b.Do(t, chromedp.Click("#whole"))
	if got := ask[string](t, b, `document.getElementById("range").textContent`); !strings.HasPrefix(got, "all of") {
		t.Errorf("All shows %s", got)
	}
}

func (b *browser) hovers(t *testing.T) {
	t.Helper()
	x, y, w, _ := b.box(t, "#lanes .u-over")
	b.mouse(t, input.MouseMoved, x+w*0.4, y+50)
	b.mouse(t, input.MouseMoved, x+w*0.41, y+ask[float64](t, b, `R.laneTop + R.laneHeight / 2`))
	b.Do(t, chromedp.Poll(`!R.tip.hidden`, nil, chromedp.WithPollingTimeout(time.Minute)))
	if tip := ask[string](t, b, `R.tip.textContent`); !strings.HasPrefix(tip, "n1: down, 3.001 s to 5.000 s") {
		t.Errorf("the tip says %q", tip)
	}
	if at := ask[string](t, b, `document.querySelector("#rates .u-legend .u-value").textContent`); !strings.HasSuffix(at, " s") {
		t.Errorf("the other lanes do not follow the mouse: %q", at)
	}
}

func (b *browser) opensEvidence(t *testing.T) {
	t.Helper()
	b.box(t, "#lanes a.tick")
	b.Do(t, chromedp.Evaluate(`document.querySelector("#lanes a.tick").click()`, nil), chromedp.Poll(`location.hash === "#e-lost-write-1" && document.activeElement.id === "e-lost-write-1"`, nil, chromedp.WithPollingTimeout(time.Minute)))
}

func (b *browser) keyboard(t *testing.T) {
	t.Helper()
	b.Do(t, chromedp.Focus("#charts"), chromedp.KeyEvent("+"), chromedp.KeyEvent("+"))
	width := ask[float64](t, b, `R.range.to - R.range.from`)
	if width > 2.6 || width < 2.4 {
		t.Errorf("two times + show %v s", width)
	}
	b.Do(t, chromedp.Evaluate(`for (let k = 0; k < 40; k++) R.zoom(k / 5, k / 5 + 0.05 + k / 40)`, nil)) // every range can be drawn
	b.Do(t, chromedp.KeyEvent("0"))
	if width := ask[float64](t, b, `R.range.to - R.range.from`); width < 9.9 {
		t.Errorf("0 shows %v s", width)
	}
	b.Do(t, chromedp.Focus("#latency-of button"), chromedp.Evaluate(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}))`, nil))
	if got := ask[string](t, b, `R.latencyOf + " " + document.activeElement.textContent + " " + document.activeElement.getAttribute("aria-checked")`); got != "reads reads true" {
		t.Errorf("an arrow chooses %q", got)
	}
}

// mostPages is what a printed report may take.
const mostPages = 6

func (b *browser) prints(t *testing.T) {
	t.Helper()
	var pdf []byte
	b.Do(t, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		pdf, _, err = cdpage.PrintToPDF().WithPrintBackground(true).WithPaperWidth(8.27).WithPaperHeight(11.69).Do(ctx)
		return err
	}))
	pages := len(regexp.MustCompile(`/Type\s*/Page[^s]`).FindAll(pdf, -1))
	t.Logf("printed it has %d pages, %d bytes", pages, len(pdf))
	if pages == 0 || pages > mostPages || !bytes.HasPrefix(pdf, []byte("%PDF")) {
		t.Errorf("%d pages, want at most %d", pages, mostPages)
	}
	if path := os.Getenv("AFTERSHOCK_SAMPLE_PDF"); path != "" {
		if err := os.WriteFile(path, pdf, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkFirstInteraction is how long it takes from opening the report of a million
// operations until it is drawn, and until a first zoom has been.
func BenchmarkFirstInteraction(b *testing.B) {
	br := &browser{webtest.New(b)}
	path := saved(b, million(1_000_000))
	drawn, zoomed := 0.0, 0.0
	for b.Loop() {
		br.open(b, path, "")
		drawn += ask[float64](b, br, `R.readyAt`)
		zoomed += ask[float64](b, br, `(t => { R.scaled(0.25); return performance.now() - t; })(performance.now())`)
	}
	b.ReportMetric(drawn/float64(b.N), "ms-to-drawn")
	b.ReportMetric(zoomed/float64(b.N), "ms-to-zoom")
}
