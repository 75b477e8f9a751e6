package checkers

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aftershock-chaos/aftershock/history"
)

// study is everything that is found about one register: whether it is
// linearizable, what was lost and stale, which session guarantees broke.
type study struct {
	group    group // without its operations if the pass over the log sufficed
	linear   linearity
	register registerTally
	sessions sessionTally
}

// shared is what the checkers of one Run find out once and for all of them.
type shared struct {
	once    sync.Once
	studies []study
}

// registers studies every register of the log. It is shared by the checkers of
// one Run; ctx is the same for all of them.
func registers(ctx context.Context, log *history.Log, limits Limits) []study {
	if limits.shared == nil {
		return studyRegisters(ctx, log, limits)
	}
	limits.shared.once.Do(func() { limits.shared.studies = studyRegisters(ctx, log, limits) })
	return limits.shared.studies
}

// studyRegisters passes once over the log. A register that the pass shows to
// be linearizable, and whose final reads show nothing lost, has no stale,
// phantom or future read, no lost update, no order flip and no broken session guarantee, and
// its delta is 0, for each of these contradicts linearizability: every session
// guarantee is broken by a stale read only. Nothing else has to be known of it.
// The others are analysed one by one.
func studyRegisters(ctx context.Context, log *history.Log, limits Limits) []study {
	if limits.pass != nil {
		return limits.pass.studyRegisters(ctx, log, limits)
	}
	var all []study
	open := map[uint64]bool{}
	if !log.Torn {
		for _, s := range scan(ctx, log, limits.Workers) {
			if st, clean := s.study(log); clean {
				all = append(all, st)
			} else {
				open[uint64(s.workload)<<32|uint64(s.key)] = true
			}
		}
	}
	if ctx.Err() == nil && (log.Torn || len(open) > 0) {
		all = append(all, analyseRegisters(ctx, log, limits, open)...)
	}
	slices.SortFunc(all, func(a, b study) int { return a.group.compare(&b.group) })
	return all
}

// study is what is known of a register after the pass; clean tells whether
// that is all.
func (s *scanned) study(log *history.Log) (st study, clean bool) {
	k := &s.watch
	if k.state != watching {
		return study{}, false
	}
	st.group = group{workload: s.workload, key: s.key}
	st.linear = linearity{truth: True, ops: s.counts.placed, ignored: s.counts.ignored}
	st.register.registerCounts = s.counts
	finals := finalReads(log, s.finals, history.Read)
	st.register.finals.count(log, finals, s.counts.acked > 0)
	for _, p := range finals {
		op := &log.Ops[s.finals[p]]
		i := k.find(op.Value)
		if i == none || !k.entries[i].settled || op.Value != log.Ops[s.finals[finals[0]]].Value {
			return study{}, false
		}
	}
	// Every answered final read must be among those looked at, and come after all else.
	for _, f := range s.finals {
		if op := &log.Ops[f]; op.Outcome == history.OK && (from(op) < k.now || k.find(op.Value) == none) {
			return study{}, false
		}
	}
	return st, true
}

// analyseRegisters studies the registers that are open, or all in a torn log.
func analyseRegisters(ctx context.Context, log *history.Log, limits Limits, open map[uint64]bool) []study {
	all := groupsOf(log, registerType, func(id uint64) bool { return log.Torn || open[id] })
	found := make([]study, len(all))
	w := newWords(log)
	search, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	var delta atomic.Int64
	told := newGate(limits.Findings)
	rooms := sync.Pool{New: func() any { return new(values) }}
	parallel(ctx, limits.Workers, len(all), func(i int) {
		g, k := &all[i], rooms.Get().(*values)
		defer rooms.Put(k)
		k.analyse(log, g.ops, false)
		st := &found[i]
		st.group = *g
		st.linear = decide(ctx, search, w, g, limits, k)
		k.decideDelta(&st.linear, log.Torn, &delta)
		if a, b, found := k.orderFlip(); found {
			st.linear.flip = flip(w, g, k, a, b)
		}
		st.sessions = tallySessions(w, g, limits.Findings, k)
		st.sessions.shelves.write(told) // before the analysis changes
		k.addFinals()
		st.register = tallyRegister(w, g, limits.Findings, k)
		st.register.shelves.write(told) // before its memory is used again
	})
	return found
}
