package all

import (
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/availability"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/lag"
	"github.com/aftershock-chaos/aftershock/checkers/register"
	"github.com/aftershock-chaos/aftershock/history"
)

func TestFacts(t *testing.T) {
	seen := map[string]bool{}
	word := regexp.MustCompile(`^[a-z][a-z0-9_]*(\.([a-z][a-z0-9_]*|<node>|<fault>|<phase>|<kind>))*$`)
	for _, f := range Facts() {
		if seen[f.Name] || !word.MatchString(f.Name) || f.Meaning == "" || strings.Contains(f.Meaning, "\n") || f.Unit == "" {
			t.Errorf("bad fact %+v", f)
		}
		seen[f.Name] = true
	}
	// every value is a fact, and every fact has a value
	log := faulted(logOf(registerType), killed("f1", "n1", 5))
	for _, typ := range []string{setType, lagType, queueType, appendType, counterType, idsType, bankType} {
		log.Meta.Workloads = append(log.Meta.Workloads, history.WorkloadMeta{Name: typ, Type: typ})
	}
	values, _ := check(t, log)
	ofTold, _ := check(t, faulted(logOf(registerType), told("n1", "n2", 7, 3, 100)))
	maps.Copy(values, ofTold)
	for name := range values {
		general := strings.NewReplacer("reads.n1.", "reads.<node>.", "reads.n2.", "reads.<node>.", "reads.n3.", "reads.<node>.", ".server.n1.", ".server.<node>.", ".server.n2.", ".server.<node>.", ".server.n3.", ".server.<node>.", "lag.n1.", "lag.<node>.", "lag.n2.", "lag.<node>.", "lag.n3.", "lag.<node>.", "cost.n1.", "cost.<node>.", "cost.n2.", "cost.<node>.", "cost.n3.", "cost.<node>.", "set.n1.", "set.<node>.", "set.n2.", "set.<node>.", "set.n3.", "set.<node>.", ".f1", ".<fault>").Replace(name)
		if !seen[general] {
			t.Errorf("the value %s is of no fact", name)
		}
	}
	for _, c := range All() {
		for _, v := range checkers.UnknownFacts(c.Facts, log, "because") {
			if _, ok := values[v.Name]; !ok {
				t.Errorf("the fact %s has no value", v.Name)
			}
		}
	}
}

func TestValuesOfOtherWorkloadsAreLeftOut(t *testing.T) {
	for typ, absent := range map[string]string{registerType: "set. queue. lag.", setType: "writes. reads. sessions. linearizable replicas. queue. lag.",
		queueType: "writes. reads. sessions. linearizable replicas. set. lag.",
		lagType:   "writes. reads. set. ops. errors. failover. linearizable", "other": "writes. set. lag. ops.ok ops.rate"} {
		values, _ := check(t, logOf(typ, write(1, 0, 10), add(2, 0, 10), mark(3, 0, 10)))
		for name := range values {
			if slices.ContainsFunc(strings.Fields(absent), func(p string) bool { return strings.HasPrefix(name, p) }) {
				t.Errorf("a log of type %s has the value %s", typ, name)
			}
		}
	}
}

