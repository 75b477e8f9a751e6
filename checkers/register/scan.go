package register

import (
	"context"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
)

// scanned is what one pass over a log in its order tells of one register.
type scanned struct {
	workload uint8
	key      uint32
	watch    watch.Watch
	counts   registerCounts
	reign    reign.Key
	finals   []int32 // indexes of the final reads
	ops      int     // all operations
}

// registerCounts are counts of a register's operations.
type registerCounts struct {
	acked, unknown, failed, reads int
	placed                        int // operations that have a place in the order
	ignored                       int // failed compare-and-sets that did not tell the current value
}

func (c *registerCounts) add(o *registerCounts) {
	c.acked, c.unknown, c.failed, c.reads = c.acked+o.acked, c.unknown+o.unknown, c.failed+o.failed, c.reads+o.reads
	c.placed, c.ignored = c.placed+o.placed, c.ignored+o.ignored
}

// Count takes one operation of the register.
func (c *registerCounts) count(op *history.Op) {
	ok := op.Outcome == history.OK
	switch op.Kind {
	case history.Read:
		if ok && !op.Final() {
			c.reads++
			c.placed++
		}
	case history.Write, history.CAS:
		switch {
		case ok:
			c.acked++
			if !op.Final() {
				c.placed++
			}
		case op.Outcome != history.Fail:
			if op.Error != history.ErrUntold { // it may never have been sent
				c.unknown++
			}
		case op.Error != history.ErrCompare:
			c.failed++
		}
		if op.Kind == history.CAS {
			c.countComparison(op)
		}
	}
}

func (c *registerCounts) countComparison(op *history.Op) {
	seen := op.Outcome == history.Fail && op.Flags&history.Seen != 0 && !op.Final()
	switch {
	case seen:
		c.placed++
	case op.Error == history.ErrCompare:
		c.ignored++
	}
}

// scan passes once over the operations of all registers, in the order of the
// log, keys shared out among the workers. It is nil when ctx ended.
func scan(ctx context.Context, log *history.Log, reigns *reign.Reigns, workers int) []*scanned {
	registers := registersOf(log)
	workers = max(workers, 1)
	parts := make([][]*scanned, workers)
	kit.Parallel(ctx, workers, workers, func(w int) {
		parts[w] = scanShare(ctx, log, reigns, registers, w, workers)
	})
	if ctx.Err() != nil {
		return nil
	}
	var all []*scanned
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// registersOf tells by the number of a workload whether it has registers.
func registersOf(log *history.Log) []bool {
	registers := make([]bool, 256)
	for i := range min(len(log.Meta.Workloads), len(registers)) {
		registers[i] = log.Meta.Workloads[i].ActsOn() == history.ObjectRegister
	}
	return registers
}

// scanCheck is how many operations pass between two looks at the context.
const scanCheck = 1 << 16

func scanShare(ctx context.Context, log *history.Log, reigns *reign.Reigns, registers []bool, share, shares int) []*scanned {
	var all []*scanned
	index := kit.NewKeyIndex()
	for i := range log.Ops {
		if i%scanCheck == 0 && ctx.Err() != nil {
			return nil
		}
		op := &log.Ops[i]
		if int(op.Key)%shares != share || !registers[op.Workload] {
			continue
		}
		at := index.Of(op.Workload, op.Key)
		if *at == 0 {
			all = append(all, newScanned(op))
			*at = int32(len(all))
		}
		all[*at-1].add(reigns, op, int32(i))
	}
	for _, s := range all {
		s.watch.Finish()
	}
	return all
}

// newScanned begins with the register of op.
func newScanned(op *history.Op) *scanned {
	return &scanned{workload: op.Workload, key: op.Key, watch: watch.NewWatch()}
}

func (s *scanned) add(r *reign.Reigns, op *history.Op, i int32) {
	s.ops++
	s.counts.count(op)
	if r.Last != kit.Beginning {
		s.reign.Add(r, op)
	}
	if op.Final() {
		if op.Kind == history.Read {
			s.finals = append(s.finals, i)
		}
		return
	}
	s.watch.Add(op)
}
