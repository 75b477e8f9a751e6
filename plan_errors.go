package aftershock

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPlanErrors bounds how many errors of one file are told at once.
const maxPlanErrors = 10

// maxSnippet bounds the runes of a source line that an error shows.
const maxSnippet = 100

// PlanError is one mistake in a plan: where it is, what is wrong and how to
// mend it. It wraps ErrInput.
type PlanError struct {
	File    string // as given to ParsePlans; "--set path=value" for an override; empty for a plan made in Go
	Line    int    // from 1; 0 when there is no line to point at
	Column  int    // in characters, from 1
	Path    string // of the value in the plan, e.g. "faults.0.at"; may be empty
	Message string
	Remedy  string // what to do about it; may be empty
	Snippet string // the source line with a caret under the column; may be empty
}

// Error is "file:line:column: message; remedy", and the snippet below it.
func (e *PlanError) Error() string {
	var b strings.Builder
	switch {
	case e.File != "" && e.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	case e.File != "":
		fmt.Fprintf(&b, "%s: ", e.File)
	case e.Path != "":
		fmt.Fprintf(&b, "plan: %s: ", e.Path)
	default:
		b.WriteString("plan: ")
	}
	b.WriteString(e.Message)
	if e.Remedy != "" {
		b.WriteString("; ")
		b.WriteString(e.Remedy)
	}
	if e.Snippet != "" {
		b.WriteByte('\n')
		b.WriteString(e.Snippet)
	}
	return b.String()
}

// Unwrap makes errors.Is(err, ErrInput) true.
func (e *PlanError) Unwrap() error { return ErrInput }

// joinPlanErrors joins errors in the order of their lines, the same one told
// once, and at most maxPlanErrors of them; nil for none.
func joinPlanErrors(found []*PlanError) error {
	slices.SortStableFunc(found, func(a, b *PlanError) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	found = slices.CompactFunc(found, func(a, b *PlanError) bool { return *a == *b })
	joined := make([]error, 0, min(len(found), maxPlanErrors+1))
	for i, e := range found {
		if i == maxPlanErrors {
			joined = append(joined, moreErrors(len(found)-i))
			break
		}
		joined = append(joined, e)
	}
	return errors.Join(joined...)
}

// moreErrors stands for that many errors that were left out.
type moreErrors int

func (m moreErrors) Error() string { return fmt.Sprintf("and %d more; mend these first", int(m)) }
func (m moreErrors) Unwrap() error { return ErrInput }

// snippet shows a line of source with a caret under the column. A long line is
// cut to the part around the column; what cannot be printed becomes one
// printable rune, so that the caret stays where it belongs.
func snippet(lines []string, line, column int) string {
	if line < 1 || line > len(lines) || column < 1 {
		return ""
	}
	text, caret := window(printable(lines[line-1]), column-1)
	number := fmt.Sprintf("%6d", line)
	return fmt.Sprintf("%s | %s\n%s | %s^",
		number, strings.TrimRight(string(text), " "), strings.Repeat(" ", len(number)), strings.Repeat(" ", caret))
}

// window cuts text to maxSnippet runes around at and returns where at is in it.
func window(text []rune, at int) ([]rune, int) {
	at = min(at, len(text))
	if len(text) <= maxSnippet {
		return text, at
	}
	from := max(0, min(at-maxSnippet/2, len(text)-maxSnippet))
	cut := slices.Clone(text[from : from+maxSnippet])
	if from > 0 {
		cut[0] = '…'
	}
	if from+maxSnippet < len(text) {
		cut[len(cut)-1] = '…'
	}
	return cut, at - from
}

func printable(s string) []rune {
	runes := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case r == '\t':
			r = ' '
		case !unicode.IsGraphic(r):
			r = utf8.RuneError
		}
		runes = append(runes, r)
	}
	return runes
}
