package clocks

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const ms = int64(1e6)

// world is another clock with the truth of it: at which times of the run's clock it reads
// what, as a line through these points.
type world struct{ run, clock []int64 }

func (w *world) read(at int64) int64 {
	for i := 1; i < len(w.run); i++ {
		if at <= w.run[i] {
			share := float64(at-w.run[i-1]) / float64(w.run[i]-w.run[i-1])
			return w.clock[i-1] + int64(share*float64(w.clock[i]-w.clock[i-1]))
		}
	}
	return w.clock[len(w.clock)-1]
}

// drawWorld draws a clock that runs up to 1 % wrong and steps now and then, at most once
// between two looks that are kept.
func drawWorld(t *rapid.T, length int64) *world {
	w := &world{run: []int64{0}, clock: []int64{rapid.Int64Range(0, 1e12).Draw(t, "begin")}}
	for w.run[len(w.run)-1] < length {
		n := len(w.run) - 1
		d := rapid.Int64Range(1000, 3000).Draw(t, "stretch") * ms
		rate := 1 + float64(rapid.Int64Range(-10000, 10000).Draw(t, "ppm"))/1e6
		w.run, w.clock = append(w.run, w.run[n]+d), append(w.clock, w.clock[n]+int64(float64(d)*rate))
		if rapid.Bool().Draw(t, "step") {
			w.run = append(w.run, w.run[n+1]+1)
			w.clock = append(w.clock, w.clock[n+1]+rapid.Int64Range(0, 200).Draw(t, "by")*ms+1)
		}
	}
	return w
}

func drawLooks(t *rapid.T, w *world, length int64) []Look {
	var looks []Look
	for at := int64(0); at < length; {
		there, back := rapid.Int64Range(1e4, 3e5).Draw(t, "there"), rapid.Int64Range(1e4, 3e5).Draw(t, "back")
		if rapid.IntRange(0, 9).Draw(t, "slow") == 0 {
			there += 20 * ms
		}
		looks = append(looks, Look{Sent: at, Received: at + there + back, Clock: w.read(at + there)})
		at += there + back + 40*ms
	}
	return looks
}

// TestLineIsWithinItsWidths: whatever the other clock does, the truth is within the
// widths, the order of its readings is kept, and where nothing contradicts one offset
// lengths are what it measured.
func TestLineIsWithinItsWidths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const length = 8e9
		w := drawWorld(t, length)
		looks := drawLooks(t, w, length)
		begin, end := looks[atEnds].Received, looks[len(looks)-1-atEnds].Sent // between looks that are kept
		line, ok := Of(looks)
		if !ok {
			t.Fatal("no line")
		}
		widths := line.Widths()
		before := line.Run(w.read(0))
		for range 200 {
			at := rapid.Int64Range(begin, end).Draw(t, "at")
			said := line.Run(w.read(at))
			i, _ := slices.BinarySearchFunc(widths, said, func(w Width, at int64) int { return compare(w.From, at+1) })
			by := widths[max(i-1, 0)]
			if at < said-by.Early || at > said+by.Late {
				t.Fatalf("at %d the line says %d, and the width is %+v", at, said, by)
			}
		}
		for at := int64(0); at < end; at += 7 * ms {
			said := line.Run(w.read(at))
			if said < before {
				t.Fatalf("the line goes back, from %d to %d", before, said)
			}
			before = said
		}
	})
}

// steady are looks at a clock that is 7 s ahead, with a round trip of 200 µs.
func steady(n int, shift func(at int64) int64) []Look {
	var looks []Look
	for i := range int64(n) {
		at := i * 50 * ms
		looks = append(looks, Look{Sent: at, Received: at + 200_000, Clock: at + 100_000 + 7000*ms + shift(at+100_000)})
	}
	return looks
}

func worst(l *Line) (most int64) {
	for _, w := range l.Widths() {
		most = max(most, w.Early, w.Late)
	}
	return most
}

