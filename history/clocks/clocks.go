// Package clocks says where the readings of another clock lie on the run's own, and
// how far off that can be. It is pure.
//
// Whoever measures asks the other clock again and again and stamps the question and the
// answer (Cristian, "Probabilistic clock synchronization", 1989): the other clock was
// read some time between the two. What the offset was between two such looks is not
// seen. It is taken to lie between what it was at both, and what it became if either
// clock went on as around the one look until it met what it was around the other, give or
// take Drift. So a clock may run as fast or slow as it likes, and may step or change its
// rate, or both at once, as when a wrong one is set right, if some looks that are kept lie
// between two such changes. No offset is carried on, as a step would make it wrong.
package clocks

import (
	"math"
	"slices"
	"sort"
)

// Drift bounds how far two clocks run apart between two looks beyond what both show: the
// kernel steers a clock's rate by at most 500 parts in a million.
const Drift = 500e-6

// rounding is what whole nanoseconds take from bounds: of a reading of the other clock, of
// those of the looks, and of the line between them.
const rounding = 3

// window is the time in which one look counts, the narrowest, unless others contradict it.
const window = int64(250e6)

// Look is one look at the other clock.
type Look struct {
	Sent, Received int64 // on the run's clock
	Clock          int64 // what the other clock read some time between the two
}

// bounds are those of what has to be added to the other clock's readings.
func (l Look) bounds() interval { return interval{l.Sent - l.Clock, l.Received - l.Clock} }

type interval struct{ least, most int64 }

func (i interval) width() int64 { return i.most - i.least }

func (i interval) hull(o interval) interval {
	return interval{min(i.least, o.least), max(i.most, o.most)}
}

func (i interval) and(o interval) interval {
	return interval{max(i.least, o.least), min(i.most, o.most)}
}

func (i interval) empty() bool { return i.least > i.most }

func (i interval) middle() int64 { return i.least + i.width()/2 }

// widen adds what clocks may run apart in some time.
func (i interval) widen(time int64) interval {
	d := int64(math.Ceil(Drift * float64(max(time, 0))))
	return interval{i.least - d, i.most + d}
}

// Line takes readings of the other clock to the run's. It never goes back: what the
// other clock saw in some order keeps it. Where one offset fits all looks of a time, it
// is that offset, so that lengths of time stay what the other clock measured; elsewhere
// it goes evenly from one offset to the next.
type Line struct {
	points []point
	widths []Width
}

// point is where the line has a bend: from this reading of the other clock on.
type point struct{ clock, run int64 }

// Width bounds how far off the line is from a time on, until the next.
type Width struct {
	From  int64 `json:"from"`  // on the run's clock
	Early int64 `json:"early"` // by so much an instant may have been earlier than the line says
	Late  int64 `json:"late"`  // by so much later
}

// Of draws the line through looks. It is false if there is none.
func Of(looks []Look) (*Line, bool) {
	looks = kept(looks)
	if len(looks) == 0 {
		return nil, false
	}
	offsets := offsetsOf(looks)
	l := &Line{}
	for i, look := range looks {
		l.points = append(l.points, point{look.Clock, look.Clock + offsets[i]})
		width := Width{From: look.Clock + offsets[i]}
		within, least, most := look.bounds(), offsets[i], offsets[i]
		if i+1 < len(looks) {
			gap := looks[i+1].Received - look.Sent
			within = within.hull(gained(looks, i, -1, gap)).hull(looks[i+1].bounds()).hull(gained(looks, i+1, 1, -gap)).widen(gap)
			least, most = min(least, offsets[i+1]), max(most, offsets[i+1])
		} else {
			within = within.hull(gained(looks, i, -1, window)).widen(window)
		}
		width.Early, width.Late = max(most-within.least, 0)+rounding, max(within.most-least, 0)+rounding
		l.widths = append(l.widths, width)
	}
	l.widths[0].From = math.MinInt64
	return l, true
}

// around is from how many looks on one side the rate of the other clock is taken: the one
// that bounds it the closest.
const around = 3

// gained are the bounds of the offset some time after look i, or before it if the time is
// negative, if it changes as it did at the looks before i, or with a step of 1 at those
// after it. Where no one rate fits those, the change is there, and none is here; what is
// seen over less than half of that time tells no rate.
func gained(looks []Look, i, step int, time int64) interval {
	own := looks[i].bounds()
	least, most := math.Inf(-1), math.Inf(1) // of what the offset gains in a nanosecond
	for k := i + step; k >= 0 && k < len(looks) && max(k-i, i-k) <= around; k += step {
		first, last := looks[min(i, k)], looks[max(i, k)]
		a, b, length := first.bounds(), last.bounds(), float64(last.Sent-first.Received)
		if length < math.Abs(float64(time))/2 {
			continue
		}
		least = max(least, float64(b.least-a.most)/length)
		most = min(most, float64(b.most-a.least)/length)
	}
	if math.IsInf(least, 0) || least-most > 2*Drift {
		return own
	}
	x, y := least*float64(time), most*float64(time)
	return interval{own.least + int64(math.Floor(min(x, y))), own.most + int64(math.Ceil(max(x, y)))}
}

// offsetsOf chooses an offset for each look, within its bounds, and the same for as many
// looks in a row as there is one that fits.
func offsetsOf(looks []Look) []int64 {
	offsets := make([]int64, len(looks))
	for first := 0; first < len(looks); {
		common, next := looks[first].bounds(), first+1
		for ; next < len(looks); next++ {
			both := common.and(looks[next].bounds())
			if both.empty() {
				break
			}
			common = both
		}
		for i := first; i < next; i++ {
			offsets[i] = common.middle()
		}
		first = next
	}
	return offsets
}

