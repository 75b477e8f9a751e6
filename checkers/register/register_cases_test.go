package register

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
)

// The cases of this file, too, are those that mutants survived before they were
// here: `make mutants`.

func workload(i uint8) change { return func(op *history.Op) { op.Workload = i } }

// logOfTwo is a log of registers and of a second workload, number 1.
func logOfTwo(typ string, ops ...history.Op) *history.Log {
	log := logOf(registerType, ops...)
	log.Meta.Workloads = append(log.Meta.Workloads, history.WorkloadMeta{Name: "second", Type: typ, Keys: 16, Workers: 8})
	return log
}

// TestScanCases are registers that one pass over the log shows to be sound.
func TestScanCases(t *testing.T) {
	const far = kit.DenseKeys
	for _, tc := range []struct {
		name string
		log  *history.Log
		want string
		why  string // is part of what is said of linearizable
	}{
		{"a read that failed was not answered", logOf(registerType, write(1, 0, 10), read(0, 20, 30, failed)), "reads.ok=0 reads.stale_ratio=?", ""},
		{"a comparison that failed tells the current value", logOf(registerType, cas(7, 8, 0, 10, found(nothing))), "linearizable=1 writes.failed=0", ""},
		{"comparisons that failed and told nothing are left out", logOf(registerType, write(1, 0, 10), cas(7, 8, 20, 30, compared), write(2, 0, 10, key(1)),
			cas(7, 8, 20, 30, compared, key(1)), cas(7, 8, 40, 50, found(2), key(1))), "linearizable=1", "2 failed compare-and-sets"},
		{"compare-and-sets that were refused for another reason are no comparisons", logOf(registerType, write(1, 0, 10), cas(1, 8, 20, 30, failed)),
			"linearizable=1 writes.failed=1", ""},
		{"another workload's reads are none of a register", logOfTwo(counterType, write(1, 0, 10), read(nothing, 20, 30, workload(1)), read(1, 40, 50)),
			"reads.ok=1 linearizable.keys_checked=1", ""},
		{"two workloads have registers of their own", logOfTwo(registerType, write(1, 0, 10), write(1, 20, 30, workload(1)), write(2, 0, 10, key(far)),
			write(2, 20, 30, key(far), workload(1))), "writes.acked=4 linearizable.keys_checked=4 linearizable=1", ""},
		{"keys of great numbers", logOf(registerType, write(1, 0, 10, key(far+7)), read(1, 20, 30, key(far+7)), read(1, 40, 50, key(far+7))),
			"linearizable.keys_checked=1 reads.ok=2 linearizable=1", ""},
		{"a key that comes after ever greater ones", logOf(registerType, write(1, 0, 10), write(2, 0, 10, key(100)), write(3, 0, 10, key(1000)), read(1, 20, 30),
			read(2, 20, 30, key(100))), "linearizable.keys_checked=3 linearizable=1", ""},
	} {
		values, _ := check(t, tc.log)
		expect(t, values, tc.want)
		if got := values["linearizable"].Why; !strings.Contains(got, tc.why) || tc.why == "" && got != "" {
			t.Errorf("linearizable is told with %q, want %q", got, tc.why)
		}
		if t.Failed() {
			t.Fatal(tc.name)
		}
	}
}