func TestASteadyClockHasOneOffset(t *testing.T) {
	line, _ := Of(steady(400, func(int64) int64 { return 0 }))
	if got := line.Run(9000*ms) - line.Run(8000*ms); got != 1000*ms {
		t.Errorf("a second is %d ns long", got)
	}
	if at := line.Run(7000*ms + 5000*ms); at < 4999*ms || at > 5001*ms {
		t.Errorf("5 s are %d", at)
	}
	if w := worst(line); w < 100_000 || w > 500_000 {
		t.Errorf("the width is %d ns", w)
	}
	if n := len(line.Widths()); n > 6 {
		t.Errorf("%d widths of a steady clock", n)
	}
	if len(line.Uneven(0.01)) != 0 {
		t.Error("a steady clock is said to be uneven")
	}
}

func TestAStepMakesItWide(t *testing.T) {
	for _, by := range []int64{50 * ms, -30 * ms} {
		line, _ := Of(steady(400, func(at int64) int64 {
			if at > 10_010*ms {
				return by
			}
			return 0
		}))
		step := max(by, -by)
		if w := worst(line); w < step-ms || w > step+ms {
			t.Errorf("step of %d ms: the width is %d ns", by/ms, w)
		}
		wide := int64(0)
		ws := line.Widths()
		for i, w := range ws {
			if w.Early+w.Late > step/2 && i+1 < len(ws) {
				wide += ws[i+1].From - w.From
			}
		}
		if wide <= 0 || wide > 1000*ms {
			t.Errorf("step of %d ms: it is wide for %d ms", by/ms, wide/ms)
		}
		if u := line.Uneven(0.01); len(u) != 1 || u[0][0] > 10_010*ms || u[0][1] < 10_010*ms {
			t.Errorf("step of %d ms: uneven at %v", by/ms, u)
		}
	}
}

func TestADriftMakesItWider(t *testing.T) {
	straight, _ := Of(steady(400, func(int64) int64 { return 0 }))
	drifting, _ := Of(steady(400, func(at int64) int64 { return at / 1000 }))
	if a, b := worst(straight), worst(drifting); b < a+200_000 || b > a+2*ms {
		t.Errorf("the width is %d ns, and %d ns of a clock that drifts by 1 ms/s", a, b)
	}
	if at := drifting.Run(7000*ms + 15_015*ms); at < 14_998*ms || at > 15_002*ms {
		t.Errorf("15 s are %d", at)
	}
}

// TestASlowLookIsForgotten: one that took long tells little, wherever it is.
func TestASlowLookIsForgotten(t *testing.T) {
	looks := steady(40, func(int64) int64 { return 0 })
	for _, i := range []int{0, 7, 39} {
		looks[i].Sent -= 20 * ms
		line, _ := Of(looks)
		if w := worst(line); w > 500_000 {
			t.Errorf("look %d makes the width %d ns", i, w)
		}
		looks[i].Sent += 20 * ms
	}
}

// TestABusyTime: where all looks took long for a time, those around it count.
func TestABusyTime(t *testing.T) {
	looks := steady(400, func(int64) int64 { return 0 })
	busy := slices.DeleteFunc(slices.Clone(looks), func(l Look) bool { return 5000*ms < l.Sent && l.Sent < 5600*ms })
	for at := 5010 * ms; at < 5500*ms; at += 100 * ms {
		busy = append(busy, Look{Sent: at, Received: at + 95*ms, Clock: at + 10*ms + 7000*ms})
	}
	line, _ := Of(busy)
	if w := worst(line); w > 800_000 {
		t.Errorf("the width is %d ns", w)
	}
}

func TestWhatIsNoLook(t *testing.T) {
	if _, ok := Of(nil); ok {
		t.Error("there is a line without looks")
	}
	if _, ok := Of([]Look{{Sent: 5, Received: 3}}); ok {
		t.Error("an answer came before the question")
	}
	line, ok := Of([]Look{{Sent: 10, Received: 20, Clock: 100}, {Sent: 15, Received: 30, Clock: 50}, {Sent: 40, Received: 50, Clock: 90}})
	if !ok || line.Run(100) != 15 {
		t.Errorf("looks that go back count: %v %+v", ok, line)
	}
}
