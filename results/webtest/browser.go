// Package webtest looks at pages of results with a headless Chromium, for their tests.
package webtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdlog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Browser is a headless Chromium that notes whatever it complains about.
type Browser struct {
	Ctx context.Context
	mu  sync.Mutex
	bad []string
}

// chromium is the browser's program; without one the test is skipped by name.
func chromium(t testing.TB) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium is installed: scripts/browser installs it and runs this test")
	return ""
}

// profile is a folder for the browser, which goes with the test. Processes of the browser
// may write into it a moment longer than that lives, so that it is removed again until
// it is gone.
func profile(t testing.TB) string {
	dir, err := os.MkdirTemp("", "aftershock-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if err = os.RemoveAll(dir); err == nil || time.Now().After(end) {
				break
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	return dir
}

// New starts one, which ends with the test.
func New(t testing.TB) *Browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(2*time.Minute), chromedp.UserDataDir(profile(t)))
	allocated, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(allocated)
	t.Cleanup(cancelTab)
	limited, cancelTime := context.WithTimeout(ctx, 150*time.Second)
	t.Cleanup(cancelTime)
	b := &Browser{Ctx: limited}
	chromedp.ListenTarget(limited, func(ev any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := ev.(type) {
		case *runtime.EventExceptionThrown:
			b.bad = append(b.bad, "exception: "+e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			b.bad = append(b.bad, fmt.Sprintf("console: %s", e.Type))
		case *cdlog.EventEntryAdded:
			b.bad = append(b.bad, "log: "+e.Entry.Text)
		}
	})
	return b
}

// Clean wants that the browser never complained.
func (b *Browser) Clean(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.bad) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(b.bad, "\n"))
	}
}

// Do does some actions in turn.
func (b *Browser) Do(t testing.TB, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(b.Ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// Open shows an address and waits until everything is drawn.
func (b *Browser) Open(t testing.TB, url string) {
	t.Helper()
	b.Do(t, chromedp.Navigate("about:blank"), chromedp.Navigate(url), chromedp.WaitReady(`html[data-ready="yes"]`, chromedp.ByQuery))
}

// Size sets the window's.
func (b *Browser) Size(t testing.TB, width, height int64) {
	t.Helper()
	b.Do(t, chromedp.EmulateViewport(width, height))
}

// Dark chooses between dark and light.
func (b *Browser) Dark(t testing.TB, dark bool) {
	t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	b.Do(t, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}))
}

// Fits wants a page no wider than the window, and everything that can be used with a name.
func (b *Browser) Fits(t testing.TB) {
	t.Helper()
	if over := Ask[int](t, b, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
		t.Errorf("the page is %d pixels wider than the window", over)
	}
	unnamed := Ask[[]string](t, b, `[...document.querySelectorAll("button, a, [role], summary, section, #charts, input, select")].filter(e => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.closest("label") || e.textContent.trim() || e.querySelector("title"))).map(e => e.outerHTML.slice(0, 80))`)
	if len(unnamed) > 0 {
		t.Errorf("without a name: %q", unnamed)
	}
	if ids := Ask[int](t, b, `(all => all.length - new Set(all).size)([...document.querySelectorAll("[id]")].map(e => e.id))`); ids != 0 {
		t.Errorf("%d ids are there twice", ids)
	}
}

// At is where the middle of an element's left edge is in the window, and how wide it is.
func (b *Browser) At(t testing.TB, query string) (x, y, width float64) {
	t.Helper()
	r := Ask[[]float64](t, b, fmt.Sprintf(`(e => { e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect(); return [r.x, r.y + r.height / 2, r.width]; })(document.querySelector(%q))`, query))
	return r[0], r[1], r[2]
}

// Drag presses the mouse, moves it in two steps and lets go.
func (b *Browser) Drag(t testing.TB, fromX, fromY, toX, toY float64) {
	t.Helper()
	press := func(kind input.MouseType, x, y float64) chromedp.Action {
		return input.DispatchMouseEvent(kind, x, y).WithButton(input.Left).WithClickCount(1)
	}
	b.Do(t, input.DispatchMouseEvent(input.MouseMoved, fromX, fromY), press(input.MousePressed, fromX, fromY),
		input.DispatchMouseEvent(input.MouseMoved, (fromX+toX)/2, (fromY+toY)/2).WithButton(input.Left), input.DispatchMouseEvent(input.MouseMoved, toX, toY).WithButton(input.Left),
		press(input.MouseReleased, toX, toY))
}

// Shot saves a picture of the whole page, if AFTERSHOCK_SHOTS names a folder.
func (b *Browser) Shot(t testing.TB, name string) {
	t.Helper()
	folder := os.Getenv("AFTERSHOCK_SHOTS")
	if folder == "" {
		return
	}
	var png []byte
	b.Do(t, chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Ask is what an expression gives in the page.
func Ask[T any](t testing.TB, b *Browser, expression string) (answer T) {
	t.Helper()
	b.Do(t, chromedp.Evaluate(expression, &answer))
	return answer
}
