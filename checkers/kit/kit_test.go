package kit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
)

// The tests of what several checkers share.

func TestFenwickCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 60))
	for size := range 20 {
		tree, numbers := make(Fenwick, size+2), []int{}
		for range 2 * size {
			x := r.IntN(size + 1)
			tree.Add(x)
			numbers = append(numbers, x)
		}
		for bound := range size + 2 {
			want := 0
			for _, x := range numbers {
				if x < bound {
					want++
				}
			}
			if got := tree.Below(bound); got != want {
				t.Errorf("%d of %v are below %d, want %d", got, numbers, bound, want)
			}
		}
	}
}

func TestSpanIsBounded(t *testing.T) {
	for _, tc := range []struct{ a, b, want int64 }{{7, 3, 4}, {3, 7, -4}, {3, 3, 0}, {5, Never, 5 - Never}, {Never, Beginning, Never}, {Beginning, Never, Beginning}, {Beginning, Beginning, 0}} {
		if got := Span(tc.a, tc.b); got != tc.want {
			t.Errorf("from %d to %d: %d, want %d", tc.b, tc.a, got, tc.want)
		}
	}
}

func TestTopFindingsAreKept(t *testing.T) {
	s := NewTopFindings(3)
	written := 0
	for i, rank := range []int64{5, 1, 7, 5, 5, 9} {
		s.Class(checkers.Phantom).Offer(rank, func() checkers.Finding { written++; return checkers.Finding{Text: fmt.Sprint(rank, " of ", i)} })
	}
	if one := s.Class(checkers.Phantom); one.Wants(5) || !one.Wants(6) || len(one.kept) != 3 {
		t.Errorf("a full class wants what it would not keep: %v", one.kept)
	}
	s.Write(NewGate(10))
	var told []string
	for _, f := range s.Findings(checkers.Phantom, checkers.StaleSet) {
		told = append(told, f.Text)
	}
	if want := []string{"9 of 5", "7 of 2", "5 of 0"}; !slices.Equal(told, want) || written != 3 {
		t.Errorf("got %v, %d written, want %v", told, written, want)
	}
	nothing := NewTopFindings(0)
	nothing.Merge(s)
	nothing.Class(checkers.Phantom).Offer(1, nil)
	if found := nothing.Findings(checkers.Phantom); len(found) > 0 {
		t.Errorf("a class of no room has %v", found)
	}
}
