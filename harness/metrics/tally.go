// Package metrics tells of a run while it goes on, as Prometheus reads it: a
// Tally counts where the run is made, its Snapshots travel with the progress, and
// a Server shows the newest one.
package metrics

import (
	"math"
	"slices"
	"sync"

	"github.com/aftershock-chaos/aftershock/history"
)

// The buckets of latency are Prometheus' native ones of schema 3: each is 2^(1/8)
// times as wide as the one below, and one ends at every power of two of a second.
const (
	Schema   = 3 // OpenTelemetry calls it scale
	perPower = 1 << Schema
	least    = -30 * perPower // a nanosecond
	most     = 12 * perPower  // more than an hour
	buckets  = most - least + 1
)

// nodes is how many a history can name, and one place for none.
const nodes = math.MaxInt8 + 2

// outcomes of operations.
const outcomes = 3

// markers is how many markers are kept of which a replica may still lag behind.
const markers = 4096

// Snapshot is what was counted up to a moment. The last bucket that is not 0
// ends the list of a histogram, which begins at First.
type Snapshot struct {
	Plan    string      `json:"plan"`
	Ops     []Count     `json:"ops"`
	Latency []Histogram `json:"latency"`
	Lag     []Lag       `json:"lag"`
}

// Count is how many operations of the load ended in one way. Node is empty where
// no node was asked.
type Count struct {
	Kind    string `json:"kind"`
	Outcome string `json:"outcome"`
	Node    string `json:"node"`
	N       uint64 `json:"n"`
}

// Histogram is the latency of one kind's acknowledged operations, from their
// intended start, in seconds.
type Histogram struct {
	Kind    string   `json:"kind"`
	Sum     float64  `json:"sum"`
	First   int      `json:"first"` // index of the first bucket, of the schema's
	Buckets []uint64 `json:"buckets"`
}

// Lag is the age, in seconds, of the oldest acknowledged marker that a replica has
// not shown yet, as far as it is recorded; 0 if it showed all.
type Lag struct {
	Node    string  `json:"node"`
	Seconds float64 `json:"seconds"`
}

// Tally counts operations as they are recorded. Add is called from one goroutine,
// the recorder's, for whole chunks: the workers know nothing of it.
type Tally struct {
	plan  string
	names []string // of the nodes

	mu     sync.Mutex
	counts [history.Kinds][outcomes][nodes]uint64
	took   [history.Kinds]latency
	lag    lagTally
}

type latency struct {
	sum   int64 // nanoseconds
	count uint64
	in    [buckets]uint64
}

// lagTally keeps the newest markers and polls of one workload.
type lagTally struct {
	workload uint8
	any      bool
	marks    []mark // a ring
	next     int
	polls    [nodes]poll
	primary  int   // that took the newest marker
	now      int64 // of the newest that is recorded
}

type mark struct{ value, acked int64 }

type poll struct{ value, at int64 }

// NewTally counts a run's operations.
func NewTally(plan string, nodes []string) *Tally { return &Tally{plan: plan, names: nodes} }

// bounds are the upper ends of the buckets from a half to one.
var bounds = func() (b [perPower]float64) {
	for i := range b {
		b[i] = math.Exp2(float64(i)/perPower - 1)
	}
	return b
}()

// bucket is the place of a duration: the least i for which it is not above
// 2^(i/8) seconds, as the client library has it.
func bucket(ns int64) int {
	fraction, exponent := math.Frexp(float64(ns) / 1e9)
	at, n := 0, perPower
	for at < n { // binary search: the bounds are few
		if half := (at + n) / 2; bounds[half] < fraction {
			at = half + 1
		} else {
			n = half
		}
	}
	return min(max(at+(exponent-1)*perPower, least), most)
}

// Add counts a chunk of completed operations.
func (t *Tally) Add(ops []history.Op) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range ops {
		op := &ops[i]
		switch {
		case op.Final():
		case op.Kind == history.Mark || op.Kind == history.Poll:
			t.lag.add(op)
		case op.Kind.Load():
			t.counts[op.Kind][min(op.Outcome, outcomes-1)][place(op.Node)]++
			if op.Outcome == history.OK {
				took := max(op.End-op.Intended, 1)
				l := &t.took[op.Kind]
				l.sum += took
				l.count++
				l.in[bucket(took)-least]++
			}
		}
	}
}

// place of a node; the last one is that of none.
func place(node int8) int {
	if node < 0 {
		return nodes - 1
	}
	return int(node)
}

func (l *lagTally) add(op *history.Op) {
	if !l.any {
		l.workload, l.any = op.Workload, true
	}
	if op.Workload != l.workload || op.Outcome != history.OK {
		return
	}
	l.now = max(l.now, op.End)
	if op.Kind == history.Mark {
		if len(l.marks) < markers {
			l.marks = append(l.marks, mark{op.Value, op.End})
		} else {
			l.marks[l.next] = mark{op.Value, op.End}
			l.next = (l.next + 1) % markers
		}
		l.primary = place(op.Node)
		return
	}
	p := &l.polls[place(op.Node)]
	if op.End > p.at {
		p.at, p.value = op.End, op.Value
	}
}

// behind is a node's lag in seconds.
func (l *lagTally) behind(p poll) float64 {
	oldest := l.now
	for _, m := range l.marks {
		if m.value > p.value && m.acked < oldest {
			oldest = m.acked
		}
	}
	return float64(l.now-oldest) / 1e9
}

// Snapshot is what was counted so far; nil of no tally.
func (t *Tally) Snapshot() *Snapshot {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &Snapshot{Plan: t.plan}
	for kind := range t.counts {
		name := history.Kind(kind).String()
		for outcome, byNode := range t.counts[kind] {
			for node, n := range byNode {
				if n > 0 {
					s.Ops = append(s.Ops, Count{Kind: name, Outcome: history.Outcome(outcome).String(), Node: t.name(node), N: n})
				}
			}
		}
		if l := &t.took[kind]; l.count > 0 {
			first := slices.IndexFunc(l.in[:], func(n uint64) bool { return n > 0 })
			last := len(l.in)
			for l.in[last-1] == 0 {
				last--
			}
			s.Latency = append(s.Latency, Histogram{Kind: name, Sum: float64(l.sum) / 1e9, First: first + least, Buckets: slices.Clone(l.in[first:last])})
		}
	}
	for node, p := range t.lag.polls {
		if p.at > 0 && node != t.lag.primary {
			s.Lag = append(s.Lag, Lag{Node: t.name(node), Seconds: t.lag.behind(p)})
		}
	}
	return s
}

func (t *Tally) name(node int) string {
	if node < len(t.names) {
		return t.names[node]
	}
	return ""
}
