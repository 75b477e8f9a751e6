package kit

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/history"
)

const ms = int64(time.Millisecond)

func untrusted(begin, end int64, by string) history.Event {
	return history.Event{At: begin * ms, Until: end * ms, Kind: history.EventUntrusted, By: by, Detail: "did not run"}
}

func doubtsOf(events ...history.Event) *Doubts { return DoubtsOf(&history.Log{Events: events}) }

func TestSureTime(t *testing.T) {
	d := doubtsOf(untrusted(1000, 1100, ""), untrusted(3000, 6000, ""), untrusted(8000, 8200, "n2"))
	for _, tc := range []struct {
		name                   string
		begin, end, sure, free int64 // ms
	}{
		{"before", 0, 900, 900, 900},
		{"across a short stall", 500, 2000, 1300, 900},
		{"in a short stall", 1010, 1050, 0, 0},
		{"into a long stall", 2000, 7000, 1000, 1000},
		{"a short stall, then a long one", 500, 7000, 2300, 1900},
		{"from within a long stall", 4000, 7900, 0, 1900},
		{"after all", 9000, 9500, 500, 500},
		{"across a node that stood still", 7000, 9000, 1000, 1000},
	} {
		if got := d.Sure(tc.begin*ms, tc.end*ms) / ms; got != tc.sure {
			t.Errorf("%s: sure of %d ms, want %d", tc.name, got, tc.sure)
		}
		if got := d.LongestFree(tc.begin*ms, tc.end*ms) / ms; got != tc.free {
			t.Errorf("%s: %d ms without doubt at once, want %d", tc.name, got, tc.free)
		}
	}
	if within := d.Within(Stretch{1050 * ms, 3500 * ms}); within != 550*ms {
		t.Errorf("%d ms are in doubt", within/ms)
	}
	if why := d.Why(); !strings.HasPrefix(why, "the harness did not run for 3s at 3.000s; n2 did not run for 200ms at 8.000s") || !strings.Contains(why, "1 more time") {
		t.Errorf("why: %q", why)
	}
	if none := doubtsOf(); none.Any() || none.Touch(Beginning, Never) || none.Sure(3, 10) != 7 || none.LongestFree(3, 10) != 7 || none.Why() != "" {
		t.Error("without events there is doubt")
	}
	if joined := doubtsOf(untrusted(0, 300, ""), untrusted(200, 600, "")); joined.Sure(-100*ms, 700*ms) != 100*ms {
		t.Error("two short stalls that meet are a long one")
	}
}

func TestOperationsInDoubt(t *testing.T) {
	op := func(worker uint16, intended, start, end int64, outcome history.Outcome) *history.Op {
		return &history.Op{Worker: worker, Intended: intended * ms, Start: start * ms, End: end * ms, Outcome: outcome}
	}
	d := doubtsOf(untrusted(1000, 3000, ""), untrusted(5000, 5060, ""))
	for _, tc := range []struct {
		name    string
		op      *history.Op
		least   int64
		doubted bool
	}{
		{"before", op(0, 900, 900, 950, history.OK), 50, false},
		{"under way when it began", op(0, 990, 990, 3001, history.OK), 10, true},
		{"behind it, of the same client", op(0, 3000, 3001, 3002, history.OK), 1, true},
		{"behind it, in doubt by waiting alone", op(0, 3001, 3002, 3003, history.OK), 1, true},
		{"of another client at that time", op(1, 3001, 3002, 3003, history.OK), 2, false},
		{"of the same client, which did not wait", op(0, 3010, 3010, 3012, history.OK), 2, false},
		{"a time-out with a short stall in it", op(2, 4500, 4500, 5500, history.Unknown), 880, false},
		{"a refusal with a short stall in it", op(3, 4990, 4990, 5061, history.Fail), 0, true},
		{"behind a time-out with a short stall in it", op(2, 4600, 5500, 5501, history.OK), 781, true},
		{"the next one", op(2, 5100, 5501, 5502, history.OK), 282, true},
	} {
		least, doubted := d.Op(tc.op)
		if doubted != tc.doubted || least != tc.least*ms {
			t.Errorf("%s: in doubt %v, at least %d ms; want %v, %d", tc.name, doubted, least/ms, tc.doubted, tc.least)
		}
	}
}

