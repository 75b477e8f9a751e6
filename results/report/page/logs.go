package page

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results/report"
	"github.com/aftershock-chaos/aftershock/results/timeline"
)

const (
	logAround  = int64(1500 * time.Millisecond) // how far from an instant lines of logs are shown
	mostLines  = 6                              // of one node around one instant
	mostOfLine = 220                            // characters
	mostOfDay  = int64(20 * time.Hour)          // by which a log's clock may be off before its lines are none of the run's
)

// nodeLog are lines of one node's log.
type nodeLog struct {
	Node  string
	Lines []logLine
}

// logLine is a line with its time on the run's clock.
type logLine struct {
	At, Text string
	ns       int64
}

// stamp finds the time of a line as the servers write it: 2026-11-28T21:27:54.375Z,
// 2026-11-28 21:27:54.375, 2026/11/28 21:27:54, 28 Nov 2026 21:27:54.375.
var stamp = regexp.MustCompile(`(?:(\d{4})[-/](\d\d)[-/](\d\d)|(\d\d) ([A-Z][a-z]{2}) (\d{4}))[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?`)

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// stampOf is the time of a line, in UTC; ok is false if it tells none.
func stampOf(line string) (t time.Time, ok bool) {
	m := stamp.FindStringSubmatch(line)
	if m == nil {
		return t, false
	}
	n := func(s string) int { i, _ := strconv.Atoi(s); return i }
	year, month, day := n(m[1]), n(m[2]), n(m[3])
	if m[5] != "" {
		at := strings.Index(months, m[5])
		if at < 0 || at%3 != 0 {
			return t, false
		}
		year, month, day = n(m[6]), at/3+1, n(m[4])
	}
	return time.Date(year, time.Month(month), day, n(m[7]), n(m[8]), n(m[9]), n((m[10] + "000000000")[:9]), time.UTC), true
}

// linesOf are a log's lines with times of the run's clock, in the log's order. A line
// without a time belongs to the one before.
func linesOf(log []byte, started time.Time) []logLine {
	var lines []logLine
	at, known := int64(0), false
	for line := range bytes.Lines(log) {
		text := string(bytes.ToValidUTF8(bytes.TrimRight(line, "\r\n"), []byte("?")))
		if t, ok := stampOf(text); ok {
			at, known = t.Sub(started).Nanoseconds(), true
			if at < -mostOfDay || at > mostOfDay {
				known = false
			}
		}
		if known && strings.TrimSpace(text) != "" {
			lines = append(lines, logLine{ns: at, Text: timeline.Shorten(report.Plain(text), mostOfLine)})
		}
	}
	return lines
}

// logsAround are the lines of each node's log that are nearest to an instant.
func (in *Input) logsAround(at int64) []nodeLog {
	var all []nodeLog
	for _, node := range slices.Sorted(maps.Keys(in.Logs)) {
		var near []logLine
		for _, l := range in.lines(node) {
			if away := l.ns - at; -logAround <= away && away <= logAround {
				near = append(near, l)
			}
		}
		for len(near) > mostLines { // the ends are farthest
			if at-near[0].ns > near[len(near)-1].ns-at {
				near = near[1:]
			} else {
				near = near[:len(near)-1]
			}
		}
		for i := range near {
			near[i].At = units.Instant(near[i].ns)
		}
		if len(near) > 0 {
			all = append(all, nodeLog{node, slices.Clone(near)})
		}
	}
	return all
}

// lines are a node's log taken apart, once.
func (in *Input) lines(node string) []logLine {
	if in.parsed == nil {
		in.parsed = map[string][]logLine{}
	}
	lines, ok := in.parsed[node]
	if !ok {
		lines = linesOf(in.Logs[node], in.Verdict.Started)
		in.parsed[node] = lines
	}
	return lines
}
