// Package report shows verdicts: as text, a page, JUnit, Markdown and JSON, one
// run or many.
package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/say"
)

// TextOptions say how the text reports look.
type TextOptions struct {
	Color bool // ANSI colours
	Width int  // columns; 0 is 100, less than 40 is 40
	// Whole: nothing is cut, neither lines nor evidence, as where nobody reads on a
	// screen. Width is still what text is laid out for.
	Whole bool
}

// The bounds that keep a text report on one screen: with every section full it
// has maxTextLines lines.
const (
	maxTextLines  = 67
	maxClaimsText = 5
	maxGatesText  = 2
	maxRemarks    = 3
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
	whole bool
	lines int
}

// Text writes a run's summary, at most maxTextLines lines of at most Width
// columns (but for the path at the end, and where it is Whole): the verdict, each claim with its measured value, the gates that are
// not met, what the reader has to know of the harness, throughput, errors and outages, examples of what went wrong, latency, staleness, lag, the
// phases of the load, session guarantees, isolation, costs, recovery, faults, the machine, and where the run directory is.
func Text(w io.Writer, v *results.Verdict, o TextOptions) error {
	t := &text{color: o.Color, width: o.Width, whole: o.Whole}
	if t.width == 0 {
		t.width = 100
	}
	t.width = max(t.width, 40)
	t.headline(v)
	t.claims(v)
	t.control(v)
	t.gates(v)
	for _, remark := range v.Remarks[:min(len(v.Remarks), t.most(maxRemarks))] {
		t.line(styleWarn, "  ! "+plain(remark))
	}
	t.summary(v)
	t.examples(v)
	t.tables(v)
	t.load(v)
	t.costs(v)
	t.promises(v)
	t.objectives(v)
	t.faults(v)
	t.place(v)
	if v.Machine != nil {
		t.line(styleDim, "  on   "+plain(v.Machine.Words()))
	}
	if v.Dir != "" {
		t.width = max(t.width, utf8.RuneCountInString(v.Dir)+5) // a path that is cut cannot be copied
		t.line(styleDim, "run  ", styleNone, v.Dir)
	}
	_, err := w.Write(t.buf.Bytes())
	return err
}

// Headline writes a verdict in one line, and where its run is.
func Headline(w io.Writer, v *results.Verdict) error {
	_, err := fmt.Fprintf(w, "%s  %s  %s\n", strings.ToUpper(string(v.Verdict)), plain(v.Plan.Name+variedWords(v)), plain(v.Dir))
	return err
}

// variedWords are the values that the plan varied in this run, each after a space.
func variedWords(v *results.Verdict) (words string) {
	for _, s := range v.Plan.Varied {
		words += fmt.Sprintf(" %s=%s", s.Path, s.Value)
	}
	return words
}

