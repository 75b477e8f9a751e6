package transactions

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// bigTxns has n transactions of five micro-operations each by 20 clients on 10
// lists at a time, each of which is given up after 32 appends or so. It is
// strict serializable.
func bigTxns(n int) *history.Log {
	const clients, active, most = 20, 10, 32
	r := rand.New(rand.NewPCG(1, 33))
	var state [][]int64
	current := make([]int, active)
	for i := range current {
		current[i] = i
		state = append(state, nil)
	}
	ops, now, value := make([]history.Op, n), int64(0), int64(0)
	for i := range ops {
		now += 100
		op := &ops[i]
		*op = history.Op{Kind: history.Txn, Outcome: history.OK, Process: uint32(i % clients), Worker: uint16(i % clients)}
		op.Start, op.End = now-int64(r.IntN(1000)), now+int64(r.IntN(900))
		op.Intended = op.Start
		for range 5 {
			slot := r.IntN(active)
			k := current[slot]
			m := history.Micro{Key: uint32(k), Read: r.IntN(2) == 0}
			if m.Read {
				m.Known, m.List = true, state[k]
			} else {
				value++
				m.Value = value
				state[k] = append(state[k], value)
				if len(state[k]) >= most {
					current[slot] = len(state)
					state = append(state, nil)
				}
			}
			op.Elements = history.AppendMicro(op.Elements, m)
		}
	}
	return logOf(appendType, ops...)
}

var txns = sync.OnceValue(func() *history.Log { return bigTxns(1_000_000) })

func TestBigTxnsAreClean(t *testing.T) {
	values, found := check(t, bigTxns(3000))
	if values["append.strict_serializable"].N != 1 {
		t.Error(found)
	}
}

// BenchmarkAppend is a million transactions, five million micro-operations.
func BenchmarkAppend(b *testing.B) { benchmark(b, txns, Checker()) }
