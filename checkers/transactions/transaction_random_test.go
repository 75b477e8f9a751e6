package transactions

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// listHistory simulates a store of lists. Its isolation is broken on purpose
// now and then. state is what the lists hold in the end.
func listHistory(r *rand.Rand, n, keys int, broken bool) (ops []history.Op, state [][]int64) {
	state = make([][]int64, keys)
	stale := make([][]int64, keys)
	now, value := int64(0), int64(0)
	clocks, processes := make([]int64, 3), []uint32{0, 1, 2}
	for range n {
		p := r.IntN(len(clocks))
		now += int64(r.IntN(4))
		op := history.Op{Kind: history.Txn, Process: processes[p], Outcome: history.OK}
		op.Start = max(clocks[p], now-int64(r.IntN(6)))
		now = max(now, op.Start)
		op.End = now + 1 + int64(r.IntN(5))
		clocks[p] = op.End + int64(r.IntN(2))
		fails := r.IntN(12)
		bad := broken && r.IntN(3) == 0
		next := slices.Clone(state)
		for range 1 + r.IntN(4) {
			k := r.IntN(keys)
			if r.IntN(2) == 0 {
				value++
				next[k] = append(slices.Clone(next[k]), value)
				op.Elements = history.AppendMicro(op.Elements, history.Micro{Key: uint32(k), Value: value})
				continue
			}
			m := history.Micro{Key: uint32(k), Read: true, Known: fails > 1, List: next[k]}
			if bad && r.IntN(2) == 0 {
				m.List = stale[k]
			}
			op.Elements = history.AppendMicro(op.Elements, m)
		}
		takes := !bad || r.IntN(3) > 0
		switch fails {
		case 0:
			op.Outcome, takes = history.Fail, bad
		case 1:
			op.Outcome, takes = history.Unknown, r.IntN(2) == 0
			op.End = now + 20
			clocks[p] = op.End
			processes[p] += uint32(3 * r.IntN(2))
		}
		if bad && r.IntN(3) == 0 { // only a part of the transaction takes effect
			k := r.IntN(keys)
			next[k] = next[k][:max(len(state[k]), len(next[k])-1)]
		}
		if takes && r.IntN(3) == 0 {
			stale = state
		}
		if takes {
			state = next
		}
		ops = append(ops, op)
	}
	return ops, state
}

// wildHistory has a few transactions whose reads are any elements at all of
// their lists in any order: their own earlier and later ones, others', one twice.
func wildHistory(r *rand.Rand, n, keys int) []history.Op {
	txns, values := make([][]history.Micro, n), make([][]int64, keys)
	for t := range txns {
		for range 1 + r.IntN(4) {
			m := history.Micro{Key: uint32(r.IntN(keys)), Read: r.IntN(2) == 0, Known: true}
			if !m.Read {
				m.Known, m.Value = false, int64(len(values[m.Key])+1)
				values[m.Key] = append(values[m.Key], m.Value)
			}
			txns[t] = append(txns[t], m)
		}
	}
	orders := make([][]int64, keys)
	for k := range orders {
		orders[k] = slices.Clone(values[k])
		if r.IntN(2) == 0 {
			r.Shuffle(len(orders[k]), func(i, j int) { orders[k][i], orders[k][j] = orders[k][j], orders[k][i] })
		}
	}
	ops, clocks := make([]history.Op, n), make([]int64, 3)
	for t, micros := range txns {
		p := r.IntN(len(clocks))
		op := history.Op{Kind: history.Txn, Process: uint32(p), Outcome: history.OK, Start: clocks[p] + int64(r.IntN(6))}
		op.Intended, op.End = op.Start, op.Start+1+int64(r.IntN(8))
		clocks[p] = op.End
		if x := r.IntN(10); x < 2 {
			op.Outcome = history.Outcome(x * 2) // unknown or failed
		}
		for _, m := range micros {
			if m.Read {
				m.List = orders[m.Key][:r.IntN(len(orders[m.Key])+1)]
			}
			op.Elements = history.AppendMicro(op.Elements, m)
		}
		ops[t] = op
	}
	return ops
}

