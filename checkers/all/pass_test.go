package all

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// plenty is memory for everything that a test has.
const plenty = 1 << 30

// stored puts a log into a file and opens it there.
func stored(t *testing.T, log *history.Log) *history.Log {
	t.Helper()
	path := filepath.Join(t.TempDir(), history.FileName)
	if err := history.Save(path, log); err != nil {
		t.Fatal(err)
	}
	on, err := history.Open(path, func(history.Meta, history.Size) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	on.Events = log.Events
	return on
}

func passOver(t *testing.T, on *history.Log, memory uint64) checkers.Result {
	t.Helper()
	p := NewPass(on, checkers.DefaultLimits, memory)
	for op := range on.All() {
		p.Add(op)
	}
	r := p.Run(context.Background())
	if err := on.Err(); err != nil {
		t.Fatal(err)
	}
	return r
}

// mixedLog has registers on several keys, some of them broken, with final
// reads, and, apart from them, a set.
func mixedLog(r *rand.Rand, seed int) *history.Log {
	log := &history.Log{Meta: history.Meta{Run: "mixed", Nodes: []string{"n0", "n1", "n2"}, Workloads: []history.WorkloadMeta{
		{Name: "register", Type: registerType, Keys: 5, Workers: 8}, {Name: "set", Type: setType, Keys: 1, Workers: 1}}},
		Events: []history.Event{{At: 40, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}},
			{At: 60, Kind: history.EventHeal, Fault: "f1"}},
		Torn: seed%7 == 6}
	log.Events = append(log.Events, history.Event{At: 10, Kind: history.EventRole, Node: "n1", Detail: "primary", Epoch: 1})
	for k := range 5 {
		ops := copyOps(r, 5+r.IntN(60), 4, seed%2 == 0)
		for range r.IntN(3) * (seed % 3) {
			ops = mutate(r, ops)
		}
		last := history.Op{Value: history.Nil}
		for _, op := range ops {
			op.Key = uint32(k)
			op.Worker = uint16(op.Process % 8)
			log.Ops = append(log.Ops, op)
			if op.Kind == history.Read && op.Outcome == history.OK && op.End >= last.End {
				last = op
			}
		}
		for n := range r.IntN(4) {
			log.Ops = append(log.Ops, history.Op{Kind: history.Read, Key: uint32(k), Value: last.Value, Start: 5000, Intended: 5000, End: 5010,
				Process: 1 << 20, Node: int8(n), Outcome: history.OK, Flags: history.FinalRead})
		}
	}
	for i := range 30 {
		op := history.Op{Workload: 1, Kind: history.Add, Value: int64(i), Start: int64(10 * i), Intended: int64(10 * i), End: int64(10*i) + 5, Process: 9000, Outcome: history.OK}
		if i%10 == 9 {
			op.Kind, op.Value, op.Elements = history.ReadSet, 0, []int64{0, int64(r.IntN(12))}
		}
		log.Ops = append(log.Ops, op)
	}
	return log
}

// TestPassEqualsRun compares, with room for what is unclear, every fact and
// finding of a pass over a file with those of the log in memory.
func TestPassEqualsRun(t *testing.T) {
	checktest.Alone(t)
	broken, clean := 0, 0
	for seed := range 300 {
		r := rand.New(rand.NewPCG(uint64(seed), 41))
		log := mixedLog(r, seed)
		on := stored(t, log) // sorts log
		got, want := passOver(t, on, plenty), Run(context.Background(), log, checkers.DefaultLimits)
		if !reflect.DeepEqual(got.Findings, want.Findings) {
			t.Fatalf("seed %d: findings\n%+v, want\n%+v", seed, got.Findings, want.Findings)
		}
		compareValues(t, seed, got.Values, want.Values)
		kept := 0
		for i := range on.Ops {
			if on.Ops[i].Workload == 0 {
				kept++
			}
		}
		if kept < len(log.Ops)-30 {
			clean++
		}
		if factOf(t, want.Values, "linearizable").Known && factOf(t, want.Values, "linearizable").N == 0 {
			broken++
		}
	}
	if broken < 50 || clean < 50 {
		t.Errorf("%d of 300 histories were violated, of %d some register stayed on disk: too few to tell", broken, clean)
	}
}

