package watch

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// The cases of this file are those that mutants of the checkers survived
// before they were here: `make mutants`.

func TestWatchCases(t *testing.T) {
	for _, tc := range []struct {
		name string
		want WatchState
		ops  []history.Op // in the order in which the watch takes them
	}{
		{"not in order of start", Ambiguous, []history.Op{write(1, 10, 20), write(2, 5, 30, by(1))}},
		{"at one start", Watching, []history.Op{write(1, 10, 20), write(2, 10, 30, by(1))}},
		{"written twice while it can be read", Ambiguous, []history.Op{write(1, 0, 10), write(1, 5, 20, by(1))}},
		{"written twice, the first outcome unknown", Ambiguous, []history.Op{write(1, 0, 10, unknown), write(1, 20, 30, by(1))}},
		{"written again while a read of it is under way", Ambiguous, []history.Op{
			write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 30, by(2)), read(2, 10, 12, by(1)), write(1, 20, 21, by(3))}},
		{"written again as that read ends", Ambiguous, []history.Op{
			write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 20, by(2)), read(2, 10, 12, by(1)), write(1, 20, 21, by(3))}},
		{"written again when that read has ended", Violated, []history.Op{
			write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 19, by(2)), read(2, 10, 12, by(1)), write(1, 20, 21, by(3))}},
		{"written again before the contradiction", Ambiguous, []history.Op{
			write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 30, by(2)), read(2, 5, 22, by(1)), write(3, 6, 7, by(3)),
			write(1, 20, 21, by(3)), read(1, 31, 32)}},
		{"written again, and then another value, before the contradiction", Ambiguous, []history.Op{
			write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 30, by(2)), read(2, 5, 22, by(1)), write(3, 6, 7, by(3)),
			write(1, 20, 21, by(3)), write(4, 21, 25), read(1, 31, 32)}},
		{"replaced twice, and written twice after that", Ambiguous, []history.Op{
			cas(1, 3, 0, 10), read(history.Nil, 1, 7, by(1)), cas(1, 2, 2, 9, by(2)), cas(history.Nil, 1, 8, 11, by(1)), cas(2, 1, 9, 12, by(3))}},
		{"replaced twice, and written once", Violated, []history.Op{
			cas(1, 3, 0, 10), read(history.Nil, 1, 7, by(1)), cas(1, 2, 2, 9, by(2)), cas(history.Nil, 1, 8, 11, by(1))}},
		{"written again under way of a compare-and-set whose value had been seen", Violated, []history.Op{
			write(1, 0, 1), read(2, 2, 6, by(2)), cas(1, 2, 3, 30, by(1)), read(1, 10, 12, by(3)), write(1, 15, 16)}},
		{"a read before the compare-and-set began that wrote its value", Violated, []history.Op{
			write(1, 0, 100), read(2, 1, 5, by(1)), cas(1, 2, 2, 60, by(2)), write(3, 10, 20, by(3)), read(2, 30, 40, by(1))}},
	} {
		k := NewWatch()
		for i := range tc.ops {
			k.Add(&tc.ops[i])
		}
		if got := k.Finish(); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