// mutateTxn alters one transaction.
func mutateTxn(r *rand.Rand, ops []history.Op) {
	op := &ops[r.IntN(len(ops))]
	micros, _ := history.Micros(op.Elements)
	i := r.IntN(len(micros))
	m := &micros[i]
	switch x := r.IntN(12); {
	case x == 0:
		op.Outcome = history.Outcome(r.IntN(3))
	case x < 4: // what it did in another order
		r.Shuffle(len(micros), func(i, j int) { micros[i], micros[j] = micros[j], micros[i] })
	case !m.Read && x < 7: // an element that was appended before
		m.Value = max(1, m.Value-1)
	case m.Read && m.Known:
		m.List = mutateList(r, slices.Clone(m.List), valuesOf(ops, m.Key))
	}
	op.Elements = nil
	for _, m := range micros {
		op.Elements = history.AppendMicro(op.Elements, m)
	}
}

// mutateList leaves an element out of a list, adds one, moves one, or cuts it.
func mutateList(r *rand.Rand, list, values []int64) []int64 {
	if len(list) == 0 || r.IntN(4) == 0 {
		if len(values) == 0 {
			return list
		}
		return slices.Insert(list, r.IntN(len(list)+1), values[r.IntN(len(values))])
	}
	i, j := r.IntN(len(list)), r.IntN(len(list))
	switch r.IntN(3) {
	case 0:
		return slices.Delete(list, i, i+1)
	case 1:
		list[i], list[j] = list[j], list[i]
		return list
	default:
		return list[:i]
	}
}

// valuesOf are the elements that were appended to a list, in vain or not.
func valuesOf(ops []history.Op, key uint32) (values []int64) {
	for _, t := range plainTxns(ops) {
		for _, m := range t.micros {
			if m.Key == key && !m.Read {
				values = append(values, m.Value)
			}
		}
	}
	return values
}

// randomTxns is a history of a few transactions: a store's, perhaps altered, or
// any reads at all.
func randomTxns(r *rand.Rand) []history.Op {
	if r.IntN(3) == 0 {
		return wildHistory(r, 1+r.IntN(4), 1+r.IntN(2))
	}
	keys := 1 + r.IntN(bruteKeys)
	ops, state := listHistory(r, 2+r.IntN(5), keys, r.IntN(3) > 0)
	if r.IntN(2) == 0 { // one transaction reads everything at last
		op := history.Op{Kind: history.Txn, Process: 99, Outcome: history.OK, Start: 1000, End: 1001}
		for k := range state {
			op.Elements = history.AppendMicro(op.Elements, history.Micro{Key: uint32(k), Read: true, Known: true, List: state[k]})
		}
		ops = append(ops, op)
	}
	if r.IntN(2) == 0 {
		for range 1 + r.IntN(2) {
			mutateTxn(r, ops)
		}
	}
	return ops
}

// compared counts, by level, what the checker and the search over all orders
// said of it.
type compared struct {
	sync.Mutex
	counts map[string]int
}

// ownOrder tells whether, at read uncommitted and at read committed, the reads may
// show each transaction's operations as they do, by looking at each append and
// read by itself. Elements that were appended twice tell nothing.
func ownOrder(txns []plainTxn) (uncommitted, committed bool) {
	uncommitted, committed = true, true
	appends := map[uint32][]int64{}
	for _, t := range txns {
		for _, m := range t.micros {
			if !m.Read {
				appends[m.Key] = append(appends[m.Key], m.Value)
			}
		}
	}
	once := func(key uint32, v int64) bool {
		first := slices.Index(appends[key], v)
		return !slices.Contains(appends[key][first+1:], v)
	}
	for i, reader := range txns {
		for at, read := range reader.micros {
			if !read.Read || !read.Known || reader.Outcome != history.OK {
				continue
			}
			for j, writer := range txns {
				var first []int64 // what the writer appended before
				for place, a := range writer.micros {
					if a.Read || a.Key != read.Key || writer.Outcome == history.Fail || !once(a.Key, a.Value) {
						continue
					}
					if shown := slices.Index(read.List, a.Value); shown >= 0 {
						committed = committed && (i != j || place < at)
						missing := slices.ContainsFunc(first, func(v int64) bool { return !slices.Contains(read.List[:shown], v) })
						uncommitted = uncommitted && (i == j || !missing)
					}
					first = append(first, a.Value)
				}
			}
		}
	}
	return uncommitted, committed && uncommitted
}

