package checkers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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
		for range 1 + r.IntN(3) {
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

// plainTxn is a transaction, decoded.
type plainTxn struct {
	*history.Op
	micros []history.Micro
}

func plainTxns(ops []history.Op) []plainTxn {
	all := make([]plainTxn, len(ops))
	for i := range ops {
		micros, _ := history.Micros(ops[i].Elements)
		all[i] = plainTxn{&ops[i], micros}
	}
	return all
}

// apply does a transaction on lists; ok is false if it read something else.
func (t *plainTxn) apply(state [][]int64) (next [][]int64, ok bool) {
	next = slices.Clone(state)
	for _, m := range t.micros {
		switch {
		case !m.Read:
			next[m.Key] = append(slices.Clip(next[m.Key]), m.Value)
		case m.Known && t.Outcome == history.OK && !slices.Equal(m.List, next[m.Key]):
			return nil, false
		}
	}
	return next, true
}

// The orders that serial histories may have to keep.
func noOrder(_, _ *history.Op) bool { return false }
func sessionOrder(a, b *history.Op) bool {
	return a.Process == b.Process && a.Outcome == history.OK && a.End <= b.Start && a != b
}
func realTimeOrder(a, b *history.Op) bool {
	return a.Outcome == history.OK && a.End < b.Start || sessionOrder(a, b)
}

// serial tries every serial order that keeps another order.
func serial(txns []plainTxn, done uint, state [][]int64, before func(a, b *history.Op) bool) bool {
	if done == 1<<len(txns)-1 {
		return true
	}
	for i := range txns {
		free := done>>i&1 == 0
		for j := range txns {
			free = free && (done>>j&1 == 1 || !before(txns[j].Op, txns[i].Op))
		}
		if !free {
			continue
		}
		if next, ok := txns[i].apply(state); ok && serial(txns, done|1<<i, next, before) {
			return true
		}
	}
	return false
}

// snapshots tries every order of the begins and commits of transactions that
// read a snapshot of the begin and commit only if nobody else has committed to
// their lists since. begun has the lists' lengths at the begin; nil: not yet.
func snapshots(txns []plainTxn, begun [][]int, done uint, state [][]int64) bool {
	if done == 1<<len(txns)-1 {
		return true
	}
	for i := range txns {
		t := &txns[i]
		if done>>i&1 == 1 {
			continue
		}
		if begun[i] == nil {
			if _, ok := t.apply(state); !ok {
				continue
			}
			lengths := make([]int, len(state))
			for k := range state {
				lengths[k] = len(state[k])
			}
			begun[i] = lengths
			found := snapshots(txns, begun, done, state)
			begun[i] = nil
			if found {
				return true
			}
			continue
		}
		next := slices.Clone(state)
		first := true
		for _, m := range t.micros {
			if !m.Read {
				first = first && len(state[m.Key]) == begun[i][m.Key]
				next[m.Key] = append(slices.Clip(next[m.Key]), m.Value)
			}
		}
		if first && snapshots(txns, begun, done|1<<i, next) {
			return true
		}
	}
	return false
}

// ordered tells whether the reads give away the order of all appends: of each
// list at most one transaction took effect with elements that nobody read.
func ordered(txns []plainTxn, keys int) bool {
	for k := range uint32(keys) {
		var seen []int64
		for _, t := range txns {
			for _, m := range t.micros {
				if m.Key == k && m.Read && m.Known && t.Outcome == history.OK && len(m.List) > len(seen) {
					seen = m.List
				}
			}
		}
		unseen := 0
		for _, t := range txns {
			if t.Outcome != history.Fail && slices.ContainsFunc(t.micros, func(m history.Micro) bool {
				return m.Key == k && !m.Read && !slices.Contains(seen, m.Value)
			}) {
				unseen++
			}
		}
		if unseen > 1 {
			return false
		}
	}
	return true
}

// bruteKeys is the number of lists of the histories.
const bruteKeys = 3

// bruteLevels tells of each level whether some order of a history's
// transactions keeps it.
func bruteLevels(txns []plainTxn) map[string]bool {
	var must, may []plainTxn
	for _, t := range txns {
		switch t.Outcome {
		case history.OK:
			must = append(must, t)
		case history.Unknown:
			may = append(may, t)
		}
	}
	fits := func(before func(a, b *history.Op) bool) bool {
		return someChoice(must, may, func(all []plainTxn) bool { return serial(all, 0, make([][]int64, bruteKeys), before) })
	}
	levels := map[string]bool{"append.strict_serializable": fits(realTimeOrder)}
	strict := levels["append.strict_serializable"]
	levels["append.strong_session_serializable"] = strict || fits(sessionOrder)
	levels["append.serializable"] = strict || fits(noOrder)
	if len(txns) <= 5 {
		levels["append.snapshot_isolation"] = levels["append.serializable"] || someChoice(must, may, func(all []plainTxn) bool {
			return snapshots(all, make([][]int, len(all)), 0, make([][]int64, bruteKeys))
		})
	}
	return levels
}

// TestTransactionsAgreeWithBruteForce compares with a search over all orders.
// What the checker calls violated must be; and where the reads give away the
// order of the appends it must miss nothing.
func TestTransactionsAgreeWithBruteForce(t *testing.T) {
	counts := map[string]int{}
	for seed := range 8000 {
		r := rand.New(rand.NewPCG(uint64(seed), 31))
		ops, state := listHistory(r, 2+r.IntN(5), 1+r.IntN(bruteKeys), seed%3 > 0)
		if seed%2 == 0 { // one transaction reads everything at last
			op := history.Op{Kind: history.Txn, Process: 99, Outcome: history.OK, Start: 1000, End: 1001}
			for k := range state {
				op.Elements = history.AppendMicro(op.Elements, history.Micro{Key: uint32(k), Read: true, Known: true, List: state[k]})
			}
			ops = append(ops, op)
		}
		log := logOf(appendType, ops...)
		res := checkAppend(context.Background(), log, DefaultLimits)
		values := map[string]Value{}
		for _, v := range res.Values {
			values[v.Name] = v
		}
		if values["append.txns"].N == 0 {
			continue
		}
		txns := plainTxns(log.Ops)
		complete := ordered(txns, bruteKeys)
		for level, want := range bruteLevels(txns) {
			v := values[level]
			counts[fmt.Sprint(level, " ", v.N == 1, " ", want)]++
			switch {
			case !v.Known:
				t.Fatalf("seed %d: %+v", seed, v)
			case want && v.N == 0:
				t.Fatalf("seed %d: %s is called violated, but there is an order: %v\n%v", seed, level, res.Findings, showTxns(txns))
			case !want && v.N == 1 && complete:
				t.Fatalf("seed %d: a violation of %s is missed:\n%s", seed, level, showTxns(txns))
			}
		}
	}
	t.Log(counts)
	for _, i := range isolations[2:] {
		for _, both := range []string{"true true", "false false"} {
			if n := counts[i.fact+" "+both]; n < 200 {
				t.Errorf("%s: %s came up in %d histories only", i.fact, both, n)
			}
		}
	}
}

// showTxns writes transactions as txnOf reads them.
func showTxns(txns []plainTxn) string {
	var b strings.Builder
	for _, t := range txns {
		fmt.Fprintf(&b, "%d-%d p%d %s", t.Start, t.End, t.Process, t.Outcome)
		for _, m := range t.micros {
			switch {
			case !m.Read:
				fmt.Fprintf(&b, " a%d.%d", m.Key, m.Value)
			case !m.Known:
				fmt.Fprintf(&b, " r%d?", m.Key)
			default:
				fmt.Fprintf(&b, " r%d%s", m.Key, strings.ReplaceAll(fmt.Sprint(m.List), " ", ","))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