// TestStalenessOfManyReads has reads that are stale by 1 to 150 ms, on two keys
// in turns, among 50 fresh ones of a third and those of another workload.
func TestStalenessOfManyReads(t *testing.T) {
	var ops []history.Op
	for k := range uint32(2) {
		ops = append(ops, write(1, 0, 1, key(k)), write(2, 2, 3, key(k)))
	}
	for i := range int64(150) {
		ops = append(ops, read(1, 4+i, 5+i, key(uint32(1-i%2)), by(1)), read(0, 4+i, 5+i, workload(1)))
	}
	for i := range int64(50) {
		ops = append(ops, read(nothing, 4+i, 5+i, key(2), by(2)))
	}
	log := logOfTwo(counterType, ops...)
	values, _ := check(t, log)
	expect(t, values, "reads.ok=200 reads.stale=150 reads.stale_ratio=0.75 reads.staleness.p50=5e+07 reads.staleness.p99=1.48e+08 reads.staleness.max=1.5e+08")
	for _, log := range []*history.Log{log, torn(log)} {
		samples := checkers.Run(t.Context(), log, checkers.Limits{}, []checkers.Checker{Checker()}).Stale
		if len(samples) != 150 || !slices.IsSortedFunc(samples, func(a, b checkers.StaleSample) int { return int(a.Op - b.Op) }) {
			t.Errorf("torn %v: %d samples: %v", log.Torn, len(samples), samples)
		}
	}
}

// TestStalenessCountsLongLogs counts reads in more shares than one.
func TestStalenessCountsLongLogs(t *testing.T) {
	log := bigLog(2*scanCheck+scanCheck/2, false, 0)
	third := log.Ops[len(log.Ops)/3].Start / ms
	log = faulted(log, killed("f1", "n1", third), healed("f1", 2*third))
	line, want := kit.NewTimeline(log), readCounts{}
	for i := range log.Ops {
		if op := &log.Ops[i]; op.Kind == history.Read && op.Outcome == history.OK {
			want[line.Moment(op)][op.Node+1]++
		}
	}
	if got := countReads(t.Context(), log, line, 2); *got != want {
		t.Errorf("counted %d reads, want %d", got.of(everyNode, anyMoment), want.of(everyNode, anyMoment))
	}
	for m := range kit.Moment(kit.Moments) {
		if want.of(everyNode, m) == 0 {
			t.Errorf("no read at moment %d", m)
		}
	}
}

// TestFlipsAtTies: a value that was there only when the last read of the other
// began does not contradict it. The stale read is for the register to be
// looked at at all.
func TestFlipsAtTies(t *testing.T) {
	values, _ := check(t, logOf(registerType, write(1, 0, 100), write(2, 0, 100, by(1)), write(3, 0, 100, by(2)),
		read(1, 5, 10, by(3)), read(2, 8, 20, by(4)), read(3, 30, 40, by(5)), read(1, 40, 45, by(3)),
		write(4, 200, 210), write(5, 220, 230), read(4, 240, 250)))
	expect(t, values, "reads.order_flips=0 linearizable=0 reads.stale=1")
}

// TestFlipsAreTold holds the wording of an order flip.
func TestFlipsAreTold(t *testing.T) {
	_, findings := check(t, faulted(logOf(registerType, write(1, 0, 12), write(2, 0, 100, by(1)), read(1, 35, 45, by(2)), read(2, 15, 21, by(3))),
		killed("f1", "n1", 30), healed("f1", 50)))
	const want = "readers of key 0 disagree on the order of the concurrent writes of 1 and 2: 1 had been acknowledged by 0.012s and was read at n1 by a read begun at 0.035s " +
		"and 2 had been read by 0.021s and was read at n1 by a read begun at 0.015s, while f1 (kill of n1) was in force"
	i := slices.IndexFunc(findings, func(f checkers.Finding) bool { return f.Class == checkers.OrderFlip })
	if i < 0 || findings[i].Text != want || findings[i].At != 35*ms {
		t.Errorf("got %+v", findings)
	}
}

// TestLostBeforeTheFinalReads: a write that was under way when a final read
// began, or came after it, need not be there.
func TestLostBeforeTheFinalReads(t *testing.T) {
	for start, lost := range map[int64]string{950: "1", 989: "0", 990: "0", 1005: "0", 1020: "0"} {
		values, _ := check(t, logOf(registerType, with(finals(1, 1, 1), write(1, 0, 10), write(2, start, start+11, by(1)))...))
		expect(t, values, "writes.lost="+lost+" replicas.diverged=0")
		if t.Failed() {
			t.Fatalf("written at %d", start)
		}
	}
}

