package checkers

import (
	"cmp"
	"context"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

const noReads = "no read was answered"

// maxNodes is how many nodes an operation can name.
const maxNodes = 128

// momentNames are the names of the moments in facts.
var momentNames = [moments]string{beforeFaults: "before", duringFault: "during", afterFaults: "after"}

// readCounts is how many reads of registers were answered, final ones aside:
// by moment, and by node plus one, so that those which name no node come first.
type readCounts [moments][maxNodes + 1]int

// everyNode and anyMoment stand for every node and every moment.
const (
	everyNode = -1
	anyMoment = moments
)

// count takes an operation on a register.
func (c *readCounts) count(line *timeline, op *history.Op) {
	if op.Kind == history.Read && op.Outcome == history.OK && !op.Final() {
		c[line.moment(op)][max(op.Node, -1)+1]++
	}
}

// of is the number of one node's reads, or of all nodes', at one moment or any.
func (c *readCounts) of(node int, m moment) int {
	sum := 0
	for at := range c {
		if m != anyMoment && int(m) != at {
			continue
		}
		if node >= 0 {
			sum += c[at][node+1]
			continue
		}
		for _, n := range c[at] {
			sum += n
		}
	}
	return sum
}

// readsOf are the counts of a log's reads.
func readsOf(ctx context.Context, log *history.Log, limits Limits) *readCounts {
	if limits.pass != nil {
		return &limits.pass.reads
	}
	return countReads(ctx, log, newTimeline(log), limits.Workers)
}

// countReads counts a log's reads, shared out among the workers.
func countReads(ctx context.Context, log *history.Log, line *timeline, workers int) *readCounts {
	registers := registersOf(log)
	parts := make([]readCounts, (len(log.Ops)+scanCheck-1)/scanCheck)
	parallel(ctx, workers, len(parts), func(n int) {
		for i := n * scanCheck; i < min((n+1)*scanCheck, len(log.Ops)); i++ {
			op := &log.Ops[i]
			if registers[op.Workload] {
				parts[n].count(line, op)
			}
		}
	})
	total := &readCounts{}
	for i := range parts {
		for m := range total {
			for node := range total[m] {
				total[m][node] += parts[i][m][node]
			}
		}
	}
	return total
}

// staleness is how stale the reads of registers were: of all nodes and of each,
// at any moment and at each. Reads of the warm-up are among them, as among
// those of reads.stale.
type staleness struct {
	reads    *readCounts
	versions []int64      // values by which each stale read was behind
	all      staleCells   // of all nodes
	nodes    []staleCells // by node
}

// staleCells are the stale reads at each moment, and at any.
type staleCells [moments + 1]struct {
	gaps     []int64 // the times by which they were stale, in order
	versions int32   // greatest number of newer values
}

func (c *staleCells) add(m moment, s *StaleSample) {
	for _, at := range [...]moment{m, anyMoment} {
		c[at].gaps = append(c[at].gaps, s.Staleness)
		c[at].versions = max(c[at].versions, s.Versions)
	}
}

// staleness sorts out the stale reads, and leaves them in order of the log.
func (t *registerTally) staleness(log *history.Log, line *timeline, reads *readCounts) *staleness {
	s := &staleness{reads: reads, versions: make([]int64, len(t.stale)), nodes: make([]staleCells, min(len(log.Meta.Nodes), maxNodes))}
	slices.SortFunc(t.stale, func(a, b StaleSample) int { return cmp.Compare(a.Staleness, b.Staleness) })
	for i := range t.stale {
		r := &t.stale[i]
		op := &log.Ops[r.Op]
		m := line.moment(op)
		s.versions[i] = int64(r.Versions)
		s.all.add(m, r)
		if op.Node >= 0 && int(op.Node) < len(s.nodes) {
			s.nodes[op.Node].add(m, r)
		}
	}
	slices.SortFunc(t.stale, func(a, b StaleSample) int { return cmp.Compare(a.Op, b.Op) })
	return s
}

// values are the facts of staleness, fresh reads counting as 0.
func (s *staleness) values(log *history.Log) []Value {
	const noneOf, noneThen = "no read was answered by this node", "no read was answered then"
	all := s.reads.of(everyNode, anyMoment)
	values := distributed("reads.staleness.", s.all[anyMoment].gaps, all, noReads)
	values = append(values, distributed("reads.version_lag.", s.versions, all, noReads)...)
	for m, name := range momentNames {
		q := quantilesOf(s.all[m].gaps, s.reads.of(everyNode, moment(m)))
		values = append(values, q.value("reads.staleness."+name+".p99", 0.99, noneThen, ""))
	}
	var counts []Value
	for i := range s.nodes {
		gaps := s.nodes[i][anyMoment].gaps
		values = append(values, distributed("reads."+log.Meta.Nodes[i]+".staleness.", gaps, s.reads.of(i, anyMoment), noneOf)...)
		counts = append(counts, anomalies("reads."+log.Meta.Nodes[i]+".stale", len(gaps), log.Torn))
	}
	if log.Torn {
		for i := range values {
			values[i].Known, values[i].Why = false, tornWhy
		}
	}
	return append(values, counts...)
}

// quantilesOf are those of a number that is positive for some of all reads and
// 0 for the others.
func quantilesOf(positive []int64, all int) quantiles {
	return newQuantiles(positive, all-len(positive), 0)
}

// distributed are the facts of such a number.
func distributed(prefix string, positive []int64, all int, empty string) []Value {
	q := quantilesOf(positive, all)
	return []Value{q.value(prefix+"p50", 0.5, empty, ""), q.value(prefix+"p99", 0.99, empty, ""), q.value(prefix+"max", 1, empty, "")}
}

// StaleReads is how stale the answered reads of registers were that one node
// answered, or any, at one moment of the run, or any. Fresh reads count as 0.
// Of a torn log some stale reads may be missing.
type StaleReads struct {
	Node     string `json:"node,omitempty"` // empty: all, also those that name none
	When     string `json:"when,omitempty"` // before the faults, during one, after; as in the facts. Empty: at any time
	Reads    int    `json:"reads"`
	Stale    int    `json:"stale"`
	P50      int64  `json:"p50_ns"` // time by which the reads were stale
	P99      int64  `json:"p99_ns"`
	Max      int64  `json:"max_ns"`
	Versions int    `json:"versions_max"` // greatest number of newer values, see StaleSample
}

// rows lists all nodes together, then each that answered a read; of each the
// whole run, then its moments.
func (s *staleness) rows(log *history.Log) []StaleReads {
	var rows []StaleReads
	add := func(node int, name string, cells *staleCells) {
		for _, m := range [...]moment{anyMoment, beforeFaults, duringFault, afterFaults} {
			n := s.reads.of(node, m)
			if n == 0 {
				continue
			}
			q, row := quantilesOf(cells[m].gaps, n), StaleReads{Node: name, Reads: n, Stale: len(cells[m].gaps), Versions: int(cells[m].versions)}
			if m != anyMoment {
				row.When = momentNames[m]
			}
			for to, of := range map[*int64]float64{&row.P50: 0.5, &row.P99: 0.99, &row.Max: 1} {
				*to = int64(q.value("", of, "", "").N)
			}
			rows = append(rows, row)
		}
	}
	add(everyNode, "", &s.all)
	for i := range s.nodes {
		add(i, log.Meta.Nodes[i], &s.nodes[i])
	}
	return rows
}
