package register

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
)

// deletions makes a register's history with deletes, which write Nil, and with
// few values; it is linearizable but for those operations that are altered.
func deletions(r *rand.Rand, n, processes int) []history.Op {
	ops := copyOps(r, n, processes, false)
	few := 2 + int64(r.IntN(30))
	for i := range ops {
		if op := &ops[i]; op.Value != history.Nil {
			if op.Value %= few; op.Value%4 == 0 {
				op.Value = history.Nil
			}
		}
	}
	for range r.IntN(4) {
		ops = mutate(r, ops)
	}
	return ops
}

// TestEpochsAgreeWithPorcupine puts histories of values that are written again
// and again to the method of epochs and to the general search.
func TestEpochsAgreeWithPorcupine(t *testing.T) {
	checktest.Alone(t)
	good, bad, guessed := 0, 0, 0
	const rounds = 20_000
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 77))
		ops := deletions(r, 4+r.IntN(24), 1+r.IntN(4))
		if seed%4 == 0 {
			ops = randomOps(r, shape{Ops: 8, Length: 4 + seed%16, Longest: 8 - seed%5}) // many ties in the short ones
			fewValues(ops, 2)
		}
		log := logOf(registerType, ops...)
		k := analysed(log, false)
		if !k.Twice {
			continue
		}
		truth := general(context.Background(), k, false, 5*time.Second, 1<<30)
		certain, parted := k.part()
		if !parted {
			t.Fatalf("seed %d: not parted, without compare-and-sets: %v", seed, log.Ops)
		}
		_, found := k.contradict(false)
		if found && !certain {
			guessed++
			continue
		}
		if found != (truth == checkers.False) || truth == checkers.Unknown {
			t.Fatalf("seed %d: by epochs a contradiction: %v, porcupine says %v:\n%v", seed, found, truth, log.Ops)
		}
		if found {
			bad++
		} else {
			good++
		}
	}
	t.Logf("%d linearizable, %d not, %d undecided", good, bad, guessed)
	if good < rounds/4 || bad < rounds/25 || guessed > rounds/1000 {
		t.Errorf("too few were decided: %d linearizable, %d not, %d left to the general search", good, bad, guessed)
	}
}

