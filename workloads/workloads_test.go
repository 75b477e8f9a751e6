package workloads

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

// mustNew makes a workload that the test knows to be valid.
func mustNew(t testing.TB, spec Spec) Workload {
	t.Helper()
	w, err := New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// take generates n operations, telling the generator that each succeeded and
// that reads found the value 7.
func take(g Generator, n int) []Request {
	all := make([]Request, n)
	for i := range all {
		g.Next(&all[i])
		op := all[i].Op
		op.Outcome = history.OK
		if op.Kind == history.Read {
			op.Value = 7
		}
		g.Done(&op)
	}
	return all
}

func drawSpec(t *rapid.T) Spec {
	s := Spec{Type: rapid.SampledFrom([]string{"register", "set", "queue"}).Draw(t, "type"), Name: rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "name")}
	s.Keys = rapid.IntRange(1, 500).Draw(t, "keys")
	s.Clients = rapid.IntRange(1, 16).Draw(t, "clients")
	s.Rate = float64(rapid.IntRange(0, 5000).Draw(t, "rate"))
	s.ReadFrom = rapid.SampledFrom(readFroms).Draw(t, "from")
	s.Distribution = keys.Spec{Name: rapid.SampledFrom(keys.Names()).Draw(t, "distribution")}
	operations := map[string][]string{"register": {"read", "write", "cas"}, "set": {"read", "add"}, "queue": {"dequeue", "enqueue"}}[s.Type]
	s.Mix = map[string]int{operations[0]: rapid.IntRange(1, 9).Draw(t, operations[0])}
	for _, o := range operations[1:] {
		s.Mix[o] = rapid.IntRange(0, 9).Draw(t, o)
	}
	return s
}

func TestStreamsAreDeterministicAndInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec, seed := drawSpec(t), rapid.Uint64().Draw(t, "seed")
		a, err := New(spec)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := New(spec)
		kinds := a.Kinds()
		written := map[int64]bool{}
		for i := range a.Workers(3) {
			one, two := take(a.Worker(i, 3, seed), 100), take(b.Worker(i, 3, seed), 100)
			if !reflect.DeepEqual(one, two) {
				t.Fatalf("worker %d: the same seed gave two streams", i)
			}
			for _, r := range one {
				if int(r.Op.Key) >= spec.Keys || !slices.Contains(kinds, r.Op.Kind) {
					t.Fatalf("worker %d asked for %s of key %d of %d, kinds %v", i, r.Op.Kind, r.Op.Key, spec.Keys, kinds)
				}
				reads := !r.Op.Kind.Writes()
				if want := readRoute(spec.ReadFrom); reads && r.Route != want || !reads && r.Route != ToPrimary {
					t.Fatalf("%s has the route %d", r.Op.Kind, r.Route)
				}
				if r.Op.Kind == history.Dequeue && r.Op.Value != history.Nil {
					t.Fatalf("a dequeue begins with the value %d", r.Op.Value)
				}
				if reads {
					continue
				}
				if r.Op.Value <= 0 || written[r.Op.Value] {
					t.Fatalf("value %d is not positive or not unique", r.Op.Value)
				}
				written[r.Op.Value] = true
			}
		}
	})
}

func TestStreamsDiffer(t *testing.T) {
	w := mustNew(t, Spec{Type: "register", Keys: 1000})
	other := mustNew(t, Spec{Type: "register", Name: "other", Keys: 1000})
	keysOf := func(g Generator) (all []uint32) {
		for _, r := range take(g, 50) {
			all = append(all, r.Op.Key)
		}
		return all
	}
	base := keysOf(w.Worker(0, 3, 1))
	for what, g := range map[string]Generator{"seed": w.Worker(0, 3, 2), "worker": w.Worker(1, 3, 1), "name": other.Worker(0, 3, 1)} {
		if slices.Equal(base, keysOf(g)) {
			t.Errorf("another %s gave the same keys", what)
		}
	}
}

func TestMixProportions(t *testing.T) {
	const n = 200_000
	w := mustNew(t, Spec{Type: "register", Keys: 100, Mix: map[string]int{"read": 70, "write": 25, "cas": 5}})
	g := w.Worker(0, 3, 11)
	counts := map[history.Kind]int{}
	for _, r := range take(g, n) {
		counts[r.Op.Kind]++
	}
	// Five standard deviations of a binomial are below 0.6% here; a CAS may be
	// a read the first time it meets a key.
	for kind, want := range map[history.Kind]float64{history.Read: .70, history.Write: .25, history.CAS: .05} {
		if got := float64(counts[kind]) / n; got < want-.006 || got > want+.006 {
			t.Errorf("%s: %.4f of the operations, want %.2f", kind, got, want)
		}
	}
}

