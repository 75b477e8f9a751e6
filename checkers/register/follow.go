package register

import (
	"cmp"
	"context"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
)

// follower judges the registers of a log on disk. Of each it keeps the
// watch and the counts of scan, by which most are judged for good; the others
// it has brought into memory, as many as fit, and judges them as in a whole log:
// registers are judged one by one, so the rest does not matter.
type follower struct {
	in        checkers.Input
	line      *kit.Timeline
	reigns    *reign.Reigns
	registers []bool // by workload
	reads     readCounts
	index     *kit.KeyIndex
	keys      []*scanned
	finals    history.Log // final reads
	added     int
	full      bool // the open values outgrew the memory

	// What Choose found:
	clean  []judged        // registers judged for good
	chosen map[uint64]bool // registers that are brought in, by group.id
	left   []judged        // registers that should have been brought in
	all    int             // registers
}

func follow(in checkers.Input) checkers.Follower {
	return &follower{in: in, line: kit.NewTimeline(in.Log), reigns: reign.Read(in.Log), registers: registersOf(in.Log), index: kit.NewKeyIndex(),
		finals: history.Log{Meta: in.Log.Meta, Torn: in.Log.Torn}}
}

// Add implements Follower.
func (f *follower) Add(op *history.Op) {
	if !f.registers[op.Workload] {
		return
	}
	f.reads.count(f.line, op)
	if f.added++; f.added%lookEvery == 0 {
		f.look()
	}
	if f.full {
		return
	}
	at := f.index.Of(op.Workload, op.Key)
	if *at == 0 {
		f.keys = append(f.keys, newScanned(op))
		*at = int32(len(f.keys))
	}
	f.keys[*at-1].add(f.reigns, op, int32(len(f.finals.Ops)))
	if op.Final() {
		f.finals.Ops = append(f.finals.Ops, *op)
	}
}

// lookEvery is how many operations pass between two looks at the memory.
const lookEvery = 1 << 18

// look gives the registers up if what is open of them takes half of the memory.
func (f *follower) look() {
	if f.open() > f.in.Memory/2 {
		f.full, f.keys, f.finals.Ops = true, nil, nil
		f.index = kit.NewKeyIndex()
	}
}

// open is the memory that the registers take, in bytes.
func (f *follower) open() uint64 {
	const perKey, perFinal, perEntry, perSlot = 1024, 128, 128, 8
	n := uint64(len(f.keys))*perKey + uint64(len(f.finals.Ops))*perFinal
	for _, s := range f.keys {
		n += uint64(cap(s.watch.Entries))*perEntry + uint64(len(s.watch.Table))*perSlot + s.reign.Bytes()
	}
	return n
}

// Choose implements Follower. Violated registers come before those that are
// unclear, and of these the smaller first.
func (f *follower) Choose(fits func(history.Size) bool) (keep func(*history.Op) bool) {
	f.all, f.chosen = len(f.keys), map[uint64]bool{}
	for _, s := range f.unclear() {
		if fits(history.Size{Ops: int64(s.ops)}) {
			f.chosen[uint64(s.workload)<<32|uint64(s.key)] = true
		} else {
			f.left = append(f.left, f.judgeLeft(s))
		}
	}
	f.keys, f.index, f.finals.Ops = nil, nil, nil
	return func(op *history.Op) bool {
		return f.registers[op.Workload] && f.chosen[uint64(op.Workload)<<32|uint64(op.Key)]
	}
}

// unclear sets the clean registers aside and lists the others.
func (f *follower) unclear() []*scanned {
	var all []*scanned
	for _, s := range f.keys {
		s.watch.Finish()
		if j, clean := s.judge(&f.finals, f.reigns); clean {
			f.clean = append(f.clean, j)
		} else {
			all = append(all, s)
		}
	}
	urgency := [...]int{watch.Violated: 0, watch.Ambiguous: 1, watch.Watching: 2}
	slices.SortStableFunc(all, func(a, b *scanned) int {
		return cmp.Or(cmp.Compare(urgency[a.watch.State], urgency[b.watch.State]), cmp.Compare(a.ops, b.ops))
	})
	return all
}

// Judge implements Follower.
func (f *follower) Judge(ctx context.Context) checkers.Result {
	if f.full {
		return checkers.Result{Values: checkers.UnknownFacts(registerFacts(), f.in.Log, kit.TooLarge(f.in, "the open values of the registers"))}
	}
	found := slices.Concat(f.clean, f.left)
	if len(f.chosen) > 0 {
		found = append(found, analyseRegisters(ctx, f.in.Log, f.reigns, f.in.Limits, func(id uint64) bool { return f.chosen[id] })...)
	}
	sortByGroup(found)
	r := registersResult(f.in, f.line, f.reigns, found, &f.reads)
	f.weaken(r.Values)
	if f.undecided() > 0 {
		r.Staleness = nil // it would tell of some registers as if they were all
	}
	return r
}
