package transactions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
)

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

// repeated tells whether some element was appended to a list more than once.
func repeated(txns []plainTxn) bool {
	type element struct {
		key   uint32
		value int64
	}
	appended := map[element]bool{}
	for _, t := range txns {
		for _, m := range t.micros {
			if e := (element{m.Key, m.Value}); !m.Read {
				if appended[e] {
					return true
				}
				appended[e] = true
			}
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
		return checktest.SomeChoice(must, may, func(all []plainTxn) bool { return serial(all, 0, make([][]int64, bruteKeys), before) })
	}
	levels := map[string]bool{"append.strict_serializable": fits(realTimeOrder)}
	strict := levels["append.strict_serializable"]
	levels["append.strong_session_serializable"] = strict || fits(sessionOrder)
	levels["append.serializable"] = strict || fits(noOrder)
	if len(txns) <= 5 {
		levels["append.snapshot_isolation"] = levels["append.serializable"] || checktest.SomeChoice(must, may, func(all []plainTxn) bool {
			return snapshots(all, make([][]int, len(all)), 0, make([][]int64, bruteKeys))
		})
	}
	return levels
}

// showTxns writes transactions as TxnOf reads them.
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
