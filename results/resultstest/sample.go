// Package resultstest is a sample run for the tests of results.
package resultstest

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/availability"
	"github.com/aftershock-chaos/aftershock/checkers/latency"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	Ms  = int64(time.Millisecond)
	Sec = int64(time.Second)
)

var Start = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// Log is a run of 10 s: 1 s of warm-up, a kill at 3 s for 2 s, a
// partition at 7 s for 1 s, the end of measuring at 9 s.
func Log() *history.Log {
	log := &history.Log{Meta: history.Meta{
		Run: "20260314T150926-postgres-async-7", Nodes: []string{"n1", "n2", "n3"},
		Workloads: []history.WorkloadMeta{
			{Name: "register", Type: "register", Keys: 8, Workers: 2},
			{Name: "lag", Type: "lag", Keys: 1, Workers: 4},
		},
	}}
	noise := uint64(1)
	for at := int64(0); at < 9*Sec; at += 5 * Ms {
		noise = noise*6364136223846793005 + 1442695040888963407
		for i, kind := range []history.Kind{history.Read, history.Write} {
			op := history.Op{
				Intended: at, Start: at, End: at + Ms/2 + int64(i)*Ms + int64(noise>>44)%Ms, Value: at + int64(i),
				Key: uint32(noise>>33) % 8, Process: uint32(i), Worker: uint16(i), Kind: kind, Outcome: history.OK, Node: int8(i),
			}
			outage := at >= 3*Sec && at < 4*Sec || at >= 7*Sec && at < 7500*Ms
			if kind == history.Write && outage {
				op.Outcome, op.Error, op.End = history.Unknown, history.ErrTimeout, at+200*Ms
				if at%(100*Ms) == 0 {
					op.Outcome, op.Error, op.End = history.OK, history.ErrNone, at+800*Ms
				}
			}
			if at < Sec {
				op.Flags |= history.Warmup
			}
			log.Ops = append(log.Ops, op)
		}
	}
	log.Ops = append(log.Ops, history.Op{
		Intended: 9500 * Ms, Start: 9500 * Ms, End: 9501 * Ms, Value: 4702, Key: 3, Process: 9, Outcome: history.OK, Flags: history.FinalRead, Node: 1,
	})
	log.Events = []history.Event{
		{At: 0, Kind: history.EventPhase, Detail: "warmup"},
		{At: Sec, Kind: history.EventPhase, Detail: "measure"},
		{At: 3*Sec + 1200*1000, Planned: 3 * Sec, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}},
		{At: 5 * Sec, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n1"}},
		{At: 7*Sec - 300*1000, Planned: 7 * Sec, Kind: history.EventFault, Fault: "f2", Name: "partition", Nodes: []string{"n2"}},
		{At: 8 * Sec, Kind: history.EventHeal, Fault: "f2", Nodes: []string{"n2"}, Dropped: 412},
		{At: 9 * Sec, Kind: history.EventPhase, Detail: "heal"},
		{At: 9400 * Ms, Kind: history.EventPhase, Detail: "final"},
		{At: 10 * Sec, Kind: history.EventPhase, Detail: "end"},
	}
	return log
}

// Known is a known value.
func Known(name string, n float64) checkers.Value {
	return checkers.Value{Name: name, N: n, Known: true}
}