// TestRegistersOfTornLogs: what is missing may have changed the share of stale
// reads.
func TestRegistersOfTornLogs(t *testing.T) {
	values, _ := check(t, torn(logOf(registerType, write(1, 0, 10), write(2, 20, 30), read(1, 50, 60, by(1)))))
	expect(t, values, "reads.stale=1 reads.stale_ratio=?")
}

func TestRegistersAddUp(t *testing.T) {
	values, _ := check(t, logOf(registerType, write(1, 0, 10, failed), read(1, 20, 30), write(1, 0, 10, failed, key(1)), read(1, 20, 30, key(1))))
	expect(t, values, "writes.resurrected=2 writes.failed=2 reads.ok=2")
}

// TestRegisterStaleByARead holds the wording of a read that is stale by what
// another read had shown, and its gap.
func TestRegisterStaleByARead(t *testing.T) {
	_, findings := check(t, logOf(registerType, write(1, 0, 10), write(2, 20, 100, by(1)), read(2, 30, 40, by(2)), read(1, 50, 60, by(3))))
	i := slices.IndexFunc(findings, func(f checkers.Finding) bool { return f.Class == checkers.StaleRead })
	if i < 0 || findings[i].Gap != 10*ms || !strings.Contains(findings[i].Text, "though the newer 2 had been read 10ms before the read began") {
		t.Errorf("got %+v", findings)
	}
}

// TestGeneralIsBounded: a history that needs more memory than is allowed is not
// tried, though this one contradicts itself at once.
func TestGeneralIsBounded(t *testing.T) {
	ops := []history.Op{read(5, 0, 1), write(5, 2, 3), write(5, 4, 5)}
	for i := range int64(200) {
		ops = append(ops, read(5, 6+2*i, 7+2*i))
	}
	log := logOf(registerType, ops...)
	for memory, want := range map[uint64]checkers.Truth{4 << 10: checkers.Unknown, 8 << 10: checkers.False} {
		if got := general(t.Context(), analysed(log, false), false, time.Minute, memory); got != want {
			t.Errorf("%v with %d bytes, want %v", got, memory, want)
		}
	}
}

// TestGeneralEvidence is of registers with a value written twice: what shows
// that they are not linearizable is told and nothing else.
func TestGeneralEvidence(t *testing.T) {
	var many []history.Op
	for i := range int64(100) {
		many = append(many, write(10+i, 1000+2*i, 1001+2*i))
	}
	for _, tc := range []struct {
		name string
		log  *history.Log
		want []history.Op
	}{
		{"a read of what may be missing", torn(logOf(registerType, read(9, 0, 5), write(1, 10, 20), write(1, 30, 40), write(2, 50, 60), read(1, 70, 80), write(3, 90, 95), read(2, 100, 110))),
			[]history.Op{write(2, 50, 60), write(3, 90, 95), read(2, 100, 110)}},
		{"a write that was refused besides", logOf(registerType, write(1, 0, 5, failed), write(1, 10, 20), write(2, 50, 60), read(1, 70, 80)),
			[]history.Op{write(1, 10, 20), write(2, 50, 60), read(1, 70, 80)}},
		{"among a hundred others", logOf(registerType, append(many, write(1, 0, 5), write(1, 10, 20), write(2, 50, 60), read(1, 70, 80))...),
			[]history.Op{write(1, 0, 5), write(1, 10, 20), write(2, 50, 60), read(1, 70, 80)}},
	} {
		_, findings := check(t, tc.log)
		i := slices.IndexFunc(findings, func(f checkers.Finding) bool { return f.Class == checkers.NotLinear })
		if i < 0 || !slices.EqualFunc(findings[i].Evidence, tc.want, func(a, b history.Op) bool { return a.Kind == b.Kind && a.Value == b.Value && a.Start == b.Start }) {
			t.Errorf("%s: got %+v", tc.name, findings)
		}
	}
}

