package checkers

import (
	"cmp"
	"context"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

const noReads = "no read was answered"

// readCounts is how many reads of registers were answered, final ones aside.
type readCounts struct {
	all     int
	nodes   [maxNodes]int
	moments [moments]int
}

// maxNodes is how many nodes an operation can name.
const maxNodes = 128

func (c *readCounts) add(o *readCounts) {
	c.all += o.all
	for i := range c.nodes {
		c.nodes[i] += o.nodes[i]
	}
	for i := range c.moments {
		c.moments[i] += o.moments[i]
	}
}

// countReads counts a log's reads, shared out among the workers.
func countReads(ctx context.Context, log *history.Log, line *timeline, workers int) *readCounts {
	registers := make([]bool, 256)
	for i := range min(len(log.Meta.Workloads), len(registers)) {
		registers[i] = log.Meta.Workloads[i].Type == registerType
	}
	parts := make([]readCounts, (len(log.Ops)+scanCheck-1)/scanCheck)
	parallel(ctx, workers, len(parts), func(n int) {
		c := &parts[n]
		for i := n * scanCheck; i < min((n+1)*scanCheck, len(log.Ops)); i++ {
			op := &log.Ops[i]
			if op.Kind != history.Read || op.Outcome != history.OK || op.Final() || !registers[op.Workload] {
				continue
			}
			c.all++
			c.moments[line.moment(op)]++
			if op.Node >= 0 {
				c.nodes[op.Node]++
			}
		}
	})
	total := &readCounts{}
	for i := range parts {
		total.add(&parts[i])
	}
	return total
}

// staleValues are the facts of how stale reads were: of all reads, of those of
// each node, and of those of each moment of the run, fresh reads counting as 0.
// Reads of the warm-up are among them, as among those of reads.stale.
func (t *registerTally) staleValues(log *history.Log, reads *readCounts) []Value {
	const noneOf, noneThen = "no read was answered by this node", "no read was answered then"
	line := newTimeline(log)
	gaps, versions := make([]int64, len(t.stale)), make([]int64, len(t.stale))
	nodes, times := make([][]int64, len(log.Meta.Nodes)), make([][]int64, moments)
	for i, r := range t.stale {
		op := &log.Ops[r.op]
		gaps[i], versions[i] = r.gap, int64(r.versions)
		if op.Node >= 0 && int(op.Node) < len(nodes) {
			nodes[op.Node] = append(nodes[op.Node], r.gap)
		}
		m := line.moment(op)
		times[m] = append(times[m], r.gap)
	}
	values := distributed("reads.staleness.", gaps, reads.all, noReads)
	values = append(values, distributed("reads.version_lag.", versions, reads.all, noReads)...)
	for m, name := range [moments]string{beforeFaults: "before", duringFault: "during", afterFaults: "after"} {
		q := newQuantiles(times[m], reads.moments[m]-len(times[m]), 0)
		values = append(values, q.value("reads.staleness."+name+".p99", 0.99, noneThen, ""))
	}
	var counts []Value
	for i, node := range log.Meta.Nodes[:min(len(nodes), maxNodes)] {
		values = append(values, distributed("reads."+node+".staleness.", nodes[i], reads.nodes[i], noneOf)...)
		counts = append(counts, anomalies("reads."+node+".stale", len(nodes[i]), log.Torn))
	}
	if log.Torn {
		for i := range values {
			values[i].Known, values[i].Why = false, tornWhy
		}
	}
	return append(values, counts...)
}

// distributed are the facts of a number that is positive for some of all reads
// and 0 for the others.
func distributed(prefix string, positive []int64, all int, empty string) []Value {
	q := newQuantiles(positive, all-len(positive), 0)
	return []Value{q.value(prefix+"p50", 0.5, empty, ""), q.value(prefix+"p99", 0.99, empty, ""), q.value(prefix+"max", 1, empty, "")}
}

// StaleSample is one read that returned a value which had certainly been
// superseded when the read began.
type StaleSample struct {
	Op        int   // index into the log
	Staleness int64 // nanoseconds by which it had been superseded
	Versions  int   // values that had certainly superseded it; at least 1
}

// StaleSamples lists the stale reads of all registers, in order of the log. Of a
// torn log some may be missing.
func StaleSamples(log *history.Log) []StaleSample {
	ctx, open := context.Background(), map[uint64]bool{}
	if !log.Torn {
		for _, s := range scan(ctx, log, DefaultLimits.Workers) {
			if _, clean := s.study(log); !clean {
				open[uint64(s.workload)<<32|uint64(s.key)] = true
			}
		}
	}
	keys := groupsOf(log, registerType, func(id uint64) bool { return log.Torn || open[id] })
	found := make([][]staleRead, len(keys))
	parallel(ctx, DefaultLimits.Workers, len(keys), func(i int) {
		k := analyse(log, keys[i].ops, true)
		found[i] = tallyRegister(newWords(log), &keys[i], 0, k).stale
	})
	var all []StaleSample
	for _, r := range slices.Concat(found...) {
		all = append(all, StaleSample{Op: int(r.op), Staleness: r.gap, Versions: int(r.versions)})
	}
	slices.SortFunc(all, func(a, b StaleSample) int { return cmp.Compare(a.Op, b.Op) })
	return all
}
