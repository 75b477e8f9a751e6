package register

import (
	"cmp"
	"context"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

const noReads = "no read was answered"

// maxNodes is how many nodes an operation can name.
const maxNodes = 128

// momentNames are the names of the moments in facts.
var momentNames = [kit.Moments]string{kit.BeforeFaults: "before", kit.DuringFault: "during", kit.AfterFaults: "after"}

// readCounts is how many reads of registers were answered, final ones aside:
// by moment, and by node plus one, so that those which name no node come first.
type readCounts [kit.Moments][maxNodes + 1]int

// everyNode and anyMoment stand for every node and every moment.
const (
	everyNode = -1
	anyMoment = kit.Moments
)

// Count takes an operation on a register.
func (c *readCounts) count(line *kit.Timeline, op *history.Op) {
	if op.Kind == history.Read && op.Outcome == history.OK && !op.Final() {
		c[line.Moment(op)][max(op.Node, -1)+1]++
	}
}

// Of is the number of one node's reads, or of all nodes', at one moment or any.
func (c *readCounts) of(node int, m kit.Moment) int {
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

// countReads counts a log's reads, shared out among the workers.
func countReads(ctx context.Context, log *history.Log, line *kit.Timeline, workers int) *readCounts {
	registers := registersOf(log)
	parts := make([]readCounts, (len(log.Ops)+scanCheck-1)/scanCheck)
	kit.Parallel(ctx, workers, len(parts), func(n int) {
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
	doubts   *kit.Doubts
	versions []int64      // values by which each stale read was behind
	all      staleCells   // of all nodes
	nodes    []staleCells // by node
}

// staleCells are the stale reads at each moment, and at any.
type staleCells [kit.Moments + 1]staleCell

type staleCell struct {
	gaps     kit.Times // by which they were stale, in order
	versions int32     // greatest number of newer values
}

func (c *staleCells) add(m kit.Moment, s *checkers.StaleSample, read int64, doubts *kit.Doubts) {
	for _, at := range [...]kit.Moment{m, anyMoment} {
		c[at].gaps.Add(s.Staleness, doubts, kit.Span(read, s.Staleness), read)
		c[at].versions = max(c[at].versions, s.Versions)
	}
}

// staleness sorts out the stale reads, and leaves them in order of the log.
func (t *registerTally) staleness(log *history.Log, line *kit.Timeline, reads *readCounts) *staleness {
	s := &staleness{reads: reads, doubts: kit.DoubtsOf(log), versions: make([]int64, len(t.stale)), nodes: make([]staleCells, min(len(log.Meta.Nodes), maxNodes))}
	slices.SortFunc(t.stale, func(a, b checkers.StaleSample) int { return cmp.Compare(a.Staleness, b.Staleness) })
	for i := range t.stale {
		r := &t.stale[i]
		op := &log.Ops[r.Op]
		m := line.Moment(op)
		s.versions[i] = int64(r.Versions)
		s.all.add(m, r, op.Start, s.doubts)
		if op.Node >= 0 && int(op.Node) < len(s.nodes) {
			s.nodes[op.Node].add(m, r, op.Start, s.doubts)
		}
	}
	slices.SortFunc(t.stale, func(a, b checkers.StaleSample) int { return cmp.Compare(a.Op, b.Op) })
	return s
}

// values are the facts of staleness, fresh reads counting as 0.
func (s *staleness) values(log *history.Log) []checkers.Value {
	const noneOf, noneThen = "no read was answered by this node", "no read was answered then"
	all := s.reads.of(everyNode, anyMoment)
	values := distributed("reads.staleness.", s.quantiles(&s.all, anyMoment, everyNode), noReads)
	values = append(values, distributed("reads.version_lag.", kit.NewQuantiles(s.versions, all-len(s.versions), 0), noReads)...)
	for m, name := range momentNames {
		q := s.quantiles(&s.all, kit.Moment(m), everyNode)
		values = append(values, q.Value("reads.staleness."+name+".p99", 0.99, noneThen, ""))
	}
	var counts []checkers.Value
	for i := range s.nodes {
		values = append(values, distributed("reads."+log.Meta.Nodes[i]+".staleness.", s.quantiles(&s.nodes[i], anyMoment, i), noneOf)...)
		counts = append(counts, kit.Anomalies("reads."+log.Meta.Nodes[i]+".stale", s.nodes[i][anyMoment].count(), log.Torn))
	}
	if log.Torn {
		for i := range values {
			values[i].Known, values[i].Why = false, kit.TornWhy
		}
	}
	return append(values, counts...)
}

// count is how many stale reads there were at a moment.
func (c *staleCell) count() int { return len(c.gaps.Sure) + len(c.gaps.Doubted) }

// quantiles are those of the staleness of all reads of a node, or of all nodes, at
// a moment: of those that were not stale it is 0.
func (s *staleness) quantiles(cells *staleCells, m kit.Moment, node int) kit.Quantiles {
	c := &cells[m]
	return c.gaps.Quantiles(s.reads.of(node, m)-c.count(), 0, s.doubts)
}

// distributed are the facts of such a number.
func distributed(prefix string, q kit.Quantiles, empty string) []checkers.Value {
	return []checkers.Value{q.Value(prefix+"p50", 0.5, empty, ""), q.Value(prefix+"p99", 0.99, empty, ""), q.Value(prefix+"max", 1, empty, "")}
}

// rows lists all nodes together, then each that answered a read; of each the
// whole run, then its moments.
func (s *staleness) rows(log *history.Log) []checkers.StaleReads {
	var rows []checkers.StaleReads
	add := func(node int, name string, cells *staleCells) {
		for _, m := range [...]kit.Moment{anyMoment, kit.BeforeFaults, kit.DuringFault, kit.AfterFaults} {
			n := s.reads.of(node, m)
			if n == 0 {
				continue
			}
			row := checkers.StaleReads{Node: name, Reads: n, Stale: cells[m].count(), Versions: int(cells[m].versions)}
			if m != anyMoment {
				row.When = momentNames[m]
			}
			q := s.quantiles(cells, m, node)
			for to, of := range map[*int64]float64{&row.P50: 0.5, &row.P99: 0.99, &row.Max: 1} {
				_, most := q.Value("", of, "", "").Bounds()
				*to = int64(most)
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