func TestCrashIsContained(t *testing.T) {
	log := logOf(registerType, write(1, 0, 10))
	table := []checkers.Checker{
		{Name: "bad", Facts: []checkers.Fact{{Name: "lag.<node>.p50", Unit: checkers.Nanos, Meaning: "x"}, {Name: "bad", Unit: checkers.Number, Meaning: "x"}}, Check: func(context.Context, checkers.Input) checkers.Result {
			panic("oops")
		}},
		{Name: "worse", Facts: []checkers.Fact{{Name: "worse", Unit: checkers.Number, Meaning: "x"}}, Check: func(ctx context.Context, in checkers.Input) checkers.Result {
			kit.Parallel(ctx, in.Limits.Workers, 8, func(i int) {
				if i == 5 {
					panic(errors.New("on another goroutine"))
				}
			})
			return checkers.Result{}
		}},
		{Name: "worst", Facts: []checkers.Fact{{Name: "worst", Unit: checkers.Number, Meaning: "x"}}, Check: func(context.Context, checkers.Input) checkers.Result {
			return checkers.Result{}
		}, Conclude: func(checkers.Input, *checkers.Result) []checkers.Value { panic("at last") }},
		register.Checker(),
	}
	r := checkers.Run(context.Background(), log, checkers.Limits{}, table)
	values := map[string]checkers.Value{}
	for _, v := range r.Values {
		values[v.Name] = v
	}
	expect(t, values, "lag.n1.p50=? lag.n3.p50=? bad=? worse=? worst=? writes.acked=1")
	for name, want := range map[string]string{"bad": "oops", "worse": "on another goroutine", "worst": "at last"} {
		if !strings.Contains(values[name].Why, want) {
			t.Errorf("%s is unknown because %q", name, values[name].Why)
		}
	}
}

func TestInterruptedIsUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := Run(ctx, logOf(registerType, finals(1, 1, 1)...), checkers.Limits{})
	if len(r.Values) == 0 || len(r.Findings) != 0 {
		t.Fatalf("got %+v", r)
	}
	for _, v := range r.Values {
		if v.Known || !strings.Contains(v.Why, "interrupted") {
			t.Errorf("got %+v", v)
		}
	}
}

// TestRunGathers: what each checker found is in the whole result.
func TestRunGathers(t *testing.T) {
	log := logOf(registerType, write(1, 0, 10), write(2, 20, 30), read(1, 50, 60, by(1)))
	txn := txnOf(t, "0-10 p0 ok a1.1")
	txn.Workload = 1
	log.Meta.Workloads, log.Ops = append(log.Meta.Workloads, history.WorkloadMeta{Name: appendType, Type: appendType, Keys: 1, Workers: 1}), append(log.Ops, txn)
	r := Run(context.Background(), log, checkers.Limits{})
	if len(r.Stale) != 1 || len(r.Staleness) == 0 || r.Isolation == nil || r.Isolation.Txns != 1 {
		t.Errorf("%+v", r)
	}
}

// TestUnknownFactsOnce: facts of a fault are there once, however often it took
// effect, and there are none of what was no fault.
func TestUnknownFactsOnce(t *testing.T) {
	log := faulted(logOf(registerType), killed("f1", "n1", 5), healed("f1", 6), killed("f1", "n1", 7), phase("measure", 8))
	c := availability.Checker()
	var names []string
	for _, v := range checkers.UnknownFacts(c.Facts, log, "because") {
		names = append(names, v.Name)
	}
	slices.Sort(names)
	if len(names) != len(c.Facts) || len(slices.Compact(slices.Clone(names))) != len(names) || !slices.Contains(names, "errors.rate.f1.after") {
		t.Errorf("%v", names)
	}
}

func TestLimitsHaveDefaults(t *testing.T) {
	if got := checkers.OrDefault(checkers.Limits{}); got != checkers.DefaultLimits {
		t.Errorf("%+v", got)
	}
}

// hardLog has a value written twice, and then replaced by a compare-and-set, and so much concurrency that the general
// search does not end.
func hardLog() *history.Log {
	ops := []history.Op{write(1, 0, 1), write(1, 2, 3)}
	for i := range int64(400) {
		ops = append(ops, write(10+i, 10, 1000, by(uint32(i))), read(10+(i*7919)%400, 10, 1000, by(uint32(500+i))))
	}
	return logOf(registerType, append(ops, cas(1, 9, 1500, 1600, unknown), read(1, 2000, 2001), read(10, 2002, 2003))...)
}

