package all

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// Footprint is about how much memory it takes to load a history and judge it,
// in bytes, with some room for the garbage collector, which has to know the
// limit. Measured on registers, sets and transactions of 1 to 10 million
// operations: 150 bytes an operation and 10 an element are in use at the worst.
func Footprint(s history.Size) uint64 {
	const perOp, perElement = 192, 16
	return perOp*uint64(s.Ops) + perElement*uint64(s.Elements)
}

// Pass judges a log that stays on disk, as it does not fit into memory. All its
// operations are added once, in their order, and shown to the checkers that
// follow (see Checker.Follow). Then Run brings into memory what fits: first the
// workloads of the other checkers, whole, then what the followers choose. What
// does not fit is unknown, with the reason.
type Pass struct {
	in        checkers.Input
	ordered   checkers.Input            // for those that judge by order
	torn      map[string]checkers.Input // by name, for those for which it is torn, see checkers.LogFor
	reorder   *history.Reorder          // to these; nil: the log's own order is theirs
	table     []checkers.Checker
	followers []checkers.Follower // by place in the table; nil: the checker does not follow, or does not apply
	following []checkers.Follower // those that are not nil
	ordering  []checkers.Follower // those of them that are shown the operations by reorder
	whole     []bool              // by workload: it was brought in
}

// NewPass begins a pass over a log on disk. Zero limits mean those of
// DefaultLimits. memory is what the judgement may take, in bytes.
func NewPass(log *history.Log, limits checkers.Limits, memory uint64) *Pass {
	return newPass(log, limits, memory, All())
}

func newPass(log *history.Log, limits checkers.Limits, memory uint64, table []checkers.Checker) *Pass {
	limits = checkers.OrDefault(limits)
	limits.Memory = min(limits.Memory, memory/4+1) // the rest is in use
	p := &Pass{in: checkers.Input{Log: log, Limits: limits, Memory: memory}, table: table, followers: make([]checkers.Follower, len(table))}
	wide := *log // its operations come later
	p.ordered = p.in
	p.ordered.Log = &wide
	p.torn = p.tornInputs()
	p.reorder = log.Reorder(func(op *history.Op) { show(p.ordering, op) })
	for i := range table {
		c := &table[i]
		switch {
		case c.Follow == nil || !checkers.Applies(c, log):
		case c.Order && p.reorder != nil:
			p.followers[i] = c.Follow(p.inputOf(c))
			p.ordering = append(p.ordering, p.followers[i])
		default:
			p.followers[i] = c.Follow(p.inputOf(c))
			p.following = append(p.following, p.followers[i])
		}
	}
	return p
}

func show(to []checkers.Follower, op *history.Op) {
	for _, f := range to {
		f.Add(op)
	}
}

// Add takes the next operation.
func (p *Pass) Add(op *history.Op) {
	show(p.following, op)
	if p.reorder != nil {
		p.reorder.Add(op)
	}
}

// Reading is the share of a pass' work that is taken for reading the log, for progress.
const Reading = 0.8

// Run judges the log once all operations have been added, as the function Run
// does one in memory.
func (p *Pass) Run(ctx context.Context) checkers.Result {
	if p.reorder != nil {
		p.reorder.End()
	}
	p.bringIn()
	ordering := checkers.OrderingOf(p.in.Log)
	*p.ordered.Log = *ordering.Log
	p.bringTorn()
	var all checkers.Result
	for i := range p.table {
		checkers.Tell(ctx, Reading+(1-Reading)*float64(i)/float64(len(p.table)))
		c := &p.table[i]
		judge := func(ctx context.Context) checkers.Result { return c.Check(ctx, p.inputOf(c)) }
		if f := p.followers[i]; f != nil {
			judge = f.Judge
		} else if why := p.lacks(c); why != "" {
			all.Values = append(all.Values, checkers.UnknownFacts(c.Facts, p.in.Log, why)...)
			continue
		}
		r := checkers.Contained(ctx, c, checkers.LogFor(c, p.in.Log), judge)
		if c.Order {
			ordering.Restore(&r)
		}
		checkers.Merge(&all, r)
	}
	checkers.Conclude(ctx, p.in, p.table, &all)
	return all
}

// tornInputs are for the checkers for which the log is torn.
func (p *Pass) tornInputs() map[string]checkers.Input {
	inputs := map[string]checkers.Input{}
	for i := range p.table {
		c := &p.table[i]
		if log := checkers.LogFor(c, p.in.Log); log != p.in.Log {
			in := p.in
			in.Log = log
			inputs[c.Name] = in
		}
	}
	return inputs
}

// bringTorn gives their logs the operations that were brought in.
func (p *Pass) bringTorn() {
	for i := range p.table {
		c := &p.table[i]
		if in, torn := p.torn[c.Name]; torn {
			from := p.in.Log
			if c.Order && p.reorder != nil {
				from = p.ordered.Log
			}
			*in.Log = *checkers.LogFor(c, from)
		}
	}
}

// inputOf is what a checker judges.
func (p *Pass) inputOf(c *checkers.Checker) checkers.Input {
	if in, torn := p.torn[c.Name]; torn {
		return in
	}
	if c.Order && p.reorder != nil {
		return p.ordered
	}
	return p.in
}

// bringIn brings operations into memory, as far as they fit into the half of
// it: the workloads of the checkers that do not follow, the smaller first, then
// what the followers choose, in the order of the table.
func (p *Pass) bringIn() {
	room, count := p.in.Memory/2, int64(0)
	if p.reorder != nil {
		room /= 2 // they are copied
	}
	fits := func(s history.Size) bool {
		if f := Footprint(s); f <= room {
			room, count = room-f, count+s.Ops
			return true
		}
		return false
	}
	sizes := p.in.Log.StoredSizes()
	order := make([]int, len(sizes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(Footprint(sizes[a]), Footprint(sizes[b])) })
	p.whole = make([]bool, len(p.in.Log.Meta.Workloads))
	for _, i := range order {
		p.whole[i] = p.wanted(i) && fits(sizes[i])
	}
	var chosen []func(*history.Op) bool
	for _, f := range slices.Concat(p.following, p.ordering) {
		if keep := f.Choose(fits); keep != nil {
			chosen = append(chosen, keep)
		}
	}
	if count == 0 {
		return
	}
	p.in.Log.Keep(int(count), func(op *history.Op) bool {
		return p.whole[op.Workload] || slices.ContainsFunc(chosen, func(keep func(*history.Op) bool) bool { return keep(op) })
	})
}

// wanted tells whether a checker that does not follow judges a workload.
func (p *Pass) wanted(workload int) bool {
	return slices.ContainsFunc(p.table, func(c checkers.Checker) bool {
		return c.Follow == nil && checkers.Judges(&c, p.in.Log.Meta.Workloads[workload])
	})
}

// lacks says why a checker that does not follow cannot judge; empty if it can.
func (p *Pass) lacks(c *checkers.Checker) string {
	for i, w := range p.in.Log.Meta.Workloads {
		if checkers.Judges(c, w) && !p.whole[i] {
			return kit.TooLarge(p.in, fmt.Sprintf("the %s of workload %s", kit.OpsText(p.in.Log.StoredSizes()[i].Ops), w.Name))
		}
	}
	return ""
}

// How it is told that something does not fit into memory.

// TooLarge says why a log is on disk.
func TooLarge(log *history.Log, memory uint64) string {
	return fmt.Sprintf("the history of %s does not fit in %s", kit.OpsText(int64(log.Len())), kit.BytesText(memory))
}
