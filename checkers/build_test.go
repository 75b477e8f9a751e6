package checkers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

const (
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

// change alters an operation of a test history.
type change func(op *history.Op)

func by(process uint32) change { return func(op *history.Op) { op.Process = process } }
func node(i int8) change       { return func(op *history.Op) { op.Node = i } }
func key(k uint32) change      { return func(op *history.Op) { op.Key = k } }
func final(op *history.Op)     { op.Flags |= history.FinalRead }
func warm(op *history.Op)      { op.Flags |= history.Warmup }
func unknown(op *history.Op)   { op.Outcome, op.Error = history.Unknown, history.ErrTimeout }
func failed(op *history.Op)    { op.Outcome, op.Error = history.Fail, history.ErrNoQuorum }
func compared(op *history.Op)  { op.Outcome, op.Error = history.Fail, history.ErrCompare }
func found(v int64) change {
	return func(op *history.Op) { compared(op); op.Observed = v; op.Flags |= history.Seen }
}

// call makes one operation, acknowledged unless changed; times are milliseconds.
func call(kind history.Kind, value, start, end int64, changes ...change) history.Op {
	op := history.Op{Kind: kind, Value: value, Intended: start * ms, Start: start * ms, End: end * ms, Outcome: history.OK}
	for _, c := range changes {
		c(&op)
	}
	return op
}

func write(value, start, end int64, changes ...change) history.Op {
	return call(history.Write, value, start, end, changes...)
}

func read(value, start, end int64, changes ...change) history.Op {
	return call(history.Read, value, start, end, changes...)
}

func cas(old, value, start, end int64, changes ...change) history.Op {
	op := call(history.CAS, value, start, end, changes...)
	op.Old = old
	return op
}

func add(value, start, end int64, changes ...change) history.Op {
	return call(history.Add, value, start, end, changes...)
}

func readSet(start, end int64, elements []int64, changes ...change) history.Op {
	op := call(history.ReadSet, 0, start, end, changes...)
	op.Elements = elements
	return op
}

func els(v ...int64) []int64 { return v }

// logOf is a whole log of three nodes and one workload of a type.
func logOf(typ string, ops ...history.Op) *history.Log {
	slices.SortStableFunc(ops, func(a, b history.Op) int { return history.Less(&a, &b) })
	return &history.Log{Ops: ops, Meta: history.Meta{Run: "test", Nodes: []string{"n1", "n2", "n3"},
		Workloads: []history.WorkloadMeta{{Name: typ, Type: typ, Keys: 16, Workers: 8}}}}
}

func torn(log *history.Log) *history.Log { log.Torn = true; return log }

func faulted(log *history.Log, events ...history.Event) *history.Log {
	log.Events = append(log.Events, events...)
	return log
}

func killed(id, node string, at int64) history.Event {
	return history.Event{At: at * ms, Kind: history.EventFault, Fault: id, Name: "kill", Nodes: []string{node}}
}

func healed(id string, at int64) history.Event {
	return history.Event{At: at * ms, Kind: history.EventHeal, Fault: id}
}

func primary(node string, epoch uint64, at int64) history.Event {
	return history.Event{At: at * ms, Kind: history.EventRole, Node: node, Detail: "primary", Epoch: epoch}
}

func phase(name string, at int64) history.Event {
	return history.Event{At: at * ms, Kind: history.EventPhase, Detail: name}
}

// check runs all checkers on a log and indexes the values.
func check(t testing.TB, log *history.Log) (map[string]Value, []Finding) {
	t.Helper()
	r := Run(context.Background(), log, Limits{})
	values := map[string]Value{}
	for _, v := range r.Values {
		if _, twice := values[v.Name]; twice {
			t.Errorf("the value %s is given twice", v.Name)
		}
		values[v.Name] = v
	}
	for _, f := range r.Findings {
		if f.Text == "" || strings.Contains(f.Text, "%!") {
			t.Errorf("bad text of a finding: %q", f.Text)
		}
		if !slices.IsSortedFunc(f.Evidence, func(a, b history.Op) int { return history.Less(&a, &b) }) {
			t.Errorf("evidence out of order: %v", f)
		}
	}
	return values, r.Findings
}

// show is "3", or "?" if the value is unknown, or "-" if it is missing.
func show(values map[string]Value, name string) string {
	v, ok := values[name]
	switch {
	case !ok:
		return "-"
	case !v.Known:
		if v.Why == "" {
			return "unknown without a reason"
		}
		return "?"
	}
	return fmt.Sprint(v.N)
}

// expect compares values given as "name=shown" words.
func expect(t *testing.T, values map[string]Value, want string) {
	t.Helper()
	for _, word := range strings.Fields(want) {
		name, shown, _ := strings.Cut(word, "=")
		if got := show(values, name); got != shown {
			t.Errorf("%s is %s, want %s (%+v)", name, got, shown, values[name])
		}
	}
}

func classes(findings []Finding) string {
	var all []string
	for _, f := range findings {
		if !slices.Contains(all, string(f.Class)) {
			all = append(all, string(f.Class))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
