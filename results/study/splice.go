package study

import (
	"errors"
	"fmt"
	"strings"
)

// ErrMarks is wrapped by Splice's error.
var ErrMarks = errors.New("no place for the study")

// marks are the lines between which a Markdown file has something.
func marks(name string) (begin, end string) {
	return "<!-- study " + name + ": begin -->", "<!-- study " + name + ": end -->"
}

// Splice puts the parts of a study into a Markdown file, between the marks of the
// study's name: each in the place of the same target's part, or after the others.
// Parts of other targets stay, and so does what is there of a target of which no run
// was made, as where the study was interrupted. Each mark of the study must be there once, the begin
// before the end.
func Splice(file string, s *Study) (string, error) {
	begin, end := marks(s.Name)
	before, inside, after, err := between(file, begin, end)
	if err != nil {
		return "", err
	}
	for i := range s.Parts {
		p := &s.Parts[i]
		from, to := marks(s.Name + " " + p.Plan)
		text := from + "\n" + p.Markdown(s.Quick) + to
		head, old, found := strings.Cut(inside, from)
		_, tail, whole := strings.Cut(old, to)
		switch {
		case found && !whole:
			return "", fmt.Errorf("%w: %s has no %s after it; put it there", ErrMarks, from, to)
		case found && p.Runs == 0:
		case found:
			inside = head + text + tail
		default:
			inside = strings.TrimRight(inside, "\n") + "\n\n" + text + "\n"
		}
	}
	return before + begin + inside + end + after, nil
}

// The lines between which a Markdown file has a summary.
const (
	SummaryBegin = "<!-- studies: begin -->"
	SummaryEnd   = "<!-- studies: end -->"
)

// SpliceSummary puts the summary of some studies into a Markdown file, between its two
// lines. What the tables there tell of other sentences and targets stays.
func SpliceSummary(file string, list []*Study) (string, error) {
	before, inside, after, err := between(file, SummaryBegin, SummaryEnd)
	if err != nil {
		return "", err
	}
	return before + SummaryBegin + "\n\n" + summarized(list).over(inside).markdown() + "\n" + SummaryEnd + after, nil
}

// between cuts a file at two marks, each of which has to be there once, in this order.
func between(file, begin, end string) (before, inside, after string, err error) {
	before, rest, ok := strings.Cut(file, begin)
	inside, after, closed := strings.Cut(rest, end)
	if !ok || !closed || strings.Contains(after, begin) || strings.Contains(after, end) {
		return "", "", "", fmt.Errorf("%w: put one line %s and, below it, one line %s where it belongs", ErrMarks, begin, end)
	}
	return before, inside, after, nil
}