// kept are the looks that count, in order: the narrowest of each window, and those that
// contradict what is kept around them.
func kept(looks []Look) []Look {
	looks = slices.Clone(looks)
	slices.SortFunc(looks, func(a, b Look) int {
		if a.Sent != b.Sent {
			return compare(a.Sent, b.Sent)
		}
		return compare(a.Received, b.Received)
	})
	var sound []Look // one after the other, on both clocks
	for _, l := range looks {
		if n := len(sound); l.Received < l.Sent || n > 0 && (l.Sent < sound[n-1].Received || l.Clock <= sound[n-1].Clock) {
			continue
		}
		sound = append(sound, l)
	}
	keep := make([]bool, len(sound))
	for first := 0; first < len(sound); {
		next := first + 1
		for next < len(sound) && sound[next].Sent-sound[first].Sent < window {
			next++
		}
		keep[narrowest(sound, first, next)], first = true, next
	}
	if n := len(sound); n > 0 { // what is between lies between looks
		keep[narrowest(sound, 0, min(atEnds, n))], keep[narrowest(sound, max(n-atEnds, 0), n)] = true, true
	}
	contradicts(sound, keep)
	forget(sound, keep)
	var all []Look
	for i, l := range sound {
		if keep[i] {
			all = append(all, l)
		}
	}
	return all
}

// atEnds is of how many looks the narrowest counts as the first, and as the last.
const atEnds = 5

// narrowest is the look of which the most is known, among some.
func narrowest(looks []Look, from, to int) int {
	best := from
	for i := from + 1; i < to; i++ {
		if looks[i].bounds().width() < looks[best].bounds().width() {
			best = i
		}
	}
	return best
}

// contradicts marks the looks that contradict those which are kept around them.
func contradicts(looks []Look, keep []bool) {
	last := -1
	mark := func(from, to int, around interval) {
		for i := from; i < to; i++ {
			keep[i] = around.and(looks[i].bounds()).empty()
		}
	}
	for i := range looks {
		switch own := looks[i].bounds(); {
		case !keep[i]:
			continue
		case last < 0:
			mark(0, i, own.widen(looks[i].Received-looks[0].Sent))
		default:
			mark(last+1, i, looks[last].bounds().hull(own).widen(looks[i].Received-looks[last].Sent))
		}
		last = i
	}
	if n := len(looks); last >= 0 {
		mark(last+1, n, looks[last].bounds().widen(looks[n-1].Received-looks[last].Sent))
	}
}

// gapMost is the longest time between two looks for the sake of which those between them,
// which took long, are forgotten.
const gapMost = 4 * window

// forget takes those out of the looks that are kept of which less is known than of what is
// around them, and which do not contradict that: all were slow for a time, as where a
// machine is busy.
func forget(looks []Look, keep []bool) {
	var all []int
	for i := range looks {
		if keep[i] {
			all = append(all, i)
		}
	}
	for dropped := true; dropped; {
		dropped = false
		for n := 1; n+1 < len(all); n++ {
			before, own, after := looks[all[n-1]], looks[all[n]].bounds(), looks[all[n+1]]
			around := before.bounds().hull(after.bounds()).widen(after.Received - before.Sent)
			if after.Received-before.Sent <= gapMost && around.width() < own.width() && !around.and(own).empty() {
				keep[all[n]], dropped = false, true
				all = slices.Delete(all, n, n+1)
				n--
			}
		}
	}
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Run is where a reading of the other clock lies on the run's, within Widths.
func (l *Line) Run(clock int64) int64 {
	i := sort.Search(len(l.points), func(i int) bool { return l.points[i].clock > clock }) - 1
	if i < 0 {
		return l.points[0].run + clock - l.points[0].clock
	}
	from := l.points[i]
	if i+1 == len(l.points) {
		return from.run + clock - from.clock
	}
	to := l.points[i+1]
	if to.run-from.run == to.clock-from.clock {
		return from.run + clock - from.clock
	}
	share := float64(clock-from.clock) / float64(to.clock-from.clock)
	return min(max(from.run+int64(share*float64(to.run-from.run)), from.run), to.run)
}

// Widths are how far off the line is, by time; neighbours that are alike are joined.
func (l *Line) Widths() []Width {
	var all []Width
	for _, w := range l.widths {
		if n := len(all); n > 0 && alike(all[n-1], w) {
			all[n-1].Early, all[n-1].Late = max(all[n-1].Early, w.Early), max(all[n-1].Late, w.Late)
			continue
		}
		all = append(all, w)
	}
	return all
}

// alike tells whether it hardly matters which of two widths is taken: so that a run of an
// hour has some hundred of them.
func alike(a, b Width) bool {
	const grain = int64(50e3)
	near := func(x, y int64) bool { return max(x, y)-min(x, y) <= max(grain, min(x, y)/8) }
	return near(a.Early, b.Early) && near(a.Late, b.Late)
}

// Uneven are the times, on the run's clock, in which lengths of time that the other clock
// measured are off by more than a share: it stepped, or ran too fast or too slow.
func (l *Line) Uneven(share float64) [][2]int64 {
	var all [][2]int64
	for i := 1; i < len(l.points); i++ {
		a, b := l.points[i-1], l.points[i]
		off := math.Abs(float64((b.run - a.run) - (b.clock - a.clock)))
		if off <= share*float64(b.clock-a.clock) {
			continue
		}
		if n := len(all); n > 0 && all[n-1][1] == a.run {
			all[n-1][1] = b.run
			continue
		}
		all = append(all, [2]int64{a.run, b.run})
	}
	return all
}
