package page

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/usage"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ms  = resultstest.Ms
	sec = resultstest.Sec
)

// sample is resultstest's run with markers, roles, logs and samples of usage.
func sample() Input {
	log := resultstest.LaggingLog()
	log.Events = append(log.Events,
		history.Event{At: 0, Kind: history.EventRole, Node: "n1", Epoch: 1, Detail: "primary"},
		history.Event{At: 0, Kind: history.EventRole, Node: "n2", Epoch: 1, Detail: "replica"},
		history.Event{At: 0, Kind: history.EventRole, Node: "n3", Epoch: 1, Detail: "replica"},
		history.Event{At: 4 * sec, Kind: history.EventFailover, Node: "n2", Epoch: 2},
		history.Event{At: 4 * sec, Kind: history.EventRole, Node: "n2", Epoch: 2, Detail: "primary"},
		history.Event{At: 5200 * ms, Kind: history.EventRole, Node: "n1", Epoch: 2, Detail: "replica"},
		history.Event{At: 7500 * ms, Kind: history.EventRole, Node: "n3", Epoch: 3, Detail: "primary"},
		history.Event{At: 8300 * ms, Kind: history.EventRole, Node: "n2", Epoch: 3, Detail: "replica"})
	for at := int64(0); at < 10*sec; at += 250 * ms {
		for node := range 3 {
			s := usage.Sample{At: at, Node: node, Set: usage.None()}
			s.Set[usage.CPU], s.Set[usage.Memory] = at/4*int64(node+1), int64(node+1)*1e6
			s.Set[usage.NetIn], s.Set[usage.NetOut] = at/1000, at/500
			log.Usage = append(log.Usage, s)
		}
	}
	found := resultstest.Found()
	found.Lost = []checkers.Loss{{Acked: 2902 * ms, Certain: true}, {Acked: 2903 * ms, Certain: true}, {Acked: 2950 * ms}}
	m := results.MeasureFound(log, found)
	in := results.Input{
		Plan: results.PlanInfo{Name: "postgres-async", About: "asynchronous replication loses acknowledged writes when the primary dies",
			Seed: 7, Host: "docker", Target: "postgres, synchronous_commit local", Replicas: 2, YAML: "name: postgres-async\nseed: 7\n"},
		Claims: []string{"writes.lost == 0", "reads.staleness.p99 < 1s", "failover.max < 10s"}, MinOps: 100, Log: log, Measured: m, Started: resultstest.Start,
		Planned: []results.PlannedFault{{ID: "f1", Kind: "kill", What: "primary", At: 2 * time.Second}, {ID: "f2", Kind: "partition", What: "isolate replica", At: 6 * time.Second}},
		Dir:     "runs/20260314T150926-postgres-async-7",
	}
	return Input{Verdict: results.Judge(in), Measured: m, Log: log, Logs: map[string][]byte{
		"n1": []byte("2026-03-14 15:09:26.500 UTC LOG: checkpoint\n2026-03-14 15:09:29.001 UTC LOG: shutting down\n\tat once\n2026-03-14 15:19:29.001 UTC LOG: much later\n"),
		"n2": []byte("starting\n1:M 14 Mar 2026 15:09:29.100 # lost the master\n"),
	}}
}

// html is the page of an input.
func html(t testing.TB, in Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// million is a run of so many operations in ten minutes, with a kill in the middle: as
// much as a report ever has to show.
func million(n int) Input {
	log := &history.Log{Meta: history.Meta{Run: "million", Nodes: []string{"n1", "n2", "n3"}, Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Keys: 1000, Workers: 64}}}}
	length, noise := 600*sec, uint64(1)
	for i := range n {
		noise = noise*6364136223846793005 + 1442695040888963407
		at := length / int64(n) * int64(i)
		op := history.Op{Intended: at, Start: at, Worker: uint16(i % 64), Process: uint32(i % 64), Key: uint32(noise>>40) % 1000, Kind: history.Kind(noise >> 63), Node: int8(noise>>33) % 3, Outcome: history.OK}
		latency := 200_000 + int64(noise>>45)
		for tail := noise >> 20; tail%8 == 0 && latency < sec; tail /= 8 {
			latency *= 3
		}
		if at > 300*sec && at < 302*sec {
			latency += 302*sec - at
		}
		if noise>>35%1000 == 0 {
			op.Outcome = history.Unknown
		}
		op.Value, op.End = int64(op.Worker+1)<<40+int64(i), at+latency
		log.Ops = append(log.Ops, op)
	}
	log.Events = []history.Event{
		{At: 0, Kind: history.EventPhase, Detail: "measure"}, {At: 0, Kind: history.EventRole, Node: "n1", Epoch: 1, Detail: "primary"},
		{At: 300 * sec, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}}, {At: 302 * sec, Kind: history.EventRole, Node: "n2", Epoch: 2, Detail: "primary"},
		{At: 310 * sec, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n1"}}, {At: length, Kind: history.EventPhase, Detail: "end"},
	}
	for at := int64(0); at < length; at += 250 * ms {
		for node := range 3 {
			s := usage.Sample{At: at, Node: node, Set: usage.None()}
			s.Set[usage.CPU], s.Set[usage.Memory] = at/3+int64(node)*at%977, 1e8+at%7919
			s.Set[usage.NetIn], s.Set[usage.NetOut], s.Set[usage.DiskWritten] = at/100, at/90, at/1000
			log.Usage = append(log.Usage, s)
		}
	}
	found := checkers.Result{}
	for i := range log.Ops {
		if i%50 == 0 && log.Ops[i].Kind == history.Read {
			found.Stale = append(found.Stale, checkers.StaleSample{Staleness: int64(i) * 1000, Versions: 1, Op: int32(i)})
		}
		if i%100 == 1 {
			found.Lost = append(found.Lost, checkers.Loss{Acked: log.Ops[i].End, Certain: true})
		}
	}
	for i := range 10 {
		found.Findings = append(found.Findings, checkers.Finding{Class: checkers.LostWrite, Workload: "register", Key: 1, At: int64(i) * sec, Evidence: slices.Clone(log.Ops[i*100 : i*100+3])})
	}
	found.Findings = append(found.Findings, checkers.Finding{Class: checkers.StaleRead, Workload: "register", At: sec, Evidence: slices.Clone(log.Ops[:2])})
	m := results.MeasureFound(log, found)
	return Input{Verdict: results.Judge(results.Input{Plan: results.PlanInfo{Name: "million", Replicas: 2}, Log: log, Measured: m, Started: resultstest.Start}), Measured: m, Log: log}
}
