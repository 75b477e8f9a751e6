package register

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/history"
)

// slow is a register's history by the definitions, written for obviousness:
// every question scans all operations.
type slow struct {
	ops    []history.Op
	finals bool // final reads count as sightings
}

func writer(op *history.Op) bool { return op.Kind == history.Write || op.Kind == history.CAS }

// saw is what an operation read for certain.
func (s slow) saw(op *history.Op) (int64, bool) {
	switch {
	case op.Final() && !s.finals:
	case op.Kind == history.Read && op.Outcome == history.OK:
		return op.Value, true
	case op.Kind == history.CAS && op.Outcome == history.Fail && op.Flags&history.Seen != 0:
		return op.Observed, true
	}
	return 0, false
}

func (s slow) writers(v int64) []*history.Op {
	var all []*history.Op
	for i := range s.ops {
		if writer(&s.ops[i]) && s.ops[i].Value == v {
			all = append(all, &s.ops[i])
		}
	}
	return all
}

// effective tells whether a compare-and-set took effect for certain.
func (s slow) effective(op *history.Op) bool {
	return op.Kind == history.CAS && len(s.writers(op.Value)) == 1 &&
		(op.Outcome == history.OK || op.Outcome == history.Unknown && s.seen(op.Value, 0))
}

func (s slow) seen(v int64, depth int) bool {
	for i := range s.ops {
		op := &s.ops[i]
		if got, ok := s.saw(op); ok && got == v {
			return true
		}
		if depth <= len(s.ops) && op.Kind == history.CAS && op.Old == v && len(s.writers(op.Value)) == 1 &&
			(op.Outcome == history.OK || op.Outcome == history.Unknown && s.seen(op.Value, depth+1)) {
			return true
		}
	}
	return false
}

// certain is f for every value: when it had certainly been there.
func (s slow) certain() map[int64]int64 {
	f := map[int64]int64{history.Nil: kit.Beginning}
	lower := func(v, at int64) bool {
		if old, ok := f[v]; ok && old <= at {
			return false
		}
		f[v] = at
		return true
	}
	for again := true; again; {
		again = false
		for i := range s.ops {
			op := &s.ops[i]
			if writer(op) && op.Outcome == history.OK {
				again = lower(op.Value, op.End) || again
			}
			if v, ok := s.saw(op); ok {
				again = lower(v, op.End) || again
			}
			if at, ok := f[op.Value]; ok && s.effective(op) {
				again = lower(op.Old, at) || again
			}
		}
	}
	return f
}

// usable values have an order: written once, or never, and not before they were seen.
func (s slow) usable(f map[int64]int64, v int64) bool {
	at, ok := f[v]
	w := s.writers(v)
	if v == history.Nil {
		return len(w) == 0
	}
	return ok && (len(w) == 0 || len(w) == 1 && at >= w[0].Start)
}

// started is when the write of a usable value began.
func (s slow) started(f map[int64]int64, v int64) (int64, bool) {
	w := s.writers(v)
	if v == history.Nil || !s.usable(f, v) || len(w) != 1 {
		return 0, false
	}
	return w[0].Start, true
}

func (s slow) facts() string {
	f := s.certain()
	lost, stale, total, resurrected, phantom, future := 0, 0, int64(0), 0, 0, 0
	failed := map[int64]bool{}
	for i := range s.ops {
		op := &s.ops[i]
		v, ok := s.saw(op)
		if writer(op) && op.Outcome == history.Fail && len(s.writers(op.Value)) == 1 && op.Value != history.Nil && s.seen(op.Value, 0) {
			failed[op.Value] = true
		}
		if !ok {
			continue
		}
		if w := s.writers(v); v != history.Nil && len(w) == 0 {
			phantom++
		} else if len(w) == 1 && v != history.Nil && op.End < w[0].Start {
			future++
		}
		if op.Kind == history.Read && !op.Final() {
			if gap := s.staleness(f, v, op.Start); gap > 0 {
				stale++
				total += gap
			}
		}
	}
	resurrected = len(failed)
	lost = s.lost(f)
	return fmt.Sprintf("lost %d stale %d total %d resurrected %d phantom %d future %d updates %d", lost, stale, total, resurrected, phantom,
		future, s.lostUpdates(f))
}

// lostUpdates is how many compare-and-sets cannot have found the value that
// they replaced: of those that replaced the same one, all that began when it
// had been superseded, and all but one in any case.
func (s slow) lostUpdates(f map[int64]int64) int {
	replaced, late := map[int64]int{}, map[int64]int{}
	for i := range s.ops {
		op := &s.ops[i]
		if _, ok := s.started(f, op.Value); !ok || !s.effective(op) || !s.usable(f, op.Old) {
			continue
		}
		replaced[op.Old]++
		if s.staleness(f, op.Old, op.Start) > 0 {
			late[op.Old]++
		}
	}
	n := 0
	for old := range replaced {
		n += max(late[old], replaced[old]-1)
	}
	return n
}

