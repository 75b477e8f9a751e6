package kit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// FinalTally is what final reads tell of one object, or of all.
type FinalTally struct {
	Lost, Diverged int
	Answered       int // objects of which a final read was answered
	Unjudged       int // objects with acknowledged writes whose loss cannot be judged
	Undecided      int // besides Lost, what may be lost: what Open tells
	Open           string
	uncompared     int // objects of which too few nodes answered to compare them
	unsettled      int // further objects in which nodes that were not all asked, or what was just being added, may differ
}

func (t *FinalTally) Add(o *FinalTally) {
	t.Lost, t.Diverged, t.Answered = t.Lost+o.Lost, t.Diverged+o.Diverged, t.Answered+o.Answered
	t.Unjudged, t.uncompared = t.Unjudged+o.Unjudged, t.uncompared+o.uncompared
	t.Undecided, t.unsettled = t.Undecided+o.Undecided, t.unsettled+o.unsettled
	t.Open = cmp.Or(t.Open, o.Open)
}

const noFinals = checkers.NoFinals

// LostValue is the fact of what is lost. Losses that are proven are told also
// when not everything could be judged.
func (t *FinalTally) LostValue(name string, torn bool) checkers.Value {
	missing := ""
	if t.Unjudged > 0 {
		missing = fmt.Sprintf("%s with acknowledged writes could not be judged by final reads", units.Plural(t.Unjudged, "key", "keys"))
	}
	if !torn && missing == "" && t.Answered > 0 {
		return Between(name, float64(t.Lost), float64(t.Lost+t.Undecided), fmt.Sprintf("%d more may be lost: %s", t.Undecided, t.Open))
	}
	return t.value(name, t.Lost, torn, missing)
}

func (t *FinalTally) DivergedValue(name string, torn bool) checkers.Value {
	missing := ""
	if t.uncompared > 0 {
		missing = fmt.Sprintf("of %s only one node answered the final reads", units.Plural(t.uncompared, "key", "keys"))
	}
	if t.unsettled > 0 && missing == "" {
		missing = fmt.Sprintf("%s could not be compared on every node: one of them did not answer a final read, or something was still being added", units.Plural(t.unsettled, "key", "keys"))
	}
	return t.value(name, t.Diverged, torn, missing)
}

// Value is a count by final reads; missing says what they do not tell.
func (t *FinalTally) value(name string, n int, torn bool, missing string) checkers.Value {
	switch {
	case torn:
		missing = TornWhy
	case t.Answered == 0:
		missing = noFinals
	}
	return Proven(name, n, missing)
}

// FinalReads are the positions in ops of the last answered final read of each
// node, in order of node.
func FinalReads(log *history.Log, ops []int32, kind history.Kind) []int32 {
	return FinalsAmong(len(ops), func(p int32) *history.Op { return &log.Ops[ops[p]] }, kind)
}

// FinalsAmong is FinalReads of n operations that op gives.
func FinalsAmong(n int, at func(position int32) *history.Op, kind history.Kind) []int32 {
	last := map[int8]int32{}
	for p := range int32(n) {
		if op := at(p); op.Final() && op.Kind == kind && op.Outcome == history.OK {
			last[op.Node] = p
		}
	}
	all := make([]int32, 0, len(last))
	for _, p := range last {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b int32) int { return int(at(a).Node) - int(at(b).Node) })
	return all
}

// Count says what can be judged by the final reads of one object.
func (t *FinalTally) Count(log *history.Log, finals []int32, acked bool) (judged bool) {
	nodes := len(log.Meta.Nodes)
	if len(finals) > 0 {
		t.Answered++
		if len(finals) == 1 && nodes > 1 {
			t.uncompared++
		}
	}
	judged = len(finals) > 0 && (!log.Torn || len(finals) >= nodes)
	if !judged && acked {
		t.Unjudged++
	}
	return judged
}

// Finals are the final reads of one object.
type Finals struct {
	Last   []int32 // positions of the last answered ones of each node, in order of node
	Silent int     // nodes that were asked in vain
}

// The reasons why it is not decided what is lost.
const (
	SilentWhy = "a node that was asked at the end did not answer, and may have them: more settle time may help"
	LateWhy   = "they were acknowledged only when the final reads had begun: more settle time may help"
)

// FinalsOf are the final reads of one object, by position in ops. A node that
// refuses to read in its role was not asked: what it has no client can get.
func FinalsOf(log *history.Log, ops []int32, kind history.Kind) Finals {
	f := Finals{Last: FinalReads(log, ops, kind)}
	silent := map[int8]bool{}
	for _, i := range ops {
		if op := &log.Ops[i]; op.Final() && op.Kind == kind && InVain(op) {
			silent[op.Node] = true
		}
	}
	for _, p := range f.Last {
		delete(silent, log.Ops[ops[p]].Node)
	}
	f.Silent = len(silent)
	return f
}

// InVain tells whether a final read leaves open what its node has.
func InVain(op *history.Op) bool {
	return op.Outcome != history.OK && op.Error != history.ErrNotPrimary
}

// Judge says what can be judged by the final reads of one object: whether what
// all of them lack is lost for certain.
func (t *FinalTally) Judge(log *history.Log, finals *Finals, acked bool) (certain bool) {
	certain = t.Count(log, finals.Last, acked) && finals.Silent == 0
	if finals.Silent > 0 && len(finals.Last) > 1 {
		t.unsettled++
	}
	return certain
}

// Unsettle notes that nodes may differ in an object, and may not.
func (t *FinalTally) Unsettle() { t.unsettled++ }

// Undecide notes so many that may be lost, and why that is not decided.
func (t *FinalTally) Undecide(n int, why string) {
	if n > 0 {
		t.Undecided, t.Open = t.Undecided+n, cmp.Or(t.Open, why)
	}
}

// AllNodes is "both nodes" or "all 3 nodes", of those that answered.
func AllNodes(n int) string {
	switch n {
	case 1:
		return "the only node that answered"
	case 2:
		return "both nodes"
	}
	return fmt.Sprintf("all %d nodes", n)
}

// Holders is "they hold 1, and 2": what so many nodes hold.
func Holders(nodes int, held []string) string {
	who := "they hold "
	if nodes == 1 {
		who = "it holds "
	}
	return who + strings.Join(held, ", and ")
}
