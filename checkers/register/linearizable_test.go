package register

import (
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// scarce leaves the general search no memory.
var scarce = checkers.Limits{Time: time.Minute, Memory: 1, Findings: 1, Workers: 1}

// hard cannot be decided but by the general search.
func hard(k uint32) []history.Op {
	return []history.Op{write(1, 0, 10, key(k)), write(1, 20, 30, key(k)), cas(1, 2, 40, 50, key(k)), read(2, 60, 70, key(k)), read(2, 80, 90, key(k))}
}

// TestLinearizableOfManyRegisters holds what is told of several registers.
func TestLinearizableOfManyRegisters(t *testing.T) {
	bad := []history.Op{write(1, 0, 10, key(7)), write(2, 20, 30, key(7)), read(1, 40, 50, key(7))}
	refused := with(hard(4), write(9, 40, 50, key(4), failed), read(9, 60, 70, key(4)))
	lookalike := cas(5, 6, 100, 110, compared)
	other := lookalike
	other.Key = 1
	for _, tc := range []struct {
		name string
		ops  []history.Op
		want string
		why  string
	}{
		{"two are undecided", with(hard(3), hard(5)...), "linearizable=? linearizable.keys_undecided=2 linearizable.keys_checked=0", "register 3:"},
		{"one is violated", with(hard(3), bad...), "linearizable=0 linearizable.keys_undecided=1 linearizable.keys_checked=1", ""},
		{"one shows a refused write", with(hard(3), refused...), "linearizable=0 linearizable.keys_undecided=1", ""},
		{"comparisons are left out", []history.Op{write(1, 0, 10), lookalike, write(1, 0, 10, key(1)), other}, "linearizable=1", "2 failed compare-and-sets"},
	} {
		r := checkLinearizable(logOf(registerType, tc.ops...), scarce)
		values := map[string]checkers.Value{}
		for _, v := range r.Values {
			values[v.Name] = v
		}
		expect(t, values, tc.want)
		if why := values["linearizable"].Why; !strings.HasPrefix(why, tc.why) || tc.why == "" && why != "" {
			t.Errorf("%s: %q", tc.name, why)
		}
	}
}

// TestLinearizableByGuesses: where guesses contradict, the general search decides.
func TestLinearizableByGuesses(t *testing.T) {
	for want, ops := range map[string][]history.Op{
		"linearizable=0": {write(2, 0, 5), write(1, 3, 6), write(1, 5, 5, by(1)), write(2, 5, 6, by(1)), read(1, 6, 9), read(2, 7, 7), read(1, 7, 9, by(1)), read(1, 7, 11, by(1))},
		"linearizable=1": {write(2, 3, 11, unknown), write(1, 5, 6), write(2, 6, 11), write(1, 8, 14, unknown), read(2, 9, 16), read(2, 23, 28), read(1, 29, 38)},
	} {
		log := logOf(registerType, ops...)
		k := analysed(log, false)
		certain, _ := k.part()
		if _, found := k.contradict(false); certain || !found {
			t.Errorf("%s: no guess contradicts", want)
		}
		values, _ := check(t, log)
		expect(t, values, want)
	}
}

// TestNotLinearizableInWords holds how the evidence of one register is told.
func TestNotLinearizableInWords(t *testing.T) {
	const none = history.Nil
	var circle []history.Op
	for i := range int64(12) {
		circle = append(circle, cas(i, (i+1)%12, 10*i, 10*i+5))
	}
	flip := []history.Op{write(2, 0, 100, by(1)), read(1, 10, 20, by(2)), read(2, 30, 40, by(2)), read(2, 10, 21, by(3)), read(1, 31, 41, by(3))}
	for _, tc := range []struct {
		ops  []history.Op
		want string
		at   int64
	}{
		{circle, "; and 4 more", 110 * ms},
		{append([]history.Op{cas(none, 1, 0, 100)}, flip...), "key 0: no single order explains these operations: each of two values must have been there before the other: ", 31 * ms},
		{[]history.Op{write(1, 0, 10), read(9, 20, 30)}, "key 0: a value was read that nobody wrote: ", 20 * ms},
		{[]history.Op{write(1, 0, 10), write(2, 20, 30), read(1, 40, 50)}, "key 0: no single order explains these operations: each of two values must have been there before the other: ", 40 * ms},
	} {
		r := checkLinearizable(logOf(registerType, tc.ops...), checkers.DefaultLimits)
		if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Text, tc.want) || r.Findings[0].At != tc.at {
			t.Errorf("want %q at %d, got %+v", tc.want, tc.at, r.Findings)
		} else if told := strings.Count(r.Findings[0].Text, ";"); told > shownOps {
			t.Errorf("%d operations are told: %s", told, r.Findings[0].Text)
		}
	}
}

// TestFirstFlipsAreTold: of order flips those that came first are kept.
func TestFirstFlipsAreTold(t *testing.T) {
	var ops []history.Op
	for k, at := range []int64{500, 0, 1000} {
		ops = append(ops, write(1, at, at+100, key(uint32(k))), write(2, at, at+100, by(1), key(uint32(k))), read(1, at+10, at+20, by(2), key(uint32(k))),
			read(2, at+30, at+40, by(2), key(uint32(k))), read(2, at+10, at+21, by(3), key(uint32(k))), read(1, at+31, at+41, by(3), key(uint32(k))))
	}
	r := checkLinearizable(logOf(registerType, ops...), checkers.Limits{Time: time.Minute, Memory: 1 << 30, Findings: 1, Workers: 1})
	for _, f := range r.Findings {
		if f.Class == checkers.OrderFlip && f.Key != 1 {
			t.Errorf("%+v", f)
		}
	}
	if got := classes(r.Findings); !strings.Contains(got, string(checkers.OrderFlip)) {
		t.Errorf("found %s", got)
	}
}