func TestLimitsMakeUnknown(t *testing.T) {
	for _, limits := range []checkers.Limits{{Time: ms20}, {Memory: 1 << 20, Time: time.Hour}, {Memory: 1 << 10, Time: time.Hour}} {
		r := Run(context.Background(), hardLog(), limits)
		for _, v := range r.Values {
			if v.Name == "linearizable" && (v.Known || !strings.Contains(v.Why, "limit")) || v.Name == "linearizable.keys_undecided" && v.N != 1 {
				t.Errorf("limits %+v: %+v", limits, v)
			}
		}
	}
}

const ms20 = 20_000_000

func TestFindingsAreCapped(t *testing.T) {
	var ops []history.Op
	for i := range int64(40) {
		ops = append(ops, write(2*i+1, 100*i, 100*i+1, key(uint32(i%5))), read(history.Nil, 100*i+20, 100*i+21+i%7, by(1), key(uint32(i%5))))
	}
	log := logOf(registerType, ops...)
	r := Run(context.Background(), log, checkers.Limits{Findings: 3})
	perClass := map[checkers.Class]int{}
	for _, f := range r.Findings {
		perClass[f.Class]++
	}
	for class, n := range perClass {
		if n > 3 {
			t.Errorf("%d findings of class %s", n, class)
		}
	}
	if perClass[checkers.StaleRead] != 3 || r.Findings[0].Gap < r.Findings[1].Gap {
		t.Errorf("got %v", r.Findings)
	}
	values, _ := check(t, log)
	expect(t, values, "reads.stale=40 reads.ok=40 linearizable=0 linearizable.keys_checked=5")
	// the same whatever the number of goroutines
	for workers := 1; workers < 5; workers++ {
		again := Run(context.Background(), log, checkers.Limits{Findings: 3, Workers: workers})
		for i := range again.Findings {
			if again.Findings[i].Text != r.Findings[i].Text {
				t.Fatalf("finding %d differs with %d goroutines", i, workers)
			}
		}
	}
}

// TestWords holds the wording of the most important finding.
func TestWords(t *testing.T) {
	ops := []history.Op{write(4702, 7990, 7998), write(4711, 8005, 8013)}
	for i := range 3 {
		ops = append(ops, read(4702, 20000, 20001, final, node(int8(i))))
	}
	log := faulted(logOf(registerType, ops...), killed("f1", "n1", 8813), healed("f1", 9000))
	_, findings := check(t, log)
	const want = "write of 4711 to key 0 was acknowledged by n1 at 8.013s (800ms before n1 was killed by f1) and is missing from all 3 nodes at the end; they hold 4702, written at 7.998s"
	if len(findings) != 1 || findings[0].Text != want {
		t.Errorf("got %v", findings)
	}
	_, findings = check(t, faulted(logOf(registerType, write(1, 0, 10), write(2, 20, 30), read(1, 1050, 1060, by(1), node(2))), killed("f7", "n2", 1000)))
	if !strings.Contains(findings[0].Text, "read of key 0 at n3 returned 1 at 1.060s, though the newer 2 had been acknowledged 1.02s before the read began, while f7 (kill of n2) was in force") {
		t.Errorf("got %q", findings[0].Text)
	}
}

// TestOrderFlipIsTold tells apart the rare contradiction without a stale read.
func TestOrderFlipIsTold(t *testing.T) {
	writes := []history.Op{write(1, 0, 100), write(2, 0, 100, by(1))}
	flip := append(slices.Clone(writes), read(1, 10, 20, by(2)), read(2, 30, 40, by(2)), read(2, 10, 21, by(3)), read(1, 31, 41, by(3)))
	old := append(slices.Clone(writes), read(1, 110, 120, by(2)), write(3, 130, 140), read(1, 150, 160))
	wide := []history.Op{write(1, 0, 10), write(2, 20, 100), read(2, 25, 28, by(1)), read(2, 200, 210, by(2)), read(1, 150, 160, by(3))}
	for _, test := range []struct {
		ops  []history.Op
		flip bool
		size int
	}{{flip, true, 6}, {old, false, 3}, {wide, false, 3}} {
		_, findings := check(t, logOf(registerType, test.ops...))
		i := slices.IndexFunc(findings, func(f checkers.Finding) bool { return f.Class == checkers.NotLinear })
		if i < 0 || strings.Contains(findings[i].Text, "order flip") != test.flip || len(findings[i].Evidence) != test.size {
			t.Errorf("want a flip: %v, of %d operations; got %+v", test.flip, test.size, findings)
		}
	}
}

