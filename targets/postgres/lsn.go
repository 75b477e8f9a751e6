package postgres

import (
	"fmt"
	"strconv"
	"strings"
)

// The write-ahead log's pages and the sizes of their headers, as in the
// server's xlog_internal.h on 64-bit machines.
const (
	walPage        = 8 << 10
	walSegment     = 4 << 20 // of launched servers, set by initdb
	walShortHeader = 24
	walLongHeader  = 40 // of a segment's first page
)

// parseLSN reads "16/B374D848".
func parseLSN(text string) (uint64, error) {
	high, low, ok := strings.Cut(text, "/")
	if ok {
		h, err1 := strconv.ParseUint(high, 16, 32)
		l, err2 := strconv.ParseUint(low, 16, 32)
		if err1 == nil && err2 == nil {
			return h<<32 | l, nil
		}
	}
	return 0, fmt.Errorf("%q is no position of the write-ahead log", text)
}

// logEnd is the end of the last record where the next one would be inserted
// at lsn, in a log with segments of that size: a page's header, which is written with its first record, is not yet
// a part of the log, and no standby will ever get it.
func logEnd(lsn, segment uint64) uint64 {
	switch {
	case lsn%segment == walLongHeader:
		return lsn - walLongHeader
	case lsn%walPage == walShortHeader:
		return lsn - walShortHeader
	}
	return lsn
}

// forks are where the ancestors of a timeline ended, by their number.
type forks map[uint64]uint64

// parseForks reads a timeline's history file: per ancestor a line of its
// number, its last position and a reason; "#" begins a comment.
func parseForks(text string) (forks, error) {
	f := forks{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 2 {
			return nil, fmt.Errorf("the timeline's history has the line %q", line)
		}
		timeline, err := strconv.ParseUint(fields[0], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("the timeline's history has the line %q", line)
		}
		if f[timeline], err = parseLSN(fields[1]); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// covers tells whether a log that ends at lsn of a timeline is the beginning
// of the primary's.
func (f forks) covers(timeline, lsn uint64) bool {
	end, ok := f[timeline]
	return ok && lsn <= end
}