// line writes one line of styled parts, given as style and text in turn, cut
// to the width.
func (t *text) line(parts ...string) {
	left := t.width
	for i := 0; i+1 < len(parts); i += 2 {
		style, part := parts[i], keepSpaces(parts[i+1])
		if n := utf8.RuneCountInString(part); n > left && !t.whole {
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

// cut shortens text to n columns, where text is cut at all.
func (t *text) cut(s string, n int) string {
	if t.whole {
		return s
	}
	return cut(s, n)
}

// wrap breaks text into at most n lines, where text is cut at all.
func (t *text) wrap(s string, width, n int) []string {
	if t.whole && s != "" {
		return []string{s}
	}
	return wrap(s, width, n)
}

// most is how many of its kind are shown.
func (t *text) most(n int) int {
	if t.whole {
		return math.MaxInt
	}
	return n
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

func answerStyle(a results.Answer) string {
	switch a {
	case results.Holds:
		return styleGood
	case results.Violated:
		return styleBad
	case results.OnlyMeasured:
		return styleBold
	}
	return styleWarn
}

func answerMark(a results.Answer) string {
	switch a {
	case results.Holds:
		return "✓"
	case results.Violated:
		return "✗"
	case results.OnlyMeasured:
		return "·"
	}
	return "?"
}

func (t *text) headline(v *results.Verdict) {
	about := fmt.Sprintf("  %s · %s", v.Plan.System(), v.Plan.Host)
	if v.Plan.Seed != 0 {
		about += fmt.Sprintf(" · seed %d", v.Plan.Seed)
	}
	if v.Plan.Replicas > 0 {
		about += " · " + units.Plural(v.Plan.Replicas, "replica", "replicas")
	}
	if v.Duration > 0 {
		about += " · " + units.Nanos(v.Duration)
	}
	name := "  " + v.Plan.Name + variedWords(v)
	t.line(answerStyle(v.Verdict), strings.ToUpper(string(v.Verdict)), styleBold, plainLead(name), styleDim, plainLead(about))
	for _, line := range t.wrap(plain(say.Headline(v)), t.width-2, 2) {
		t.line(styleBold, "  "+line)
	}
	if v.Plan.About != "" {
		t.line(styleDim, "  "+plain(v.Plan.About))
	}
	for _, note := range v.Notes[:min(len(v.Notes), t.most(1))] {
		t.line(styleWarn, "  "+plain(note))
	}
}

// plainLead is plain with the two leading spaces kept.
func plainLead(s string) string { return "  " + plain(s) }

func (t *text) claims(v *results.Verdict) {
	shown := v.Claims
	if len(shown) > t.most(maxClaimsText) {
		shown = worstClaims(v.Claims, maxClaimsText-1)
	}
	width := 0
	for _, c := range shown {
		width = max(width, utf8.RuneCountInString(plain(c.Claim)))
	}
	width = min(width, t.width/2)
	for _, c := range shown {
		t.line(answerStyle(c.Answer), "  "+answerMark(c.Answer)+" ", styleNone, pad(t.cut(plain(c.Claim), width), width), styleDim, plainLead(c.Detail))
	}
	if rest := len(v.Claims) - len(shown); rest > 0 {
		t.line(styleDim, fmt.Sprintf("    and %s (%d hold, %d violated, %d unknown in all)", units.Plural(rest, "more claim", "more claims"),
			countClaims(v, results.Holds), countClaims(v, results.Violated), countClaims(v, results.Unproven)))
	}
}

// control tells what the negative control showed; one that is a gate not met is
// told there.
func (t *text) control(v *results.Verdict) {
	if v.Control == nil || v.Control.Tries > 0 && !v.Control.CouldFail() {
		return
	}
	t.line(styleDim, "    "+plain(v.Control.Words()))
}

func countClaims(v *results.Verdict, a results.Answer) int {
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
func worstClaims(claims []results.ClaimResult, n int) []results.ClaimResult {
	var chosen []results.ClaimResult
	for _, a := range [...]results.Answer{results.Violated, results.Unproven, results.Holds} {
		for _, c := range claims {
			if c.Answer == a && len(chosen) < n {
				chosen = append(chosen, c)
			}
		}
	}
	return chosen
}

func (t *text) gates(v *results.Verdict) {
	var unmet []results.Gate
	for _, g := range v.Gates {
		if !g.Met {
			unmet = append(unmet, g)
		}
	}
	for i, g := range unmet {
		if i == t.most(maxGatesText)-1 && len(unmet) > t.most(maxGatesText) {
			t.line(styleWarn, fmt.Sprintf("  ! and %d more gates not met", len(unmet)-i))
			return
		}
		t.line(styleWarn, "  ! gate not met: "+plain(g.Name), styleDim, plainLead(g.Detail))
	}
}

func (t *text) examples(v *results.Verdict) {
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
		for i, line := range t.wrap(plain(worded(v, f.Text)), t.width-indent, 2) {
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

// plain takes away what could control a terminal, and joins lines.
func plain(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return '?'
		}
		return r
	}, s)), " ")
}