func (s slow) staleness(f map[int64]int64, v, start int64) int64 {
	worst := int64(0)
	if !s.usable(f, v) {
		return 0
	}
	for newer, at := range f {
		begun, ok := s.started(f, newer)
		if !ok {
			continue
		}
		w := s.writers(newer)[0]
		if f[v] < begun || s.effective(w) && w.Old == v {
			worst = max(worst, start-at)
		}
	}
	return worst
}

func (s slow) lost(f map[int64]int64) int {
	var last [8]*history.Op
	any := false
	for i := range s.ops {
		if op := &s.ops[i]; op.Final() && op.Outcome == history.OK {
			last[op.Node], any = op, true
		}
	}
	lost := 0
	for i := range s.ops {
		w := &s.ops[i]
		begun, ok := s.started(f, w.Value)
		if !any || !writer(w) || w.Outcome != history.OK || !ok {
			continue
		}
		everywhere := true
		for _, r := range last {
			if r != nil {
				everywhere = everywhere && w.End < r.Start && r.Value != w.Value && s.usable(f, r.Value) && f[r.Value] < begun
			}
		}
		if everywhere {
			lost++
		}
	}
	return lost
}

func (s slow) sessions() string {
	f := s.certain()
	own, monotonic := 0, 0
	for i := range s.ops {
		r := &s.ops[i]
		v, ok := s.saw(r)
		if !ok || !s.usable(f, v) {
			continue
		}
		brokeOwn, brokeSeen := false, false
		for j := range s.ops {
			before := &s.ops[j]
			if before.Process != r.Process || before.End >= r.Start {
				continue
			}
			if begun, ok := s.started(f, before.Value); ok && writer(before) && before.Outcome == history.OK && f[v] < begun {
				brokeOwn = true
			}
			u, saw := s.saw(before)
			if !saw && before.Kind == history.CAS && before.Outcome == history.OK && len(s.writers(before.Value)) == 1 {
				u, saw = before.Old, true
			}
			if begun, ok := s.started(f, u); saw && ok && f[v] < begun {
				brokeSeen = true
			}
		}
		if brokeOwn {
			own++
		}
		if brokeSeen {
			monotonic++
		}
	}
	return fmt.Sprintf("own %d monotonic %d", own, monotonic)
}

func TestRegistersAgreeWithDefinitions(t *testing.T) {
	checktest.Alone(t)
	shapes := []shape{
		{Ops: 6, Length: 12, Longest: 6, Finals: true, Sessions: true},
		{Ops: 10, Length: 30, Longest: 8, Finals: true, Cas: true},
		{Ops: 12, Length: 40, Longest: 4, Finals: true, Sessions: true, Cas: true},
		{Ops: 8, Length: 12, Longest: 6, Finals: true, Twice: true, Cas: true},
	}
	counts := map[string]int{}
	for seed := range 5000 {
		r := rand.New(rand.NewPCG(uint64(seed), 4))
		ops := randomOps(r, shapes[seed%len(shapes)])
		if seed%3 == 0 {
			ops = mutate(r, mutate(r, copyOps(r, 4+r.IntN(10), 3, seed%2 == 0)))
		}
		log := logOf(registerType, ops...)
		found := judgeRegisters(t.Context(), log, reign.Read(log), checkers.DefaultLimits)[0]
		tally := found.register
		total := int64(0)
		for _, r := range tally.stale {
			total += r.Staleness
		}
		got := fmt.Sprintf("lost %d stale %d total %d resurrected %d phantom %d future %d updates %d", tally.finals.Lost, len(tally.stale), total,
			tally.resurrected, tally.phantom, tally.future, tally.lostUpdates)
		if want := (slow{log.Ops, true}).facts(); got != want {
			t.Fatalf("seed %d: got  %s\nwant %s:\n%v", seed, got, want, log.Ops)
		}
		s := found.sessions
		if got, want := fmt.Sprintf("own %d monotonic %d", s.ownWrites, s.monotonic), (slow{log.Ops, false}).sessions(); got != want {
			t.Fatalf("seed %d: got  %s\nwant %s:\n%v", seed, got, want, log.Ops)
		}
		for name, n := range map[string]int{"lost": tally.finals.Lost, "stale": len(tally.stale), "resurrected": tally.resurrected,
			"phantom": tally.phantom, "future": tally.future, "updates": tally.lostUpdates, "own": s.ownWrites, "monotonic": s.monotonic} {
			if n > 0 {
				counts[name]++
			}
		}
		for _, f := range tally.top.Findings(checkers.LostWrite, checkers.LostUpdate, checkers.Resurrected, checkers.Phantom, checkers.Future, checkers.StaleRead, checkers.Diverged) {
			proveRegister(t, log, f)
		}
		for _, f := range s.top.Findings(checkers.ReadYourWrites, checkers.MonotonicRead) {
			proveRegister(t, log, f)
		}
	}
	t.Log(counts)
	for _, name := range []string{"lost", "stale", "resurrected", "phantom", "future", "updates", "own", "monotonic"} {
		if counts[name] < 100 {
			t.Errorf("%s came up in %d histories only", name, counts[name])
		}
	}
}

