package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"
)

// pair is what both programs showed of one thing; nil is nothing at all.
type pair struct {
	name     string
	old, new []byte
}

// pairs brings the observations of both together, in the old program's order.
func pairs(old, now []observation) []pair {
	var all []pair
	place := map[string]int{}
	for _, o := range old {
		place[o.name] = len(all)
		all = append(all, pair{o.name, o.text, nil})
	}
	for _, o := range now {
		i, ok := place[o.name]
		if !ok {
			i = len(all)
			all = append(all, pair{name: o.name})
		}
		all[i].new = o.text
	}
	return all
}

// equal compares a pair, at last but for what is expected.
func (c *comparison) equal(p *pair) bool {
	if p.old == nil || p.new == nil {
		return false
	}
	if bytes.Equal(p.old, p.new) {
		return true
	}
	for _, e := range c.excuses {
		if !strings.Contains(p.name, e.in) {
			continue
		}
		word := []byte("‹" + e.name + "›")
		old, now := e.old.ReplaceAllLiteral(p.old, word), e.new.ReplaceAllLiteral(p.new, word)
		if !bytes.Equal(old, p.old) && !bytes.Equal(now, p.new) {
			c.excused[e.name]++
		}
		p.old, p.new = old, now
	}
	return bytes.Equal(p.old, p.new)
}

const (
	maxExcerpt = 30  // lines
	maxLine    = 160 // bytes; longer lines are folded, so that the place can be seen
)

// excerpt is the beginning of the unified diff of two texts.
func excerpt(old, now []byte) string {
	switch {
	case old == nil:
		return "  only the new program has it:\n" + head(fold(now))
	case now == nil:
		return "  only the old program has it:\n" + head(fold(old))
	case !utf8.Valid(old) || !utf8.Valid(now):
		at := 0
		for at < min(len(old), len(now)) && old[at] == now[at] {
			at++
		}
		return fmt.Sprintf("  binary: %d and %d bytes, which differ from byte %d on", len(old), len(now), at)
	}
	a, b := fold(old), fold(now)
	if bytes.Equal(a, b) { // the texts differ in where a long line ends
		a, b = old, now
	}
	return head(diff.Diff("old", a, "new", b))
}

// head is the first lines of a text.
func head(text []byte) string {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if more := len(lines) - maxExcerpt; more > 0 {
		lines = append(lines[:maxExcerpt], fmt.Sprintf("… and %d more lines", more))
	}
	for i, line := range lines {
		if len(line) > 4*maxLine {
			lines[i] = strings.ToValidUTF8(line[:4*maxLine], "") + "…"
		}
	}
	return "  " + strings.Join(lines, "\n  ")
}

// fold breaks long lines behind commas and brackets.
func fold(text []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		if len(line) <= maxLine {
			out.Write(line)
			continue
		}
		for _, b := range line {
			out.WriteByte(b)
			if b == ',' || b == '>' || b == ';' {
				out.WriteByte('\n')
			}
		}
	}
	return out.Bytes()
}
