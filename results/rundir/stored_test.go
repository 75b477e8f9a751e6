package rundir

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

// TestFromDisk compares the verdict, the picture and the histogram logs of a
// run that is judged from disk with those of the run in memory.
func TestFromDisk(t *testing.T) {
	log := resultstest.Log()
	slices.SortStableFunc(log.Ops, func(a, b history.Op) int { return history.Less(&a, &b) })
	stored := resultstest.OnDisk(t, log)
	want, got := results.Measure(context.Background(), log, checkers.DefaultLimits, 0), results.Measure(context.Background(), stored, checkers.DefaultLimits, 1<<30)
	if err := stored.Err(); err != nil {
		t.Fatal(err)
	}
	in := results.Input{Claims: []string{"writes.lost == 0", "reads.staleness.p99 < 1s", "failover.max < 10s"}, MinOps: 100, Started: resultstest.Start}
	verdict := func(log *history.Log, m *results.Measured) string {
		in.Log, in.Measured = log, m
		return resultstest.AsJSON(t, results.Judge(in))
	}
	if g, w := verdict(stored, got), verdict(log, want); g != w {
		t.Errorf("the verdict is\n%s\nwant\n%s", g, w)
	}
	for name, write := range map[string]func(io.Writer, *history.Log, *results.Measured) error{
		"latency": func(w io.Writer, log *history.Log, _ *results.Measured) error {
			return WriteLatencyLog(w, log, resultstest.Start)
		},
		"staleness": func(w io.Writer, log *history.Log, m *results.Measured) error {
			return WriteStalenessLogs(w, w, log, m.Stale, resultstest.Start)
		},
		"lag": func(w io.Writer, log *history.Log, _ *results.Measured) error {
			return WriteLagLog(w, log, resultstest.Start)
		},
	} {
		var g, w bytes.Buffer
		if err := write(&w, log, want); err != nil {
			t.Fatal(err)
		}
		if err := write(&g, stored, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(g.Bytes(), w.Bytes()) || w.Len() < 200 {
			t.Errorf("%s log: %d bytes differ from %d", name, g.Len(), w.Len())
		}
	}
}

// TestLongFromDisk writes more values than a histogram log keeps at once.
func TestLongFromDisk(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Nodes: []string{"n1"}, Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Keys: 1, Workers: 100}}}}
	for i := range int64(200_000) {
		log.Ops = append(log.Ops, history.Op{Intended: i * 20_000, Start: i * 20_000, End: i*20_000 + i%1000*2000, Process: uint32(i % 100), Value: history.Nil, Outcome: history.OK})
	}
	stored := resultstest.OnDisk(t, log)
	var g, w bytes.Buffer
	if err := WriteLatencyLog(&w, log, resultstest.Start); err != nil {
		t.Fatal(err)
	}
	if err := WriteLatencyLog(&g, stored, resultstest.Start); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g.Bytes(), w.Bytes()) {
		t.Error("the histogram log differs")
	}
}

// TestHistogramsFromDisk leaves out the histograms that cannot be known.
func TestHistogramsFromDisk(t *testing.T) {
	log := resultstest.Log()
	log.Ops = append(log.Ops, history.Op{Workload: 1, Kind: history.Mark, Start: 2 * sec, End: 2 * sec, Outcome: history.OK})
	stored := resultstest.OnDisk(t, log)
	dir, err := Create(t.TempDir(), "disk", 1, resultstest.Start, "K3F9QZABCDEFGHIJKLMNOPQRST")
	if err != nil {
		t.Fatal(err)
	}
	m := results.Measure(context.Background(), stored, checkers.DefaultLimits, 1)
	if err := dir.WriteHistograms(stored, m, resultstest.Start); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{LatencyFile: true, StalenessFile: false, LagFile: false} {
		files, _ := filepath.Glob(dir.File(name))
		if got := len(files) == 1; got != want {
			t.Errorf("%s is there: %v", name, got)
		}
	}
}
