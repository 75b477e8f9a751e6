package foreign

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// finish ends the history.
func (b *builder) finish() error {
	b.abandon()
	if err := b.fits(); err != nil {
		return err
	}
	if b.model.name == "kv" {
		b.strings.resolve(b)
	}
	if len(b.log.Ops) == 0 {
		return fmt.Errorf("%s: it holds no operation of a client that can be judged", b.name)
	}
	history.Sort(b.log.Ops)
	b.describe()
	b.doubt()
	if b.surveyed.meta == nil {
		b.noFinals()
	}
	return b.trust()
}

// doubt says what is not known of when operations began, and of what was passed over.
func (b *builder) doubt() {
	if b.crashes > 0 {
		b.note("%s without an invocation passed over", units.Plural(b.crashes, "crash", "crashes"))
	}
	if b.beginless != "" {
		b.note("%s", b.beginless)
		b.log.Doubts.Begins = b.beginless
	}
}

// abandon ends what never completed: its outcome is unknown.
func (b *builder) abandon() {
	left := append(slices.Collect(maps.Values(b.open)), b.untold...)
	slices.SortFunc(left, func(x, y int32) int { return b.pending[x].line - b.pending[y].line })
	for _, at := range left {
		p := &b.pending[at]
		p.op.End, p.op.Error = max(b.now, p.op.Start), history.ErrTimeout
		b.record(p)
	}
	if n := len(left); n > 0 {
		b.note("%s never completed: the outcome is unknown", units.Plural(n, "operation", "operations"))
	}
}

// describe makes the history's description.
func (b *builder) describe() {
	meta := &b.log.Meta
	if meta.Run = strings.TrimSuffix(b.name, ".edn"); b.surveyed.meta != nil {
		*meta = *b.surveyed.meta
		return
	}
	if len(meta.Nodes) == 0 {
		meta.Nodes = []string{"system"} // which of its nodes the history does not tell
		for i := range b.log.Ops {
			b.log.Ops[i].Node = 0
		}
	}
	keys := 0
	for k := range b.keys {
		if k >= firstKeyName {
			keys = len(b.keys)
			break
		}
		keys = max(keys, int(k)+1)
	}
	meta.Workloads = []history.WorkloadMeta{{Name: b.model.workload, Type: b.model.workload, Object: b.model.object,
		Keys: max(keys, 1), Workers: min(max(len(b.pending), 1), 1<<16)}}
}

// noFinals says what is missing where no read is final.
func (b *builder) noFinals() {
	switch b.model.object {
	case history.ObjectSet, history.ObjectCounter:
		if !b.finals {
			b.markFinals()
		}
		b.log.Doubts.Finals = "no final read: no answered read began after the last acknowledged addition had ended; read once more at the end"
	case history.ObjectQueue:
		b.log.Doubts.Drained = "no :drain was answered, so that what was left in the queue at the end is not known"
	default:
		b.log.Doubts.Finals = "no final read: none says :final? true, as one does that was made when all had settled"
	}
}

// markFinals takes the reads that began after the last acknowledged addition
// for final ones, as Jepsen's own tests of sets and counters do.
func (b *builder) markFinals() {
	last := map[uint32]int64{}
	for i := range b.log.Ops {
		if op := &b.log.Ops[i]; op.Outcome == history.OK && (op.Kind == history.Add || op.Kind == history.Increment) {
			last[op.Key] = max(last[op.Key], op.End)
		}
	}
	marked := 0
	for i := range b.log.Ops {
		op := &b.log.Ops[i]
		end, ok := last[op.Key]
		if ok && op.Start > end && op.Outcome == history.OK && (op.Kind == history.ReadSet || op.Kind == history.Read) {
			op.Flags |= history.FinalRead
			marked++
		}
	}
	if marked > 0 {
		b.note("reads that began after the last acknowledged addition to what they read count as final reads, which tell what is lost: %d here", marked)
	}
}

func (b *builder) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}
