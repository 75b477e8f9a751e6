package results

import (
	"testing"

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
		"writes.lost * 2 > 1":                checkers.Unknown,
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
