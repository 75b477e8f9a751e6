package yamltree

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/failure"
)

// MaxErrors bounds how many errors of one file are told at once.
const MaxErrors = 10

// Error is one mistake in a plan: where it is, what is wrong and how to
// mend it. It wraps ErrInput.
type Error struct {
	File    string // as given to Parse; "--set path=value" for an override; empty for a plan made in Go
	Line    int    // from 1; 0 when there is no line to point at
	Column  int    // in characters, from 1
	Path    string // of the value in the plan, e.g. "faults.0.at"; may be empty
	Message string
	Remedy  string // what to do about it; may be empty
	Snippet string // the source line with a caret under the column; may be empty
}

// Error is "file:line:column: message; remedy", and the snippet below it.
func (e *Error) Error() string {
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
func (e *Error) Unwrap() error { return failure.ErrInput }

// Join joins errors in the order of their lines, the same one told
// once, and at most MaxErrors of them; nil for none.
func Join(found []*Error) error {
	slices.SortStableFunc(found, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	found = slices.CompactFunc(found, func(a, b *Error) bool { return *a == *b })
	joined := make([]error, 0, min(len(found), MaxErrors+1))
	for i, e := range found {
		if i == MaxErrors {
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

func (m moreErrors) Unwrap() error { return failure.ErrInput }
