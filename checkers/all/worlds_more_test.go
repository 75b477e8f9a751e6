package all

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// counterWorld: increments are forgotten, and some count though nobody knows.
func counterWorld(w *world) {
	state, short := int64(0), int64(0)
	increment := func(late bool) {
		by, out := int64(1+w.r.IntN(3)), w.outcome()
		if w.chance(15) && !late { // what is lost is the balance at the final reads, and what came later
			by = -by
		}
		w.do(history.Op{Kind: history.Increment, Value: by, Outcome: out, Node: w.node()})
		switch {
		case out == history.OK && w.chance(12):
			short += by
		case out == history.OK, out == history.Unknown && w.chance(50):
			state += by
		}
	}
	read := func(node int8, flags uint8, v int64) {
		op := history.Op{Kind: history.Read, Outcome: w.answered(), Node: node, Flags: flags}
		if op.Outcome == history.OK {
			op.Value = v
		}
		w.do(op)
	}
	for range 2 + w.r.IntN(8) {
		switch {
		case w.chance(70):
			increment(false)
		case w.chance(80):
			read(w.node(), 0, state)
		default:
			read(w.node(), 0, state+int64(w.r.IntN(5)-2))
		}
	}
	w.settle()
	if w.chance(85) {
		for node := range w.nodes {
			read(int8(node), history.FinalRead, state)
		}
		if w.chance(20) {
			increment(true)
		}
	}
	w.truth["counter.lost"] = float64(max(short, 0))
}

// listWorld: transactions append to two lists and read them; some elements are
// forgotten, and some nodes lack others.
func listWorld(w *world) {
	lists, acked := [2][]int64{}, map[int64]int{} // acked: by element, 1 + its list
	next := int64(0)
	txn := func() {
		op := history.Op{Kind: history.Txn, Outcome: w.outcome(), Node: w.node()}
		took := op.Outcome == history.OK || op.Outcome == history.Unknown && w.chance(50)
		for range 1 + w.r.IntN(3) {
			key := w.r.IntN(2)
			if w.chance(50) {
				list := slices.Clone(lists[key])
				if w.chance(10) && len(list) > 0 {
					list = list[:w.r.IntN(len(list))]
				}
				op.Elements = history.AppendMicro(op.Elements, history.Micro{Read: true, Known: op.Outcome == history.OK, Key: uint32(key), List: list})
				continue
			}
			next++
			op.Elements = history.AppendMicro(op.Elements, history.Micro{Key: uint32(key), Value: next})
			if op.Outcome == history.OK {
				acked[next] = 1 + key
			}
			if took {
				lists[key] = append(lists[key], next)
			}
		}
		w.do(op)
	}
	for range 2 + w.r.IntN(6) {
		txn()
		if key := w.r.IntN(2); w.chance(8) && len(lists[key]) > 0 {
			at := w.r.IntN(len(lists[key]))
			lists[key] = slices.Delete(slices.Clone(lists[key]), at, at+1)
		}
	}
	w.settle()
	if w.chance(85) {
		for node := range w.nodes {
			for key := range lists {
				op := history.Op{Kind: history.Txn, Outcome: w.answered(), Node: int8(node), Flags: history.FinalRead}
				m := history.Micro{Read: true, Known: op.Outcome == history.OK, Key: uint32(key)}
				if m.Known {
					m.List = lists[key]
				}
				op.Elements = history.AppendMicro(nil, m)
				w.do(op)
			}
			if w.chance(10) {
				txn()
			}
		}
	}
	for v, key := range acked {
		if !slices.Contains(lists[key-1], v) {
			w.truth["append.lost"]++
		}
	}
}

// markerWorld: replicas show markers late, or never.
func markerWorld(w *world) {
	shown := make([]int64, w.nodes)
	next := int64(0)
	for range 3 + w.r.IntN(12) {
		node := w.node()
		if w.chance(35) {
			next++
			op := history.Op{Kind: history.Mark, Value: next, Outcome: w.outcome(), Node: 0}
			if w.chance(10) {
				op.Flags = history.Warmup
			}
			w.do(op)
			continue
		}
		if w.chance(50) {
			shown[node] = next
		}
		op := history.Op{Kind: history.Poll, Outcome: w.answered(), Node: node}
		if op.Outcome == history.OK {
			op.Value = shown[node]
		}
		w.do(op)
	}
}

// bankWorld: two accounts, of which a read may find any state.
func bankWorld(w *world) {
	for range 1 + w.r.IntN(6) {
		by := int64(w.r.IntN(3) * w.r.IntN(60))
		switch {
		case w.chance(40):
			w.do(history.Op{Kind: history.Transfer, Key: 0, Old: 1, Value: by, Outcome: w.outcome(), Node: w.node()})
		default:
			op := history.Op{Kind: history.Balances, Key: 2, Outcome: w.answered(), Node: w.node()}
			if op.Outcome == history.OK {
				op.Elements = els(history.OpeningBalance-by, history.OpeningBalance+by)
				if w.chance(20) {
					op.Elements[w.r.IntN(2)]++
				}
			}
			w.do(op)
		}
	}
}

// idWorld: numbers of which some are given out again.
func idWorld(w *world) {
	for range 1 + w.r.IntN(6) {
		op := history.Op{Kind: history.Generate, Outcome: w.answered(), Node: w.node()}
		if op.Outcome == history.OK {
			op.Value = int64(w.r.IntN(12))
		}
		w.do(op)
	}
}
