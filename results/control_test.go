package results

import (
	"testing"
	"time"
)

func TestControlWords(t *testing.T) {
	set := []Setting{{"target.options.fsync", "off"}, {"seed", "3"}}
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	one := []string{"writes.lost == 0"}
	for _, tc := range []struct {
		c    Control
		want string
	}{
		{Control{Set: set, Violates: one, Tries: 2, Violated: 1, Detail: "writes.lost = 69", Made: made}, "could fail: with target.options.fsync=off seed=3 writes.lost = 69 (1 of 2 runs)"},
		{Control{Violates: one, Tries: 1, Violated: 1, Detail: "writes.lost = 69", Made: made, Kept: true}, "could fail: with the same values writes.lost = 69 (1 of 1 run on 2026-01-02)"},
		{Control{Set: set[1:], Violates: one, Tries: 3, Detail: "writes.lost = 0"}, "0 of 3 runs with seed=3 violated writes.lost == 0; the last: writes.lost = 0"},
		{Control{Violates: one, Why: "its control was not made"}, "nothing shows that it could fail: its control was not made"},
	} {
		if got := tc.c.Words(); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}

// A plan that could not be made to fail does not hold; one that was violated is.
func TestAControlThatIsNotViolatedMakesAPassUnknown(t *testing.T) {
	for _, tc := range []struct {
		control *Control
		claim   string
		want    Answer
	}{
		{nil, "writes.lost > 0", Holds},
		{&Control{Why: "its control was not made"}, "writes.lost > 0", Holds},
		{&Control{Tries: 2, Violated: 1}, "writes.lost > 0", Holds},
		{&Control{Tries: 3}, "writes.lost > 0", Unproven},
		{&Control{Tries: 3}, "writes.lost > 1000000", Violated},
	} {
		in := holding()
		in.Claims, in.Control = []string{tc.claim}, tc.control
		v := Judge(in)
		if v.Verdict != tc.want || v.Control != tc.control {
			t.Errorf("%s with %+v: %s, want %s", tc.claim, tc.control, v.Verdict, tc.want)
		}
	}
}