func TestRegisterCASRemembers(t *testing.T) {
	read := func(v int64) history.Op { return history.Op{Kind: history.Read, Outcome: history.OK, Value: v} }
	for _, tc := range []struct {
		name string
		done []history.Op
		want history.Kind
		old  int64
	}{
		{"nothing known", nil, history.Read, 0},
		{"unwritten", []history.Op{read(history.Nil)}, history.Write, 0},
		{"own read", []history.Op{read(7)}, history.CAS, 7},
		{"failed read tells nothing", []history.Op{read(7), {Kind: history.Read, Outcome: history.Fail, Value: 8}}, history.CAS, 7},
		{"unknown read tells nothing", []history.Op{read(7), {Kind: history.Read, Value: 8}}, history.CAS, 7},
		{"a torn read", []history.Op{read(7), read(history.Torn)}, history.Read, 0},
		{"own write", []history.Op{{Kind: history.Write, Outcome: history.OK, Value: 9}}, history.CAS, 9},
		{"failed write", []history.Op{read(7), {Kind: history.Write, Outcome: history.Fail, Value: 9}}, history.CAS, 7},
		{"unknown write", []history.Op{read(7), {Kind: history.Write, Value: 9}}, history.Read, 0},
		{"own cas", []history.Op{{Kind: history.CAS, Outcome: history.OK, Old: 7, Value: 9}}, history.CAS, 9},
		{"unknown cas", []history.Op{read(7), {Kind: history.CAS, Old: 7, Value: 9}}, history.Read, 0},
		{"compare failed, seen", []history.Op{read(7), {Kind: history.CAS, Outcome: history.Fail, Error: history.ErrCompare, Flags: history.Seen, Observed: 5, Value: 9}}, history.CAS, 5},
		{"compare failed, seen unwritten", []history.Op{read(7), {Kind: history.CAS, Outcome: history.Fail, Error: history.ErrCompare, Flags: history.Seen, Observed: history.Nil}}, history.Write, 0},
		{"compare failed, not seen", []history.Op{read(7), {Kind: history.CAS, Outcome: history.Fail, Error: history.ErrCompare, Value: 9}}, history.Read, 0},
		{"refused cas", []history.Op{read(7), {Kind: history.CAS, Outcome: history.Fail, Error: history.ErrNotPrimary, Value: 9}}, history.CAS, 7},
		{"foreign key", []history.Op{{Kind: history.Read, Outcome: history.OK, Value: 3, Key: 99}}, history.Read, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := mustNew(t, Spec{Type: "register", Keys: 1, Mix: map[string]int{"cas": 1}, ReadFrom: "any"}).Worker(0, 1, 1)
			for _, op := range tc.done {
				g.Done(&op)
			}
			var r Request
			g.Next(&r)
			if r.Op.Kind != tc.want || r.Op.Old != tc.old {
				t.Fatalf("got %s of %d, want %s of %d", r.Op.Kind, r.Op.Old, tc.want, tc.old)
			}
			if wantRoute := map[bool]Route{true: ToAny, false: ToPrimary}[tc.want == history.Read]; r.Route != wantRoute {
				t.Fatalf("route %d, want %d", r.Route, wantRoute)
			}
		})
	}
}

func TestNextClearsTheRequest(t *testing.T) {
	for _, spec := range []Spec{{Type: "register", Mix: map[string]int{"read": 1}}, {Type: "set", Mix: map[string]int{"read": 1}},
		{Type: "queue", Mix: map[string]int{"enqueue": 1}}, {Type: "queue", Mix: map[string]int{"dequeue": 1}}, {Type: "lag"}} {
		w := mustNew(t, spec)
		for i := range min(2, w.Workers(2)) {
			r := Request{Op: history.Op{Value: 1, Old: 2, Observed: 3, Flags: 0xff, Error: history.ErrBusy, Outcome: history.OK, Elements: make([]int64, 5, 10)}, Route: ToNode, Pick: 9}
			g := w.Worker(i, 2, 1)
			var fresh Request
			w.Worker(i, 2, 1).Next(&fresh)
			g.Next(&r)
			if len(r.Op.Elements) != 0 || cap(r.Op.Elements) != 10 {
				t.Errorf("%s: the elements' memory was not kept empty", spec.Type)
			}
			r.Op.Elements = fresh.Op.Elements
			if !reflect.DeepEqual(r, fresh) {
				t.Errorf("%s: left over: %+v, want %+v", spec.Type, r, fresh)
			}
		}
	}
}

func TestFinals(t *testing.T) {
	for typ, kind := range map[string]history.Kind{"register": history.Read, "set": history.ReadSet, "queue": history.Drain} {
		finals := mustNew(t, Spec{Type: typ, Keys: 5}).Finals(2)
		if len(finals) != 5 {
			t.Fatalf("%s: %d final reads, want 5", typ, len(finals))
		}
		for k, r := range finals {
			if r.Op.Kind != kind || int(r.Op.Key) != k || !r.Op.Final() || r.Route != ToNode || r.Pick != 2 || kind == history.Drain && r.Op.Value != history.Nil {
				t.Errorf("%s: final read %d is %+v", typ, k, r)
			}
		}
	}
	if finals := mustNew(t, Spec{Type: "lag"}).Finals(0); len(finals) != 0 {
		t.Errorf("lag has %d final reads", len(finals))
	}
}

