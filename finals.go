package aftershock

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// finalRounds bounds how often the final reads in which nodes differ are made,
// finalRoundEvery apart.
const (
	finalRounds     = 4
	finalRoundEvery = 200 * time.Millisecond
)

// finalID names a final read: the same on every node.
type finalID struct {
	workload, request int
}

// finalAnswers are what the nodes answered last to the final reads.
type finalAnswers struct {
	mu      sync.Mutex
	of      map[finalID]map[int]uint64 // by node: a digest
	differs map[finalID]bool           // nil before the first comparison
}

func newFinalAnswers() *finalAnswers { return &finalAnswers{of: map[finalID]map[int]uint64{}} }

// wants tells whether a read is to be made: all at first, then those that differ.
func (a *finalAnswers) wants(id finalID) bool { return a.differs == nil || a.differs[id] }

func (a *finalAnswers) take(id finalID, node int, op *history.Op) {
	if op.Outcome != history.OK {
		return
	}
	d := digest(op)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of[id] == nil {
		a.of[id] = map[int]uint64{}
	}
	a.of[id][node] = d
}

// compare counts the reads that the nodes answered differently.
func (a *finalAnswers) compare() int {
	a.differs = map[finalID]bool{}
	for id, nodes := range a.of {
		first, any := uint64(0), false
		for _, d := range nodes {
			if any && d != first {
				a.differs[id] = true
			}
			first, any = d, true
		}
	}
	return len(a.differs)
}

// digest is the same for the same answer, and hardly for another.
func digest(op *history.Op) uint64 {
	elements := op.Elements
	if op.Kind == history.ReadSet { // in any order
		elements = slices.Sorted(slices.Values(elements))
	}
	h := fnv.New64a()
	word := make([]byte, 8)
	for _, v := range append([]int64{op.Value}, elements...) {
		binary.LittleEndian.PutUint64(word, uint64(v))
		_, _ = h.Write(word) // never fails
	}
	return h.Sum64()
}
