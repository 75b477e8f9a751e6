package results

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// maxIntervals bounds a histogram log; what came later than this many seconds
// after the run's start is in its last interval.
const maxIntervals = 7 * 24 * 3600

// WriteLatencyLog writes the latency of every acknowledged operation of the
// load, in nanoseconds from intended start to answer, as an HdrHistogram V2
// interval log: one interval a second, by the time of the answer, and in it
// one histogram for each tag <operation>/<phase>/<node>.
func WriteLatencyLog(w io.Writer, log *history.Log, started time.Time) error {
	t := newTimeline(log)
	tags := newTagTable(log.Meta.Nodes)
	points := make([]hlogPoint, 0, len(log.Ops))
	for i := range log.Ops {
		op := &log.Ops[i]
		if !isLoad(op) || op.Outcome != history.OK {
			continue
		}
		points = append(points, hlogPoint{
			second: secondOf(op.End),
			tag:    tags.id(op.Kind.String(), t.of(op), op.Node),
			value:  clampLatency(since(op.End, op.Intended)),
		})
	}
	return writeHlog(w, "latency", points, tags.names, started)
}

// WriteLagLog writes the replication lag of every marker that a replica
// showed, in nanoseconds, as an HdrHistogram V2 interval log: one interval a
// second, by the time at which the marker was visible, and in it two
// histograms for each phase and replica: ack-to-visible/<phase>/<node> and
// write-to-visible/<phase>/<node>.
func WriteLagLog(w io.Writer, log *history.Log, started time.Time) error {
	return writeLagLog(w, log, checkers.LagSamples(log), started)
}

func writeLagLog(w io.Writer, log *history.Log, samples []checkers.LagSample, started time.Time) error {
	t := newTimeline(log)
	tags := newTagTable(log.Meta.Nodes)
	points := make([]hlogPoint, 0, 2*len(samples))
	for _, s := range samples {
		second, phase := secondOf(s.At), t.at(s.At)
		points = append(points,
			hlogPoint{second, tags.id("ack-to-visible", phase, s.Node), clampLatency(s.AckToVisible)},
			hlogPoint{second, tags.id("write-to-visible", phase, s.Node), clampLatency(s.StartToVisible)})
	}
	return writeHlog(w, "lag", points, tags.names, started)
}

// WriteStalenessLog writes how stale every answered read of a register was, in
// nanoseconds, as an HdrHistogram V2 interval log: one interval a second, by
// the time at which the read began, and in it one histogram for each tag
// staleness/<phase>/<node>. Fresh reads count as 0; final reads are left out.
func WriteStalenessLog(w io.Writer, log *history.Log, started time.Time) error {
	t := newTimeline(log)
	tags := newTagTable(log.Meta.Nodes)
	registers := log.WorkloadIndex("register")
	stale := checkers.StaleSamples(log)
	var points []hlogPoint
	for i := range log.Ops {
		op, gap := &log.Ops[i], int64(0)
		if len(stale) > 0 && stale[0].Op == i {
			gap, stale = stale[0].Staleness, stale[1:]
		}
		if op.Kind == history.Read && op.Outcome == history.OK && !op.Final() && slices.Contains(registers, int(op.Workload)) {
			points = append(points, hlogPoint{secondOf(op.Start), tags.id("staleness", t.of(op), op.Node), clampLatency(gap)})
		}
	}
	return writeHlog(w, "staleness", points, tags.names, started)
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
	phase Phase
	node  int8
}

func newTagTable(nodes []string) *tagTable {
	return &tagTable{nodes: nodes, ids: map[tagKey]int32{}}
}

func (t *tagTable) id(what string, phase Phase, node int8) int32 {
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

// writeHlog sorts the points and writes one line for each second and tag.
func writeHlog(w io.Writer, what string, points []hlogPoint, tags []string, started time.Time) error {
	rank := ranks(tags)
	slices.SortFunc(points, func(a, b hlogPoint) int {
		if a.second != b.second {
			return int(a.second) - int(b.second)
		}
		return rank[a.tag] - rank[b.tag]
	})
	base := started.Truncate(time.Second).UnixMilli() // the header knows whole seconds only
	log := hdrhistogram.NewHistogramLogWriter(w)
	if err := writeHlogHeader(log, what, base); err != nil {
		return fmt.Errorf("write the %s log: %w", what, err)
	}
	h := newHistogram()
	for begin := 0; begin < len(points); {
		end := begin
		h.Reset()
		for end < len(points) && points[end].second == points[begin].second && points[end].tag == points[begin].tag {
			if err := h.RecordValue(points[end].value); err != nil {
				return fmt.Errorf("write the %s log: %w", what, err)
			}
			end++
		}
		from := started.UnixMilli() + int64(points[begin].second)*1000
		h.SetTag(tags[points[begin].tag])
		h.SetStartTimeMs(from)
		h.SetEndTimeMs(from + 1000)
		if err := log.OutputIntervalHistogram(h); err != nil {
			return fmt.Errorf("write the %s log: %w", what, err)
		}
		begin = end
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

func writeHlogHeader(log *hdrhistogram.HistogramLogWriter, what string, base int64) error {
	log.SetBaseTime(base)
	if err := log.OutputComment(fmt.Sprintf("[%s in nanoseconds, maximum in milliseconds, one interval a second]", what)); err != nil {
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
