package register

import (
	"cmp"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/history"
)

// fate is what became of the acknowledged writes of a simulated store.
type fates struct {
	lost    map[int64]bool // forgotten, and nothing acknowledged had come upon it
	gone    map[int64]bool // not in the log that is left
	missing map[int64]bool // by the final reads, as of before there were windows
}

func (s *store) fates(keys int) fates {
	t := fates{map[int64]bool{}, map[int64]bool{}, map[int64]bool{}}
	there, replaced := map[int64]bool{}, map[int64]bool{}
	for _, e := range s.nodes[s.ruler()].log {
		there[e.value] = true
	}
	for i := range s.log.Ops {
		if op := &s.log.Ops[i]; op.Outcome == history.OK && op.Kind != history.Read {
			for _, v := range s.before[op.Value] {
				replaced[v] = true
			}
		}
	}
	for i := range s.log.Ops {
		if op := &s.log.Ops[i]; op.Outcome == history.OK && op.Kind != history.Read && !there[op.Value] {
			t.gone[op.Value] = true
			if !replaced[op.Value] {
				t.lost[op.Value] = true
			}
		}
	}
	for _, g := range kit.Groups(s.log, history.ObjectRegister) {
		k := Analyse(s.log, g.Ops, true)
		_, gone := k.countLost(kit.NewWords(s.log), &g, kit.NewTopFindings(10))
		for i := range k.all {
			if gone.has(&k.all[i]) {
				t.missing[k.all[i].v] = true
			}
		}
	}
	return t
}

// TestStore compares what the checker says of lost writes with what became of them
// in a simulated store. AFTERSHOCK_STORES is how many are simulated, from
// AFTERSHOCK_SEED on.
func TestStore(t *testing.T) {
	checktest.Alone(t)
	stores, seed := uint64(3000), uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("AFTERSHOCK_STORES"), 10, 64); err == nil {
		stores = n
	}
	if n, err := strconv.ParseUint(os.Getenv("AFTERSHOCK_SEED"), 10, 64); err == nil {
		seed = n
	}
	var count struct{ exact, zero, lost, proven, undecided, clean int }
	wrong := []uint64{1799701, 5023847, 5110166} // in which a loss was once passed over
	for i := range stores + uint64(len(wrong)) {
		at := seed + i
		if i >= stores {
			at = wrong[i-stores]
		}
		const keys = 3
		s := newStore(at)
		s.run(150+int64(s.r.IntN(500)), keys)
		s.readFinally(keys)
		truth := s.fates(keys)
		for v := range truth.missing {
			if !truth.gone[v] {
				t.Fatalf("seed %d: %d is missing by the final reads, and there", at, v)
			}
			truth.lost[v] = true
		}
		values, findings := check(t, s.log)
		v := values["writes.lost"]
		least, most := v.Bounds()
		n := float64(len(truth.lost))
		if v.Known && (n < least || n > most) {
			t.Fatalf("seed %d: %d are lost, %v; writes.lost is %v to %v", at, len(truth.lost), sorted(truth.lost), least, most)
		}
		for _, f := range findings {
			if f.Class == checkers.LostWrite && !slices.ContainsFunc(f.Evidence, func(op history.Op) bool { return truth.lost[op.Value] }) {
				t.Fatalf("seed %d: %s", at, f.Text)
			}
		}
		s.comparePass(t, at, truth)
		count.lost += len(truth.lost)
		if v.Known {
			count.proven += int(least)
			if !math.IsInf(most, 1) {
				count.undecided += int(most - least)
			}
			if least == most {
				count.exact++
				if most == 0 {
					count.zero++
				}
			}
		}
	}
	t.Logf("%d stores: exact %d (no loss %d); %d lost, %d proven, %d undecided", stores, count.exact, count.zero, count.lost, count.proven, count.undecided)
	if stores >= 1000 && (count.exact < int(stores)/10 || count.proven < count.lost/10) {
		t.Error("too little is decided to tell")
	}
}

// comparePass has the pass that keeps little decide at least what is lost: none of
// those that were may be out of danger in it.
func (s *store) comparePass(t *testing.T, seed uint64, truth fates) {
	t.Helper()
	r := reign.Read(s.log)
	keys := map[uint32]*reign.Key{}
	all := map[uint32]*reign.Key{}
	lost := map[uint32]int{}
	for i := range s.log.Ops {
		op := &s.log.Ops[i]
		if keys[op.Key] == nil {
			keys[op.Key], all[op.Key] = new(reign.Key), &reign.Key{All: true}
		}
		keys[op.Key].Add(r, op)
		all[op.Key].Add(r, op)
		if truth.gone[op.Value] && op.Kind != history.Read && truth.lost[op.Value] && !truth.missing[op.Value] {
			lost[op.Key]++
		}
	}
	for key, k := range keys {
		if n := k.Undecided(); n < lost[key] || n < all[key].Undecided() {
			t.Fatalf("seed %d: %d writes of key %d are lost, %d or %d in danger", seed, lost[key], key, n, all[key].Undecided())
		}
		open := map[int64]bool{}
		all[key].Each(func(w *reign.Write) { open[w.Value] = true })
		for v := range truth.lost {
			if !truth.missing[v] && !open[v] && s.keyOf(v) == key {
				t.Fatalf("seed %d: %d was lost, and is out of danger", seed, v)
			}
		}
	}
}

func (s *store) keyOf(v int64) uint32 {
	for i := range s.log.Ops {
		if op := &s.log.Ops[i]; op.Kind != history.Read && op.Value == v {
			return op.Key
		}
	}
	return 1 << 31
}

func sorted[K cmp.Ordered](m map[K]bool) []K { return kit.SortedKeys(m) }
