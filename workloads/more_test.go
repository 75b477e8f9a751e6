package workloads

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

// TestTransactionsAreWellFormed holds the append workload to what it says:
// lengths, keys, unique elements, and only transactions that read alone may go
// elsewhere than to the primary.
func TestTransactionsAreWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := Spec{Name: "append", Keys: rapid.IntRange(1, 50).Draw(t, "keys"), Clients: 4,
			ReadFrom:   rapid.SampledFrom(readFroms).Draw(t, "from"),
			Operations: rapid.SampledFrom([]int{0, 1, 4, 9}).Draw(t, "operations"), Lists: rapid.SampledFrom([]int{0, 1, 2}).Draw(t, "lists"),
			Reads:        rapid.SampledFrom([]float64{0, 50, 100}).Draw(t, "reads"),
			Distribution: keys.Spec{Name: rapid.SampledFrom(keys.Names()).Draw(t, "distribution")}}
		w, err := New(spec)
		if err != nil {
			t.Fatal(err)
		}
		seed := rapid.Uint64().Draw(t, "seed")
		appended := map[int64]bool{}
		most, transactions, readOnly := cmp.Or(spec.Operations, 4), 0., 0.
		lengths := map[int]int{}
		for i := range w.Workers(3) {
			g, twin := w.Worker(i, 3, seed), w.Worker(i, 3, seed)
			for range 100 {
				var r, r2 Request
				g.Next(&r)
				twin.Next(&r2)
				if !slices.Equal(r.Op.Elements, r2.Op.Elements) || r.Route != r2.Route {
					t.Fatal("the same seed gave two streams")
				}
				micros, ok := history.Micros(r.Op.Elements)
				if !ok || len(micros) < 1 || len(micros) > most || r.Op.Kind != history.Txn {
					t.Fatalf("%+v", r.Op)
				}
				lengths[len(micros)]++
				writes, lists := false, map[uint32]bool{}
				for _, m := range micros {
					lists[m.Key] = true
					if int(m.Key) >= spec.Keys || m.Read && m.Known || !m.Read && appended[m.Value] {
						t.Fatalf("%+v", m)
					}
					if !m.Read {
						writes = true
						appended[m.Value] = true
					}
				}
				if transactions++; !writes {
					readOnly++
				}
				if len(lists) > cmp.Or(spec.Lists, most) {
					t.Fatalf("%v is on %d lists", micros, len(lists))
				}
				if want := readRoute(spec.ReadFrom); writes && r.Route != ToPrimary || !writes && r.Route != want {
					t.Fatalf("%v has the route %d", micros, r.Route)
				}
			}
		}
		if len(lengths) != most {
			t.Fatalf("lengths %v", lengths)
		}
		// Of those that are mixed, a half of the appends' weight, some read alone too:
		// the mean of 1/2^length over all lengths.
		alone := 0.
		for n := 1; n <= most; n++ {
			alone += math.Pow(.5, float64(n)) / float64(most)
		}
		share := spec.Reads / 100
		if want := share + (1-share)*alone; math.Abs(readOnly/transactions-want) > .13 {
			t.Fatalf("%.2f of the transactions only read, want %.2f", readOnly/transactions, want)
		}
	})
}

func TestTransfersMoveBetweenTwoAccounts(t *testing.T) {
	w := mustNew(t, Spec{Type: "bank", Keys: 3})
	g := w.Worker(0, 3, 5)
	kinds := map[history.Kind]int{}
	for range 2000 {
		var r Request
		g.Next(&r)
		kinds[r.Op.Kind]++
		if r.Op.Kind == history.Balances {
			if r.Op.Key != 3 {
				t.Fatalf("balances of %d accounts", r.Op.Key)
			}
			continue
		}
		if r.Op.Old == int64(r.Op.Key) || r.Op.Old > 2 || r.Op.Key > 2 || r.Op.Value < 1 || r.Op.Value > mostMoved || r.Route != ToPrimary {
			t.Fatalf("%+v", r)
		}
	}
	if kinds[history.Transfer] < 900 || kinds[history.Balances] < 900 {
		t.Error(kinds)
	}
	if f := w.Finals(2); len(f) != 1 || f[0].Op.Key != 3 || f[0].Pick != 2 {
		t.Error(f)
	}
	if _, err := New(Spec{Type: "bank", Keys: 5000}); err == nil {
		t.Error("5000 accounts at once are not refused")
	}
}

func TestCountersAndNumbers(t *testing.T) {
	g := mustNew(t, Spec{Type: "counter", Keys: 3, ReadFrom: "any"}).Worker(0, 3, 5)
	for range 500 {
		var r Request
		g.Next(&r)
		if reads := r.Op.Kind == history.Read; reads != (r.Route == ToAny) || !reads && (r.Op.Value < 1 || r.Op.Kind != history.Increment) {
			t.Fatalf("%+v", r)
		}
	}
	n := mustNew(t, Spec{Type: "unique-ids"}).Worker(0, 3, 5)
	var r Request
	n.Next(&r)
	if r.Op.Kind != history.Generate || r.Op.Value != history.Nil || r.Route != ToPrimary {
		t.Errorf("%+v", r)
	}
}

// TestTypesSayTheirObject: the object of every type is known, and is what a
// history without it is read as, so that files say no more than they did.
func TestTypesSayTheirObject(t *testing.T) {
	for _, info := range Types() {
		meta := history.WorkloadMeta{Type: info.Name}
		if info.Object == "" || ObjectOf(info.Name) != info.Object || meta.ActsOn() != info.Object {
			t.Errorf("%s acts on %q, by a history on %q", info.Name, info.Object, meta.ActsOn())
		}
	}
	if got := ObjectOf("other"); got != "" {
		t.Errorf("a type that is not known acts on %q", got)
	}
}