func compareValues(t *testing.T, seed int, got, want []checkers.Value) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("seed %d: %d facts, want %d", seed, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("seed %d: %+v, want %+v", seed, got[i], want[i])
		}
	}
}

func factOf(t *testing.T, values []checkers.Value, name string) checkers.Value {
	t.Helper()
	for _, v := range values {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("there is no %s", name)
	return checkers.Value{}
}

// TestPassIsNeverWrong gives the pass too little memory: what it says all the
// same is true.
func TestPassIsNeverWrong(t *testing.T) {
	checktest.Alone(t)
	unknown, weaker := 0, 0
	for seed := range 300 {
		r := rand.New(rand.NewPCG(uint64(seed), 42))
		log := mixedLog(r, seed)
		on := stored(t, log)
		want := Run(context.Background(), log, checkers.DefaultLimits)
		got := passOver(t, on, uint64(r.IntN(2*256*len(log.Ops))))
		for _, w := range want.Values {
			g := factOf(t, got.Values, w.Name)
			switch {
			case g == w, strings.HasPrefix(w.Name, "linearizable.keys_"): // these tell of the judgement
			case !g.Known:
				unknown++
				if g.Why == "" {
					t.Errorf("seed %d: %s is unknown without a reason", seed, w.Name)
				}
			case g.AtLeast && (g.N <= w.N || w.AtLeast):
				weaker++
			case w.Known && g.N == w.N && g.AtLeast == w.AtLeast:
			default:
				t.Fatalf("seed %d: %+v, but it is %+v", seed, g, w)
			}
		}
	}
	if unknown < 1000 || weaker < 10 {
		t.Errorf("%d facts were unknown, %d weaker: too few to tell", unknown, weaker)
	}
}

// TestPassRefutesAlone checks that a register too large to be analysed is
// violated if that is certain, and else unknown.
func TestPassRefutesAlone(t *testing.T) {
	good := []history.Op{write(1, 0, 5), read(1, 10, 15), write(2, 20, 25), read(2, 30, 35)}
	bad := append(good, read(1, 40, 45))
	twice := append(bad, write(1, 50, 55))
	again := []history.Op{write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 30), read(2, 10, 12, by(1)), write(1, 20, 21, by(2))}
	open := []history.Op{write(1, 0, 5), write(1, 10, 15)}
	lost := with(finals(1, 1, 1), good...)
	for name, c := range map[string]struct {
		ops  []history.Op
		torn bool
		want checkers.Truth
	}{
		"good": {good, false, checkers.True}, "bad": {bad, false, checkers.False}, "twice": {twice, false, checkers.False}, "written again meanwhile": {again, false, checkers.Unknown}, "torn": {bad, true, checkers.Unknown},
		"lost": {lost, false, checkers.True}, "written again": {open, false, checkers.Unknown},
	} {
		log := logOf(registerType, c.ops...)
		log.Torn = c.torn
		r := passOver(t, stored(t, log), 10)
		v := factOf(t, r.Values, "linearizable")
		got := checkers.Unknown
		if v.Known {
			got = [...]checkers.Truth{checkers.False, checkers.True}[int(v.N)]
		}
		if got != c.want {
			t.Errorf("%s: linearizable is %+v", name, v)
		}
		if told := len(r.Findings) == 1 && strings.Contains(r.Findings[0].Text, "did not fit into memory"); told != (c.want == checkers.False) {
			t.Errorf("%s: the findings are %+v", name, r.Findings)
		}
		if stale := factOf(t, r.Values, "reads.stale"); stale.Known != (c.want == checkers.True) {
			t.Errorf("%s: %+v", name, stale)
		}
		if lost := factOf(t, r.Values, "writes.lost"); lost.Known {
			t.Errorf("%s: though nobody looked, %+v", name, lost)
		}
		if acked := factOf(t, r.Values, "writes.acked"); !acked.Known || acked.AtLeast || acked.N < 2 {
			t.Errorf("%s: a count of the pass is %+v", name, acked)
		}
		if c.want != checkers.True && len(r.Staleness) > 0 {
			t.Errorf("%s: staleness is told of some registers only: %+v", name, r.Staleness)
		}
	}
}

