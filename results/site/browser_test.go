package site

import (
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/aftershock-chaos/aftershock/results/webtest"
)

// TestBrowser looks at the site as people do: served, and as files.
func TestBrowser(t *testing.T) {
	b := webtest.New(t)
	f := sampleFolder(t)
	server := httptest.NewServer(Handler(f, ""))
	t.Cleanup(server.Close)
	out := filepath.Join(t.TempDir(), "public")
	if _, err := Export(t.Context(), f, out); err != nil {
		t.Fatal(err)
	}
	for _, from := range []struct{ name, root string }{{"served", server.URL}, {"files", "file://" + out}} {
		for _, size := range []struct {
			name          string
			width, height int64
			dark          bool
		}{{"desk", 1280, 900, false}, {"phone dark", 390, 844, true}} {
			t.Run(from.name+" "+size.name, func(t *testing.T) {
				b.Size(t, size.width, size.height)
				b.Dark(t, size.dark)
				b.Open(t, from.root+"/index.html")
				b.Fits(t)
				b.Shot(t, "index "+from.name+" "+size.name)
				filters(t, b)
				ticks(t, b)
				b.Fits(t)
				b.Shot(t, "compare "+from.name+" "+size.name)
				chooses(t, b)
				trendsOf(t, b, from.root+"/index.html")
				b.Shot(t, "trend "+from.name+" "+size.name)
			})
		}
	}
	b.Clean(t)
}

// visible are the headlines of the runs that are shown.
const visible = `[...document.querySelectorAll(".run")].filter(r => r.offsetHeight).length`

// filters types words and chooses a verdict.
func filters(t *testing.T, b *webtest.Browser) {
	t.Helper()
	all := webtest.Ask[int](t, b, visible)
	b.Do(t, chromedp.SendKeys("#q", "no verdict", chromedp.ByQuery))
	some := webtest.Ask[int](t, b, visible)
	said := webtest.Ask[string](t, b, `document.getElementById("shown").textContent`)
	if all != 11 || some != 4 || said != "4 of 11 runs" {
		t.Errorf("of %d runs %d are shown: %q", all, some, said)
	}
	b.Do(t, chromedp.Evaluate(`document.getElementById("q").value = ""; const v = document.querySelector("select[name=verdict]"); v.value = "violated"; v.dispatchEvent(new Event("input"))`, nil))
	if n := webtest.Ask[int](t, b, visible); n != 3 {
		t.Errorf("%d runs are violated", n)
	}
	b.Do(t, chromedp.Evaluate(`v.value = ""; v.dispatchEvent(new Event("input"))`, nil))
}

// ticks ticks three runs, of which the last two are compared.
func ticks(t *testing.T, b *webtest.Browser) {
	t.Helper()
	for _, part := range []string{"torn-1", "clean-1", "lossy-1"} {
		b.Do(t, chromedp.Evaluate(`document.querySelector('.tick input[value*="`+part+`"]').click()`, nil))
	}
	if n := webtest.Ask[int](t, b, `document.querySelectorAll(".tick input:checked").length`); n != 2 {
		t.Errorf("%d runs are ticked", n)
	}
	b.Do(t, chromedp.Click("#compare", chromedp.ByQuery), chromedp.WaitReady(`html[data-ready="yes"] #sides .b`, chromedp.ByQuery))
	if got := webtest.Ask[string](t, b, `location.hash`); got != "#a=20260101T100000-clean-1&b=20260102T100000-lossy-1" {
		t.Errorf("compared are %s", got)
	}
	drawn := webtest.Ask[[]string](t, b, `[...document.querySelectorAll(".chart")].filter(c => !c.closest("[hidden]")).map(c => { const k = c.querySelector("canvas"); return c.id + (k && k.width > 100 && k.getContext("2d").getImageData(0, 0, k.width, k.height).data.some(v => v) ? "" : " is empty"); })`)
	if len(drawn) != 4 || drawn[0] != "rates" || drawn[1] != "p99" || drawn[2] != "lag" || drawn[3] != "tail" {
		t.Errorf("drawn are %v", drawn)
	}
	if n := webtest.Ask[int](t, b, `document.querySelectorAll("#main tr").length`); n < 3 {
		t.Errorf("%d facts differ", n)
	}
}

// chooses takes other runs and distributions, and zooms one chart, which the others follow.
func chooses(t *testing.T, b *webtest.Browser) {
	t.Helper()
	b.Do(t, chromedp.Evaluate(`const s = document.getElementById("choose-b"); s.selectedIndex = [...s.options].findIndex(o => o.value.includes("torn-1")); s.dispatchEvent(new Event("change"))`, nil))
	if got := webtest.Ask[string](t, b, `location.hash + " " + document.activeElement.id`); got != "#a=20260101T100000-clean-1&b=20260104T100000-torn-1 choose-b" {
		t.Errorf("after a choice: %s", got)
	}
	ranges := `R.plots.slice(0, 3).map(u => u.scales.x.min.toFixed(2) + " to " + u.scales.x.max.toFixed(2))`
	whole := webtest.Ask[[]string](t, b, ranges)
	x, y, w := b.At(t, "#p99 .u-over")
	b.Drag(t, x+w*0.4, y, x+w*0.6, y)
	zoomed := webtest.Ask[[]string](t, b, ranges)
	if len(whole) != 3 || whole[0] != whole[1] || whole[1] != whole[2] || zoomed[0] == whole[0] || zoomed[0] != zoomed[1] || zoomed[1] != zoomed[2] {
		t.Errorf("the charts show %v, and zoomed %v", whole, zoomed)
	}
	b.Do(t, chromedp.Evaluate(`document.querySelector("#tail-of button:last-child").click()`, nil))
	if got := webtest.Ask[bool](t, b, `document.querySelector("#tail-of button:last-child").getAttribute("aria-checked") === "true" && document.querySelectorAll("#tail canvas").length === 1`); !got {
		t.Error("another distribution is not drawn")
	}
	b.Do(t, chromedp.Evaluate(`location.hash = "#a=20260101T100000-clean-1&b=20260101T110000-clean-2"`, nil),
		chromedp.Poll(`R.b.id === "20260101T110000-clean-2"`, nil, chromedp.WithPollingTimeout(time.Minute)))
}

// trendsOf follows a link to a plan's page, and looks for a fact there.
func trendsOf(t *testing.T, b *webtest.Browser, index string) {
	t.Helper()
	b.Open(t, index)
	b.Do(t, chromedp.Evaluate(`[...document.querySelectorAll(".links a")].find(a => a.textContent.startsWith("trend of 4")).click()`, nil),
		chromedp.WaitReady(`html[data-ready="yes"] figure`, chromedp.ByQuery))
	b.Fits(t)
	if n := webtest.Ask[int](t, b, `document.querySelector("figure .violated path.dot").getBBox().width`); n < 8 {
		t.Errorf("a violated run is %d wide", n)
	}
	b.Do(t, chromedp.SendKeys("#q", "ops.rate", chromedp.ByQuery))
	if n := webtest.Ask[int](t, b, `[...document.querySelectorAll("figure")].filter(f => f.offsetHeight).length`); n < 1 || n > 3 {
		t.Errorf("%d facts are called ops.rate", n)
	}
	if got := webtest.Ask[string](t, b, `document.querySelector("figure a").getAttribute("href")`); got == "" || got[:7] != "../run/" {
		t.Errorf("a run leads to %s", got)
	}
}
