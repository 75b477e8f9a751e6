package all

import (
	"math/rand/v2"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// TestDoubts: of a log without trusted times every duration and rate is unknown,
// with the reason, and no other fact is another; in memory and on disk alike.
func TestDoubts(t *testing.T) {
	units := map[string]checkers.Unit{}
	for _, f := range Facts() {
		units[f.Name] = f.Unit
	}
	const why = "line 7 tells no time"
	taken := 0
	for seed := range 6 {
		log := mixedLog(rand.New(rand.NewPCG(uint64(seed), 3)), seed)
		log.Meta.Nodes[0] = "n0.example.com" // whose dots divide no name of a fact
		want := Run(t.Context(), log, checkers.DefaultLimits)
		log.Doubts.Times = why
		on := stored(t, log)
		on.Doubts = log.Doubts
		for place, got := range map[string]checkers.Result{"memory": Run(t.Context(), log, checkers.DefaultLimits), "disk": passOver(t, on, plenty)} {
			if len(got.Values) != len(want.Values) || len(got.Latency)+len(got.Stale)+len(got.Staleness) > 0 {
				t.Fatalf("%s: %d values, want %d; %d rows of latencies", place, len(got.Values), len(want.Values), len(got.Latency))
			}
			for i, v := range got.Values {
				w := want.Values[i]
				unit := units[v.Name]
				if unit == "" {
					unit = map[bool]checkers.Unit{true: checkers.Nanos, false: checkers.Number}[w.Known && timedName(v.Name)]
				}
				switch timed := unit == checkers.Nanos || unit == checkers.PerSec; {
				case timed && v.Known, timed && w.Known && v.Why != why:
					t.Errorf("%s: %+v, though no times are trusted", place, v)
				case !timed && v != w:
					t.Errorf("%s: %+v, want %+v", place, v, w)
				case timed && w.Known:
					taken++
				}
			}
		}
	}
	if taken < 100 {
		t.Errorf("only %d durations were known", taken)
	}
}

// timedName tells a duration by a name that has a node's, a fault's or a kind's in
// it: those end in a measure of a duration.
func timedName(name string) bool {
	for _, f := range Facts() {
		if f.Unit == checkers.Nanos && len(f.Name) > 4 && f.Name[len(f.Name)-4:] == name[max(0, len(name)-4):] && f.Name != name {
			return true
		}
	}
	return false
}

// TestDoubtsOfBegins: where it is not known when operations began, what is found
// is at least so much, and that an order was kept is unknown.
func TestDoubtsOfBegins(t *testing.T) {
	log := mixedLog(rand.New(rand.NewPCG(4, 3)), 0)
	log.Doubts = history.Doubts{Begins: "nobody says", Times: "nobody says"}
	for _, v := range Run(t.Context(), log, checkers.DefaultLimits).Values {
		switch v.Name {
		case "linearizable":
			if v.Known && v.N != 0 {
				t.Errorf("%+v", v)
			}
		case "reads.stale", "reads.phantom", "set.stale", "reads.n1.stale":
			if v.Known && !v.AtLeast {
				t.Errorf("%+v, though not everything could be found", v)
			}
		case "writes.acked", "set.acked":
			if !v.Known || v.AtLeast {
				t.Errorf("%+v, though it is counted", v)
			}
		}
	}
}