// TestEpochsOfFewOperations holds what the method concludes of single histories.
func TestEpochsOfFewOperations(t *testing.T) {
	const none = history.Nil
	behind := []history.Op{write(1, 0, 6), read(1, 9, 18), write(1, 17, 27), write(2, 19, 23), read(1, 30, 38)}
	luck := []history.Op{write(none, 1, 15, failed), write(1, 1, 16), write(none, 2, 30), write(1, 16, 41), write(2, 16, 42), write(2, 30, 32), read(1, 43, 70),
		write(2, 62, 81, unknown), write(1, 64, 90), write(2, 73, 86, unknown), read(2, 88, 89), write(none, 91, 111)}
	for _, tc := range []struct {
		name string
		log  *history.Log
		want string // nothing if it is not parted
	}{
		{"another block stands behind the epoch itself", logOf(registerType, behind...), "linearizable"},
		{"another, which does not end last", logOf(registerType, append(behind, write(3, 10, 29))...), "linearizable"},
		{"another, which began last but one", logOf(registerType, write(none, 0, 20), read(none, 1, 8), write(2, 1, 26), write(3, 9, 20), read(none, 22, 24)), "linearizable"},
		{"reads narrow an epoch's end", logOf(registerType, read(none, 0, 9), write(1, 5, 5), write(1, 6, 11, unknown), write(1, 8, 9), read(4, 8, 13), write(4, 10, 18),
			read(1, 17, 17), write(4, 27, 30)), "linearizable"},
		{"an unanswered write was seen by others", logOf(registerType, read(1, 0, 11), write(4, 4, 9, unknown), read(1, 5, 7), write(1, 5, 12, unknown), write(1, 8, 17)), "linearizable"},
		{"a write began as the read ended", logOf(registerType, read(1, 0, 0), write(1, 0, 0), write(1, 0, 4), read(1, 1, 6), write(4, 3, 3), read(1, 4, 6)), "linearizable"},
		{"guesses wait for what earlier ones change", logOf(registerType, luck...), "linearizable by guesses"},
		{"a comparison failed", logOf(registerType, write(1, 0, 10), write(1, 20, 30), write(2, 40, 50), cas(1, 1, 60, 70, compared)), "linearizable"},
		{"a value is expected", logOf(registerType, write(1, 0, 10), write(1, 20, 30), cas(1, 2, 40, 50)), ""},
		{"torn", torn(logOf(registerType, write(1, 0, 10), write(1, 20, 30))), ""},
	} {
		k := analysed(tc.log, false)
		certain, parted := k.part()
		got := ""
		if parted {
			got = "linearizable"
			if _, found := k.contradict(false); found {
				got = "not linearizable"
			}
			if !certain {
				got += " by guesses"
			}
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestPartedEvidence: where there is too much for the general search, a read
// that no write explains is told with the last one that could have been.
func TestPartedEvidence(t *testing.T) {
	ops := []history.Op{write(1, 0, 5), write(1, 10, 15), write(1, 20, 25, failed), read(1, 9000, 9010, by(1)), write(1, 9020, 9030), write(1, 9040, 9050)}
	for i := range int64(partedOps) {
		ops = append(ops, write(10+i, 30+3*i, 32+3*i))
	}
	_, findings := check(t, logOf(registerType, ops...))
	i := slices.IndexFunc(findings, func(f checkers.Finding) bool { return f.Class == checkers.NotLinear })
	if i < 0 || !strings.Contains(findings[i].Text, "other writes of the same values do not explain it") {
		t.Fatalf("%+v", findings)
	}
	seen := slices.DeleteFunc(findings[i].Evidence, func(op history.Op) bool { return op.Value != 1 })
	if len(seen) != 2 || seen[0].Start != 10*ms || seen[1].Start != 9000*ms {
		t.Errorf("%+v", seen)
	}
}

// TestDeletesAreDecided checks a long history with deletes by many clients,
// which the general search would not decide, and the same with one read of
// what had been deleted.
func TestDeletesAreDecided(t *testing.T) {
	log := registerLoad(100_000, 1, 20, 50, false)
	for i := range log.Ops {
		if op := &log.Ops[i]; op.Value%10 == 3 {
			op.Value = history.Nil
		}
	}
	limits := checkers.Limits{Time: 20 * time.Second, Memory: 1 << 30, Workers: 1, Findings: 3}
	r := checkers.Run(context.Background(), log, limits, []checkers.Checker{Checker()})
	if v := valueOf(r, "linearizable"); !v.Known || v.N != 1 {
		t.Errorf("%+v", v)
	}
	last := &log.Ops[len(log.Ops)-1]
	log.Ops = append(log.Ops, history.Op{Kind: history.Read, Outcome: history.OK, Value: 1, Start: last.End + 1000, End: last.End + 2000})
	r = checkers.Run(context.Background(), log, limits, []checkers.Checker{Checker()})
	if v := valueOf(r, "linearizable"); !v.Known || v.N != 0 {
		t.Errorf("after a read of an old value: %+v", v)
	}
}

func valueOf(r checkers.Result, name string) checkers.Value {
	for _, v := range r.Values {
		if v.Name == name {
			return v
		}
	}
	return checkers.Value{Name: name}
}

// TestTornEvidence: in a torn history a write of a repeated value may be
// missing, so what only such a value shows is no evidence.
func TestTornEvidence(t *testing.T) {
	log := torn(logOf(registerType, write(4, 0, 10), write(5, 20, 30), read(4, 40, 50), write(6, 60, 70), read(6, 80, 90),
		write(1, 100, 110), write(2, 120, 130), write(1, 140, 150), write(3, 160, 170), read(1, 180, 190)))
	r := checkLinearizable(log, checkers.DefaultLimits)
	if len(r.Findings) != 1 || len(r.Findings[0].Evidence) != 3 {
		t.Fatalf("%v", r.Findings)
	}
	for _, op := range r.Findings[0].Evidence {
		if op.End > 50*ms {
			t.Errorf("%v is no evidence", op)
		}
	}
}
