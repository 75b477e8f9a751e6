package set

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

func BenchmarkScaleSet(b *testing.B) { scaleSet(b, false) }

func BenchmarkScaleSetShuffled(b *testing.B) { scaleSet(b, true) }

func scaleSet(b *testing.B, shuffle bool) {
	log, sightings := setLoad(100_000, 1000, shuffle)
	b.ResetTimer()
	scale(b, log, Checker())
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(sightings), "ns/sighting")
}

// TestSetLoadIsSound keeps the benchmarks honest.
func TestSetLoadIsSound(t *testing.T) {
	for _, shuffle := range []bool{false, true} {
		log, _ := setLoad(2000, 100, shuffle)
		values, found := check(t, log)
		expect(t, values, "set.acked=2000 set.lost=0 set.phantom=0 set.duplicated=0 set.stale=0 set.flapping=0 set.diverged=0 set.never_seen=0 set.stable_latency.max=0")
		if len(found) > 0 {
			t.Error(found)
		}
	}
}

// raggedSet is a history of a set that is read in full, in one order or in
// several, with elements missing, moved, repeated or from nowhere.
func raggedSet(r *rand.Rand) *history.Log {
	var ops []history.Op
	var state []int64
	now, processes := int64(0), 1+r.IntN(5)
	forget, swap := r.IntN(3), r.IntN(3)
	unstable := r.IntN(3) // of three reads so many are shuffled
	overlap := int64(1 + r.IntN(12))
	add := func(n int) {
		for range n {
			now += int64(r.IntN(2))
			op := history.Op{Kind: history.Add, Value: int64(len(ops) + 1), Start: now, End: now + r.Int64N(4), Process: 50, Outcome: history.OK}
			op.Outcome = []history.Outcome{history.OK, history.OK, history.OK, history.OK, history.Unknown, history.Fail}[r.IntN(6)]
			if r.IntN(40) == 0 && len(state) > 0 {
				op.Value = state[0]
			}
			ops = append(ops, op)
			if r.IntN(9) > 0 {
				state = slices.Insert(state, len(state)-min(len(state), r.IntN(4)*r.IntN(20)), op.Value)
			}
		}
	}
	read := func() history.Op {
		now += int64(r.IntN(3))
		shown := slices.Clone(state)
		for range min(len(shown), forget*r.IntN(3)) {
			at := max(len(shown)-1-r.IntN(30), 0)
			shown = slices.Delete(shown, at, at+1)
		}
		for range swap * r.IntN(3) {
			if n := len(shown); n > 1 {
				i, j := r.IntN(n), r.IntN(n)
				shown[i], shown[j] = shown[j], shown[i]
			}
		}
		if r.IntN(12) == 0 && len(shown) > 0 {
			shown = append(shown, shown[r.IntN(len(shown))], int64(100_000+r.IntN(2)))
		}
		if r.IntN(3) < unstable {
			r.Shuffle(len(shown), func(i, j int) { shown[i], shown[j] = shown[j], shown[i] })
		}
		if r.IntN(15) == 0 {
			shown = shown[:len(shown)/2]
		}
		return history.Op{Kind: history.ReadSet, Start: now - r.Int64N(overlap), End: now + r.Int64N(overlap), Node: int8(r.IntN(4) - r.IntN(2)),
			Process: uint32(r.IntN(processes)), Outcome: history.OK, Elements: shown}
	}
	if r.IntN(6) == 0 {
		add(700 + r.IntN(700)) // so many that those shuffled are not similar
	}
	add(r.IntN(200))
	for range 3 + r.IntN(40) {
		if r.IntN(2) == 0 {
			add(r.IntN(6))
		}
		ops = append(ops, read())
	}
	now += 20
	for node := range r.IntN(4) {
		op := read()
		op.Node, op.Process, op.Flags = int8(node), uint32(90+node), history.FinalRead
		ops = append(ops, op)
	}
	return logOf(setType, ops...)
}

// TestSetsAgreeSightingBySighting compares with the obvious way on thousands
// of histories, long enough for every way of comparing two answers.
func TestSetsAgreeSightingBySighting(t *testing.T) {
	checktest.Alone(t)
	const worlds = 1500
	seen := map[string]int{}
	for seed := range worlds {
		log := raggedSet(rand.New(rand.NewPCG(uint64(seed), 55)))
		g := kit.Groups(log, history.ObjectSet)[0]
		slow, fast := analyseObvious(log, g.Ops), analyseSet(log, g.Ops)
		slow.flap()
		want, got := slow.told(), fast.told()
		for v, line := range want {
			if got[v] != line {
				t.Fatalf("seed %d: element %d: got %s, want %s", seed, v, got[v], line)
			}
			seen[line[:1]]++
		}
		var stale []int32
		for _, node := range fast.nodes {
			for _, n := range fast.staleReads(&node) {
				stale = append(stale, fast.reads[n].position)
			}
		}
		slices.Sort(stale)
		var staleWant []int32
		for _, n := range slow.staleReads() {
			staleWant = append(staleWant, slow.reads[n].position)
		}
		if len(want) != len(got) || !slices.Equal(stale, staleWant) {
			t.Fatalf("seed %d: %d elements, want %d; stale reads %v, want %v", seed, len(got), len(want), stale, staleWant)
		}
		seen["stale"] += len(stale)
		for _, node := range fast.nodes {
			for n := range node.reads[1:] {
				a, b := fast.op(fast.reads[node.reads[n]].position).Elements, fast.op(fast.reads[node.reads[n+1]].position).Elements
				_, _, similar := difference(a, b, nil, nil)
				seen[fmt.Sprint("similar ", similar)]++
			}
		}
	}
	t.Log(seen)
	for _, what := range []string{"f", "-", "stale", "similar true", "similar false"} {
		if seen[what] < worlds*2/3 {
			t.Errorf("only %d times %q: %v", seen[what], what, seen)
		}
	}
}

// Told is all that both ways tell of the elements.
func (k *obviousSet) told() map[int64]string {
	all := map[int64]string{}
	for i := range k.all {
		e := &k.all[i]
		absent, lastEnd := kit.Beginning, int64(0)
		for n := range k.reads {
			r := &k.reads[n]
			if !slices.Contains(r.has, int32(i)) {
				absent = max(absent, r.start)
			} else if r.start == e.last {
				lastEnd = max(lastEnd, r.end)
			}
		}
		all[e.v] = tellElement(e.flapped, e.byNode, e.seenBy, e.doubled != kit.None, e.early != kit.None, e.last, lastEnd, absent)
	}
	return all
}

func (k *elements) told() map[int64]string {
	all := map[int64]string{}
	for i := range k.all {
		e := &k.all[i]
		all[e.v] = tellElement(e.flapped, e.byNode, e.seenBy, e.doubled != kit.None, k.early(e) != kit.None, e.last, e.lastEnd, e.absent)
	}
	return all
}

func tellElement(flapped, byNode bool, seenBy int32, doubled, early bool, last, lastEnd, absent int64) string {
	mark := "-"
	if flapped {
		mark = "f"
	}
	return fmt.Sprint(mark, " by node ", byNode, " seen by ", seenBy, " doubled ", doubled, " early ", early, " last ", last, "-", lastEnd, " absent ", absent)
}
