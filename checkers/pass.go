package checkers

import (
	"context"
	"fmt"
	"slices"

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
// operations are added once, in their order. Of each register that keeps the
// watch and the counts of scan, by which most are judged for good; then Run
// brings the operations of the others into memory, as many as fit, and judges
// them as it would in a whole log: registers are judged one by one, so the rest
// does not matter. Workloads of other types are brought in whole if they fit.
// What does not fit is unknown, with the reason.
type Pass struct {
	log       *history.Log
	line      *timeline
	memory    uint64 // bytes
	load      *availabilityTally
	reads     readCounts
	registers []bool // by workload
	index     *keyIndex
	keys      []*scanned
	finals    history.Log // final reads of registers
	added     int
	full      bool // the open values of the registers outgrew the memory
	kept      kept
}

// NewPass begins a pass over a log on disk. memory is what the judgement may
// take, in bytes.
func NewPass(log *history.Log, memory uint64) *Pass {
	line := newTimeline(log)
	return &Pass{log: log, line: line, memory: memory, load: newAvailabilityTally(log, line), registers: registersOf(log),
		index: newKeyIndex(), finals: history.Log{Meta: log.Meta, Torn: log.Torn}}
}

// Add takes the next operation.
func (p *Pass) Add(op *history.Op) {
	p.load.count(op)
	if !p.registers[op.Workload] {
		return
	}
	p.reads.count(p.line, op)
	if p.added++; p.added%lookEvery == 0 {
		p.look()
	}
	if p.full {
		return
	}
	at := p.index.of(op.Workload, op.Key)
	if *at == 0 {
		p.keys = append(p.keys, newScanned(op))
		*at = int32(len(p.keys))
	}
	p.keys[*at-1].take(op, int32(len(p.finals.Ops)))
	if op.Final() {
		p.finals.Ops = append(p.finals.Ops, *op)
	}
}

// lookEvery is how many operations pass between two looks at the memory.
const lookEvery = 1 << 18

// look gives the registers up if what is open of them takes half of the memory.
func (p *Pass) look() {
	if p.open() > p.memory/2 {
		p.full, p.keys, p.finals.Ops = true, nil, nil
		p.index = newKeyIndex()
	}
}

// open is the memory that the registers take, in bytes.
func (p *Pass) open() uint64 {
	const perKey, perFinal, perEntry, perSlot = 1024, 128, 128, 8
	n := uint64(len(p.keys))*perKey + uint64(len(p.finals.Ops))*perFinal
	for _, s := range p.keys {
		n += uint64(cap(s.watch.entries))*perEntry + uint64(len(s.watch.table))*perSlot
	}
	return n
}

// Run judges the log once all operations have been added. See Run.
func (p *Pass) Run(ctx context.Context, limits Limits) Result {
	limits = limits.orDefault()
	limits.Memory = min(limits.Memory, p.memory/4+1) // the rest is in use
	limits.shared, limits.pass = &shared{}, p
	p.finish()
	var all Result
	for _, c := range All() {
		if why := p.lacks(&c); why != "" {
			all.Values = append(all.Values, c.unknown(p.log, why)...)
			continue
		}
		r := contained(ctx, c, p.log, limits)
		if slices.Contains(c.Types, registerType) && c.Name != "availability" {
			p.weaken(r.Values)
			if p.undecided() > 0 {
				r.Staleness = nil // it would tell of some registers as if they were all
			}
		}
		all.add(r)
	}
	return all
}

// lacks says why a checker cannot work; empty if it can.
func (p *Pass) lacks(c *Checker) string {
	if c.Name == "availability" {
		return ""
	}
	for i, w := range p.log.Meta.Workloads {
		switch {
		case !slices.Contains(c.Types, w.Type):
		case p.registers[i] && p.full:
			return p.tooLarge("the open values of the registers")
		case !p.registers[i] && !p.kept.workloads[i]:
			return p.tooLarge(fmt.Sprintf("the %s of workload %s", opsText(p.log.StoredSizes()[i].Ops), w.Name))
		}
	}
	return ""
}

// TooLarge says why a log is on disk.
func TooLarge(log *history.Log, memory uint64) string {
	return fmt.Sprintf("the history of %s does not fit in %s", opsText(int64(log.Len())), bytesText(memory))
}

func (p *Pass) tooLarge(what string) string {
	return fmt.Sprintf("%s do not fit in %s; give --memory or check it on a larger machine", what, bytesText(p.memory))
}

// studyRegisters is what is known of every register: by the pass, or, of those
// that were kept, by their operations.
func (p *Pass) studyRegisters(ctx context.Context, log *history.Log, limits Limits) []study {
	all := slices.Concat(p.kept.clean, p.kept.left)
	if len(p.kept.keys) > 0 {
		all = append(all, analyseRegisters(ctx, log, limits, p.kept.keys)...)
	}
	slices.SortFunc(all, func(a, b study) int { return a.group.compare(&b.group) })
	return all
}

// Facts of registers that tell what they tell also when the operations of some
// registers are left out: counts made by the pass.
var byPass = []string{"writes.acked", "writes.unknown", "writes.failed", "reads.ok", "linearizable", "linearizable.keys_checked", "linearizable.keys_undecided"}

// Facts that final reads take part in.
var byFinals = []string{"writes.lost", "writes.resurrected", "reads.phantom", "reads.future", "replicas.diverged"}

// weaken takes from the facts of registers what they cannot say while
// operations are left out: what was found was found, and there may be more. Of a
// register that the pass found linearizable only the final reads were left out.
func (p *Pass) weaken(values []Value) {
	open := p.undecided()
	for i := range values {
		v := &values[i]
		left := open
		if slices.Contains(byFinals, v.Name) {
			left = len(p.kept.left)
		}
		if left == 0 || !v.Known || slices.Contains(byPass, v.Name) {
			continue
		}
		why := fmt.Sprintf("%s of %d did not fit in %s to be analysed; give --memory or check it on a larger machine",
			plural(left, "register", "registers"), p.kept.registers, bytesText(p.memory))
		if isShare(v.Name) || v.N <= 0 {
			*v = Value{Name: v.Name, Why: why}
		} else {
			v.AtLeast, v.Why = true, "at least; "+why
		}
	}
}

// undecided counts the registers that were left out and that the pass did not
// find linearizable.
func (p *Pass) undecided() int {
	n := 0
	for i := range p.kept.left {
		if p.kept.left[i].linear.truth != True {
			n++
		}
	}
	return n
}