// TestPassKeepsWhatFits checks which operations are brought into memory first,
// and that the rest makes facts bounds, and shares unknown.
func TestPassKeepsWhatFits(t *testing.T) {
	stale := func(k uint32, more ...history.Op) []history.Op {
		return append([]history.Op{write(1, 0, 5, key(k)), write(2, 10, 15, key(k)), read(1, 20, 25, key(k))}, more...)
	}
	reads := []history.Op{read(1, 30, 35, key(5)), read(1, 40, 45, key(5))}
	writes := []history.Op{write(3, 30, 35, key(8)), write(4, 40, 45, key(8)), write(5, 50, 55, key(8))}
	room := func(ops int64) uint64 { return 2 * Footprint(history.Size{Ops: ops}) }
	large := stale(8, writes...)
	for i := range large {
		large[i].Worker, large[i].Value = 1, large[i].Value+100 // of a range of its own: values are unique
	}
	on := stored(t, logOf(registerType, with(large, stale(5, reads...)...)...))
	r := passOver(t, on, room(6))
	if len(on.Ops) != 5 || on.Ops[0].Key != 5 {
		t.Errorf("the smaller register is to be brought in: %+v", on.Ops)
	}
	for _, name := range []string{"reads.stale_ratio", "reads.staleness.p50", "reads.staleness.p99"} {
		if v := factOf(t, r.Values, name); v.Known || v.Why == "" {
			t.Errorf("of some registers only: %+v", v)
		}
	}
	if v := factOf(t, r.Values, "reads.stale"); !v.Known || !v.AtLeast || v.N != 3 {
		t.Errorf("of some registers only: %+v", v)
	}
	told := slices.DeleteFunc(r.Findings, func(f checkers.Finding) bool { return f.Class != checkers.NotLinear })
	if len(told) != 2 || told[0].Key != 5 || told[1].Key != 8 {
		t.Errorf("the registers are not in order: %+v", told)
	}

	ambiguous := []history.Op{write(1, 0, 5, key(3)), write(1, 10, 15, key(3))}
	on = stored(t, logOf(registerType, with(ambiguous, stale(5)...)...))
	if passOver(t, on, room(3)); len(on.Ops) != 3 || on.Ops[0].Key != 5 {
		t.Errorf("the violated register is to be brought in: %+v", on.Ops)
	}

	log := logOf(setType, add(1, 0, 5), add(2, 10, 15), add(3, 20, 25))
	log.Meta.Workloads = append(log.Meta.Workloads, history.WorkloadMeta{Name: idsType, Type: idsType, Keys: 1, Workers: 1})
	other := call(history.Generate, 7, 30, 35)
	other.Workload = 1
	log.Ops = append(log.Ops, other)
	r = passOver(t, stored(t, log), room(3))
	if ok := factOf(t, r.Values, "ops.ok"); !ok.Known || ok.N != 4 {
		t.Errorf("the load is measured whatever fits: %+v", ok)
	}
	if ids, sets := factOf(t, r.Values, "ids.generated"), factOf(t, r.Values, "set.lost"); !ids.Known || sets.Known || !strings.Contains(sets.Why, "the 3 operations of workload") {
		t.Errorf("the smaller workload is to be brought in: %+v, %+v", ids, sets)
	}
}

// TestSizesInWords holds how amounts are told.
func TestSizesInWords(t *testing.T) {
	for want, got := range map[string]string{
		"1 operation": kit.OpsText(1), "999999 operations": kit.OpsText(999_999), "1.0 million operations": kit.OpsText(1e6), "1.2 billion operations": kit.OpsText(1.2e9),
		"0.5 KiB": kit.BytesText(512), "1 MiB": kit.BytesText(1 << 20), "1.5 GiB": kit.BytesText(3 << 29),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestPassGivesUp checks that open values cannot fill the memory: writes of
// unknown outcome stay open for ever.
func TestPassGivesUp(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Nodes: []string{"n"}, Workloads: []history.WorkloadMeta{{Name: "register", Type: registerType, Keys: 1, Workers: 1}}}}
	p := NewPass(stored(t, log), checkers.DefaultLimits, 32<<20)
	for i := range int64(1<<18 + 10) {
		op := write(i+1, i, i, unknown)
		p.Add(&op)
	}
	v := factOf(t, p.Run(context.Background()).Values, "linearizable")
	if v.Known || !strings.Contains(v.Why, "do not fit in 32 MiB") {
		t.Errorf("linearizable is %+v", v)
	}
}

