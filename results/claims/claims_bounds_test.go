package claims

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers"
)

// A count that is only a lower bound proves that a limit was passed, and never
// that it was kept.
func TestClaimsOverLowerBounds(t *testing.T) {
	values := map[string]checkers.Value{
		"writes.lost":  {Name: "writes.lost", N: 3, Known: true, AtLeast: true},
		"writes.acked": {Name: "writes.acked", N: 10, Known: true},
	}
	for claim, want := range map[string]checkers.Truth{
		"writes.lost == 0":                   checkers.False,
		"writes.lost == 3":                   checkers.Unknown,
		"writes.lost != 0":                   checkers.True,
		"writes.lost != 5":                   checkers.Unknown,
		"writes.lost > 2":                    checkers.True,
		"writes.lost > 3":                    checkers.Unknown,
		"writes.lost >= 3":                   checkers.True,
		"writes.lost <= 5":                   checkers.Unknown,
		"writes.lost <= 2":                   checkers.False,
		"writes.lost < 3":                    checkers.False,
		"writes.lost < 4":                    checkers.Unknown,
		"not (writes.lost < 3)":              checkers.True,
		"5 > writes.lost":                    checkers.Unknown,
		"2 > writes.lost":                    checkers.False,
		"-writes.lost < -2":                  checkers.True,
		"writes.lost + 1 > 3":                checkers.True,
		"writes.lost - writes.acked < 0":     checkers.Unknown,
		"writes.lost * 2 > 1":                checkers.True,
		"writes.lost / writes.acked < 1":     checkers.Unknown,
		"writes.lost < 3 or writes.lost > 1": checkers.True,
	} {
		c, err := ParseClaim(claim)
		if err != nil {
			t.Fatal(err)
		}
		if got, detail := c.Evaluate(values); got != want {
			t.Errorf("%s is %d (%s), want %d", claim, got, detail, want)
		}
	}
}

// A claim over values of which only bounds are known never says more than it
// says of some values within the bounds.
func TestClaimsOverBoundsAreSound(t *testing.T) {
	texts := []string{
		"writes.lost == 0", "writes.lost != writes.acked", "writes.lost < writes.acked", "writes.lost * writes.acked <= 6",
		"writes.lost / writes.acked >= 2", "writes.lost - writes.acked > -1", "writes.lost % 2 == 0", "not (writes.lost > 1 and writes.acked > 1)",
		"-writes.lost + writes.acked == 2", "writes.lost / (writes.acked - 2) < 1 or writes.lost > 3",
	}
	parsed := make([]*Claim, len(texts))
	for i, text := range texts {
		c, err := ParseClaim(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed[i] = c
	}
	rapid.Check(t, func(t *rapid.T) {
		bounded, exact := map[string]checkers.Value{}, map[string]checkers.Value{}
		for _, name := range []string{"writes.lost", "writes.acked"} {
			n := rapid.IntRange(0, 5).Draw(t, "value")
			least := rapid.IntRange(0, n).Draw(t, "least")
			v := checkers.Value{Name: name, N: float64(least), Known: true, AtLeast: true}
			if most := rapid.IntRange(n, 8).Draw(t, "most"); most > 0 && most < 8 {
				v.AtMost = float64(most)
			}
			bounded[name], exact[name] = v, checkers.Value{Name: name, N: float64(n), Known: true}
		}
		for _, c := range parsed {
			got, _ := c.Evaluate(bounded)
			want, _ := c.Evaluate(exact)
			if got != checkers.Unknown && want != checkers.Unknown && got != want {
				t.Errorf("%s is %d of %v and %d of %v", c, got, bounded, want, exact)
			}
		}
	})
}