func TestQueueKinds(t *testing.T) {
	for operation, want := range map[string][]history.Kind{"enqueue": {history.Enqueue, history.Drain}, "dequeue": {history.Dequeue, history.Drain}} {
		if kinds := mustNew(t, Spec{Type: "queue", Mix: map[string]int{operation: 1}}).Kinds(); !slices.Equal(kinds, want) {
			t.Errorf("%s alone needs %v", operation, kinds)
		}
	}
}

func TestLag(t *testing.T) {
	w := mustNew(t, Spec{Name: "lag", Every: 5 * time.Millisecond})
	if w.Workers(3) != 4 || w.Measured(0) || w.Measured(1) {
		t.Fatalf("%d workers for 3 nodes, measured %v %v", w.Workers(3), w.Measured(0), w.Measured(1))
	}
	for n, r := range take(w.Worker(0, 3, 1), 5) {
		if r.Op.Kind != history.Mark || r.Op.Value != int64(n+1) || r.Op.Key != 0 || r.Route != ToPrimary {
			t.Errorf("marker %d is %+v", n, r)
		}
		if at := w.Pacer(0, 3)(uint64(n)); at != int64(n)*5e6 {
			t.Errorf("marker %d at %d", n, at)
		}
	}
	for i := 1; i <= 3; i++ {
		if r := take(w.Worker(i, 3, 1), 1)[0]; r.Op.Kind != history.Poll || r.Route != ToNode || r.Pick != uint32(i-1) {
			t.Errorf("poller %d asks %+v", i, r)
		}
	}
	if _, ok := w.Worker(0, 3, 1).(Filter); ok {
		t.Error("markers are filtered")
	}
	for every, gap := range map[time.Duration]int64{time.Millisecond: 200e3, 5 * time.Millisecond: 500e3, 10 * time.Millisecond: 1e6, time.Second: 1e6} {
		if at := mustNew(t, Spec{Type: "lag", Every: every}).Pacer(1, 3)(2); at != 2*gap {
			t.Errorf("every %s: the third poll is at %d, want %d", every, at, 2*gap)
		}
	}
}

func TestPollerKeeps(t *testing.T) {
	f := mustNew(t, Spec{Type: "lag"}).Worker(1, 3, 1).(Filter)
	for i, step := range []struct {
		outcome history.Outcome
		value   int64
		keep    bool
	}{
		{history.Fail, 0, true}, {history.Unknown, 0, false},
		{history.OK, history.Nil, false}, {history.OK, 0, false},
		{history.OK, 1, true}, {history.OK, 1, false}, {history.OK, 4, true},
		{history.OK, 3, false}, {history.OK, 4, false},
		{history.Unknown, 9, true}, {history.Fail, 9, false},
		{history.OK, 4, false}, {history.Fail, 0, true}, {history.OK, 5, true},
	} {
		if got := f.Keep(&history.Op{Kind: history.Poll, Outcome: step.outcome, Value: step.value}); got != step.keep {
			t.Errorf("step %d (%s %d): kept %v", i, step.outcome, step.value, got)
		}
	}
}