// proveRegister repeats a finding's claim on its evidence alone.
func proveRegister(t *testing.T, log *history.Log, f checkers.Finding) {
	t.Helper()
	sub := &history.Log{Meta: log.Meta, Ops: f.Evidence}
	values, _ := check(t, sub)
	fact := map[checkers.Class]string{checkers.LostWrite: "writes.lost", checkers.LostUpdate: "writes.lost_updates", checkers.Resurrected: "writes.resurrected", checkers.Phantom: "reads.phantom", checkers.Future: "reads.future",
		checkers.StaleRead: "reads.stale", checkers.OrderFlip: "reads.order_flips", checkers.Diverged: "replicas.diverged", checkers.ReadYourWrites: "sessions.read_your_writes", checkers.MonotonicRead: "sessions.monotonic_reads",
		checkers.MonotonicWrite: "sessions.monotonic_writes", checkers.WriteAfterRead: "sessions.writes_follow_reads"}[f.Class]
	if v := values[fact]; !v.Known || v.N == 0 {
		t.Fatalf("the evidence of %s does not show it (%+v): %s\n%v\nof\n%v", f.Class, v, f.Text, f.Evidence, log.Ops)
	}
}

// losingPrimary simulates a primary that crashes and loses what took effect in
// the 40 ticks before; gone are the values that were lost so.
func losingPrimary(r *rand.Rand) (ops []history.Op, gone map[int64]bool) {
	type effect struct {
		at int64
		op int
	}
	var effects []effect
	for i := range 5 + r.IntN(30) {
		start := int64(r.IntN(200))
		op := history.Op{Kind: history.Write, Value: int64(i + 1), Start: start, End: start + int64(r.IntN(20)), Process: uint32(i), Outcome: history.OK}
		at := start + int64(r.IntN(int(op.End-start)+1))
		switch r.IntN(6) {
		case 0:
			op.Outcome = history.Unknown
			at += int64(r.IntN(100))
		case 1:
			op.Kind = history.Read
		}
		ops, effects = append(ops, op), append(effects, effect{at, i})
	}
	slices.SortStableFunc(effects, func(a, b effect) int { return int(a.at - b.at) })
	crash := int64(150 + r.IntN(80))
	state, kept, crashed := history.Nil, history.Nil, false
	gone = map[int64]bool{}
	for _, e := range effects {
		if e.at >= crash && !crashed {
			crashed, state = true, kept
		}
		op := &ops[e.op]
		switch {
		case op.Kind == history.Read:
			op.Value = state
			continue
		case crashed || e.at < crash-40:
			kept = op.Value
		default:
			gone[op.Value] = true
		}
		state = op.Value
	}
	for n := range 3 {
		ops = append(ops, history.Op{Start: 1000, End: 1001, Value: kept, Node: int8(n), Process: uint32(100 + n), Outcome: history.OK, Flags: history.FinalRead})
	}
	return ops, gone
}

// TestLostIsSound compares what the checker calls lost with what really was.
func TestLostIsSound(t *testing.T) {
	reported, really := 0, 0
	for seed := range 3000 {
		ops, gone := losingPrimary(rand.New(rand.NewPCG(uint64(seed), 5)))
		log := logOf(registerType, ops...)
		g := kit.Groups(log, history.ObjectRegister)[0]
		tally := tallyRegister(kit.NewWords(log), &g, reign.Read(log), 1<<20, Analyse(log, g.Ops, true))
		reported, really = reported+tally.finals.Lost, really+len(gone)
		if tally.finals.Lost > len(gone) {
			t.Fatalf("seed %d: %d reported, %d gone", seed, tally.finals.Lost, len(gone))
		}
		for _, f := range tally.top.Findings(checkers.LostWrite) {
			if !slices.ContainsFunc(f.Evidence, func(op history.Op) bool { return gone[op.Value] && op.Outcome == history.OK }) {
				t.Fatalf("seed %d: false alarm: %s\n%v", seed, f.Text, log.Ops)
			}
		}
	}
	if reported < really/20 {
		t.Errorf("%d of %d lost writes found", reported, really)
	}
	t.Logf("%d of %d lost writes are proven (the rest was overwritten, or cannot be told)", reported, really)
}
