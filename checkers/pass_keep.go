package checkers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// kept is what a pass comes to: which operations are brought into memory, and
// what is known of the registers that are not.
type kept struct {
	workloads []bool          // brought in whole
	keys      map[uint64]bool // registers that are brought in, by group.id
	clean     []study         // registers judged for good
	left      []study         // registers that should have been brought in
	registers int             // all
}

// finish judges the registers by the pass and brings the rest into memory, as
// far as it fits into the half of it: workloads of other types, then violated
// registers, then those that are unclear, the smaller first.
func (p *Pass) finish() {
	k := &p.kept
	k.workloads, k.keys, k.registers = make([]bool, len(p.log.Meta.Workloads)), map[uint64]bool{}, len(p.keys)
	room, count := p.memory/2, int64(0)
	fits := func(s history.Size) bool {
		if f := Footprint(s); f <= room {
			room, count = room-f, count+s.Ops
			return true
		}
		return false
	}
	sizes := p.log.StoredSizes()
	order := make([]int, len(sizes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(Footprint(sizes[a]), Footprint(sizes[b])) })
	for _, i := range order {
		k.workloads[i] = !p.registers[i] && fits(sizes[i])
	}
	for _, s := range p.unclear() {
		if fits(history.Size{Ops: int64(s.ops)}) {
			k.keys[uint64(s.workload)<<32|uint64(s.key)] = true
		} else {
			k.left = append(k.left, p.studyLeft(s))
		}
	}
	p.keys, p.index, p.finals.Ops = nil, nil, nil
	if count == 0 {
		return
	}
	p.log.Keep(int(count), func(op *history.Op) bool {
		return k.workloads[op.Workload] || p.registers[op.Workload] && k.keys[uint64(op.Workload)<<32|uint64(op.Key)]
	})
}

// unclear sets the clean registers aside and lists the others.
func (p *Pass) unclear() []*scanned {
	var all []*scanned
	for _, s := range p.keys {
		s.watch.finish()
		if st, clean := s.study(&p.finals); clean {
			p.kept.clean = append(p.kept.clean, st)
		} else {
			all = append(all, s)
		}
	}
	urgency := [...]int{violated: 0, ambiguous: 1, watching: 2}
	slices.SortStableFunc(all, func(a, b *scanned) int {
		return cmp.Or(cmp.Compare(urgency[a.watch.state], urgency[b.watch.state]), cmp.Compare(a.ops, b.ops))
	})
	return all
}

// studyLeft is what the pass tells of a register whose operations do not fit.
// That it is violated is certain only if the write of no value can be among
// what a torn history lacks.
func (p *Pass) studyLeft(s *scanned) study {
	var st study
	st.group = group{workload: s.workload, key: s.key}
	st.register.registerCounts = s.counts
	l := &st.linear
	l.ops, l.ignored = s.counts.placed, s.counts.ignored
	switch {
	case s.watch.state == watching:
		l.truth = True
	case s.watch.state == violated && !p.log.Torn:
		l.truth = False
		l.finding = &Finding{Class: NotLinear, Workload: p.log.Meta.Workloads[s.workload].Name, Key: s.key, At: s.watch.at,
			Text: s.watch.text(s.key) + "; its " + opsText(int64(s.ops)) + " did not fit into memory to say which contradict each other"}
	default:
		l.why = p.tooLarge("its " + opsText(int64(s.ops)))
	}
	return st
}

// isShare tells whether a fact is a share or a percentile, of which a part of
// the registers does not even tell a bound.
func isShare(name string) bool {
	return strings.HasSuffix(name, "_ratio") || strings.HasSuffix(name, ".p50") || strings.HasSuffix(name, ".p99")
}

// opsText is a number of operations: "1.2 billion operations".
func opsText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f billion operations", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f million operations", float64(n)/1e6)
	}
	return plural(int(n), "operation", "operations")
}

// bytesText is an amount of memory: "1.5 GiB".
func bytesText(n uint64) string {
	size, unit := float64(n)/(1<<10), " KiB"
	for _, larger := range []string{" MiB", " GiB", " TiB"} {
		if size >= 1<<10 {
			size, unit = size/(1<<10), larger
		}
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", size), ".0") + unit
}
