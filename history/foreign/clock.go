package foreign

import "fmt"

// stepNanos is what an entry without a time counts for: a millisecond, so that
// messages, which tell times in seconds with three digits, tell the entry.
const stepNanos = 1_000_000

// clock finds the entry's stamp, and holds its index against the last one.
//
// The order of the lines is the order of events, whatever the times say, and so
// each stamp is greater than the one before. Stamps are times where times agree
// with the lines; several lines of one time are some nanoseconds apart. Where a
// time contradicts the lines the error is *untimed: none of the times measures
// anything then, and stamps count entries.
//
// A history of our own is another matter. Its times are of one monotonic clock,
// and what has the same time is concurrent.
func (b *builder) clock(e *entry) error {
	if e.hasIndex {
		if b.indexed && e.index <= b.index {
			return errorAt(b.name, e.line, "%s has index %d, but the entry before has %d: each index may be there once, in order. "+
				"Sort the operations by :index, or take :index out, and the order of the lines counts", who(e), e.index, b.index)
		}
		b.indexed, b.index = true, e.index
	}
	b.anyTime = b.anyTime || e.hasTime || e.oddTime != "" && e.oddTime != "-1"
	if b.timed {
		return b.timeOf(e)
	}
	at := b.count
	if e.hasIndex && e.index < maxNanos/stepNanos {
		at = e.index
	}
	b.now = max(b.now+1, at*stepNanos)
	return nil
}

// untimed is the error of a history whose times contradict the order of its
// lines, and says how.
type untimed struct{ why string }

func (u *untimed) Error() string { return u.why }

// maxShift is by how much the stamps of lines of one time may be apart from it.
// With more lines than that, the clock is too coarse to measure anything.
const maxShift = 10_000

func (b *builder) timeOf(e *entry) error {
	contradicts := func(format string, args ...any) error { return &untimed{fmt.Sprintf(format, args...)} }
	at := e.time - b.base
	switch {
	case !e.hasTime && e.oddTime == "":
		return contradicts("line %d tells no time", e.line)
	case !e.hasTime:
		return contradicts("the time %s of line %d is none", e.oddTime, e.line)
	case b.begun && at < b.last:
		return contradicts("the time of line %d is before that of line %d: the clock was set back", e.line, b.lastLine)
	}
	b.allTied = !b.begun || b.allTied && at == b.last
	stamp := at
	if b.begun && b.surveyed.meta == nil {
		stamp = max(at, b.now+1)
	}
	if stamp-at > maxShift {
		return contradicts("the %d lines up to line %d have the same time: the clock is too coarse", stamp-at, e.line)
	}
	b.now, b.last, b.lastLine, b.begun = stamp, at, e.line, true
	return nil
}

// trust says whether durations can be trusted.
func (b *builder) trust() error {
	if b.timed {
		if b.allTied && b.surveyed.meta == nil && b.count > 1 {
			return &untimed{"all lines have the same time"}
		}
		b.log.Doubts.Times = b.beginless // then nothing is known to have lasted so long
		return nil
	}
	if b.log.Doubts.Times = b.contradiction; !b.anyTime {
		b.log.Doubts.Times = "the history tells no times"
	}
	b.note("%s: durations are unknown; the order of events is that of the lines", b.log.Doubts.Times)
	b.note("each entry counts as one millisecond, so that 0.042s is entry 42")
	return nil
}