func TestDefaults(t *testing.T) {
	mine := map[string]int{"write": 3}
	s := Defaults(Spec{Name: "register", Mix: mine})
	if s.Type != "register" || s.Keys != 4096 || s.Clients != 8 || s.ReadFrom != "primary" || s.Distribution.Name != "uniform" || !maps.Equal(s.Mix, mine) {
		t.Errorf("register: %+v", s)
	}
	s.Mix["read"] = 1
	if len(mine) != 1 {
		t.Error("the caller's mix was changed")
	}
	if s := Defaults(Spec{Type: "set"}); s.Name != "set" || s.Keys != 1 || s.Mix["add"] != 90 || s.Mix["read"] != 10 {
		t.Errorf("set: %+v", s)
	}
	if s := Defaults(Spec{Type: "queue"}); s.Name != "queue" || s.Keys != 1 || s.Clients != 4 || s.Mix["enqueue"] != 50 || s.Mix["dequeue"] != 50 || s.ReadFrom != "primary" {
		t.Errorf("queue: %+v", s)
	}
	if s := Defaults(Spec{Type: "lag"}); s.Every != 10*time.Millisecond || s.Keys != 1 || s.Clients != 0 {
		t.Errorf("lag: %+v", s)
	}
	for _, info := range Types() {
		once := Defaults(Spec{Type: info.Name})
		if !reflect.DeepEqual(once, Defaults(once)) {
			t.Errorf("%s: applying the defaults twice changes them", info.Name)
		}
		if w := mustNew(t, Spec{Type: info.Name}); !reflect.DeepEqual(w.Spec(), once) {
			t.Errorf("%s: Spec() is %+v, want %+v", info.Name, w.Spec(), once)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		spec Spec
		want string
	}{
		{Spec{Name: "x", Type: "registre"}, `unknown type "registre"; use one of register`},
		{Spec{Type: "register", Keys: -1}, "keys is -1"},
		{Spec{Type: "register", Keys: maxKeys + 1}, "keys is 1048577"},
		{Spec{Type: "register", Clients: -2}, "clients is -2"},
		{Spec{Type: "set", Rate: -5}, "rate is -5/s"},
		{Spec{Type: "set", Rate: nan()}, "rate is NaN"},
		{Spec{Type: "register", ReadFrom: "leader"}, `read_from is "leader"; use one of primary, replicas, any`},
		{Spec{Type: "register", Distribution: keys.Spec{Name: "normal"}}, `distribution is "normal"`},
		{Spec{Type: "register", Distribution: keys.Spec{Name: "uniform", Theta: 2}}, "distribution is uniform, which has no theta; take it away, or use zipfian or latest"},
		{Spec{Type: "register", Distribution: keys.Spec{Name: "zipfian", Theta: 11}}, "distribution: theta is 11; it can be 0.01 to 10"},
		{Spec{Type: "set", Distribution: keys.Spec{Name: "hotspot", Keys: -1}}, "distribution: keys is -1%; it can be 0.0001% to 100%"},
		{Spec{Type: "register", Every: time.Second}, "use rate"},
		{Spec{Type: "register", Mix: map[string]int{"add": 1}}, `mix names the operation "add"; use read, write, cas`},
		{Spec{Type: "register", Mix: map[string]int{"read": -1}}, "weight -1"},
		{Spec{Type: "set", Mix: map[string]int{"add": 0}}, "no operation with a weight above 0"},
		{Spec{Type: "register", Keys: 1 << 20, Clients: 64, Mix: map[string]int{"cas": 1}}, "use fewer keys or clients"},
		{Spec{Type: "queue", Mix: map[string]int{"read": 1}}, `mix names the operation "read"; use enqueue, dequeue`},
		{Spec{Type: "queue", Clients: -1}, "clients is -1"},
		{Spec{Type: "lag", Rate: 5}, "use every"},
		{Spec{Type: "lag", Every: -1}, "every is -1ns"},
		{Spec{Type: "lag", Every: time.Hour}, "use 1ms to 1m0s"},
		{Spec{Type: "lag", Keys: 2}, "leave keys out"},
		{Spec{Type: "lag", Clients: 2}, "leave it out"},
		{Spec{Type: "lag", ReadFrom: "any"}, "leave them out"},
	} {
		_, err := New(tc.spec)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "workload \"") {
			t.Errorf("%+v: error %v, want %q", tc.spec, err, tc.want)
		}
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

func generators(t testing.TB) map[string]Generator {
	cas := map[string]int{"read": 1, "write": 1, "cas": 1}
	return map[string]Generator{
		"register uniform": mustNew(t, Spec{Type: "register", Mix: cas}).Worker(0, 3, 1),
		"register zipfian": mustNew(t, Spec{Type: "register", Mix: cas, Keys: 10_000, Distribution: keys.Spec{Name: "zipfian"}}).Worker(0, 3, 1),
		"ycsb-a":           mustNew(t, Spec{Type: "ycsb-a"}).Worker(0, 3, 1),
		"ycsb-d":           mustNew(t, Spec{Type: "ycsb-d"}).Worker(0, 3, 1),
		"set":              mustNew(t, Spec{Type: "set"}).Worker(0, 3, 1),
		"queue":            mustNew(t, Spec{Type: "queue"}).Worker(0, 3, 1),
		"marker":           mustNew(t, Spec{Type: "lag"}).Worker(0, 3, 1),
		"poller":           mustNew(t, Spec{Type: "lag"}).Worker(1, 3, 1),
	}
}

func TestNextAndDoneAllocateNothing(t *testing.T) {
	for name, g := range generators(t) {
		var r Request
		allocs := testing.AllocsPerRun(1000, func() {
			g.Next(&r)
			r.Op.Outcome = history.OK
			g.Done(&r.Op)
		})
		if allocs != 0 {
			t.Errorf("%s: %.1f allocations per operation", name, allocs)
		}
	}
}

func BenchmarkNextDone(b *testing.B) {
	for name, g := range generators(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var r Request
			for b.Loop() {
				g.Next(&r)
				r.Op.Outcome = history.OK
				g.Done(&r.Op)
			}
		})
	}
}
