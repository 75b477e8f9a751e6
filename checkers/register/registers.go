package register

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
)

// judged is everything that is found about one register: whether it is
// linearizable, what was lost and stale, which session guarantees broke.
type judged struct {
	group    kit.Group // without its operations if the pass over the log sufficed
	linear   linearity
	register registerTally
	sessions sessionTally
}

// judgeRegisters judges every register of a log in memory, in order of workload
// and key. It passes once over the log. A register that the pass shows to be
// linearizable, and whose final reads show nothing lost, has no write of which it
// is proven that it was lost, then overwritten, no stale, phantom
// or future read, no lost update, no order flip and no broken session guarantee,
// and its delta is 0, for each of these contradicts linearizability: every
// session guarantee is broken by a stale read only. Nothing else has to be known
// of it. The others are analysed one by one.
func judgeRegisters(ctx context.Context, log *history.Log, reigns *reign.Reigns, limits checkers.Limits) []judged {
	var all []judged
	open := map[uint64]bool{}
	if !log.Torn {
		for _, s := range scan(ctx, log, reigns, limits.Workers) {
			if j, clean := s.judge(log, reigns); clean {
				all = append(all, j)
			} else {
				open[uint64(s.workload)<<32|uint64(s.key)] = true
			}
		}
	}
	if ctx.Err() == nil && (log.Torn || len(open) > 0) {
		wanted := func(id uint64) bool { return log.Torn || open[id] }
		all = append(all, analyseRegisters(ctx, log, reigns, limits, wanted)...)
	}
	sortByGroup(all)
	return all
}

func sortByGroup(all []judged) {
	slices.SortFunc(all, func(a, b judged) int { return a.group.Compare(&b.group) })
}

// judge is what is known of a register after the pass; clean tells whether that
// is all. Its final reads are in log.
func (s *scanned) judge(log *history.Log, r *reign.Reigns) (j judged, clean bool) {
	k := &s.watch
	if k.State != watch.Watching {
		return judged{}, false
	}
	j.group = kit.Group{Workload: s.workload, Key: s.key}
	j.linear = linearity{Truth: checkers.True, ops: s.counts.placed, ignored: s.counts.ignored}
	j.register.registerCounts, j.register.danger = s.counts, dangerOf(r, &s.reign, &s.counts)
	if r.Known {
		s.reign.Each(func(w *reign.Write) {
			j.register.lost = append(j.register.lost, checkers.Loss{Start: w.Start, Acked: w.End})
		})
	}
	finals := kit.FinalReads(log, s.finals, history.Read)
	j.register.finals.Count(log, finals, s.counts.acked > 0)
	for _, p := range finals {
		op := &log.Ops[s.finals[p]]
		i := k.Find(op.Value)
		if i == kit.None || !k.Entries[i].Settled || op.Value != log.Ops[s.finals[finals[0]]].Value {
			return judged{}, false
		}
	}
	// Every answered final read must be among those looked at, and come after all else.
	for _, f := range s.finals {
		if op := &log.Ops[f]; op.Outcome == history.OK && (kit.From(op) < k.Now || k.Find(op.Value) == kit.None) {
			return judged{}, false
		}
	}
	return j, true
}

// analyseRegisters judges the registers that are wanted, by group.id, from all
// their operations.
func analyseRegisters(ctx context.Context, log *history.Log, reigns *reign.Reigns, limits checkers.Limits, wanted func(id uint64) bool) []judged {
	all := kit.GroupsOf(log, history.ObjectRegister, wanted)
	found := make([]judged, len(all))
	w := kit.NewWords(log)
	search, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	var delta atomic.Int64
	gate := kit.NewGate(limits.Findings)
	rooms := sync.Pool{New: func() any { return new(values) }}
	kit.Parallel(ctx, limits.Workers, len(all), func(i int) {
		g, k := &all[i], rooms.Get().(*values)
		defer rooms.Put(k)
		k.analyse(log, g.Ops, false)
		j := &found[i]
		j.group = *g
		j.linear = Decide(ctx, search, w, g, limits, k)
		k.decideDelta(&j.linear, log.Torn, &delta)
		if a, b, found := k.orderFlip(); found {
			j.linear.flip = flip(w, g, k, a, b)
		}
		j.sessions = tallySessions(w, g, limits.Findings, k)
		j.sessions.top.Write(gate) // before the analysis changes
		k.addFinals()
		j.register = tallyRegister(w, g, reigns, limits.Findings, k)
		j.register.top.Write(gate) // before its memory is used again
	})
	return found
}