// disagreement compares the checker with the search over all orders, and tells
// what is wrong. What the checker calls violated must be, what it says holds must
// hold, and only an element that was appended twice leaves something unknown, or
// the isolation of snapshots appends whose order no read gives away.
func (c *compared) disagreement(ops []history.Op) string {
	log := logOf(appendType, ops...)
	values := map[string]checkers.Value{}
	res := checkAppend(context.Background(), inputOf(log))
	for _, v := range res.Values {
		values[v.Name] = v
	}
	if values["append.txns"].N == 0 {
		return ""
	}
	txns := plainTxns(log.Ops)
	twice := repeated(txns)
	uncommitted, committed := ownOrder(txns)
	switch {
	case !uncommitted && values["append.read_uncommitted"].N != 0, !committed && values["append.read_committed"].N != 0:
		return "a read against the order of one transaction's own operations is missed"
	case slices.ContainsFunc(res.Findings, func(f checkers.Finding) bool { return f.Class == checkers.Future }) && committed:
		return "nobody reads what it appends later"
	}
	for level, want := range bruteLevels(txns) {
		v := values[level]
		said := "unknown"
		switch {
		case v.Known && v.N == 0:
			said = "violated"
		case v.Known:
			said = "holds"
		}
		c.Lock()
		c.counts[fmt.Sprintf("%s %s %v", level, said, want)]++
		c.Unlock()
		switch {
		case said == "unknown" && !answered(log.Ops): // nobody looked
		case said == "unknown" && !twice && (level != "append.snapshot_isolation" || ordered(txns, bruteKeys)):
			return level + " is unknown: " + v.Why
		case said == "violated" && want:
			return fmt.Sprintf("%s is called violated, but there is an order: %v", level, res.Findings)
		case said == "holds" && !want:
			return "a violation of " + level + " is missed"
		}
	}
	return ""
}

// answered tells whether a read of a list was.
func answered(ops []history.Op) bool {
	return slices.ContainsFunc(ops, func(op history.Op) bool {
		micros, _ := history.Micros(op.Elements)
		return op.Outcome == history.OK && slices.ContainsFunc(micros, func(m history.Micro) bool { return m.Read && m.Known })
	})
}

// TestDifferential compares the checker with a search over all orders, on small
// random histories.
func TestDifferential(t *testing.T) {
	rounds := checktest.Histories(t, 12_000)
	seed := checktest.RandomSeed(t)
	c := compared{counts: map[string]int{}}
	began := time.Now()
	workers := runtime.GOMAXPROCS(0)
	kit.Parallel(context.Background(), workers, workers, func(w int) {
		for i := w; i < rounds && !t.Failed(); i += workers {
			ops := randomTxns(rand.New(rand.NewPCG(seed, uint64(i))))
			if wrong := c.disagreement(ops); wrong != "" {
				t.Errorf("AFTERSHOCK_SEED=%d, history %d: %s\n%s", seed, i, wrong, showTxns(plainTxns(ops)))
			}
		}
	})
	t.Logf("%d histories in %s: %v", rounds, time.Since(began).Round(time.Millisecond), c.counts)
	for _, i := range isolations[2:] {
		for _, both := range []string{"holds true", "violated false"} {
			if n := c.counts[i.fact+" "+both]; !t.Failed() && n < rounds/10 {
				t.Errorf("AFTERSHOCK_SEED=%d: %s %s in %d of %d histories only", seed, i.fact, both, n, rounds)
			}
		}
	}
}
