package results

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// TextOptions say how the text reports look.
type TextOptions struct {
	Color bool // ANSI colours
	Width int  // columns; 0 is 100, less than 40 is 40
}

// The bounds that keep a text report on one screen: with every section full it
// has maxTextLines lines.
const (
	maxTextLines  = 40
	maxClaimsText = 5
	maxGatesText  = 2
	maxExamples   = 3
	maxTextRows   = 8 // of latency, staleness and lag
	maxFaultsText = 3
)

// styles of parts of a line.
const (
	styleNone = ""
	styleBold = "1"
	styleDim  = "2"
	styleGood = "32"
	styleBad  = "31"
	styleWarn = "33"
)

// text collects a report's lines. Everything from outside goes through plain
// before it gets a colour, so no name can control the terminal.
type text struct {
	buf   bytes.Buffer
	color bool
	width int
	lines int
}

// Text writes a run's summary, at most maxTextLines lines of at most Width
// columns (but for the path at the end): the verdict, each claim with its measured value, the gates that are
// not met, examples of what went wrong, latency, staleness, lag, session
// guarantees, isolation, faults, and where the run directory is.
func Text(w io.Writer, v *Verdict, o TextOptions) error {
	t := &text{color: o.Color, width: o.Width}
	if t.width == 0 {
		t.width = 100
	}
	t.width = max(t.width, 40)
	t.headline(v)
	t.claims(v)
	t.gates(v)
	t.examples(v)
	t.tables(v)
	t.promises(v)
	t.faults(v)
	if v.Dir != "" {
		t.width = max(t.width, utf8.RuneCountInString(v.Dir)+5) // a path that is cut cannot be copied
		t.line(styleDim, "run  ", styleNone, v.Dir)
	}
	_, err := w.Write(t.buf.Bytes())
	return err
}

// line writes one line of styled parts, given as style and text in turn, cut
// to the width.
func (t *text) line(parts ...string) {
	left := t.width
	for i := 0; i+1 < len(parts); i += 2 {
		style, part := parts[i], keepSpaces(parts[i+1])
		if n := utf8.RuneCountInString(part); n > left {
			part = cut(part, left)
		}
		left -= utf8.RuneCountInString(part)
		if t.color && style != styleNone && part != "" {
			part = "\x1b[" + style + "m" + part + "\x1b[0m"
		}
		t.buf.WriteString(part)
	}
	t.buf.WriteByte('\n')
	t.lines++
}

// keepSpaces makes text harmless like plain, but keeps its alignment.
func keepSpaces(s string) string {
	trimmed := strings.TrimLeft(s, " ")
	lead := s[:len(s)-len(trimmed)]
	body := strings.TrimRight(trimmed, " ")
	tail := trimmed[len(body):]
	words := strings.Split(body, " ")
	for i, word := range words {
		words[i] = plain(word)
	}
	return lead + strings.Join(words, " ") + tail
}

// cut shortens text to n columns with an ellipsis.
func cut(s string, n int) string {
	if n <= 0 {
		return ""
	}
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// wrap breaks text at spaces into at most n lines of the given width; what is
// left over ends in an ellipsis.
func wrap(s string, width, n int) []string {
	var lines []string
	words := strings.Fields(s)
	for len(words) > 0 && len(lines) < n {
		line := words[0]
		words = words[1:]
		for len(words) > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(words[0]) <= width {
			line += " " + words[0]
			words = words[1:]
		}
		lines = append(lines, cut(line, width))
	}
	if len(words) > 0 {
		last := len(lines) - 1
		lines[last] = cut(lines[last]+" "+strings.Join(words, " "), width)
	}
	return lines
}

func (a Answer) style() string {
	switch a {
	case Holds:
		return styleGood
	case Violated:
		return styleBad
	}
	return styleWarn
}

func (a Answer) mark() string {
	switch a {
	case Holds:
		return "✓"
	case Violated:
		return "✗"
	}
	return "?"
}

func (t *text) headline(v *Verdict) {
	about := fmt.Sprintf("  %s · %s", v.Plan.Target, v.Plan.Host)
	if v.Plan.Seed != 0 {
		about += fmt.Sprintf(" · seed %d", v.Plan.Seed)
	}
	if v.Plan.Replicas > 0 {
		about += " · " + plural(v.Plan.Replicas, "replica", "replicas")
	}
	about += " · " + FormatNanos(v.Duration)
	name := "  " + v.Plan.Name
	for _, s := range v.Plan.Varied {
		name += fmt.Sprintf(" %s=%s", s.Path, s.Value)
	}
	t.line(v.Verdict.style(), strings.ToUpper(string(v.Verdict)), styleBold, plainLead(name), styleDim, plainLead(about))
	if v.Plan.About != "" {
		t.line(styleDim, "  "+plain(v.Plan.About))
	}
	for _, note := range v.Notes[:min(len(v.Notes), 1)] {
		t.line(styleWarn, "  "+plain(note))
	}
}

// plainLead is plain with the two leading spaces kept.
func plainLead(s string) string { return "  " + plain(s) }

func (t *text) claims(v *Verdict) {
	shown := v.Claims
	if len(shown) > maxClaimsText {
		shown = worstClaims(v.Claims, maxClaimsText-1)
	}
	width := 0
	for _, c := range shown {
		width = max(width, utf8.RuneCountInString(plain(c.Claim)))
	}
	width = min(width, t.width/2)
	for _, c := range shown {
		t.line(c.Answer.style(), "  "+c.Answer.mark()+" ", styleNone, pad(cut(plain(c.Claim), width), width), styleDim, plainLead(c.Detail))
	}
	if rest := len(v.Claims) - len(shown); rest > 0 {
		t.line(styleDim, fmt.Sprintf("    and %s (%d hold, %d violated, %d unknown in all)", plural(rest, "more claim", "more claims"),
			countClaims(v, Holds), countClaims(v, Violated), countClaims(v, Unproven)))
	}
}

func countClaims(v *Verdict, a Answer) int {
	n := 0
	for _, c := range v.Claims {
		if c.Answer == a {
			n++
		}
	}
	return n
}

// worstClaims takes n claims, the violated and unknown ones first, otherwise
// in their order.
func worstClaims(claims []ClaimResult, n int) []ClaimResult {
	var chosen []ClaimResult
	for _, a := range [...]Answer{Violated, Unproven, Holds} {
		for _, c := range claims {
			if c.Answer == a && len(chosen) < n {
				chosen = append(chosen, c)
			}
		}
	}
	return chosen
}

func (t *text) gates(v *Verdict) {
	var unmet []Gate
	for _, g := range v.Gates {
		if !g.Met {
			unmet = append(unmet, g)
		}
	}
	for i, g := range unmet {
		if i == maxGatesText-1 && len(unmet) > maxGatesText {
			t.line(styleWarn, fmt.Sprintf("  ! and %d more gates not met", len(unmet)-i))
			return
		}
		t.line(styleWarn, "  ! gate not met: "+plain(g.Name), styleDim, plainLead(g.Detail))
	}
}

func (t *text) examples(v *Verdict) {
	chosen := examples(v.Findings, maxExamples)
	if len(chosen) == 0 {
		return
	}
	t.line()
	for _, f := range chosen {
		indent := utf8.RuneCountInString(string(f.Class)) + 4
		if indent > t.width/3 {
			indent = 4
		}
		for i, line := range wrap(plain(f.Text), t.width-indent, 2) {
			head := strings.Repeat(" ", indent)
			if i == 0 {
				head = pad("  "+string(f.Class), indent)
			}
			t.line(styleBad, head, styleNone, line)
		}
	}
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
