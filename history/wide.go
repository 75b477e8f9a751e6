package history

import (
	"math"
	"slices"
	"sort"

	"github.com/aftershock-chaos/aftershock/history/clocks"
)

// Span is how far off the times of a log's drivers may be at most: an instant of one was
// by so much earlier or later than the log says. 0: the harness drove it all itself, by
// the run's own clock.
func (l *Log) Span() int64 {
	return l.Meta.span(func(most, width int64) int64 { return max(most, width) })
}

// UsualSpan is how far off they are for most of the time, of the driver of which that is most.
func (l *Log) UsualSpan() int64 {
	most := int64(0)
	for _, d := range l.Meta.Drivers {
		one := make([]int64, 0, len(d.Clock))
		for _, w := range d.Clock {
			one = append(one, max(w.Early, w.Late))
		}
		if slices.Sort(one); len(one) > 0 {
			most = max(most, one[len(one)/2])
		}
	}
	return most
}

func (m *Meta) span(join func(a, b int64) int64) (most int64) {
	for _, d := range m.Drivers {
		for _, w := range d.Clock {
			most = join(most, max(w.Early, w.Late, 0))
		}
	}
	return most
}

// Widener gives operations the times between which they certainly were: from the
// earliest that they can have begun to the latest that they can have ended. What comes
// before something else by these times does so in truth, whoever did it.
type Widener struct {
	bounds []bounds
	of     [][]int16 // by workload and worker: whose it is; -1: the harness's
}

// bounds are those of one driver. True times never go back, and so neither do these.
type bounds struct {
	widths []clocks.Width
	floor  []int64 // by width: nothing in it or after it was earlier
	top    []int64 // by width: nothing in it or before it was later
}

// Widener is the log's; nil where no time is in doubt.
func (l *Log) Widener() *Widener {
	if l.Span() == 0 {
		return nil
	}
	w := &Widener{of: make([][]int16, len(l.Meta.Workloads))}
	for d := range l.Meta.Drivers {
		driver := &l.Meta.Drivers[d]
		w.bounds = append(w.bounds, boundsOf(driver.Clock))
		for i := range min(len(driver.Workers), len(w.of)) {
			from, to := max(driver.Workers[i][0], 0), min(driver.Workers[i][1], math.MaxUint16+1)
			for n := len(w.of[i]); n < to; n++ {
				w.of[i] = append(w.of[i], -1)
			}
			for n := from; n < to; n++ {
				w.of[i][n] = int16(d)
			}
		}
	}
	return w
}

func boundsOf(widths []clocks.Width) bounds {
	b := bounds{widths: widths, floor: make([]int64, len(widths)), top: make([]int64, len(widths))}
	floor, top := int64(math.MinInt64), int64(math.MaxInt64)
	for i, w := range widths {
		if i > 0 {
			floor = max(floor, w.From-widths[i-1].Early)
		}
		b.floor[i] = floor
	}
	for i := len(widths) - 1; i >= 0; i-- {
		if i+1 < len(widths) {
			top = min(top, widths[i+1].From+widths[i+1].Late)
		}
		b.top[i] = top
	}
	return b
}

// at is the width in force at a time.
func (b *bounds) at(t int64) int {
	return max(sort.Search(len(b.widths), func(i int) bool { return b.widths[i].From > t })-1, 0)
}

func (b *bounds) earliest(t int64) int64 {
	i := b.at(t)
	return max(t-b.widths[i].Early, min(b.floor[i], t))
}

func (b *bounds) latest(t int64) int64 {
	i := b.at(t)
	return min(t+b.widths[i].Late, max(b.top[i], t))
}

// Widen widens an operation.
func (w *Widener) Widen(op *Op) {
	if int(op.Workload) >= len(w.of) || op.Final() {
		return
	}
	of := w.of[op.Workload]
	if int(op.Worker) >= len(of) || of[op.Worker] < 0 {
		return
	}
	b := &w.bounds[of[op.Worker]]
	if len(b.widths) == 0 {
		return
	}
	op.Start, op.End = b.earliest(op.Start), b.latest(op.End)
	op.Intended = min(op.Intended, op.Start)
}

// Widened is the log as far as the order of its operations is certain: each lasts as
// long as it may have lasted (see Widener). Where no time is in doubt it is the log
// itself. origin has for each of its Ops the index in the log's; nil: the same.
func (l *Log) Widened() (wide *Log, origin []int32) {
	w := l.Widener()
	if w == nil {
		return l, nil
	}
	copied := *l
	ops := slices.Clone(l.Ops)
	for i := range ops {
		w.Widen(&ops[i])
	}
	origin = make([]int32, len(ops))
	for i := range origin {
		origin[i] = int32(i)
	}
	slices.SortStableFunc(origin, func(a, b int32) int { return Less(&ops[a], &ops[b]) })
	copied.Ops, copied.seen = make([]Op, len(ops)), make([]seen, len(ops))
	for i, from := range origin {
		copied.Ops[i] = ops[from]
		copied.seen[i] = seen{l.Ops[from].Start, l.Ops[from].End}
	}
	return &copied, origin
}

// seen are an operation's times as its driver saw them.
type seen struct{ start, end int64 }

// Seen are the times of an operation as who made it saw them: those of what one process
// did are in its order, also where the log is widened.
func (l *Log) Seen(op int32) (start, end int64) {
	if int(op) < len(l.seen) {
		return l.seen[op].start, l.seen[op].end
	}
	return l.Ops[op].Start, l.Ops[op].End
}

// Reorder hands operations on, widened, in the order of Less. They come in the order of
// the log.
type Reorder struct {
	w       *Widener
	span    int64
	yield   func(*Op)
	waiting []Op // a heap by Less, and by arrival where that does not tell
	arrived []uint64
	n       uint64
}

// Reorder begins a pass over the log; nil where no time is in doubt.
func (l *Log) Reorder(yield func(*Op)) *Reorder {
	w := l.Widener()
	if w == nil {
		return nil
	}
	return &Reorder{w: w, span: l.Span(), yield: yield}
}

// Add takes the next operation of the log.
func (r *Reorder) Add(op *Op) {
	line := op.Start - r.span // no later one begins before it
	for len(r.waiting) > 0 && r.waiting[0].Start < line {
		r.pop()
	}
	wide := *op
	r.w.Widen(&wide)
	r.waiting, r.arrived = append(r.waiting, wide), append(r.arrived, r.n)
	r.n++
	for i := len(r.waiting) - 1; i > 0 && r.less(i, (i-1)/2); i = (i - 1) / 2 {
		r.swap(i, (i-1)/2)
	}
}

// End hands on what is left.
func (r *Reorder) End() {
	for len(r.waiting) > 0 {
		r.pop()
	}
}

func (r *Reorder) pop() {
	last := len(r.waiting) - 1
	r.swap(0, last)
	op := r.waiting[last]
	r.waiting, r.arrived = r.waiting[:last], r.arrived[:last]
	for i := 0; ; {
		least := i
		for _, child := range [...]int{2*i + 1, 2*i + 2} {
			if child < last && r.less(child, least) {
				least = child
			}
		}
		if least == i {
			break
		}
		r.swap(i, least)
		i = least
	}
	r.yield(&op)
}

func (r *Reorder) less(a, b int) bool {
	c := Less(&r.waiting[a], &r.waiting[b])
	return c < 0 || c == 0 && r.arrived[a] < r.arrived[b]
}

func (r *Reorder) swap(a, b int) {
	r.waiting[a], r.waiting[b] = r.waiting[b], r.waiting[a]
	r.arrived[a], r.arrived[b] = r.arrived[b], r.arrived[a]
}
