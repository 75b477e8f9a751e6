package results

import (
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

var sampleStart = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// sampleLog is a run of 10 s: 1 s of warm-up, a kill at 3 s for 2 s, a
// partition at 7 s for 1 s, the end of measuring at 9 s.
func sampleLog() *history.Log {
	log := &history.Log{Meta: history.Meta{
		Run: "20260314T150926-postgres-async-7", Nodes: []string{"n1", "n2", "n3"},
		Workloads: []history.WorkloadMeta{
			{Name: "register", Type: "register", Keys: 8, Workers: 2},
			{Name: "lag", Type: "lag", Keys: 1, Workers: 4},
		},
	}}
	noise := uint64(1)
	for at := int64(0); at < 9*sec; at += 5 * ms {
		noise = noise*6364136223846793005 + 1442695040888963407
		for i, kind := range []history.Kind{history.Read, history.Write} {
			op := history.Op{
				Intended: at, Start: at, End: at + ms/2 + int64(i)*ms + int64(noise>>44)%ms, Value: at + int64(i),
				Key: uint32(noise>>33) % 8, Process: uint32(i), Worker: uint16(i), Kind: kind, Outcome: history.OK, Node: int8(i),
			}
			outage := at >= 3*sec && at < 4*sec || at >= 7*sec && at < 7500*ms
			if kind == history.Write && outage {
				op.Outcome, op.Error, op.End = history.Unknown, history.ErrTimeout, at+200*ms
				if at%(100*ms) == 0 {
					op.Outcome, op.Error, op.End = history.OK, history.ErrNone, at+800*ms
				}
			}
			if at < sec {
				op.Flags |= history.Warmup
			}
			log.Ops = append(log.Ops, op)
		}
	}
	log.Ops = append(log.Ops, history.Op{
		Intended: 9500 * ms, Start: 9500 * ms, End: 9501 * ms, Value: 4702, Key: 3, Process: 9, Outcome: history.OK, Flags: history.FinalRead, Node: 1,
	})
	log.Events = []history.Event{
		{At: 0, Kind: history.EventPhase, Detail: "warmup"},
		{At: sec, Kind: history.EventPhase, Detail: "measure"},
		{At: 3*sec + 1200*1000, Planned: 3 * sec, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}},
		{At: 5 * sec, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n1"}},
		{At: 7*sec - 300*1000, Planned: 7 * sec, Kind: history.EventFault, Fault: "f2", Name: "partition", Nodes: []string{"n2"}},
		{At: 8 * sec, Kind: history.EventHeal, Fault: "f2", Nodes: []string{"n2"}, Dropped: 412},
		{At: 9 * sec, Kind: history.EventPhase, Detail: "heal"},
		{At: 9400 * ms, Kind: history.EventPhase, Detail: "final"},
		{At: 10 * sec, Kind: history.EventPhase, Detail: "end"},
	}
	return log
}

func known(name string, n float64) checkers.Value {
	return checkers.Value{Name: name, N: n, Known: true}
}

// sampleResult is what checkers would find in such a run.
func sampleResult() checkers.Result {
	write := history.Op{Intended: 2900 * ms, Start: 2900 * ms, End: 2902 * ms, Value: 4711, Key: 3, Process: 1, Kind: history.Write, Outcome: history.OK}
	older := history.Op{Intended: 2800 * ms, Start: 2800 * ms, End: 2801 * ms, Value: 4702, Key: 3, Process: 1, Kind: history.Write, Outcome: history.OK}
	final := history.Op{Intended: 9500 * ms, Start: 9500 * ms, End: 9501 * ms, Value: 4702, Key: 3, Process: 9, Outcome: history.OK, Flags: history.FinalRead, Node: 1}
	stale := history.Op{Intended: 6 * sec, Start: 6 * sec, End: 6001 * ms, Value: history.Nil, Key: 3, Process: 4, Outcome: history.OK, Node: 2}
	early := history.Op{Intended: 6500 * ms, Start: 6500 * ms, End: 6501 * ms, Value: history.Nil, Key: 3, Process: 1, Outcome: history.OK, Node: 2}
	skew := [...]history.Op{{Start: 2 * sec, End: 2002 * ms, Kind: history.Txn, Process: 5, Outcome: history.OK}, {Start: 2001 * ms, End: 2003 * ms, Kind: history.Txn, Process: 6, Outcome: history.OK, Node: 1}}
	for i, micros := range [...][2]history.Micro{{{Key: 1, Read: true, Known: true}, {Key: 2, Value: 8}}, {{Key: 2, Read: true, Known: true}, {Key: 1, Value: 9}}} {
		for _, m := range micros {
			skew[i].Elements = history.AppendMicro(skew[i].Elements, m)
		}
	}
	return checkers.Result{
		Stale: []checkers.StaleSample{{Staleness: 12300 * 1000, Versions: 2, Op: 1000}},
		Staleness: []checkers.StaleReads{
			{Reads: 1800, Stale: 20, P99: 12300 * 1000, Max: 700 * ms, Versions: 2},
			{When: "before", Reads: 600}, {When: "during", Reads: 600, Stale: 20, P99: 600 * ms, Max: 700 * ms, Versions: 2}, {When: "after", Reads: 600},
			{Node: "n1", Reads: 900}, {Node: "n1", When: "before", Reads: 600}, {Node: "n1", When: "after", Reads: 300},
			{Node: "n3", Reads: 600, Stale: 20, P99: 600 * ms, Max: 700 * ms, Versions: 2},
			{Node: "n3", When: "during", Reads: 600, Stale: 20, P99: 600 * ms, Max: 700 * ms, Versions: 2},
		},
		Isolation: &checkers.Isolation{Level: "snapshot isolation", Not: "serializable", Txns: 300,
			Anomalies: []checkers.ClassCount{{Class: checkers.G2, N: 1, Not: "serializable"}}},
		Findings: []checkers.Finding{
			{Class: checkers.StaleRead, Workload: "register", Key: 3, At: 6 * sec, Gap: 12300 * 1000, Evidence: []history.Op{write, stale},
				Text: "read of key 3 at n3 returned nothing at 6.000 s although 4711 had been acknowledged 12.3ms before"},
			{Class: checkers.LostWrite, Workload: "register", Key: 3, At: 9500 * ms, Evidence: []history.Op{older, write, final},
				Text: "write of 4711 to key 3 was acknowledged by n1 at 2.902 s (0.1 s before n1 was killed by f1) and is missing from all 3 nodes at the end; they hold 4702, written at 2.801 s"},
			{Class: checkers.G2, Workload: "append", Key: 1, At: 2003 * ms, Evidence: skew[:],
				Text: "a cycle of 2 transactions: T0 read list 1 without 9, which T1 appended; T1 read list 2 without 8, which T0 appended: a contradiction",
				Cycle: []checkers.Step{{Name: "T0", Op: 0, Edge: "rw", Why: "T0 read list 1 without 9, which T1 appended"},
					{Name: "T1", Op: 1, Edge: "rw", Why: "T1 read list 2 without 8, which T0 appended"}}},
			{Class: checkers.ReadYourWrites, Workload: "register", Key: 3, At: 6500 * ms, Evidence: []history.Op{write, early},
				Text: "process 1 read nothing from key 3 at n3 at 6.501 s, although it had written the newer 4711 at n1 at 2.902 s"},
		},
		Values: []checkers.Value{
			known("writes.lost", 17), known("reads.staleness.p99", 12.3e6), known("ops.rate", 380.25), known("linearizable", 0),
			known("lag.p50", 1.5e6), known("lag.p99", 40e6), known("lag.max", 900e6),
			known("lag.n2.p50", 1.2e6), known("lag.n2.p99", 35e6), known("lag.n2.max", 900e6), known("lag.n2.unseen", 4),
			known("sessions.read_your_writes", 6), known("sessions.monotonic_reads", 0), known("sessions.monotonic_writes", 0),
			{Name: "sessions.writes_follow_reads", Why: "it was not looked for"},
			{Name: "failover.max", Why: "no write was acknowledged after f1"},
		},
	}
}

func sampleInput() Input {
	log := sampleLog()
	return Input{
		Plan: PlanInfo{
			Name: "postgres-async", About: "asynchronous replication loses acknowledged writes when the primary dies",
			Seed: 7, Host: "docker", Target: "postgres, synchronous_commit local", Replicas: 2, YAML: "name: postgres-async\nseed: 7\n",
		},
		Claims: []string{"writes.lost == 0", "reads.staleness.p99 < 1s", "failover.max < 10s"},
		MinOps: 100,
		Planned: []PlannedFault{
			{ID: "f1", Kind: "kill", What: "primary", At: 2 * time.Second},
			{ID: "f2", Kind: "partition", What: "isolate replica", At: 6 * time.Second},
		},
		Log: log, Measured: measure(log, sampleResult()), Started: sampleStart, Dir: "runs/20260314T150926-postgres-async-7",
	}
}

func sampleVerdict(t *testing.T) *Verdict {
	t.Helper()
	return Judge(sampleInput())
}
