// Package checktest is what the tests of checkers share: words to write histories
// in, random and large histories, and comparisons of what checkers tell.
package checktest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	Ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

// Types of workloads.
const (
	RegisterType = "register"
	SetType      = "set"
	QueueType    = "queue"
	LagType      = "lag"
	AppendType   = "append"
	CounterType  = "counter"
	IdsType      = "unique-ids"
	BankType     = "bank"
)

// Change alters an operation of a test history: By a process, at a Node, on a
// Key, a Final read, in the Warm-up, Unknown, Failed, or Compared and failed.
type Change func(op *history.Op)

func By(process uint32) Change { return func(op *history.Op) { op.Process = process } }

func Node(i int8) Change { return func(op *history.Op) { op.Node = i } }

func Key(k uint32) Change { return func(op *history.Op) { op.Key = k } }

func Final(op *history.Op) { op.Flags |= history.FinalRead }

func Warm(op *history.Op) { op.Flags |= history.Warmup }

func Unknown(op *history.Op) { op.Outcome, op.Error = history.Unknown, history.ErrTimeout }

func Failed(op *history.Op) { op.Outcome, op.Error = history.Fail, history.ErrNoQuorum }

func Compared(op *history.Op) { op.Outcome, op.Error = history.Fail, history.ErrCompare }

func Found(v int64) Change {
	return func(op *history.Op) { Compared(op); op.Observed = v; op.Flags |= history.Seen }
}

// Call makes one operation, acknowledged unless changed; times are milliseconds.
func Call(kind history.Kind, value, start, end int64, changes ...Change) history.Op {
	op := history.Op{Kind: kind, Value: value, Intended: start * Ms, Start: start * Ms, End: end * Ms, Outcome: history.OK}
	for _, c := range changes {
		c(&op)
	}
	return op
}

func Write(value, start, end int64, changes ...Change) history.Op {
	return Call(history.Write, value, start, end, changes...)
}

func Read(value, start, end int64, changes ...Change) history.Op {
	return Call(history.Read, value, start, end, changes...)
}

func Cas(old, value, start, end int64, changes ...Change) history.Op {
	op := Call(history.CAS, value, start, end, changes...)
	op.Old = old
	return op
}

func Add(value, start, end int64, changes ...Change) history.Op {
	return Call(history.Add, value, start, end, changes...)
}

func ReadSet(start, end int64, elements []int64, changes ...Change) history.Op {
	op := Call(history.ReadSet, 0, start, end, changes...)
	op.Elements = elements
	return op
}

func Els(v ...int64) []int64 { return v }

// LogOf is a whole log of three nodes and one workload of a type. Like a foreign
// one it tells nothing of the nodes.
func LogOf(typ string, ops ...history.Op) *history.Log {
	slices.SortStableFunc(ops, func(a, b history.Op) int { return history.Less(&a, &b) })
	return &history.Log{Ops: ops, Meta: history.Meta{Run: "test", Nodes: []string{"n1", "n2", "n3"},
		Workloads: []history.WorkloadMeta{{Name: typ, Type: typ, Keys: 16, Workers: 8}}}}
}

// RunOf is LogOf, of a run whose first node is the primary from the begin on.
func RunOf(typ string, ops ...history.Op) *history.Log {
	return Faulted(LogOf(typ, ops...), Primary("n1", 1, 0))
}

func Torn(log *history.Log) *history.Log { log.Torn = true; return log }

func Faulted(log *history.Log, events ...history.Event) *history.Log {
	log.Events = append(log.Events, events...)
	return log
}

func Killed(id, node string, at int64) history.Event {
	return history.Event{At: at * Ms, Kind: history.EventFault, Fault: id, Name: "kill", Nodes: []string{node}}
}

func Healed(id string, at int64) history.Event {
	return history.Event{At: at * Ms, Kind: history.EventHeal, Fault: id}
}

func Primary(node string, epoch uint64, at int64) history.Event {
	return history.Event{At: at * Ms, Kind: history.EventRole, Node: node, Detail: "primary", Epoch: epoch}
}

func Phase(name string, at int64) history.Event {
	return history.Event{At: at * Ms, Kind: history.EventPhase, Detail: name}
}

