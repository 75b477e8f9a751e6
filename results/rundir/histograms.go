package rundir

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/lag"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
)

// maxIntervals bounds a histogram log; what came later than this many seconds
// after the run's start is in its last interval.
const maxIntervals = 7 * 24 * 3600

// WriteLatencyLog writes the latency of every acknowledged operation of the
// load, in nanoseconds from intended start to answer, as an HdrHistogram V2
// interval log: one interval a second, by the time of the answer, and in it one
// histogram of all, without a tag, which is what HdrHistogram's own log processors
// read, and one for each tag <operation>/<phase>/<node>.
func WriteLatencyLog(w io.Writer, log *history.Log, started time.Time) error {
	t := kit.NewTimeline(log)
	l := newHlog(w, "latency", log, started)
	for op := range log.All() {
		if results.IsLoad(op) && op.Outcome == history.OK {
			l.add(op.End, l.tags.id(op.Kind.String(), t.Phase(op), op.Node), kit.Span(op.End, op.Intended), op.Start)
		}
	}
	return l.end()
}

// WriteLagLog writes the replication lag of every marker that a replica
// showed, in nanoseconds, as an HdrHistogram V2 interval log: one interval a
// second, by the time at which the marker was visible, and in it two
// histograms for each phase and replica: ack-to-visible/<phase>/<node> and
// write-to-visible/<phase>/<node>. The one without a tag is that of all
// ack-to-visible.
func WriteLagLog(w io.Writer, log *history.Log, started time.Time) error {
	return writeLagLog(w, log, lag.LagSamples(log), started)
}

func writeLagLog(w io.Writer, log *history.Log, samples []lag.LagSample, started time.Time) error {
	t := kit.NewTimeline(log)
	l := newHlog(w, "lag", log, started)
	l.total = func(tag string) bool { return strings.HasPrefix(tag, acked+"/") }
	for _, s := range samples {
		phase := t.At(s.At)
		l.add(s.At, l.tags.id(acked, phase, s.Node), s.AckToVisible, 0)
		l.add(s.At, l.tags.id("write-to-visible", phase, s.Node), s.StartToVisible, 0)
	}
	return l.end()
}

// acked is the tag of lag from a marker's acknowledgement on.
const acked = "ack-to-visible"

// WriteStalenessLogs writes how stale every answered read of a register was, in
// nanoseconds, as an HdrHistogram V2 interval log: one interval a second, by
// the time at which the read began, and in it one histogram for each tag
// staleness/<phase>/<node>. stale are the stale reads, in order of the log; the
// others count as 0, and final reads are left out.
//
// versions gets the same by the number of newer values that had certainly been
// there before the read began, with tags versions/<phase>/<node>. One pass over
// the log makes both.
func WriteStalenessLogs(w, versions io.Writer, log *history.Log, stale []checkers.StaleSample, started time.Time) error {
	times := newHlog(w, "staleness", log, started)
	behind := newHlogOf(versions, "versions", "[versions behind, maximum in millions, one interval a second]", log, started)
	behind.h = hdrhistogram.New(1, math.MaxInt32, kit.LatencyDigits)
	t, registers := kit.NewTimeline(log), log.WorkloadIndex(history.ObjectRegister)
	next := 0 // in log.Ops
	for op := range log.All() {
		var s checkers.StaleSample
		if next < len(log.Ops) && same(op, &log.Ops[next]) {
			if len(stale) > 0 && int(stale[0].Op) == next {
				s, stale = stale[0], stale[1:]
			}
			next++
		}
		if op.Kind == history.Read && op.Outcome == history.OK && !op.Final() && slices.Contains(registers, int(op.Workload)) {
			phase := t.Phase(op)
			times.add(op.Start, times.tags.id("staleness", phase, op.Node), s.Staleness, op.Start)
			behind.add(op.Start, behind.tags.id("versions", phase, op.Node), int64(s.Versions), op.Start)
		}
	}
	return errors.Join(times.end(), behind.end())
}

// same tells whether two operations are one: of a log on disk, one was read
// from the file and the other was kept.
func same(a, b *history.Op) bool {
	return a == b || a.Start == b.Start && a.End == b.End && a.Process == b.Process && a.Workload == b.Workload && a.Key == b.Key &&
		a.Kind == b.Kind && a.Value == b.Value && a.Node == b.Node && a.Outcome == b.Outcome && a.Flags == b.Flags
}

// hlogPoint is one value of a histogram log.
type hlogPoint struct {
	second int32
	tag    int32
	value  int64
}

func secondOf(ns int64) int32 {
	return int32(min(max(ns, 0)/int64(time.Second), maxIntervals-1))
}

// tagTable numbers the tags in use.
type tagTable struct {
	nodes []string
	ids   map[tagKey]int32
	names []string
}

type tagKey struct {
	what  string
	phase checkers.Phase
	node  int8
}

func newTagTable(nodes []string) *tagTable {
	return &tagTable{nodes: nodes, ids: map[tagKey]int32{}}
}