// TestMalformed feeds nonsense: nothing may panic or stall, and texts must be whole.
func TestMalformed(t *testing.T) {
	extremes := []int64{math.MinInt64, math.MinInt64 + 1, -5, 0, 1, 2, 3, 7, 1 << 40, math.MaxInt64 - 1, math.MaxInt64}
	for seed := range 3000 {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		pick := func() int64 { return extremes[r.IntN(len(extremes))] }
		log := &history.Log{Meta: history.Meta{Nodes: []string{"n1", "n2"}[:r.IntN(3)],
			Workloads: []history.WorkloadMeta{{Name: "r", Type: registerType}, {Name: "s", Type: setType}, {Name: "l", Type: lagType}, {Name: "q", Type: queueType}}[:r.IntN(5)]}}
		for range r.IntN(20) {
			op := history.Op{Intended: pick(), Start: pick(), End: pick(), Value: pick(), Old: pick(), Observed: pick(), Key: uint32(r.IntN(2)) * math.MaxUint32,
				Process: uint32(r.IntN(3)), Workload: uint8(r.IntN(5)), Kind: history.Kind(r.IntN(12)), Outcome: history.Outcome(r.IntN(4)),
				Flags: uint8(r.IntN(32)), Node: int8(r.IntN(256) - 128), Error: history.Error(r.IntN(12))}
			if r.IntN(3) > 0 {
				op.Node, op.Workload = int8(r.IntN(3)), uint8(r.IntN(4))
			}
			for range r.IntN(4) {
				op.Elements = append(op.Elements, pick())
			}
			log.Ops = append(log.Ops, op)
		}
		for range r.IntN(5) {
			kinds := []history.EventKind{history.EventFault, history.EventHeal, history.EventPhase, history.EventRole, history.EventFailover, "x"}
			log.Events = append(log.Events, history.Event{At: pick(), Kind: kinds[r.IntN(len(kinds))], Fault: []string{"", "f1", "f2"}[r.IntN(3)],
				Name: []string{"", "kill", "partition x"}[r.IntN(3)], Node: "n1", Nodes: []string{"n1", "n9"}[:r.IntN(3)],
				Detail: []string{"measure", "heal", "primary", ""}[r.IntN(4)]})
		}
		log.Torn = r.IntN(4) == 0
		result := Run(context.Background(), log, checkers.Limits{})
		for _, v := range result.Values {
			if math.IsNaN(v.N) || math.IsInf(v.N, 0) || !v.Known && v.Why == "" || strings.Contains(v.Why, "crashed") {
				t.Fatalf("seed %d: %+v", seed, v)
			}
		}
		for _, f := range result.Findings {
			if f.Text == "" || strings.Contains(f.Text, "%!") {
				t.Fatalf("seed %d: text %q", seed, f.Text)
			}
		}
		lag.LagSamples(log)
	}
}

// TestInterruptedOnItsWay: what a checker says that was interrupted on its way is
// passed over, and its facts are unknown.
func TestInterruptedOnItsWay(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	table := []checkers.Checker{{Name: "cut", Facts: []checkers.Fact{{Name: "cut", Unit: checkers.Number, Meaning: "x"}}, Check: func(context.Context, checkers.Input) checkers.Result {
		cancel()
		return checkers.Result{Values: []checkers.Value{{Name: "cut", N: 1, Known: true}}}
	}}}
	r := checkers.Run(ctx, logOf(registerType, write(1, 0, 10)), checkers.Limits{}, table)
	if len(r.Values) != 1 || r.Values[0].Known || !strings.Contains(r.Values[0].Why, "interrupted") {
		t.Errorf("got %+v", r.Values)
	}
}