// CheckWith runs checkers on a log and indexes the values. What is malformed in
// what they tell is an error.
func CheckWith(t testing.TB, log *history.Log, table []checkers.Checker) (map[string]checkers.Value, []checkers.Finding) {
	t.Helper()
	r := checkers.Run(context.Background(), log, checkers.Limits{}, table)
	values := map[string]checkers.Value{}
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

// InputOf is a log in memory within the default limits.
func InputOf(log *history.Log) checkers.Input {
	return checkers.Input{Log: log, Limits: checkers.DefaultLimits}
}

// Show is "3", or "0..3" between bounds, "?" if the value is unknown, or "-" if
// it is missing.
func Show(values map[string]checkers.Value, name string) string {
	v, ok := values[name]
	switch {
	case !ok:
		return "-"
	case !v.Known:
		if v.Why == "" {
			return "unknown without a reason"
		}
		return "?"
	case v.AtLeast && v.AtMost > 0:
		return fmt.Sprintf("%v..%v", v.N, v.AtMost)
	}
	return fmt.Sprint(v.N)
}

// Expect compares values given as "name=shown" words.
func Expect(t *testing.T, values map[string]checkers.Value, want string) {
	t.Helper()
	for _, word := range strings.Fields(want) {
		name, shown, _ := strings.Cut(word, "=")
		if got := Show(values, name); got != shown {
			t.Errorf("%s is %s, want %s (%+v)", name, got, shown, values[name])
		}
	}
}

func Classes(findings []checkers.Finding) string {
	var all []string
	for _, f := range findings {
		if !slices.Contains(all, string(f.Class)) {
			all = append(all, string(f.Class))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TxnOf reads a transaction from a line such as
//
//	0-10 p1 ok a1.5 r2[1,2] r3? a1.6
//
// which is: begin and end, process, outcome, append 5 to list 1, read list 2
// as [1 2], read list 3 with an unknown result.
func TxnOf(t *testing.T, line string) history.Op {
	t.Helper()
	op := history.Op{Kind: history.Txn}
	fields := strings.Fields(line)
	if _, err := fmt.Sscanf(fields[0], "%d-%d", &op.Start, &op.End); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if _, err := fmt.Sscanf(fields[1], "p%d", &op.Process); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	op.Outcome = map[string]history.Outcome{"ok": history.OK, "fail": history.Fail, "unknown": history.Unknown}[fields[2]]
	for _, f := range fields[3:] {
		m := history.Micro{Read: f[0] == 'r'}
		switch rest := f[1:]; {
		case !m.Read:
			fmt.Sscanf(rest, "%d.%d", &m.Key, &m.Value)
		case strings.HasSuffix(rest, "?"):
			fmt.Sscanf(rest, "%d?", &m.Key)
		default:
			at := strings.IndexByte(rest, '[')
			key, _ := strconv.Atoi(rest[:at])
			m.Key, m.Known = uint32(key), true
			for v := range strings.SplitSeq(strings.Trim(rest[at:], "[]"), ",") {
				if n, err := strconv.ParseInt(v, 10, 64); err == nil {
					m.List = append(m.List, n)
				}
			}
		}
		op.Elements = history.AppendMicro(op.Elements, m)
	}
	op.Start, op.End = op.Start*Ms, op.End*Ms
	op.Intended = op.Start
	return op
}

const Nothing = history.Nil

// Finals reads a key on all three nodes at the end.
func Finals(values ...int64) []history.Op {
	var ops []history.Op
	for i, v := range values {
		ops = append(ops, Read(v, 1000+int64(i), 1010+int64(i), Final, Node(int8(i)), By(uint32(100+i))))
	}
	return ops
}

func With(a []history.Op, b ...history.Op) []history.Op { return append(a, b...) }

func Mark(value, start, end int64, changes ...Change) history.Op {
	return Call(history.Mark, value, start, end, changes...)
}

func Poll(n int8, value, start, end int64, changes ...Change) history.Op {
	return Call(history.Poll, value, start, end, append([]Change{Node(n)}, changes...)...)
}

func Enqueue(value, start, end int64, changes ...Change) history.Op {
	return Call(history.Enqueue, value, start, end, changes...)
}

func Dequeue(value, start, end int64, changes ...Change) history.Op {
	return Call(history.Dequeue, value, start, end, changes...)
}

func Drain(start, end int64, elements []int64, changes ...Change) history.Op {
	op := Call(history.Drain, Nothing, start, end, append([]Change{Final}, changes...)...)
	op.Elements = elements
	return op
}

// Held is a message that a drain received and perhaps did not acknowledge.
func Held(v int64) Change { return func(op *history.Op) { Unknown(op); op.Value = v } }

// SomeChoice tells whether all that must be in it together with some choice of
// what may be passes a test.
func SomeChoice[T any](must, may []T, passes func([]T) bool) bool {
	for choice := range 1 << len(may) {
		chosen := slices.Clone(must)
		for i := range may {
			if choice>>i&1 == 1 {
				chosen = append(chosen, may[i])
			}
		}
		if passes(chosen) {
			return true
		}
	}
	return false
}

// Told is what one node says of a replica; times are milliseconds, -1 leaves a
// figure out.
func Told(by, replica string, at, lag, bytes int64) history.Event {
	e := history.Event{At: at * Ms, Kind: history.EventLag, By: by, Node: replica, Name: "replay"}
	if lag >= 0 {
		lag *= Ms
		e.Lag = &lag
	}
	if bytes >= 0 {
		e.Bytes = &bytes
	}
	return e
}

func Named(name string, e history.Event) history.Event { e.Name = name; return e }

func Inc(start, end, by int64, o history.Outcome) history.Op {
	return history.Op{Kind: history.Increment, Start: start * Ms, End: end * Ms, Value: by, Outcome: o}
}

func See(start, end, v int64) history.Op {
	return history.Op{Kind: history.Read, Start: start * Ms, End: end * Ms, Value: v, Outcome: history.OK}
}

func FinalSee(at int64, node int8, v int64) history.Op {
	op := See(at, at+1, v)
	op.Flags, op.Node = history.FinalRead, node
	return op
}

func Must(values map[string]checkers.Value, _ []checkers.Finding) map[string]checkers.Value {
	return values
}

// FinalSets reads a set on as many nodes at the end.
func FinalSets(sets ...[]int64) []history.Op {
	var ops []history.Op
	for i, s := range sets {
		ops = append(ops, ReadSet(1000, 1010, s, Final, Node(int8(i)), By(uint32(100+i))))
	}
	return ops
}
