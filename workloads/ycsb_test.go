package workloads

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/history"
)

// fillAll loads every record of a worker; each third try fails.
func fillAll(t interface{ Fatalf(string, ...any) }, g Generator, loaded map[uint32]int64) {
	var r Request
	for tries := 0; g.(Filler).Fill(&r); tries++ {
		op := r.Op
		if op.Kind != history.Write || r.Route != ToPrimary {
			t.Fatalf("a record is loaded by %s, route %d", op.Kind, r.Route)
		}
		if op.Outcome = history.OK; tries%3 == 2 {
			op.Outcome = history.Unknown
		} else {
			if _, twice := loaded[op.Key]; twice {
				t.Fatalf("record %d is loaded twice", op.Key)
			}
			loaded[op.Key] = op.Value
		}
		g.Done(&op)
	}
}

// TestYCSBLoadsEveryRecordOnce: all workers together, also where tries fail, and
// only what is there is read.
func TestYCSBLoadsEveryRecordOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := Spec{Type: rapid.SampledFrom([]string{"ycsb-a", "ycsb-b", "ycsb-c", "ycsb-d", "ycsb-f"}).Draw(t, "type"),
			Keys: rapid.IntRange(1, 300).Draw(t, "keys"), Clients: rapid.IntRange(1, 9).Draw(t, "clients")}
		w, err := New(spec)
		if err != nil {
			t.Fatal(err)
		}
		loaded, values := map[uint32]int64{}, map[int64]bool{}
		all := make([]Generator, spec.Clients)
		for i := range all {
			all[i] = w.Worker(i, 3, 5)
			fillAll(t, all[i], loaded)
		}
		if len(loaded) != spec.Keys {
			t.Fatalf("%d of %d records are loaded", len(loaded), spec.Keys)
		}
		for _, v := range loaded {
			values[v] = true
		}
		for range 200 { // the workers in turn, as far as each other
			for i := range all {
				r := take(all[i], 1)[0]
				if r.Op.Kind == history.Write {
					if values[r.Op.Value] {
						t.Fatalf("value %d is written twice", r.Op.Value)
					}
					values[r.Op.Value], loaded[r.Op.Key] = true, r.Op.Value
				} else if _, there := loaded[r.Op.Key]; !there && (spec.Type != "ycsb-d" || spec.Clients == 1) {
					t.Fatalf("record %d is read, and nobody has written it", r.Op.Key)
				}
				if int(r.Op.Key) >= KeyBound(w) {
					t.Fatalf("key %d is not below %d", r.Op.Key, KeyBound(w))
				}
			}
		}
		finals := map[uint32]bool{}
		for _, r := range w.Finals(1) {
			finals[r.Op.Key] = true
		}
		for key := range loaded {
			if !finals[key] {
				t.Fatalf("record %d is not read at the end", key)
			}
		}
	})
}

// TestYCSBProportions are those of YCSB's definitions, in transactions: one of
// read-modify-write is two operations.
func TestYCSBProportions(t *testing.T) {
	const n = 200_000
	for name, reads := range map[string]float64{"ycsb-a": .5, "ycsb-b": .95, "ycsb-c": 1, "ycsb-d": .95, "ycsb-f": 2. / 3} {
		got := 0
		for _, r := range take(mustNew(t, Spec{Type: name}).Worker(0, 3, 11), n) {
			if r.Op.Kind == history.Read {
				got++
			}
		}
		if share := float64(got) / n; math.Abs(share-reads) > .006 {
			t.Errorf("%s: %.3f of the operations are reads, want %.3f", name, share, reads)
		}
	}
}

// TestYCSBModifiesWhatItRead: a write of workload F is of the record that was read
// before it, and there is none where the read was not answered.
func TestYCSBModifiesWhatItRead(t *testing.T) {
	g := mustNew(t, Spec{Type: "ycsb-f"}).Worker(0, 3, 1)
	var r Request
	var last history.Op
	for n := range 10_000 {
		g.Next(&r)
		if r.Op.Kind == history.Write && (last.Kind != history.Read || last.Key != r.Op.Key || last.Outcome != history.OK) {
			t.Fatalf("operation %d writes record %d after %s of %d, %s", n, r.Op.Key, last.Kind, last.Key, last.Outcome)
		}
		last = r.Op
		if last.Outcome = history.OK; n%5 == 0 {
			last.Outcome = history.Unknown
		}
		g.Done(&last)
	}
}

// TestYCSBReadsLatest: most reads of workload D are of the newest records, those
// that were inserted.
func TestYCSBReadsLatest(t *testing.T) {
	w := mustNew(t, Spec{Type: "ycsb-d", Clients: 1})
	var newest uint32
	near, reads := 0, 0
	for i, r := range take(w.Worker(0, 3, 3), 100_000) {
		switch {
		case r.Op.Kind == history.Write:
			if r.Op.Key < 4096 {
				t.Fatalf("record %d is inserted, and was loaded", r.Op.Key)
			}
			newest = r.Op.Key
		case i > 90_000:
			if reads++; newest-r.Op.Key < 10 {
				near++
			}
		}
	}
	// The ten first ranks of 4096, of an exponent of 0.99.
	sum, ten := 0., 0.
	for r := range 4096 {
		if sum += math.Pow(float64(r+1), -.99); r == 9 {
			ten = sum
		}
	}
	if got, want := float64(near)/float64(reads), ten/sum; math.Abs(got-want) > .03 {
		t.Errorf("%.3f of the reads are of the ten newest records, want %.3f", got, want)
	}
}

func TestYCSBAllocatesNothing(t *testing.T) {
	for _, name := range []string{"ycsb-a", "ycsb-d", "ycsb-f"} {
		g := mustNew(t, Spec{Type: name}).Worker(0, 3, 1)
		var r Request
		if n := testing.AllocsPerRun(1000, func() { g.Next(&r); r.Op.Outcome = history.OK; g.Done(&r.Op) }); n != 0 {
			t.Errorf("%s: %.1f allocations per operation", name, n)
		}
	}
}
