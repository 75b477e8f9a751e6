package workloads

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

func registerOf(t *testing.T, spec Spec) *register {
	t.Helper()
	spec.Name = "register"
	w, err := New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return w.(*register)
}

// TestOnceKeys: a tenth of the writes goes to keys of their own, which nobody else
// writes or reads; they are among the final reads, and below the bound.
func TestOnceKeys(t *testing.T) {
	w := registerOf(t, Spec{Keys: 100, Clients: 3})
	written, writes := map[uint32]int{}, 0
	for i := range 3 {
		g := w.Worker(i, 3, 7)
		for range 4000 {
			var r Request
			g.Next(&r)
			if r.Op.Kind == history.Write {
				writes++
			}
			if r.Op.Key >= 100 {
				written[r.Op.Key]++
				if r.Op.Kind != history.Write || r.Route != ToPrimary || written[r.Op.Key] > 1 {
					t.Fatalf("%s of key %d", r.Op.Kind, r.Op.Key)
				}
			}
		}
	}
	if share := float64(len(written)) / float64(writes); share < 0.08 || share > 0.12 {
		t.Errorf("%d of %d writes were to keys of their own", len(written), writes)
	}
	finals := map[uint32]bool{}
	for _, r := range w.Finals(1) {
		if finals[r.Op.Key] || r.Route != ToNode || r.Pick != 1 || r.Op.Flags&history.FinalRead == 0 {
			t.Errorf("final read of key %d: %+v", r.Op.Key, r)
		}
		finals[r.Op.Key] = true
	}
	if len(finals) != 100+len(written) {
		t.Errorf("%d final reads of %d keys", len(finals), 100+len(written))
	}
	for key := range written {
		if !finals[key] || int(key) >= KeyBound(w) {
			t.Errorf("key %d was written: read in the end %v, bound %d", key, finals[key], KeyBound(w))
		}
	}
	few := registerOf(t, Spec{Keys: 100_000, Clients: 1})
	g, wrote := few.Worker(0, 3, 7), map[uint32]bool{}
	for range 100 {
		var r Request
		if g.Next(&r); r.Op.Kind == history.Write {
			wrote[r.Op.Key] = true
		}
	}
	for _, r := range few.Finals(0) {
		if !wrote[r.Op.Key] {
			t.Errorf("final read of key %d, which nobody wrote", r.Op.Key)
		}
		delete(wrote, r.Op.Key)
	}
	if len(wrote) > 0 {
		t.Errorf("no final read of %v", wrote)
	}
	if none := registerOf(t, Spec{Keys: 100, Mix: map[string]int{"write": 1}}); KeyBound(none) != 100 || len(none.Finals(0)) != 100 {
		t.Error("a mix without once has such keys")
	}
}

// TestOnceKeysLast: however much is written, their number is bounded, and some are
// left for the end.
func TestOnceKeysLast(t *testing.T) {
	w := registerOf(t, Spec{Clients: 8, Mix: map[string]int{"once": 1}})
	g := w.Worker(0, 3, 7)
	late := 0
	for i := range 200_000 {
		var r Request
		g.Next(&r)
		if int(r.Op.Key) >= KeyBound(w) {
			t.Fatalf("key %d is not below %d", r.Op.Key, KeyBound(w))
		}
		if i > 5000 && r.Op.Key >= 4096 {
			late++
		}
	}
	if n := len(w.Finals(0)) - 4096; n > onceKeys/8 || late < 2 {
		t.Errorf("%d keys were written once, %d of them late", n, late)
	}
}