// Found is what checkers would find in such a run.
func Found() checkers.Result {
	write := history.Op{Intended: 2900 * Ms, Start: 2900 * Ms, End: 2902 * Ms, Value: 4711, Key: 3, Process: 1, Kind: history.Write, Outcome: history.OK}
	older := history.Op{Intended: 2800 * Ms, Start: 2800 * Ms, End: 2801 * Ms, Value: 4702, Key: 3, Process: 1, Kind: history.Write, Outcome: history.OK}
	final := history.Op{Intended: 9500 * Ms, Start: 9500 * Ms, End: 9501 * Ms, Value: 4702, Key: 3, Process: 9, Outcome: history.OK, Flags: history.FinalRead, Node: 1}
	stale := history.Op{Intended: 6 * Sec, Start: 6 * Sec, End: 6001 * Ms, Value: history.Nil, Key: 3, Process: 4, Outcome: history.OK, Node: 2}
	early := history.Op{Intended: 6500 * Ms, Start: 6500 * Ms, End: 6501 * Ms, Value: history.Nil, Key: 3, Process: 1, Outcome: history.OK, Node: 2}
	skew := [...]history.Op{{Start: 2 * Sec, End: 2002 * Ms, Kind: history.Txn, Process: 5, Outcome: history.OK}, {Start: 2001 * Ms, End: 2003 * Ms, Kind: history.Txn, Process: 6, Outcome: history.OK, Node: 1}}
	for i, micros := range [...][2]history.Micro{{{Key: 1, Read: true, Known: true}, {Key: 2, Value: 8}}, {{Key: 2, Read: true, Known: true}, {Key: 1, Value: 9}}} {
		for _, m := range micros {
			skew[i].Elements = history.AppendMicro(skew[i].Elements, m)
		}
	}
	measured := checkers.Run(context.Background(), Log(), checkers.Limits{}, []checkers.Checker{latency.Checker(), availability.Faults()})
	return checkers.Result{
		Latency: measured.Latency,
		Stale:   []checkers.StaleSample{{Staleness: 12300 * 1000, Versions: 2, Op: 1000}},
		Staleness: []checkers.StaleReads{
			{Reads: 1800, Stale: 20, P99: 12300 * 1000, Max: 700 * Ms, Versions: 2},
			{When: "before", Reads: 600}, {When: "during", Reads: 600, Stale: 20, P99: 600 * Ms, Max: 700 * Ms, Versions: 2}, {When: "after", Reads: 600},
			{Node: "n1", Reads: 900}, {Node: "n1", When: "before", Reads: 600}, {Node: "n1", When: "after", Reads: 300},
			{Node: "n3", Reads: 600, Stale: 20, P99: 600 * Ms, Max: 700 * Ms, Versions: 2},
			{Node: "n3", When: "during", Reads: 600, Stale: 20, P99: 600 * Ms, Max: 700 * Ms, Versions: 2},
		},
		Isolation: &checkers.Isolation{Level: "snapshot isolation", Not: "serializable", Txns: 300,
			Anomalies: []checkers.ClassCount{{Class: checkers.G2, N: 1, Not: "serializable"}}},
		Findings: []checkers.Finding{
			{Class: checkers.StaleRead, Workload: "register", Key: 3, At: 6 * Sec, Gap: 12300 * 1000, Evidence: []history.Op{write, stale},
				Text: "read of key 3 at n3 returned nothing at 6.000s although 4711 had been acknowledged 12.3ms before"},
			{Class: checkers.LostWrite, Workload: "register", Key: 3, At: 9500 * Ms, Evidence: []history.Op{older, write, final},
				Text: "write of 4711 to key 3 was acknowledged by n1 at 2.902s (100ms before n1 was killed by f1) and is missing from all 3 nodes at the end; they hold 4702, written at 2.801s"},
			{Class: checkers.G2, Workload: "append", Key: 1, At: 2003 * Ms, Evidence: skew[:],
				Text: "a cycle of 2 transactions: T0 read list 1 without 9, which T1 appended; T1 read list 2 without 8, which T0 appended: a contradiction",
				Cycle: []checkers.Step{{Name: "T0", Op: 0, Edge: "rw", Why: "T0 read list 1 without 9, which T1 appended"},
					{Name: "T1", Op: 1, Edge: "rw", Why: "T1 read list 2 without 8, which T0 appended"}}},
			{Class: checkers.ReadYourWrites, Workload: "register", Key: 3, At: 6500 * Ms, Evidence: []history.Op{write, early},
				Text: "process 1 read nothing from key 3 at n3 at 6.501s, although it had written the newer 4711 at n1 at 2.902s"},
		},
		Values: append(measured.Values,
			Known("writes.lost", 17), Known("reads.staleness.p99", 12.3e6), Known("ops.rate", 380.25), Known("linearizable", 0),
			Known("lag.p50", 1.5e6), Known("lag.p99", 40e6), Known("lag.max", 900e6),
			Known("lag.n2.p50", 1.2e6), Known("lag.n2.p99", 35e6), Known("lag.n2.max", 900e6), Known("lag.n2.unseen", 4),
			Known("sessions.read_your_writes", 6), Known("sessions.monotonic_reads", 0), Known("sessions.monotonic_writes", 0),
			checkers.Value{Name: "sessions.writes_follow_reads", Why: "it was not looked for"},
			checkers.Value{Name: "failover.max", Why: "no write was acknowledged after f1"},
		),
	}
}

// OnDisk is a log that stays in its file.
func OnDisk(t *testing.T, log *history.Log) *history.Log {
	t.Helper()
	path := filepath.Join(t.TempDir(), history.FileName)
	if err := history.Save(path, log); err != nil {
		t.Fatal(err)
	}
	stored, err := history.Open(path, func(history.Meta, history.Size) bool { return false })
	if err != nil || !stored.OnDisk() {
		t.Fatalf("on disk: %v, %v", stored.OnDisk(), err)
	}
	stored.Events = log.Events
	return stored
}

// AsJSON is a value with all that it holds, but for what is not a number.
func AsJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ToldEvent is what the system tells of a replica's lag; less than 0 stands for nothing.
func ToldEvent(replica string, at, lag, bytes int64) history.Event {
	e := history.Event{At: at, Kind: history.EventLag, By: "n1", Node: replica, Name: "pg_stat_replication.replay_lag"}
	if lag >= 0 {
		e.Lag = &lag
	}
	if bytes >= 0 {
		e.Bytes = &bytes
	}
	return e
}

// LaggingLog is the sample run with markers every 20 ms, which n2 shows after
// 2 ms and n3 only at 8.2s if they were written in the partition from 7 s to
// 8 s. The system tells 3 ms of n2 all along, and of n3 nothing while it is
// cut off. At 2 s it tells 4 s of n2, which no client saw.
func LaggingLog() *history.Log {
	log := Log()
	value := int64(0)
	for at := Sec; at < 9*Sec; at += 20 * Ms {
		value++
		mark := history.Op{Kind: history.Mark, Workload: 1, Value: value, Intended: at, Start: at, End: at + Ms, Outcome: history.OK}
		seen := mark
		seen.Kind, seen.Node, seen.Start, seen.End = history.Poll, 1, at+2*Ms, at+3*Ms
		log.Ops = append(log.Ops, mark, seen)
		seen.Node = 2
		if at >= 7*Sec && at < 8200*Ms {
			if at < 8180*Ms {
				continue
			}
			seen.Start, seen.End = 8200*Ms, 8201*Ms
		}
		log.Ops = append(log.Ops, seen)
	}
	slices.SortStableFunc(log.Ops, func(a, b history.Op) int { return history.Less(&a, &b) })
	for at := Sec; at < 9*Sec; at += int64(history.ServerLagEvery) {
		lag := 3 * Ms
		if at == 2*Sec {
			lag = 4 * Sec
		}
		log.Events = append(log.Events, ToldEvent("n2", at, lag, 4096))
		if at < 7*Sec || at >= 8*Sec {
			log.Events = append(log.Events, ToldEvent("n3", at, 5*Ms, 1<<20))
		}
	}
	return log
}