// TestDoubtBoundsWhatHappened: a run's times, and the same run with doubts put in
// that lengthen them: the bounds of every percentile contain that of the run
// without.
func TestDoubtBoundsWhatHappened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var truth Distribution
		var seen Bounded
		draw := func(n string) int64 { return rapid.Int64Range(0, 1000).Draw(t, n) }
		for range rapid.IntRange(1, 40).Draw(t, "n") {
			x := draw("time")
			switch rapid.IntRange(0, 3).Draw(t, "how") {
			case 0: // a stall lengthened it
				truth.Record(x)
				lost := draw("lost")
				seen.Doubted.Record(x + lost)
				seen.Least.Record(max(x-lost, 0))
			case 1: // it was never sent; it would have taken longer than it waited
				truth.Record(x)
				seen.Waiting.RecordMany(min(x, draw("waited")), 1)
			case 2: // a stall made it fail
				truth.Record(x)
				seen.Failed.Record(x + draw("lost"))
			default:
				truth.Record(x)
				seen.Sure.Record(x)
			}
		}
		for _, percent := range []float64{50, 90, 99, 99.9, 100} {
			least, most := seen.bounds(percent)
			want := float64(truth.At(percent))
			if tolerance := 1 + want/500 + 1000; want < least-tolerance || want > most+tolerance {
				t.Fatalf("the %v percentile is %v, and the bounds are %v and %v", percent, want, least, most)
			}
		}
	})
}

// TestQuantilesInDoubt: the same of times that are kept one by one.
func TestQuantilesInDoubt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := doubtsOf(untrusted(10, 20, ""), untrusted(40, 1000, ""))
		var seen Times
		var truth []int64
		for range rapid.IntRange(1, 30).Draw(t, "n") {
			begin := rapid.Int64Range(0, 60).Draw(t, "begin") * ms
			end := begin + rapid.Int64Range(0, 60).Draw(t, "length")*ms
			seen.Add(end-begin, d, begin, end)
			truth = append(truth, rapid.Int64Range(min(d.Sure(begin, end), end-begin), end-begin).Draw(t, "truth"))
		}
		zeros, above := rapid.IntRange(0, 3).Draw(t, "zeros"), rapid.IntRange(0, 3).Draw(t, "above")
		slices.Sort(truth)
		for _, q := range []float64{0.5, 0.9, 1} {
			v := seen.Quantiles(zeros, above, d).Value("x", q, "", "")
			least, most := v.Bounds()
			if want := quantileOf(q, truth, zeros, above); v.Known && (want < least || want > most) {
				t.Fatalf("the %v-quantile is %v, and the bounds are %v and %v", q, want, least, most)
			} else if !v.Known && !math.IsInf(want, 1) && !math.IsInf(quantileOf(q, seen.Doubted, 0, above), 1) && above == 0 {
				t.Fatalf("the %v-quantile is %v, and it is unknown: %s", q, want, v.Why)
			}
		}
	})
}

// TestLongTimesAreNotCut: what lasts for days is told as it is.
func TestLongTimesAreNotCut(t *testing.T) {
	const hour = int64(3600e9)
	var d, all Distribution
	d.Record(ms)
	d.Record(55 * hour)
	all.Record(2 * ms)
	all.Merge(&d)
	if got := all.At(100); got != 55*hour {
		t.Errorf("the greatest is %d ns", got)
	}
	if got := all.At(99); float64(got) < 54.9*float64(hour) || got > 55*hour || all.Count() != 3 {
		t.Errorf("of %d the 99th percentile is %d ns", all.Count(), got)
	}
	d.Record(Never)
	if d.At(100) != Never || d.Count() != 3 {
		t.Errorf("of %d the greatest is %d", d.Count(), d.At(100))
	}
}

func TestDemand(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Name: "a", Type: "register"}, {Name: "lag", Type: "lag"}, {Name: "b", Type: "set"}}}}
	tell := func(name string, d *history.Demand) {
		log.Events = append(log.Events, history.Event{At: 900 * ms, Kind: history.EventDemand, Name: name, Demand: d})
	}
	tell("a", &history.Demand{Stop: 800 * ms, Asked: 10, Kinds: []string{"write"}, Unsent: []history.Unsent{{From: 100 * ms, Until: 200 * ms, Count: 3}, {Count: -7}, {From: 5, Until: 4, Count: math.MaxInt64}}})
	tell("lag", &history.Demand{Stop: 7, Asked: 99, Unsent: []history.Unsent{{Count: 1}}})
	tell("nobody", &history.Demand{Asked: 99})
	tell("b", nil)
	d := DemandOf(log)
	if d.Told || d.Asked != 10 || d.Stop != 800*ms || len(d.Unsent) != 2 || d.Unsent[1].Count != history.MaxUnsent || d.Closed {
		t.Errorf("got %+v", d)
	}
	u := &d.Unsent[0]
	if u.Op.Intended != 200*ms || u.Op.End != 900*ms || !u.May(history.Write) || !u.Must(history.Write) || u.May(history.Read) {
		t.Errorf("got %+v", u)
	}
	tell("b", &history.Demand{Closed: true})
	if d := DemandOf(log); !d.Told || !d.Closed {
		t.Errorf("got %+v", d)
	}
}
