package objectives

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// recent bounds the writes whose begin is remembered, to tell by what a node shows
// how far it has caught up.
const recent = 8192

// restored finds for each fault when every node had caught up again: when each had
// shown, to whoever asked, something of which the writing had begun after the fault
// was over. A primary that acknowledges a write has it. Markers and registers tell.
type restored struct {
	log     *history.Log
	of      []incident
	changes *changes
	nodes   [][]int64         // by incident and node: when it had; Never
	left    []int             // by incident: nodes that have not
	open    []int             // incidents that are over, and of which nodes are left
	begun   int               // of[order[:begun]] were over when the operation that came last began
	order   []int             // incidents by when they were over
	marks   []mark            // those that began while a fault was open, by start
	starts  map[content]int64 // of recent writes of registers
	ring    []content
	settled int64 // when the cluster was seen to be healthy; Never
}

// mark is a marker of replication lag.
type mark struct {
	workload uint8
	value    int64
	start    int64
}

// content is the value of a register.
type content struct {
	workload uint8
	key      uint32
	value    int64
}

func newRestored(log *history.Log, of []incident, c *changes) restored {
	r := restored{log: log, of: of, changes: c, starts: map[content]int64{}, settled: kit.Never}
	for i := range of {
		r.nodes = append(r.nodes, slices.Repeat([]int64{kit.Never}, len(log.Meta.Nodes)))
		r.left, r.order = append(r.left, len(log.Meta.Nodes)), append(r.order, i)
	}
	slices.SortStableFunc(r.order, func(a, b int) int { return int(min(max(kit.Span(of[a].over, of[b].over), -1), 1)) })
	members := kit.MembersOf(log)
	for i := range of {
		for n := range log.Meta.Nodes { // who does not belong to it, or will not, is not waited for
			if !members.Throughout(n, of[i].over, kit.Never) {
				r.nodes[i][n] = kit.Beginning
				r.left[i]--
			}
		}
	}
	for i := range log.Events {
		if e := &log.Events[i]; e.Kind == history.EventSettled && !e.Failed {
			r.settled = e.At
		}
	}
	return r
}

// add takes the next operation, in order of start.
func (r *restored) add(op *history.Op) {
	from := kit.From(op)
	for ; r.begun < len(r.order) && r.of[r.order[r.begun]].over < from; r.begun++ {
		if i := r.order[r.begun]; !r.of[i].lasts {
			r.open = append(r.open, i)
		}
	}
	if len(r.open) == 0 {
		return
	}
	switch op.Kind {
	case history.Write, history.CAS:
		r.remember(content{op.Workload, op.Key, op.Value}, from)
	case history.Mark:
		if len(r.marks) >= recent {
			r.marks = slices.Delete(r.marks, 0, recent/2)
		}
		r.marks = append(r.marks, mark{op.Workload, op.Value, from})
	}
	if op.Outcome != history.OK || op.Node < 0 || int(op.Node) >= len(r.log.Meta.Nodes) {
		return
	}
	switch op.Kind {
	case history.Write, history.CAS, history.Mark:
		if r.waits(op.Node) && r.changes.primaries.At(from) == r.log.Meta.Nodes[op.Node] {
			r.show(op, from)
		}
	case history.Read:
		if start, known := r.starts[content{op.Workload, op.Key, op.Value}]; known && op.Value != history.Nil {
			r.show(op, start)
		}
	case history.Poll:
		// Markers rise: who shows one has those before it.
		for m := len(r.marks) - 1; m >= 0; m-- {
			if r.marks[m].workload == op.Workload && r.marks[m].value <= op.Value {
				r.show(op, r.marks[m].start)
				break
			}
		}
	}
}

// remember keeps when a write began, in place of the oldest.
func (r *restored) remember(w content, from int64) {
	if len(r.ring) >= recent {
		for _, old := range r.ring[:recent/2] {
			delete(r.starts, old)
		}
		r.ring = slices.Delete(r.ring, 0, recent/2)
	}
	if _, again := r.starts[w]; again {
		r.starts[w] = kit.Beginning // which of them is shown is not known
		return
	}
	r.starts[w] = from
	r.ring = append(r.ring, w)
}

// waits tells whether an open fault waits for a node.
func (r *restored) waits(node int8) bool {
	return slices.ContainsFunc(r.open, func(i int) bool { return r.nodes[i][node] == kit.Never })
}

// show takes that a node had, when op was over, what was begun to be written at start.
func (r *restored) show(op *history.Op, start int64) {
	at := kit.Until(op)
	r.open = slices.DeleteFunc(r.open, func(i int) bool {
		if r.nodes[i][op.Node] == kit.Never && r.of[i].over < start {
			r.nodes[i][op.Node] = at
			r.left[i]--
		}
		return r.left[i] == 0
	})
}

// span is the time from a fault until all nodes had caught up: not before it was
// over.
func (r *restored) span(i int, doubts *kit.Doubts) span {
	f := &r.of[i]
	s := span{least: float64(doubts.Sure(f.Begin, f.over)), why: "that nodes had caught up is seen when they are asked"}
	if f.lasts {
		return atLeast(s.least, "a fault was never seen to be over")
	}
	at, missing := kit.Beginning, []string(nil)
	for n, seen := range r.nodes[i] {
		if at = max(at, seen); seen == kit.Never {
			missing = append(missing, r.log.Meta.Nodes[n])
		}
	}
	if r.settled >= f.over {
		at = min(at, r.settled)
	}
	if at == kit.Never || at == kit.Beginning {
		return atLeast(s.least, fmt.Sprintf("%s was not seen to have what was written after the fault: a lag workload, or read_from: any, asks all nodes", strings.Join(missing, ", ")))
	}
	s.most = max(float64(kit.Span(at, f.Begin)), s.least)
	return s
}
