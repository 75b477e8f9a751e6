package demand

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

const (
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

// TestWhoseDoingItIs: what a client waits for the system is not the harness's own,
// what it oversleeps is, with all that it puts off.
func TestWhoseDoingItIs(t *testing.T) {
	type step struct{ intended, sent, busy int64 }
	for name, tc := range map[string]struct {
		steps []step
		gap   int64
		late  int64 // of all steps, the harness's own that are late
		max   int64
	}{
		"in time": {[]step{{0, 0, 1 * ms}, {10 * ms, 10 * ms, ms}}, 0, 0, 0},
		"the system answers late, and the rest is sent at once": {[]step{{0, 0, sec}, {10 * ms, sec, ms}, {20 * ms, sec + ms, ms}}, 0, 0, 0},
		"the harness wakes late":                                {[]step{{0, 200 * ms, ms}}, 0, 1, 200 * ms},
		"and puts off what comes behind":                        {[]step{{0, 200 * ms, 5 * ms}, {10 * ms, 205 * ms, 5 * ms}, {20 * ms, 210 * ms, 5 * ms}}, 0, 3, 200 * ms},
		"the system answers late, and then the harness is slow": {[]step{{0, 0, sec}, {10 * ms, sec + 50*ms, ms}}, 0, 1, 50 * ms},
		"held back by the bound":                                {[]step{{0, 0, sec}, {10 * ms, sec, ms}, {20 * ms, sec + 5*ms, ms}, {30 * ms, sec + 10*ms, ms}}, 5 * ms, 0, 0},
		"longer than the bound holds it":                        {[]step{{0, 0, sec}, {10 * ms, sec, ms}, {20 * ms, sec + 35*ms, ms}}, 5 * ms, 1, 30 * ms},
	} {
		b := Backlog{Gap: func(int64) int64 { return tc.gap }}
		for _, s := range tc.steps {
			if Late(s.intended, s.sent) {
				b.Hold(s.intended)
			}
			b.Sent(s.intended, s.sent, true)
			b.Busy(s.busy)
		}
		if b.own.late != tc.late || b.own.max != tc.max {
			t.Errorf("%s: %d late by the harness's doing, at most %d; want %d, %d", name, b.own.late, b.own.max, tc.late, tc.max)
		}
	}
}

// TestBuckets hold each time, and an eighth above it at most.
func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.Int64Range(0, 1<<62).Draw(t, "ns")
		k := bucket(ns)
		if top := above(k); top <= ns || top-ns > ns/8+1 {
			t.Fatalf("%d is in bucket %d, which ends at %d", ns, k, top)
		}
	})
}

// TestNothingIsForgotten: what was sent, skipped and left is what was intended, and
// no entry goes across a cut or says more of a wait than is true.
func TestNothingIsForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const count = 4
		curve := pace.NewCurve([]pace.Phase{{Rate: 400, For: 5 * time.Second}, {Rate: 900, To: 50, For: 5 * time.Second}})
		w := Window{Start: 7 * sec, Measure: 8 * sec, Stop: 17 * sec, Grace: 19 * sec, Cuts: []int64{12 * sec}}
		workers := make([]Worker, count)
		var sent, skipped, asked, measured int64
		for i := range workers {
			p := curve.Constant(i, count)
			if rapid.Bool().Draw(t, "random") {
				p = curve.Poisson(count, uint64(i))
			}
			b := &Backlog{Skip: true}
			n := uint64(0)
			for range rapid.IntRange(0, 6).Draw(t, "stalls") {
				was := n
				go1 := uint64(rapid.IntRange(0, 200).Draw(t, "sent"))
				n += go1
				sent += int64(n - was)
				now := w.Start + p(n)
				if now > w.Stop {
					break
				}
				now += int64(rapid.IntRange(11, 3000).Draw(t, "stalled")) * ms
				if now >= w.Stop || !Late(w.Start+p(n), now) {
					continue
				}
				next := b.Drop(p, n, w.Start, now)
				skipped += int64(next - n)
				n = next
			}
			end := pace.Skip(p, 0, w.Stop-w.Start)
			if n > end {
				sent -= int64(n - end)
				n = end
			}
			workers[i] = Worker{p, n, b}
			asked += int64(end)
			measured += int64(end - pace.Skip(p, 0, w.Measure-w.Start))
		}
		over, d := Of([]history.Kind{history.Write}, workers, w)
		var left, given int64
		for _, u := range d.Unsent {
			if u.Count <= 0 || u.Until < u.From || u.Until >= w.Stop {
				t.Fatalf("%+v", u)
			}
			for _, cut := range []int64{w.Measure, w.Cuts[0]} {
				if u.From < cut && u.Until >= cut {
					t.Fatalf("%+v goes across %d", u, cut)
				}
			}
			if u.Skipped {
				given += u.Count
			} else {
				left += u.Count
			}
		}
		if given != skipped || sent+given+left != asked || d.Asked != measured {
			t.Fatalf("%d sent, %d of %d skipped, %d left: want %d, %d of them measured and not %d", sent, given, skipped, left, asked, measured, d.Asked)
		}
		if (over == w.Grace) != (left > 0) {
			t.Fatalf("over at %d with %d left", over, left)
		}
	})
}

func TestSkippedWaitedAtLeast(t *testing.T) {
	p := pace.NewCurve([]pace.Phase{{Rate: 100}}).Constant(0, 1)
	b := &Backlog{Skip: true}
	next := b.Drop(p, 100, 0, 3*sec) // intended from 1 s on
	if next != 299 {
		t.Fatalf("goes on with %d, want that of 2.99 s, which is just in time", next)
	}
	_, d := Of([]history.Kind{history.Write}, []Worker{{p, 1000, b}}, Window{Stop: 10 * sec, Grace: 11 * sec})
	for _, u := range d.Unsent {
		if !u.Skipped || u.Waited != 3*sec-u.Until {
			t.Errorf("%+v: want a wait of %d", u, 3*sec-u.Until)
		}
	}
	if len(d.Unsent) < 50 {
		t.Errorf("%d entries for two seconds of ten", len(d.Unsent))
	}
}
