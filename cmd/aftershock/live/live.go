// Package live shows a run while it goes on: on a terminal a few lines that are drawn
// anew, elsewhere a plain line for each thing that happens.
package live

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/term"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness"
)

// Display shows one run after the other. Its methods may be called from any goroutine.
type Display struct {
	out      *os.File
	terminal bool
	quiet    bool

	mu     sync.Mutex
	run    Run
	said   string   // the last plain line
	faults []string // of the last moment, where lines are plain
	screen *screen  // nil: nothing is drawn
	events *events  // nil: nobody wants JSON
}

// Run is what is told of a run before it tells of itself.
type Run struct {
	Plan   string
	Number int      // from 1
	Of     int      // how many there are
	Varied []string // "path=value"
	Left   string   // how long all will still take; empty: not known
}

func (r Run) title() string {
	title := r.Plan
	if r.Of > 1 {
		title = fmt.Sprintf("[%d/%d] %s", r.Number, r.Of, r.Plan)
	}
	return strings.Join(append([]string{title}, r.Varied...), " ") + r.Left
}

// New shows runs on a file, standard error; quiet: it shows none.
func New(out *os.File, quiet bool) *Display {
	return &Display{out: out, terminal: term.IsTerminal(int(out.Fd())), quiet: quiet}
}

// NewEvents tells of runs in JSON, an object a line; all else that is written is told so
// as well.
func NewEvents(out *os.File) *Display { return &Display{out: out, events: &events{out: out}} }

// Begin names the run that follows.
func (d *Display) Begin(r Run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end()
	d.run, d.said, d.faults = r, "", nil
	switch {
	case d.events != nil:
		d.events.begin(r)
	case d.quiet:
	case d.terminal:
		d.screen = newScreen(d.out, r.title(), "launching")
	default:
		d.said = r.title() + ": launching"
		fmt.Fprintln(d.out, d.said)
	}
}

// Judging draws on a terminal how far the judgement is that is made in the context that
// it returns, until the other one that it returns is called. Elsewhere nothing is told.
func Judging(ctx context.Context, out *os.File, what string) (context.Context, func()) {
	d := New(out, false)
	if !d.terminal {
		return ctx, func() {}
	}
	d.run = Run{Plan: what}
	d.screen = newScreen(out, what, "read")
	return checkers.WithProgress(ctx, func(share float64) {
		d.Show(harness.Progress{Phase: "judge", Share: share})
	}), d.Clear
}

// Show shows a moment of the run.
func (d *Display) Show(p harness.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	title := d.run.title()
	if p.Plan != "" && p.Plan != d.run.Plan {
		title += ", " + p.Plan // its negative control
	}
	switch {
	case d.events != nil:
		d.events.show(p)
	case d.quiet:
	case d.screen != nil:
		d.screen.program.Send(moment{title, p, time.Now()})
	case !d.terminal:
		d.plain(title, p)
	}
}

// plain tells what has changed since the last moment, a line each.
func (d *Display) plain(title string, p harness.Progress) {
	if line := title + ": " + p.Phase; line != d.said {
		d.said = line
		fmt.Fprintln(d.out, line)
	}
	for _, f := range p.Faults {
		if !slices.Contains(d.faults, f) {
			fmt.Fprintf(d.out, "%s: %s: %s\n", title, short(p.Elapsed), f)
		}
	}
	for _, f := range d.faults {
		if !slices.Contains(p.Faults, f) {
			fmt.Fprintf(d.out, "%s: %s: %s is over\n", title, short(p.Elapsed), f)
		}
	}
	d.faults = slices.Clone(p.Faults)
}

// Clear takes what is drawn away, for other output.
func (d *Display) Clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end()
}

// Fail tells of a run that came to nothing.
func (d *Display) Fail(err error) {
	if d.events == nil {
		fmt.Fprintln(d, "aftershock:", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events.write(event{Event: "error", Text: err.Error(), Plan: d.events.plan, Run: d.events.run})
}

// Judged tells what came of a run, where events are told: elsewhere its verdict is
// printed.
func (d *Display) Judged(plan, run, verdict string, exit int, dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.events != nil {
		d.events.write(event{Event: "verdict", Plan: plan, Run: run, Verdict: verdict, Exit: &exit, Dir: dir})
	}
}

// end waits until nothing is drawn any more.
func (d *Display) end() {
	if d.screen != nil {
		d.screen.end()
		d.screen = nil
	}
}

// Write puts log lines above what is drawn.
func (d *Display) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.events != nil:
		d.events.log(string(p))
		return len(p), nil
	case d.screen == nil:
		return d.out.Write(p)
	}
	d.screen.program.Println(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// screen is what is drawn on a terminal.
type screen struct {
	program *tea.Program
	done    chan struct{}
}

// newScreen begins to draw; before anything is told it shows a title and a word.
func newScreen(out *os.File, title, word string) *screen {
	s := &screen{done: make(chan struct{})}
	// Keys and signals are the shell's and the harness's: Ctrl-C ends a run as it does
	// where nothing is drawn.
	s.program = tea.NewProgram(&view{title: title, word: word, began: time.Now(), now: time.Now()}, tea.WithOutput(out), tea.WithInput(nil), tea.WithoutSignalHandler(),
		tea.WithoutCatchPanics(), tea.WithFPS(10))
	go func() {
		defer close(s.done)
		_, _ = s.program.Run() // a terminal that takes nothing more shows nothing more
	}()
	return s
}

func (s *screen) end() {
	s.program.Send(over{})
	<-s.done
}

// short rounds a duration to three digits.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
