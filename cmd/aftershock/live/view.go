package live

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/dustin/go-humanize"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness"
)

// What the view is told.
type (
	moment struct {
		title string
		harness.Progress
		at time.Time
	}
	over struct{} // the run is
	tick time.Time
)

// sparks is how many moments a sparkline shows: five a second.
const sparks = 40

// view is the model of what is drawn: a few lines about one run.
type view struct {
	title string
	word  string    // what goes on before anything is told
	began time.Time // the phase, or the run
	now   time.Time
	width int
	last  *moment
	rates []float64
	p99s  []float64 // seconds
	over  bool
}

var (
	bold  = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
	good  = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	bad   = lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true)
	warn  = lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
)

func (v *view) Init() tea.Cmd { return nextTick() }

// nextTick has the clock of a phase go on while nothing is told.
func nextTick() tea.Cmd {
	return tea.Tick(200*time.Millisecond, func(t time.Time) tea.Msg { return tick(t) })
}

func (v *view) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		v.width = m.Width
	case tick:
		v.now = time.Time(m)
		return v, nextTick()
	case over:
		v.over = true
		return v, tea.Quit
	case moment:
		v.take(m)
	}
	return v, nil
}

func (v *view) take(m moment) {
	if v.last == nil || v.last.Phase != m.Phase {
		v.began = m.at
	}
	v.title, v.last, v.now = m.title, &m, m.at
	v.rates = keep(append(v.rates, m.Rate))
	v.p99s = keep(append(v.p99s, m.WriteP99.Seconds()))
}

func keep(list []float64) []float64 { return list[max(0, len(list)-sparks):] }

func (v *view) View() string {
	if v.over {
		return ""
	}
	lines := []string{bold.Render(v.title) + "  " + v.phase()}
	if v.last != nil && v.last.Total > 0 { // else no node is known yet
		lines = append(lines, v.nodes(), v.load(), v.counts())
	}
	for i, line := range lines {
		if v.width > 1 {
			lines[i] = lipgloss.NewStyle().MaxWidth(v.width - 1).Render(line)
		}
	}
	return strings.Join(slices.DeleteFunc(lines, func(s string) bool { return s == "" }), "\n")
}

// phase tells what goes on, for how long, and when the next fault comes.
func (v *view) phase() string {
	lasts := v.now.Sub(v.began).Round(100 * time.Millisecond)
	switch {
	case v.last == nil:
		return v.word + faint.Render(fmt.Sprintf("  %.1fs", lasts.Seconds()))
	case v.last.Phase != "measure" && v.last.Phase != "warmup":
		return v.last.Phase + faint.Render(fmt.Sprintf("  %.1fs%s", lasts.Seconds(), v.likely(lasts)))
	}
	m := v.last
	text := fmt.Sprintf("%s %s %.1f/%.0fs", m.Phase, bar(m.Elapsed.Seconds()/m.Total.Seconds(), 20), m.Elapsed.Seconds(), m.Total.Seconds())
	if m.NextFault != "" {
		text += faint.Render(fmt.Sprintf("  %s in %.1fs", m.NextFault, max(0, m.Next.Seconds())))
	}
	return text
}

// likely is how long a phase that lasts so long already is likely to take: as the plan's
// run before, or as the share that is done says. Empty: nobody knows.
func (v *view) likely(lasts time.Duration) string {
	usual := v.last.Usual
	if v.last.Share > 0 {
		usual = time.Duration(float64(lasts) / v.last.Share)
	}
	if usual < time.Second || lasts > usual {
		return "" // it is over before anybody has read it, or takes longer than it did
	}
	return fmt.Sprintf(" of about %.0fs", usual.Seconds())
}

// bar is filled to a share.
func bar(share float64, width int) string {
	full := int(max(0, min(1, share)) * float64(width))
	return good.Render(strings.Repeat("━", full)) + faint.Render(strings.Repeat("─", width-full))
}

// nodes has a word for each node: who is primary, who does not answer, what is broken.
func (v *view) nodes() string {
	var parts []string
	for _, n := range v.last.Nodes {
		text, style := n.Name+" "+n.Role, faint
		switch {
		case n.Role == "":
			text, style = n.Name+" no answer", warn
		case n.Primary:
			style = good
		}
		part := style.Render(text)
		if n.Lag != nil {
			part += faint.Render(" " + behind(n.Lag))
		}
		if len(n.Faults) > 0 {
			part += bad.Render(" ⚡ " + strings.Join(n.Faults, ", "))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "   ")
}

// behind tells how far a replica is behind, by its system's own words.
func behind(l *harness.Lagging) string {
	switch {
	case l.Time > 0:
		return short(l.Time) + " behind"
	case l.Bytes > 0:
		return humanize.IBytes(uint64(l.Bytes)) + " behind"
	}
	return "caught up"
}

func (v *view) load() string {
	p99 := short(v.last.WriteP99)
	return fmt.Sprintf("%8s op/s %s   write p99 %-8s %s", humanize.Comma(int64(v.last.Rate)), sparkline(v.rates), p99, sparkline(v.p99s))
}

func (v *view) counts() string {
	text := fmt.Sprintf("%s acknowledged, %s failed, %s unknown", humanize.Comma(int64(v.last.Acked)), humanize.Comma(int64(v.last.Failed)), humanize.Comma(int64(v.last.Unknown)))
	if v.last.Linearizable == checkers.False {
		text += "   " + bad.Render("✗ not linearizable")
	}
	return text
}

// sparkline draws values as bars of eight heights, the greatest the highest.
func sparkline(values []float64) string {
	const bars = "▁▂▃▄▅▆▇█"
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	for _, v := range values {
		at := 0
		if top > 0 {
			at = min(7, int(v/top*8))
		}
		b.WriteString(string([]rune(bars)[at]))
	}
	return b.String() + strings.Repeat(" ", max(0, sparks-len(values)))
}
