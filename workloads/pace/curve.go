package pace

import "math"

// Stretch is a part of a load, in nanoseconds after its start.
type Stretch struct{ Begin, End int64 }

// Curve is the rate of a whole workload over time. It does not change, and may
// be used by many goroutines.
type Curve struct{ parts []part }

// part is one phase and where it is.
type part struct {
	Phase
	begin, end int64   // of time, in nanoseconds
	first      float64 // operations intended before it
	until      float64 // and before its end
}

// NewCurve makes a curve of phases one after the other. Their rates are none
// below 0, the amplitudes are at most the rates.
func NewCurve(phases []Phase) *Curve {
	c := &Curve{}
	for at, n := int64(0), 0.0; len(phases) > 0; phases = phases[1:] {
		p := part{Phase: phases[0], begin: at, end: math.MaxInt64, first: n, until: n}
		if p.For > 0 {
			p.end = at + int64(p.For)
			p.until = n + p.within(p.For.Seconds())
		} else if p.Rate > 0 && p.Rate < Closed {
			p.until = math.Inf(1)
		}
		c.parts = append(c.parts, p)
		at, n = p.end, p.until
	}
	return c
}

// At is when x operations of the whole workload have been intended, so the
// time of operation x, from 0; math.MaxInt64 if it never comes to that. Each time
// is computed from its own number, so errors do not add up: at a constant rate
// it is exact to 1 ns for the first hundred days.
func (c *Curve) At(x float64) int64 {
	low, high := 0, len(c.parts) // the first part with x < until is in between
	for low < high {
		if middle := (low + high) / 2; x < c.parts[middle].until {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low == len(c.parts) {
		return math.MaxInt64
	}
	p := &c.parts[low]
	ns := p.reach(x - p.first)
	if ns >= float64(p.end-p.begin) {
		return p.end
	}
	return p.begin + int64(ns)
}

// Count is how many operations are intended before t nanoseconds.
func (c *Curve) Count(t int64) float64 {
	for i := range c.parts {
		if p := &c.parts[i]; t < p.end {
			return p.first + p.within(float64(max(t-p.begin, 0))/1e9)
		}
	}
	if n := len(c.parts); n > 0 {
		return c.parts[n-1].until
	}
	return 0
}

// Mean is the mean rate, in operations per second, of the phase that a time is
// in; 0 in a closed loop.
func (c *Curve) Mean(t int64) float64 {
	for i := range c.parts {
		p := &c.parts[i]
		switch {
		case t >= p.end && i < len(c.parts)-1:
		case p.Rate == Closed:
			return 0
		case p.For == 0:
			return p.Rate
		default:
			return (p.until - p.first) / p.For.Seconds()
		}
	}
	return 0
}

// Closed are the stretches in which the load is a closed loop.
func (c *Curve) Closed() []Stretch {
	var all []Stretch
	for i := range c.parts {
		if p := &c.parts[i]; p.Rate == Closed {
			all = append(all, Stretch{p.begin, p.end})
		}
	}
	return all
}

// Constant is the pacer of worker i of so many: it gets the operations i,
// i+workers, i+2·workers, … of the curve's one schedule.
func (c *Curve) Constant(i, workers int) Pacer {
	of, first := float64(workers), float64(i)
	return func(n uint64) int64 { return c.At(float64(n)*of + first) }
}

// Every is the pacer of one worker that acts every gap nanoseconds.
func Every(gap int64) Pacer {
	last := uint64(math.MaxInt64 / gap)
	return func(n uint64) int64 {
		if n > last {
			return math.MaxInt64
		}
		return int64(n) * gap
	}
}

// Later is so long after a time, which may be never.
func Later(start, ns int64) int64 {
	if ns > math.MaxInt64-start {
		return math.MaxInt64
	}
	return start + ns
}

// Skip is the number of the first operation from n on that p intends at or
// after now: what a worker does next that leaves out the operations it missed.
func Skip(p Pacer, n uint64, now int64) uint64 {
	if p(n) >= now {
		return n
	}
	step := uint64(1)
	for p(n+step) < now {
		n += step
		step *= 2
	}
	low, high := n, n+step // p(low) < now <= p(high)
	for high-low > 1 {
		middle := low + (high-low)/2
		if p(middle) < now {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}
