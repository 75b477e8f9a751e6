package register

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
)

// versions is how many values superseded one before a time, by the definition.
func (s slow) versions(f map[int64]int64, v, start int64) int {
	n := 0
	if !s.usable(f, v) {
		return 0
	}
	for newer, at := range f {
		begun, ok := s.started(f, newer)
		if !ok || at >= start {
			continue
		}
		if w := s.writers(newer)[0]; f[v] < begun || s.effective(w) && w.Old == v {
			n++
		}
	}
	return n
}

// slowMoment is where an operation stands to one fault.
func slowMoment(op *history.Op, begin, end int64) string {
	switch {
	case op.End < begin:
		return "before"
	case min(op.Intended, op.Start) <= end:
		return "during"
	}
	return "after"
}

// staleFacts are the facts of staleness by the definitions.
func (s slow) staleFacts(log *history.Log, begin, end int64) map[string]string {
	f := s.certain()
	groups := map[string][]int64{}
	for i := range s.ops {
		op := &s.ops[i]
		if !isStaleable(op) {
			continue
		}
		gap := s.staleness(f, op.Value, op.Start)
		for _, name := range []string{"staleness.", log.Meta.Nodes[op.Node] + ".staleness.", "staleness." + slowMoment(op, begin, end) + "."} {
			groups[name] = append(groups[name], gap)
		}
		groups["version_lag."] = append(groups["version_lag."], int64(s.versions(f, op.Value, op.Start)))
	}
	facts := map[string]string{}
	for name, all := range groups {
		slices.Sort(all)
		facts["reads."+name+"p50"] = fmt.Sprint(float64(all[(len(all)+1)/2-1]))
		facts["reads."+name+"p99"] = fmt.Sprint(float64(all[(99*len(all)+99)/100-1]))
		facts["reads."+name+"max"] = fmt.Sprint(float64(all[len(all)-1]))
	}
	return facts
}

// TestStalenessAgreesWithDefinitions compares every fact of staleness with its
// definition, on random histories around one fault.
func TestStalenessAgreesWithDefinitions(t *testing.T) {
	checktest.Alone(t)
	shapes := []shape{
		{Ops: 16, Length: 40, Longest: 6},
		{Ops: 30, Length: 60, Longest: 8, Finals: true, Cas: true},
		{Ops: 24, Length: 40, Longest: 4, Finals: true, Sessions: true, Cas: true},
		{Ops: 12, Length: 24, Longest: 6, Twice: true, Cas: true},
	}
	names := []string{"reads.staleness.p50", "reads.staleness.p99", "reads.staleness.max", "reads.version_lag.p50", "reads.version_lag.p99",
		"reads.version_lag.max", "reads.staleness.before.p99", "reads.staleness.during.p99", "reads.staleness.after.p99", "reads.n1.staleness.p50",
		"reads.n2.staleness.p99", "reads.n3.staleness.max"}
	positive, many := map[string]int{}, 0
	for seed := range 4000 {
		r := rand.New(rand.NewPCG(uint64(seed), 11))
		ops := randomOps(r, shapes[seed%len(shapes)])
		if seed%3 == 0 {
			ops = mutate(r, mutate(r, copyOps(r, 8+r.IntN(20), 3, seed%2 == 0)))
		}
		begin, end := int64(5+r.IntN(15)), int64(20+r.IntN(15))
		log := faulted(logOf(registerType, ops...), history.Event{At: begin, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}},
			history.Event{At: end, Kind: history.EventHeal, Fault: "f1"})
		found := checkers.Run(t.Context(), log, checkers.Limits{}, []checkers.Checker{Checker()})
		values := map[string]checkers.Value{}
		for _, v := range found.Values {
			values[v.Name] = v
		}
		want := (slow{log.Ops, true}).staleFacts(log, begin, end)
		for _, name := range names {
			w := want[name]
			if w == "" {
				w = "?" // there was no such read
			}
			if got := show(values, name); got != w {
				t.Fatalf("seed %d: %s is %s, want %s:\n%v", seed, name, got, w, log.Ops)
			}
			if w != "?" && w != "0" {
				positive[name]++
			}
		}
		if sum := values["reads.n1.stale"].N + values["reads.n2.stale"].N + values["reads.n3.stale"].N; sum != values["reads.stale"].N {
			t.Fatalf("seed %d: %v stale reads on the nodes, %v in all", seed, sum, values["reads.stale"].N)
		}
		if values["reads.version_lag.max"].N > 1 {
			many++
		}
		compareSamples(t, found.Stale, log, (slow{log.Ops, true}))
		compareRows(t, found.Staleness, log, (slow{log.Ops, true}), begin, end)
	}
	t.Log(positive, many)
	for _, name := range names {
		if positive[name] < 50 {
			t.Errorf("%s is positive in %d histories only", name, positive[name])
		}
	}
}

// isStaleable tells whether an operation is one of the reads that can be stale.
func isStaleable(op *history.Op) bool {
	return op.Kind == history.Read && op.Outcome == history.OK && !op.Final()
}

// compareSamples compares the samples of a log with the definitions.
func compareSamples(t *testing.T, got []checkers.StaleSample, log *history.Log, s slow) {
	t.Helper()
	f := s.certain()
	var want []checkers.StaleSample
	for i := range log.Ops {
		op := &log.Ops[i]
		if !isStaleable(op) {
			continue
		}
		if gap := s.staleness(f, op.Value, op.Start); gap > 0 {
			want = append(want, checkers.StaleSample{Staleness: gap, Versions: int32(s.versions(f, op.Value, op.Start)), Op: int32(i)})
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("samples are %v, want %v:\n%v", got, want, log.Ops)
	}
}

// compareRows compares how stale the reads of each node and moment were with
// the definitions.
func compareRows(t *testing.T, got []checkers.StaleReads, log *history.Log, s slow, begin, end int64) {
	t.Helper()
	f := s.certain()
	var want []checkers.StaleReads
	for node := -1; node < len(log.Meta.Nodes); node++ {
		for _, when := range []string{"", "before", "during", "after"} {
			row, gaps := checkers.StaleReads{When: when}, []int64{}
			if node >= 0 {
				row.Node = log.Meta.Nodes[node]
			}
			for i := range log.Ops {
				op := &log.Ops[i]
				if !isStaleable(op) || node >= 0 && int(op.Node) != node || when != "" && slowMoment(op, begin, end) != when {
					continue
				}
				gap := s.staleness(f, op.Value, op.Start)
				if gaps = append(gaps, gap); gap > 0 {
					row.Stale++
					row.Versions = max(row.Versions, s.versions(f, op.Value, op.Start))
				}
			}
			if row.Reads = len(gaps); row.Reads == 0 {
				continue
			}
			slices.Sort(gaps)
			row.P50, row.P99, row.Max = gaps[(len(gaps)+1)/2-1], gaps[(99*len(gaps)+99)/100-1], gaps[len(gaps)-1]
			want = append(want, row)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("rows are %v, want %v:\n%v", got, want, log.Ops)
	}
}