// fakeFollower chooses the operations of one workload.
type fakeFollower struct {
	in       checkers.Input
	workload uint8
	added    int
	asked    history.Size
	fitted   bool
}

func (f *fakeFollower) Add(*history.Op) { f.added++ }

func (f *fakeFollower) Choose(fits func(history.Size) bool) func(*history.Op) bool {
	if f.fitted = fits(f.asked); !f.fitted {
		return nil
	}
	return func(op *history.Op) bool { return op.Workload == f.workload }
}

func (f *fakeFollower) Judge(context.Context) checkers.Result {
	kept := 0
	for i := range f.in.Log.Ops {
		if f.in.Log.Ops[i].Workload == f.workload {
			kept++
		}
	}
	return checkers.Result{Values: []checkers.Value{kit.Counted("added", f.added), kit.Counted("kept", kept)}}
}

// TestPassKnowsNoChecker holds how a pass treats checkers of whatever kind: a
// workload is brought in whole for those that do not follow, and what followers
// choose has the room that is left, in the order of the table.
func TestPassKnowsNoChecker(t *testing.T) {
	log := logOf(setType, add(1, 0, 5), add(2, 10, 15))
	log.Meta.Workloads = append(log.Meta.Workloads, history.WorkloadMeta{Name: "y", Type: "ycsb", Object: history.ObjectRegister, Keys: 1, Workers: 1},
		history.WorkloadMeta{Name: "c", Type: counterType, Keys: 1, Workers: 1})
	for i := range int64(6) {
		op := write(i, 20+i, 21+i)
		op.Workload = 1 + uint8(i%2)
		log.Ops = append(log.Ops, op)
	}
	follow := func(object history.Object, workload uint8, ops int64) checkers.Checker {
		return checkers.Checker{Name: string(object), Objects: []history.Object{object}, Follow: func(in checkers.Input) checkers.Follower {
			return &fakeFollower{in: in, workload: workload, asked: history.Size{Ops: ops}}
		}}
	}
	whole := checkers.Checker{Name: "sets", Objects: []history.Object{history.ObjectSet}, Facts: []checkers.Fact{{Name: "sets", Unit: checkers.Number, Meaning: "x"}}, Check: func(_ context.Context, in checkers.Input) checkers.Result {
		n := 0
		for i := range in.Log.Ops {
			if in.Log.Ops[i].Workload == 0 {
				n++
			}
		}
		return checkers.Result{Values: []checkers.Value{kit.Counted("sets", n)}}
	}}
	events := checkers.Checker{Name: "events", Check: func(context.Context, checkers.Input) checkers.Result {
		return checkers.Result{Values: []checkers.Value{kit.Counted("events", 1)}}
	}}
	absent := follow(history.ObjectQueue, 9, 1)
	for _, tc := range []struct {
		room int64
		want []float64 // both followers' added and kept, sets, events
	}{{8, []float64{8, 3, 8, 3, 2, 1}}, {5, []float64{8, 3, 8, 0, 2, 1}}, {4, []float64{8, 0, 8, 0, 2, 1}}, {1, []float64{8, 0, 8, 0, -1, 1}}} {
		on := stored(t, log)
		p := newPass(on, checkers.DefaultLimits, 2*Footprint(history.Size{Ops: tc.room}),
			[]checkers.Checker{follow(history.ObjectRegister, 1, 3), absent, follow(history.ObjectCounter, 2, 3), whole, events})
		for op := range on.All() {
			p.Add(op)
		}
		var got []float64
		for _, v := range p.Run(context.Background()).Values {
			if !v.Known {
				if !strings.Contains(v.Why, "the 2 operations of workload set do not fit") {
					t.Errorf("room for %d: %+v", tc.room, v)
				}
				v.N = -1
			}
			got = append(got, v.N)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("room for %d: got %v, want %v", tc.room, got, tc.want)
		}
	}
}