// TestWatchWrittenAgain: a value may be written again once nothing can see it as
// it was, even if the compare-and-set that made it has not ended.
func TestWatchWrittenAgain(t *testing.T) {
	k := watch.NewWatch()
	for _, op := range []history.Op{write(1, 0, 10), cas(1, 2, 5, 1000, by(1)), write(3, 20, 30, by(2)), write(2, 40, 50, by(2)), read(2, 60, 70, by(3))} {
		k.Add(&op)
	}
	if got := k.Finish(); got != watch.Watching {
		t.Errorf("%v, flaw %v", got, k.Flaw)
	}
}

// TestFinalReadsBeforeOthers: what a final read saw counts as seen even if other
// operations came after it, as in the histories of other tools.
func TestFinalReadsBeforeOthers(t *testing.T) {
	values, _ := check(t, logOf(registerType, read(1, 0, 5, final), write(1, 10, 20, by(1))))
	expect(t, values, "reads.future=1 linearizable=1 writes.lost=?")
	values, _ = check(t, logOf(registerType, write(1, 0, 100), read(1, 5, 10, final), write(2, 20, 30, by(1)), read(1, 40, 50, by(2))))
	expect(t, values, "reads.stale=1 reads.staleness.max=1e+07 linearizable=1")
}

// TestStudyCases are registers that the pass over the log does not show to be
// sound, beside others.
func TestStudyCases(t *testing.T) {
	stale := with(finals(2, 2, 2), write(1, 0, 10), write(2, 20, 30), read(1, 50, 60, by(1)))
	elsewhere := logOfTwo(registerType, append(slices.Clone(stale), write(1, 0, 10, workload(1)), read(1, 20, 30, workload(1)))...)
	for i := range elsewhere.Ops {
		elsewhere.Ops[i].Workload ^= 1
	}
	for _, tc := range []struct {
		name string
		log  *history.Log
		want string
	}{
		{"in the second of two workloads", elsewhere, "linearizable=0 reads.stale=1 linearizable.keys_checked=2 writes.acked=3"},
		{"a sound register after one that is not", logOf(registerType, append(stale, write(1, 0, 10, key(1)), read(1, 20, 30, key(1)))...),
			"linearizable=0 reads.delta_atomicity=2e+07 reads.stale=1"},
		{"an earlier final read of a node saw a phantom", logOf(registerType, with(finals(1, 1, 1), write(1, 0, 10), read(77, 900, 910, final))...),
			"reads.phantom=1 linearizable=1 writes.lost=0"},
		{"final reads are of no session", logOf(registerType, write(1, 0, 10), write(2, 20, 30), read(2, 40, 50, by(2)), read(1, 1000, 1010, by(2), final)),
			"sessions.monotonic_reads=0 writes.lost=1"},
		{"what a chain of compare-and-sets made was there, so its first value was, too", logOf(registerType, write(1, 0, 100), cas(1, 2, 0, 50, by(1)),
			cas(2, 3, 0, 90, by(2)), cas(3, 4, 0, 10, by(3)), write(5, 20, 30, by(4)), read(1, 60, 70, by(5))), "reads.version_lag.max=2 reads.staleness.max=5e+07"},
		{"a process that saw a value again in a shorter read", logOf(registerType, write(1, 0, 5, by(1)), read(1, 10, 50, by(2)), read(1, 12, 15, by(2)), write(2, 20, 30, by(2)),
			read(2, 55, 56, by(3), node(1)), read(1, 60, 70, by(4), node(1))), "sessions.writes_follow_reads=1"},
		{"how stale reads are is not known of a value written twice", logOf(registerType, write(1, 0, 10), write(1, 20, 30), write(2, 40, 50), read(1, 60, 70)),
			"linearizable=0 reads.delta_atomicity=?"},
		{"how stale reads are is not known without any", logOf(registerType, write(1, 0, 10)), "linearizable=1 reads.delta_atomicity=?"},
	} {
		values, _ := check(t, tc.log)
		expect(t, values, tc.want)
		if t.Failed() {
			t.Fatal(tc.name)
		}
	}
	values, _ := check(t, torn(logOf(registerType, stale...)))
	if v := values["reads.delta_atomicity"]; !v.Known || !v.AtLeast || v.N != 2e7 {
		t.Errorf("in a torn log the delta is a lower bound: %+v", v)
	}
}

