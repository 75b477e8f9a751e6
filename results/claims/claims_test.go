package claims

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

// testValues has a known truth for each of t, f and none for u.
var testValues = map[string]checkers.Value{
	"t": resultstest.Known("t", 1), "f": resultstest.Known("f", 0), "u": {Name: "u", Why: "no final reads"},
	"faults.count": resultstest.Known("faults.count", 17), "latency.p99": resultstest.Known("latency.p99", 12.3e6),
	"latency.write.p99": resultstest.Known("latency.write.p99", 1500e6), "zero": resultstest.Known("zero", 0), "nan": resultstest.Known("nan", math.NaN()),
	"odd-name": resultstest.Known("odd-name", 3), "x.node-1.p99": resultstest.Known("x.node-1.p99", 4),
}

func TestKleene(t *testing.T) {
	truths := map[string]checkers.Truth{"t": checkers.True, "f": checkers.False, "u": checkers.Unknown}
	and := map[string]string{"tt": "t", "tf": "f", "tu": "u", "ft": "f", "ff": "f", "fu": "f", "ut": "u", "uf": "f", "uu": "u"}
	or := map[string]string{"tt": "t", "tf": "t", "tu": "t", "ft": "t", "ff": "f", "fu": "u", "ut": "t", "uf": "u", "uu": "u"}
	not := map[string]string{"t": "f", "f": "t", "u": "u"}
	check := func(text, want string) {
		t.Helper()
		c, err := ParseClaim(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := c.Evaluate(testValues); got != truths[want] {
			t.Errorf("%s is %v, want %s", text, got, want)
		}
	}
	for pair, want := range and {
		check(fmt.Sprintf("%c and %c", pair[0], pair[1]), want)
		check(fmt.Sprintf("%c && %c", pair[0], pair[1]), want)
	}
	for pair, want := range or {
		check(fmt.Sprintf("%c or %c", pair[0], pair[1]), want)
		check(fmt.Sprintf("%c || %c", pair[0], pair[1]), want)
	}
	for a, want := range not {
		check("not "+a, want)
		check("!"+a, want)
	}
}

func TestEvaluate(t *testing.T) {
	for _, tc := range []struct {
		claim  string
		want   checkers.Truth
		detail string
	}{
		{"faults.count == 17", checkers.True, "faults.count = 17"},
		{"faults.count != 17", checkers.False, "faults.count = 17"},
		{"faults.count + 1 > 17", checkers.True, "faults.count = 17"},
		{"faults.count * 2 - 30 == 4 and faults.count % 5 == 2", checkers.True, "faults.count = 17"},
		{"faults.count / 2 == 8.5", checkers.True, "faults.count = 17"},
		{"-faults.count < -16", checkers.True, "faults.count = 17"},
		{"10 < faults.count < 20", checkers.True, "faults.count = 17"},
		{"10 < faults.count < 17", checkers.False, "faults.count = 17"},
		{"latency.p99 < 12.4ms", checkers.True, "latency.p99 = 12.3ms"},
		{"latency.p99 <= 12300us", checkers.True, "latency.p99 = 12.3ms"},
		{"latency.p99 >= 12301µs", checkers.False, "latency.p99 = 12.3ms"},
		{"latency.write.p99 == 1.5s", checkers.True, "latency.write.p99 = 1.5s"},
		{"latency.write.p99 < 2m and latency.write.p99 < 1h30m", checkers.True, "latency.write.p99 = 1.5s"},
		{"latency.write.p99 / latency.p99 > 100", checkers.True, "latency.write.p99 = 1.5s; latency.p99 = 12.3ms"},
		{"latency.write.p99 > 0", checkers.True, "latency.write.p99 = 1.5s"},
		{"latency.p99 * 2 < latency.write.p99 - 100ms", checkers.True, "latency.p99 = 12.3ms; latency.write.p99 = 1.5s"},
		{"u < 3", checkers.Unknown, "u is unknown: no final reads"},
		{"u < 3 and f", checkers.False, "u is unknown: no final reads; f = 0"},
		{"missing == 0", checkers.Unknown, "missing was not measured in this run"},
		{"faults.count / zero > 1", checkers.Unknown, "faults.count = 17; zero = 0; it divides by zero"},
		{"nan == 0 or true", checkers.True, ""},
		{"nan == nan", checkers.Unknown, ""},
		{`x["node-1"].p99 == 4`, checkers.True, "x.node-1.p99 = 4"},
		{"t == true and t != false", checkers.True, "t = 1"},
	} {
		c, err := ParseClaim(tc.claim)
		if err != nil {
			t.Errorf("%s: %v", tc.claim, err)
			continue
		}
		got, detail := c.Evaluate(testValues)
		if got != tc.want || tc.detail != "" && detail != tc.detail {
			t.Errorf("%s is %v (%s), want %v (%s)", tc.claim, got, detail, tc.want, tc.detail)
		}
	}
}

func TestClaimFacts(t *testing.T) {
	c, err := ParseClaim("a.b.c < 500ms and (d > 1 or a.b.c > 3s) and e")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Facts(); !slices.Equal(got, []string{"a.b.c", "d", "e"}) {
		t.Errorf("facts are %q", got)
	}
}

func TestClaimErrors(t *testing.T) {
	for _, tc := range []struct {
		claim  string
		column int
		say    string
	}{
		{"", 1, ""},
		{"faults.count", 1, "must be true or false"},
		{"faults.count + 1", 1, "must be true or false"},
		{"latency.p99 < 100", 13, "is a duration"},
		{"faults.count == 100ms", 14, "cannot be compared"},
		{"faults.count == 1 and len(x) > 0", 23, "functions cannot be called"},
		{"faults.count == foo(1)", 17, "functions cannot be called"},
		{"any([1], true)", 1, "functions cannot be called"},
		{"a == 'text'", 6, "text has no place"},
		{"a ** 2 > 1", 3, "not possible"},
		{"a in [1]", 6, "not possible"},
		{"a ? b : c", 0, "not possible"},
		{"let a = 1; a > 0", 0, "not possible"},
		{"a?.b > 0", 0, ""},
		{"a[1] > 0", 1, "does not name a fact"},
		{"a | b", 0, ""},
		{"a > ", 0, ""},
		{"a > 3 ;; b", 0, ""},
		{"a > 5x", 6, ""},
		{"not faults.count", 5, "needs true or false"},
		{"faults.count and true", 14, "needs true or false on both sides"},
		{"latency.p99 * 2s > 0", 13, "cannot be multiplied"},
		{"5 / 1s > 2", 3, "cannot be divided"},
		{"-true", 2, "needs a number"},
		{"a > 99999999999999h", 5, "longer than the longest"},
		{strings.Repeat("(", 600) + "a" + strings.Repeat(")", 600), 1, "longer than"},
		{"1s.x > 0", 0, ""},
		{"a > \xff", 5, "UTF-8"},
		{"writes.lost = 0", 13, "compare with =="},
		{"writes.lost =< 3", 13, "compare with =="},
		{"writes.lost <> 3", 14, "compare with =="},
		{"linearizable & writes.lost == 0", 0, "&& (and)"},
		{"linearizable | faults.count == 0", 0, "|| (or)"},
		{"linearizable && (", 0, "ends too early"},
		{"lag.p99 < 5 ms", 13, "in one word: 5ms"},
		{"lag.p99 < 5sec", 0, "like 5ms, 1m30s"},
		{"errors.rate < 5%", 0, "5 % is 0.05"},
		{"latency.p99.9 < 1s", 0, "without a point: p999"},
		{"  ", 0, "it is empty"},
		{"writes.lost ==", 0, "ends too early"},
	} {
		_, err := ParseClaim(tc.claim)
		var at *ClaimError
		if !errors.As(err, &at) {
			t.Errorf("%q gives %v, want a *ClaimError", tc.claim, err)
			continue
		}
		if tc.column != 0 && at.Column != tc.column || !strings.Contains(at.Message, tc.say) {
			t.Errorf("%q: column %d, %q; want column %d, %q", tc.claim, at.Column, at.Message, tc.column, tc.say)
		}
		if strings.Contains(at.Message, "__") {
			t.Errorf("%q: the message shows how durations are read: %s", tc.claim, at.Message)
		}
	}
}

// A claim that nothing could violate, or nothing could keep, is no claim.
func TestConstantClaims(t *testing.T) {
	for text, want := range map[string]checkers.Truth{
		"0 == 0": checkers.True, "true": checkers.True, "1s < 500ms": checkers.False,
		"writes.lost == 0 || true":           checkers.True,
		"linearizable and false":             checkers.False,
		"writes.lost >= 0":                   checkers.Unknown, // true where it is known
		"writes.lost == 0":                   checkers.Unknown,
		"writes.lost > 0":                    checkers.Unknown,
		"writes.lost <= 0":                   checkers.Unknown,
		"linearizable":                       checkers.Unknown,
		"linearizable == false":              checkers.Unknown,
		"lag.p99 >= 0s":                      checkers.Unknown,
		"writes.lost < 0.45 * set.acked":     checkers.Unknown,
		"lag.p99 < 1s || writes.lost == 0":   checkers.Unknown,
		"errors.rate < 0.5 and set.lost < 9": checkers.Unknown,
	} {
		claim, err := ParseClaim(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, constant := claim.Constant(); got != want || constant != (want != checkers.Unknown) {
			t.Errorf("%s is %v whatever is measured (%t), want %v", text, got, constant, want)
		}
	}
}

// TestClaimsAgreeWithGo compares random conjunctions with Go's own arithmetic,
// and checks that making a value unknown never turns one answer into its opposite.
func TestClaimsAgreeWithGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Int64Range(-5, 5).Draw(t, "a")
		b := rapid.Int64Range(-5, 5).Draw(t, "b")
		k := rapid.Int64Range(0, 5).Draw(t, "k")
		op := rapid.SampledFrom([]string{"and", "or"}).Draw(t, "op")
		c, err := ParseClaim(fmt.Sprintf("a + %d <= b * 2 %s not (a == b)", k, op))
		if err != nil {
			t.Fatal(err)
		}
		want := a+k <= b*2 && a != b
		if op == "or" {
			want = a+k <= b*2 || a != b
		}
		values := map[string]checkers.Value{"a": resultstest.Known("a", float64(a)), "b": resultstest.Known("b", float64(b))}
		got, _ := c.Evaluate(values)
		if (got == checkers.True) != want || got == checkers.Unknown {
			t.Fatalf("%s with a=%d b=%d is %v", c, a, b, got)
		}
		values["a"] = checkers.Value{Name: "a"}
		if less, _ := c.Evaluate(values); less != checkers.Unknown && less != got {
			t.Fatalf("%s is %v, but %v without a", c, got, less)
		}
	})
}

func FuzzParseClaim(f *testing.F) {
	for _, seed := range []string{
		"writes.lost == 0", "a.b < 500ms and not (c or d)", "1 < x < 1.5s", `lag["n-1"].p99 > 3`, "((((", "a?.b", "#", "'", "\xff", "1..2",
		"let x = 1; x", "all(a, # > 1)", "a[1:2]", "5m", "9h9", "a.5s", "`", "/*", "not not true", "__ > 1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseClaim(text)
		if err != nil {
			var at *ClaimError
			if !errors.As(err, &at) || at.Column < 1 || at.Column > len([]rune(text))+1 || at.Message == "" {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		if answer, _ := c.Evaluate(nil); answer != checkers.Unknown && len(c.Facts()) == 0 {
			return // a claim over constants
		}
		values := map[string]checkers.Value{}
		for _, name := range c.Facts() {
			values[name] = resultstest.Known(name, 1)
		}
		c.Evaluate(values)
	})
}
