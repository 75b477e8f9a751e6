package checkers

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

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

func passOver(t *testing.T, on *history.Log, memory uint64) Result {
	t.Helper()
	p := NewPass(on, memory)
	for op := range on.All() {
		p.Add(op)
	}
	r := p.Run(context.Background(), DefaultLimits)
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
	broken, clean := 0, 0
	for seed := range 300 {
		r := rand.New(rand.NewPCG(uint64(seed), 41))
		log := mixedLog(r, seed)
		on := stored(t, log) // sorts log
		got, want := passOver(t, on, plenty), Run(context.Background(), log, DefaultLimits)
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

func compareValues(t *testing.T, seed int, got, want []Value) {
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

func factOf(t *testing.T, values []Value, name string) Value {
	t.Helper()
	for _, v := range values {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("there is no %s", name)
	return Value{}
}

// TestPassIsNeverWrong gives the pass too little memory: what it says all the
// same is true.
func TestPassIsNeverWrong(t *testing.T) {
	unknown, weaker := 0, 0
	for seed := range 300 {
		r := rand.New(rand.NewPCG(uint64(seed), 42))
		log := mixedLog(r, seed)
		on := stored(t, log)
		want := Run(context.Background(), log, DefaultLimits)
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
		want Truth
	}{
		"good": {good, false, True}, "bad": {bad, false, False}, "twice": {twice, false, False}, "written again meanwhile": {again, false, Unknown}, "torn": {bad, true, Unknown},
		"lost": {lost, false, True}, "written again": {open, false, Unknown},
	} {
		log := logOf(registerType, c.ops...)
		log.Torn = c.torn
		r := passOver(t, stored(t, log), 10)
		v := factOf(t, r.Values, "linearizable")
		got := Unknown
		if v.Known {
			got = [...]Truth{False, True}[int(v.N)]
		}
		if got != c.want {
			t.Errorf("%s: linearizable is %+v", name, v)
		}
		if told := len(r.Findings) == 1 && strings.Contains(r.Findings[0].Text, "did not fit into memory"); told != (c.want == False) {
			t.Errorf("%s: the findings are %+v", name, r.Findings)
		}
		if stale := factOf(t, r.Values, "reads.stale"); stale.Known != (c.want == True) {
			t.Errorf("%s: %+v", name, stale)
		}
		if lost := factOf(t, r.Values, "writes.lost"); lost.Known {
			t.Errorf("%s: though nobody looked, %+v", name, lost)
		}
		if acked := factOf(t, r.Values, "writes.acked"); !acked.Known || acked.AtLeast || acked.N < 2 {
			t.Errorf("%s: a count of the pass is %+v", name, acked)
		}
		if c.want != True && len(r.Staleness) > 0 {
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
	told := slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.Class != NotLinear })
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
		"1 operation": opsText(1), "999999 operations": opsText(999_999), "1.0 million operations": opsText(1e6), "1.2 billion operations": opsText(1.2e9),
		"0.5 KiB": bytesText(512), "1 MiB": bytesText(1 << 20), "1.5 GiB": bytesText(3 << 29),
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
	p := NewPass(stored(t, log), 32<<20)
	for i := range int64(lookEvery + 10) {
		op := write(i+1, i, i, unknown)
		p.Add(&op)
	}
	if p.open() > 0 {
		t.Errorf("%d bytes are open", p.open())
	}
	v := factOf(t, p.Run(context.Background(), DefaultLimits).Values, "linearizable")
	if v.Known || !strings.Contains(v.Why, "do not fit in 32 MiB") {
		t.Errorf("linearizable is %+v", v)
	}
}