// TestStudyKeepsRegistersApart: the findings of each of many registers, of
// different sizes, are about its own operations.
func TestStudyKeepsRegistersApart(t *testing.T) {
	var ops []history.Op
	for k := range int64(8) {
		own := key(uint32(k))
		for v := range 3 + k {
			ops = append(ops, write(100*k+v, 20*v, 20*v+10, own, by(uint32(k))))
		}
		ops = append(ops, read(100*k, 1000, 1010, own, by(uint32(k))), read(100*k+1, 2000, 2010, own, final))
	}
	findings := checkers.Run(t.Context(), logOf(registerType, ops...), checkers.Limits{Workers: 1, Findings: 100}, []checkers.Checker{Checker()}).Findings
	perClass := map[checkers.Class]int{}
	for _, f := range findings {
		perClass[f.Class]++
		for i := range f.Evidence {
			if op := &f.Evidence[i]; op.Key != f.Key || op.Value/100 != int64(f.Key) {
				t.Errorf("%+v is no evidence of %q", op, f.Text)
			}
		}
	}
	if perClass[checkers.ReadYourWrites] != 8 || perClass[checkers.StaleRead] != 8 || perClass[checkers.NotLinear] != 8 || perClass[checkers.LostWrite] < 8 {
		t.Errorf("got %v", perClass)
	}
}

// TestShownIsTold holds the wording of a broken writes-follow-reads.
func TestShownIsTold(t *testing.T) {
	_, findings := check(t, logOf(registerType, write(1, 0, 10, by(1)), read(1, 12, 15, by(2)), write(2, 20, 30, by(2)), read(2, 35, 36, by(3), node(1)), read(1, 40, 50, by(4), node(1))))
	const want = "n2 returned 1 of key 0 at 0.050s, although it had returned 2 at 0.036s, which process 2 wrote from 0.020s on, after it had read 1 by 0.015s"
	if i := slices.IndexFunc(findings, func(f checkers.Finding) bool { return f.Class == checkers.WriteAfterRead }); i < 0 || findings[i].Text != want {
		t.Errorf("got %+v", findings)
	}
}

// TestNearSorts sorts what is nearly in order, what is not, and the shortest.
func TestNearSorts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 93))
	for n := range 300 {
		far := make([]int, n)
		for i := range far {
			far[i] = r.IntN(1 + n)
		}
		near := slices.Clone(far)
		for i := range near {
			near[i] = 10*i - r.IntN(40)
		}
		for _, s := range [][]int{far, near} {
			want := slices.Sorted(slices.Values(s))
			if kit.SortNear(s, func(a, b int) int { return a - b }); !slices.Equal(s, want) {
				t.Fatalf("got %v", s)
			}
		}
	}
}

// TestNearFindsEveryKey puts more keys than there are slots.
func TestNearFindsEveryKey(t *testing.T) {
	n := kit.NewNearby[uint32, uint32]()
	for k := range uint32(200) {
		if n.Get(k, k) != nil {
			t.Fatalf("%d is there before it is put", k)
		}
		n.Put(k, k, &k)
	}
	for k := range uint32(200) {
		if at := n.Get(k, k); at == nil || *at != k {
			t.Fatalf("%d has %v", k, at)
		}
	}
}
