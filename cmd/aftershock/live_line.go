package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness"
)

// liveLine is the one line that a run redraws on a terminal. Where standard
// error is not a terminal it prints a plain line for each phase instead.
type liveLine struct {
	out      *os.File
	terminal bool
	quiet    bool

	mu    sync.Mutex
	name  string // of the plan
	head  string
	phase string
	drawn bool
}

func newLiveLine(out *os.File, quiet bool) *liveLine {
	return &liveLine{out: out, terminal: term.IsTerminal(int(out.Fd())), quiet: quiet}
}

// begin names the run that follows.
func (l *liveLine) begin(i, n int, j job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phase = ""
	l.name, l.head = j.name, j.name
	if n > 1 {
		l.head = fmt.Sprintf("[%d/%d] %s", i+1, n, j.name)
	}
	for _, v := range j.varied {
		l.head += fmt.Sprintf(" %s=%s", v.Path, v.Value)
	}
	l.head += j.left
	switch {
	case l.quiet:
	case l.terminal:
		fmt.Fprint(l.out, "\r\x1b[K", l.head, "  launching")
		l.drawn = true
	default:
		fmt.Fprintf(l.out, "%s: launching\n", l.head)
	}
}

// show draws a moment of the run.
func (l *liveLine) show(p harness.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.quiet {
		return
	}
	head := l.head
	if p.Plan != "" && p.Plan != l.name {
		head += ", " + p.Plan // its negative control
	}
	if !l.terminal {
		if phase := head + ": " + p.Phase; phase != l.phase {
			l.phase = phase
			fmt.Fprintln(l.out, phase)
		}
		return
	}
	primary := p.Primary
	if primary == "" {
		primary = "none"
	}
	line := fmt.Sprintf("%s  %s %4.1f/%.0fs  %6.0f op/s  %d acked  %d failed  %d unknown  write p99 %s  primary %s",
		head, p.Phase, p.Elapsed.Seconds(), p.Total.Seconds(), p.Rate, p.Acked, p.Failed, p.Unknown,
		short(p.WriteP99), primary)
	if p.Linearizable == checkers.False {
		line += "  ✗ not linearizable"
	}
	if len(p.Faults) > 0 {
		line += "  ⚡ " + strings.Join(p.Faults, ", ")
	}
	if width, _, err := term.GetSize(int(l.out.Fd())); err == nil {
		if runes := []rune(line); len(runes) >= width && width > 1 {
			line = string(runes[:width-1])
		}
	}
	fmt.Fprint(l.out, "\r\x1b[K", line)
	l.drawn = true
}

// clear takes the line away, for other output.
func (l *liveLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
}

func (l *liveLine) erase() {
	if l.drawn {
		fmt.Fprint(l.out, "\r\x1b[K")
		l.drawn = false
	}
}

// Write puts a log line in the live line's place.
func (l *liveLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	return l.out.Write(p)
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