func (t *tagTable) id(what string, phase checkers.Phase, node int8) int32 {
	key := tagKey{what, phase, node}
	id, ok := t.ids[key]
	if !ok {
		id = int32(len(t.names))
		t.ids[key] = id
		t.names = append(t.names, fmt.Sprintf("%s/%s/%s", what, phase, t.node(node)))
	}
	return id
}

func (t *tagTable) node(i int8) string {
	if i < 0 || int(i) >= len(t.nodes) {
		return "none"
	}
	return fileName(t.nodes[i])
}

// hlog writes a histogram log: one line for each second and tag.
type hlog struct {
	out     *hdrhistogram.HistogramLogWriter
	what    string
	started time.Time
	onDisk  bool // points come as they are read, in order of start
	tags    *tagTable
	points  []hlogPoint
	total   func(tag string) bool // it is in the histogram without a tag; nil: every tag is
	unripe  int                   // length of points after the last look
	written int32                 // seconds before this have been written
	h       *hdrhistogram.Histogram
	err     error // the first
}

// newHlog begins a log of times.
func newHlog(w io.Writer, what string, log *history.Log, started time.Time) *hlog {
	return newHlogOf(w, what, fmt.Sprintf("[%s in nanoseconds, maximum in milliseconds, one interval a second]", what), log, started)
}

func newHlogOf(w io.Writer, what, comment string, log *history.Log, started time.Time) *hlog {
	l := &hlog{out: hdrhistogram.NewHistogramLogWriter(w), what: what, started: started, onDisk: log.OnDisk(),
		tags: newTagTable(log.Meta.Nodes), h: kit.NewHistogram()}
	base := started.Truncate(time.Second).UnixMilli() // the header knows whole seconds only
	l.err = writeHlogHeader(l.out, comment, base)
	return l
}

// add takes a value of a time. Of a log on disk, what comes later is of no time
// before floor, so that the seconds before it can be written.
func (l *hlog) add(at int64, tag int32, value, floor int64) {
	l.points = append(l.points, hlogPoint{max(secondOf(at), l.written), tag, max(value, 0)})
	if l.onDisk && len(l.points) > 2*l.unripe+1<<16 {
		l.write(secondOf(floor))
		l.unripe = len(l.points)
	}
}

// write writes the seconds before one.
func (l *hlog) write(before int32) {
	rank := ranks(l.tags.names)
	slices.SortFunc(l.points, func(a, b hlogPoint) int {
		if a.second != b.second {
			return int(a.second) - int(b.second)
		}
		return rank[a.tag] - rank[b.tag]
	})
	begin, counted := 0, int32(-1)
	for begin < len(l.points) && l.points[begin].second < before {
		if l.points[begin].second != counted {
			counted = l.points[begin].second
			l.all(l.points[begin:])
		}
		end := begin
		for end < len(l.points) && l.points[end].second == l.points[begin].second && l.points[end].tag == l.points[begin].tag {
			end++
		}
		l.line(l.points[begin:end], l.tags.names[l.points[begin].tag])
		begin = end
	}
	l.points = slices.Delete(l.points, 0, begin)
	l.written = max(l.written, before)
}

// all writes the points of the first second, whatever their tags, without a tag.
func (l *hlog) all(points []hlogPoint) {
	var total []hlogPoint
	for _, p := range points {
		if p.second != points[0].second {
			break
		}
		if l.total == nil || l.total(l.tags.names[p.tag]) {
			total = append(total, p)
		}
	}
	if len(total) > 0 {
		l.line(total, "")
	}
}

// line writes points of one second.
func (l *hlog) line(points []hlogPoint, tag string) {
	if l.err != nil {
		return
	}
	l.h.Reset()
	h := l.h
	for _, p := range points {
		h = kit.RecordLatency(h, p.value, 1) // of a wider range where one is needed
	}
	from := l.started.UnixMilli() + int64(points[0].second)*1000
	h.SetTag(tag)
	h.SetStartTimeMs(from)
	h.SetEndTimeMs(from + 1000)
	l.err = l.out.OutputIntervalHistogram(h)
}

// end writes the rest.
func (l *hlog) end() error {
	l.write(maxIntervals)
	if l.err != nil {
		return fmt.Errorf("write the %s log: %w", l.what, l.err)
	}
	return nil
}

// ranks tells each tag's place in the order of the alphabet.
func ranks(tags []string) []int {
	order := make([]int, len(tags))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(tags[a], tags[b]) })
	rank := make([]int, len(tags))
	for place, tag := range order {
		rank[tag] = place
	}
	return rank
}

func writeHlogHeader(log *hdrhistogram.HistogramLogWriter, comment string, base int64) error {
	log.SetBaseTime(base)
	if err := log.OutputComment(comment); err != nil {
		return err
	}
	if err := log.OutputLogFormatVersion(); err != nil {
		return err
	}
	if err := log.OutputBaseTime(base); err != nil {
		return err
	}
	if err := log.OutputStartTime(base); err != nil {
		return err
	}
	return log.OutputLegend()
}
