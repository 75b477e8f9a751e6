package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

// staleLog is a register that n1 writes every 100 ms from 0 to 10 s while n2
// and n3 are read 50 ms later; from 4 s to 6 s, while n2 is cut off, n2 shows
// what was written at 3.9s.
func staleLog() *history.Log {
	log := &history.Log{
		Meta: history.Meta{Run: "r", Nodes: []string{"n1", "n2", "n3"}, Workloads: []history.WorkloadMeta{{Name: "register", Type: "register"}}},
		Events: []history.Event{
			{At: 0, Kind: history.EventPhase, Detail: "measure"},
			{At: 4 * sec, Planned: 4 * sec, Kind: history.EventFault, Fault: "f1", Name: "partition", Nodes: []string{"n2"}},
			{At: 6 * sec, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n2"}},
			{At: 10 * sec, Kind: history.EventPhase, Detail: "end"},
		},
	}
	add := func(kind history.Kind, at, value int64, process uint32, node int8) {
		log.Ops = append(log.Ops, history.Op{Intended: at, Start: at, End: at + ms, Value: value, Kind: kind, Process: process, Node: node, Outcome: history.OK})
	}
	for i := int64(0); i < 100; i++ {
		at, shown := i*100*ms, i
		if at >= 4*sec && at < 6*sec {
			shown = 39
		}
		add(history.Write, at, i, 1, 0)
		add(history.Read, at+50*ms, shown, 2, 1)
		add(history.Read, at+50*ms, i, 3, 2)
	}
	return log
}

func reported(t *testing.T, log *history.Log) *results.Verdict {
	t.Helper()
	m := results.Measure(t.Context(), log, checkers.Limits{}, 0)
	return results.Judge(results.Input{Log: log, Measured: m, Started: resultstest.Start})
}

func TestStalenessOfNodesAndPhases(t *testing.T) {
	v := reported(t, staleLog())
	want := []string{
		" 200 20 0ns 1.75s 1.95s 20", "before 80 0 0ns 0ns 0ns 0", "during 40 20 0ns 1.95s 1.95s 20", "after 80 0 0ns 0ns 0ns 0",
		"n2 100 20 0ns 1.85s 1.95s 20", "n2before 40 0 0ns 0ns 0ns 0", "n2during 20 20 949ms 1.95s 1.95s 20", "n2after 40 0 0ns 0ns 0ns 0",
		"n3 100 0 0ns 0ns 0ns 0",
	}
	var got []string
	for _, r := range RowsOf(v).Stale {
		got = append(got, fmt.Sprintf("%s%s %d %d %s %s %s %d", r.Node, r.When, r.Reads, r.Stale, units.Nanos(r.P50), units.Nanos(r.P99), units.Nanos(r.Max), r.Versions))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the rows are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if words := RowsOf(v).StaleWords; !strings.HasPrefix(words, "20 of 200 reads returned a value that had certainly been superseded") {
		t.Error(words)
	}
	p99, _ := v.Fact("reads.staleness.p99")
	versions, _ := v.Fact("reads.version_lag.max")
	if total := staleTotal(v); float64(total.P99) != p99.N || float64(total.Versions) != versions.N {
		t.Errorf("the rows say %+v, the facts differ", total)
	}
}

func TestNoStaleness(t *testing.T) {
	fresh := staleLog()
	for i := range fresh.Ops {
		if op := &fresh.Ops[i]; op.Kind == history.Read {
			op.Value = op.Intended / (100 * ms)
		}
	}
	torn := *fresh
	torn.Torn = true
	written := *fresh
	written.Ops = fresh.Ops[:1]
	for name, tc := range map[string]struct {
		log  *history.Log
		want string
	}{
		"fresh":       {fresh, "No read was stale, of 200 reads."},
		"torn":        {&torn, "No read was seen to be stale, of 200 reads in a torn history."},
		"no reads":    {&written, ""},
		"no register": {&history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Name: "s", Type: "set"}}}}, ""},
	} {
		if rows := RowsOf(reported(t, tc.log)); rows.StaleWords != tc.want || rows.Stale != nil {
			t.Errorf("%s: %q, %v", name, rows.StaleWords, rows.Stale)
		}
	}
}
