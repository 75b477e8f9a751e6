package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// episode is what was done to a register since it last was at rest: nobody was
// at work on it, and only one value could be there. What came before is decided
// then, and tells nothing of what comes after but that value. So a register
// that a watch cannot decide, as values are written again, is decided by its
// episode, with all that the checker of whole histories does.
type episode struct {
	base  int64        // the value that was there before
	ops   []history.Op // in order of start
	full  bool         // there were too many to keep
	last  int64        // greatest certain end of the operations
	tried int          // how many there were when they were judged last
}

const (
	// episodeOps is how many operations of a register are kept at most, and
	// streamOps of all.
	episodeOps = 1 << 14
	streamOps  = 1 << 18
	// episodeTime and episodeMemory bound the general search among them.
	episodeTime   = 100 * time.Millisecond
	episodeMemory = 64 << 20
	// episodeValues is how many values may be the last one for it to be looked for.
	episodeValues = 32
)

// Begin starts anew from a value.
func (e *episode) begin(v int64) {
	*e = episode{base: v, ops: e.ops[:0], last: kit.Beginning}
}

// Add takes the next operation, if there is room for it.
func (e *episode) add(op *history.Op, room bool) {
	switch {
	case op.Outcome == history.OK, op.Flags&history.Seen != 0:
		e.last = max(e.last, kit.Until(op))
	case !watch.Writes(op):
		return // tells nothing
	}
	switch {
	case e.full:
	case len(e.ops) == episodeOps || !room:
		e.ops, e.full = nil, true
	default:
		e.ops = append(e.ops, *op)
	}
}

// judge tells whether the episode, with the operations after it, is
// linearizable, if that is known within limit.
func (e *episode) judge(limit time.Duration, after ...history.Op) checkers.Truth {
	log := &history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Object: history.ObjectRegister}}}}
	log.Ops = make([]history.Op, 0, len(e.ops)+2)
	if e.base != history.Nil && len(e.ops) > 0 {
		begun := kit.From(&e.ops[0]) - 1 // after all before, for the register was at rest
		log.Ops = append(log.Ops, history.Op{Kind: history.Write, Outcome: history.OK, Value: e.base, Start: begun, End: begun})
	}
	log.Ops = append(append(log.Ops, e.ops...), after...)
	g := kit.Group{Ops: make([]int32, len(log.Ops))}
	for i := range log.Ops {
		log.Ops[i].Workload, log.Ops[i].Key = 0, 0
		g.Ops[i] = int32(i)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	limits := checkers.Limits{Time: limit, Memory: episodeMemory, Findings: 1, Workers: 1}
	return register.Decide(ctx, ctx, kit.NewWords(log), &g, limits, register.Analyse(log, g.Ops, false)).Truth
}

// Value is the value that is there when all operations have ended, the only one
// that is not refuted by a read of it then; false if several may be, or if a
// write of unknown outcome may still take effect.
func (e *episode) value(limit time.Duration) (v int64, certain bool) {
	bound := kit.Beginning // a write that ended before this one began is not the last
	for i := range e.ops {
		if op := &e.ops[i]; watch.Writes(op) {
			if op.Outcome != history.OK {
				return 0, false
			}
			bound = max(bound, kit.From(op))
		}
	}
	able := map[int64]bool{}
	for i := range e.ops {
		if op := &e.ops[i]; watch.Writes(op) && kit.Until(op) >= bound {
			able[op.Value] = true
		}
	}
	if len(able) > episodeValues {
		return 0, false
	}
	at := e.last + 1
	for may := range able {
		if e.judge(limit, history.Op{Kind: history.Read, Outcome: history.OK, Value: may, Start: at, End: at}) == checkers.False {
			continue
		}
		if certain {
			return 0, false
		}
		v, certain = may, true
	}
	return v, certain
}

// Text tells of a contradiction in the episode.
func (e *episode) text(key uint32) string {
	return fmt.Sprintf("key %d: no single order explains its last %s (certain at %s)", key, units.Plural(len(e.ops), "operation", "operations"), units.Instant(e.last))
}
